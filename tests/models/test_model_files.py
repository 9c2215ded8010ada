import json

import pytest

from toolkit.base.errors import UserError
from toolkit.models.model_files import ModelFiles


@pytest.mark.parametrize("name", ["run.json", "model.safetensors", "tokenizer.json", "config.json", "vocab.txt"])
def test_a_model_directory_of_which_a_file_is_replaced_is_another(tmp_path, name):
    for each in ("run.json", "model.safetensors", "tokenizer.json", "config.json", "README.md"):
        (tmp_path / each).write_text("old")
    files = ModelFiles.in_directory(tmp_path)
    (tmp_path / "README.md").write_text("a card says nothing to a model")
    (tmp_path / "run.json").write_text("old")
    files.check()
    (tmp_path / name).write_text("new")
    with pytest.raises(UserError, match="the model was replaced while it was read"):
        files.check()
    assert ModelFiles.in_directory(tmp_path).as_json() != files.as_json()
    assert json.loads(json.dumps(files.as_json())) == files.as_json()


def test_a_model_directory_that_is_missing_is_one_that_has_no_files(tmp_path):
    files = ModelFiles.in_directory(tmp_path / "none")
    files.check()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "run.json").write_text("{}")
    with pytest.raises(UserError, match="replaced"):
        files.check()
