"""Whatever --model names is found, or a line says what it is and what would make a model of it."""

import re
import shutil
from pathlib import Path

import pytest

from toolkit.base.errors import UserError
from toolkit.models.locate import resolve_model, split_revision
from toolkit.models.pretrained import load_config, load_tokenizer


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The current directory, with models/my-bart, output/bert_classifier and a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for folder in ("models/my-bart", "output/bert_classifier"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "gone").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "./nowhere", "../nowhere", ".", "..", "/no/such/place", "a/b/c", "nowhere/", "~/nowhere", "~nobody/nowhere",
        r"no\where", r".\nowhere", r"C:\nowhere", "C:/nowhere", "C:nowhere",
        "models/my-bert", "models/nothing-like-it", "output/bert_classifer", "notes.txt/bert", "notes.txt", "gone",
        "gone/bert",
    ],
)  # fmt: skip
def test_a_path_that_is_not_a_model_is_not_taken_for_a_hub_id(name, here):
    with pytest.raises(UserError, match=rf"--model {re.escape(name)}: (there is no such|this is not a|the) directory"):
        resolve_model(name)


@pytest.mark.parametrize(
    "name", ["bert-base-chinese", "hfl/chinese-bert-wwm", "model/my-bert", "Output2/bert_classifier", "a.b/c-d.e"]
)
def test_a_name_of_which_no_part_is_there_is_a_hub_id(name, here):
    assert resolve_model(name) == name


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models/my-bart", "models/my-bart"), ("models/my-bart/", "models/my-bart"), ("./models/my-bart", None),
        ("~/models/my-bart", None), ("models/../output/bert_classifier", None),
    ],
)  # fmt: skip
def test_a_directory_that_is_there_is_taken_however_it_is_written(name, path, here):
    assert Path(resolve_model(name)).samefile(here / (path or name.replace("~", ".")))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("models/my-bert", "models/my-bart"),
        ("output/bert_classifer", "output/bert_classifier"),
        ("./outptu/bert_classifier", "output"),
        ("ouput/bert_classifier/", "output"),
        (r"models\my-bart", "models/my-bart"),
        (r"models\my-bert", "models/my-bart"),
        ("~/models/my-bert", "{home}/models/my-bart"),
    ],
)
def test_a_directory_with_nearly_that_name_is_named(name, near, here):
    with pytest.raises(UserError, match=f"did you mean {near.format(home=here)}[?]$"):
        resolve_model(name)


def test_where_no_name_is_near_none_is_named(here):
    with pytest.raises(UserError) as caught:
        resolve_model("models/nothing-like-it")
    reason = "there is no such directory (models is here, so this is not taken for a hub id)"
    assert str(caught.value) == f"--model models/nothing-like-it: {reason}"
    with pytest.raises(UserError, match="--model ./nowhere: there is no such directory$"):
        resolve_model("./nowhere")


def test_a_directory_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="no config.json"):
        resolve_model(str(tmp_path))


# -- how the models of others lie in their directories -----------------------------------------------------------------


def snapshot(cache: Path, model: Path, revision: str) -> Path:
    """Lay a model out as a hub cache does: files in blobs/, and links to them in snapshots/<revision>/."""
    folder = cache / "snapshots" / revision
    folder.mkdir(parents=True)
    (cache / "blobs").mkdir(exist_ok=True)
    for path in model.iterdir():
        blob = cache / "blobs" / f"{revision}-{path.name}"
        shutil.copyfile(path, blob)
        (folder / path.name).symlink_to(Path("../../blobs", blob.name))
    return folder


def test_the_directory_of_a_hub_cache_stands_for_its_main_branch(english_bert, tmp_path):
    cache = tmp_path / "models--org--bert"
    first = snapshot(cache, english_bert, "1111")
    assert resolve_model(str(cache)) == str(first)
    second = snapshot(cache, english_bert, "2222")
    with pytest.raises(UserError, match=re.escape(f"several models; name one of them, such as {first}")):
        resolve_model(str(cache))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("2222")
    assert resolve_model(str(cache)) == str(second)
    assert load_config(str(second)).model_type == "bert"
    assert len(load_tokenizer(str(second))) == len(load_tokenizer(str(english_bert)))


def test_of_a_hub_cache_the_revision_with_weights_is_taken(english_bert, tmp_path):
    """As after a download of a model with pickled weights, whose conversion is another revision."""
    cache = tmp_path / "models--org--bert"
    main = snapshot(cache, english_bert, "1111")
    (main / "model.safetensors").unlink()
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("1111")
    assert resolve_model(str(cache)) == str(main)  # of which the weights that it lacks are told
    converted = snapshot(cache, english_bert, "2222")
    assert resolve_model(str(cache)) == str(converted)
    assert resolve_model(str(cache / "snapshots")) == str(converted)
    assert resolve_model(str(main)) == str(main)


def test_the_directory_of_a_whole_cache_names_the_models_in_it(english_bert, tmp_path):
    snapshot(tmp_path / "hub" / "models--hfl--rbt3", english_bert, "1111")
    shutil.copytree(english_bert, tmp_path / "modelscope" / "hub" / "models" / "hfl" / "rbt3")
    shutil.copytree(english_bert, tmp_path / "unpacked" / "rbt3")
    (tmp_path / "unpacked" / "rbt3" / "config.json").rename(tmp_path / "unpacked" / "rbt3" / "bert_config.json")
    for place, named in {
        "hub": "hub/models--hfl--rbt3",
        "modelscope/hub": "modelscope/hub/models/hfl/rbt3",
        "modelscope/hub/models": "modelscope/hub/models/hfl/rbt3",
        "modelscope/hub/models/hfl": "modelscope/hub/models/hfl/rbt3",
        "unpacked": "unpacked/rbt3",
    }.items():
        with pytest.raises(UserError, match=re.escape(f"did you mean {tmp_path / named}?")):
            resolve_model(str(tmp_path / place))


@pytest.mark.parametrize("inner", ["0_Transformer", "0_BERT", "bert_classifier"])
def test_a_model_is_found_in_the_directory_that_a_tool_puts_it_in(english_bert, tmp_path, inner):
    shutil.copytree(english_bert, tmp_path / "model" / inner)
    (tmp_path / "model" / "modules.json").write_text("[]")
    assert resolve_model(str(tmp_path / "model")) == str(tmp_path / "model" / inner)


def test_links_that_were_copied_without_their_files_are_told(english_bert, tmp_path):
    cache = tmp_path / "cache"
    copied = shutil.copytree(snapshot(cache, english_bert, "1"), tmp_path / "copied", symlinks=True)
    shutil.rmtree(cache)
    with pytest.raises(UserError, match=r"config.json is a link to a file that is not there: .* cp -rL$"):
        resolve_model(str(copied))


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        (["vocab.txt", "pytorch_model.bin"], ["copy bert_config.json", "convert pytorch_model.bin safely"]),
        (["pytorch_model.bin"], ["copy bert_config.json", "add its vocab.txt", "convert pytorch_model.bin safely"]),
        (["model.safetensors"], ["copy bert_config.json", "add its vocab.txt"]),
        ([], ["copy bert_config.json", "add its weights", "add its vocab.txt"]),
    ],
)
def test_the_files_of_an_original_bert_are_told_with_all_the_steps_at_once(tmp_path, files, steps):
    for name in ["bert_config.json", *files]:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="files of an original BERT") as caught:
        resolve_model(str(tmp_path))
    said = str(caught.value)
    assert re.findall(r"(\d)\. ", said) == [str(number) for number in range(1, len(steps) + 1)]
    for number, step in enumerate(steps, 1):
        assert re.search(rf"{number}\. [^;]*{re.escape(step)}", said)


@pytest.mark.parametrize("config", ["bert_config.json", "albert_config_tiny.json"])
def test_a_checkpoint_of_tensorflow_is_told_where_its_model_is_to_be_had(tmp_path, config):
    for name in (config, "vocab.txt", *(f"bert_model.ckpt.{end}" for end in ("index", "meta", "data-00000-of-00001"))):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="a checkpoint of TensorFlow, .* is bert-base-chinese.*docs/file-formats.md"):
        resolve_model(str(tmp_path))


def test_what_a_directory_without_a_configuration_has_is_named(english_bert, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    shutil.copyfile(english_bert / "model.safetensors", weights / "model.safetensors")
    with pytest.raises(UserError, match="has model.safetensors but no config.json; copy config.json and"):
        resolve_model(str(weights))
    shutil.copytree(english_bert, tmp_path / "models" / "english")
    with pytest.raises(UserError, match=re.escape(f"did you mean {tmp_path / 'models' / 'english'}?")):
        resolve_model(str(tmp_path / "models"))


# -- the hub -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "hub_id"),
    [
        ("https://huggingface.co/hfl/chinese-bert-wwm", "hfl/chinese-bert-wwm"),
        ("https://huggingface.co/hfl/chinese-bert-wwm/", "hfl/chinese-bert-wwm"),
        ("https://huggingface.co/hfl/chinese-bert-wwm?library=transformers#how", "hfl/chinese-bert-wwm"),
        ("https://hf-mirror.com/hfl/chinese-bert-wwm/tree/main", "hfl/chinese-bert-wwm@main"),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F1", "org/name@refs/pr/1"),
        ("https://huggingface.co/org/name/blob/main/config.json", "org/name"),
        ("http://huggingface.co/bert-base-chinese", "bert-base-chinese"),
        ("https://huggingface.co/bert-base-chinese/tree/v1", "bert-base-chinese@v1"),
    ],
)
def test_the_page_of_a_model_stands_for_it(address, hub_id):
    assert resolve_model(address) == hub_id


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/hfl/chinese-bert-wwm", "https://huggingface.co/", "https://huggingface.co/datasets/imdb",
        "https://huggingface.co.evil.example/org/name",
    ],
)  # fmt: skip
def test_another_page_is_refused(address):
    with pytest.raises(UserError, match="no page of a model"):
        resolve_model(address)


def test_a_hub_id_may_name_a_revision():
    assert resolve_model("org/name@v1.0") == "org/name@v1.0"
    assert split_revision("org/name@v1.0") == ("org/name", "v1.0")
    assert split_revision("org/name@refs/pr/3") == ("org/name", "refs/pr/3")
    assert split_revision("org/name") == ("org/name", "main")
