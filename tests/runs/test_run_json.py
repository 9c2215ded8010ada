import hashlib
import json
import platform
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
import transformers

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.runs.run_json import (
    RunFacts,
    TableFacts,
    read_run,
    table_facts,
    versions,
)

RUN = {
    "base_model": "a/b", "labels": ["差", "好"], "positive_label": "好", "max_length": 64, "truncation": "head_tail",
    "columns": {"text": "text", "text_pair": None, "label": "label"},
}  # fmt: skip


def test_the_versions_are_those_that_the_packages_say_of_themselves():
    found = versions()
    assert found["python"] == platform.python_version()
    assert {name: found[name] for name in ("transformers", "numpy", "pandas", "scikit-learn")} == {
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scikit-learn": sklearn.__version__,
    }
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "missing" not in found.values()


def test_the_run_of_a_model_directory_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN, ensure_ascii=False), encoding="utf-8")
    assert read_run(tmp_path).as_json() == RUN | {"options": {}, "data": {}}


def test_the_facts_of_a_run_are_the_same_when_they_are_written_and_read_again():
    content = {
        "precision": "fp32", "device": "cpu", "processes": 2, **RUN, "options": {"epochs": 3},
        "data": {"train": {"file": "t.csv", "rows": 4, "sha256": "aa", "tokens": "bb"}}, "findings": [],
        "padding_share": 0.0, "baselines": {}, "metrics": {"step": 3}, "train_seconds": 0.0,
        "real_tokens_per_second": 1.5, "versions": {"python": "3"},
    }  # fmt: skip
    order = [
        "precision", "device", "processes", "base_model", "labels", "positive_label", "columns", "max_length",
        "truncation", "options", "data", "findings", "padding_share", "baselines", "metrics", "train_seconds",
        "real_tokens_per_second", "versions",
    ]  # fmt: skip
    again = RunFacts.from_json(content).as_json()
    assert again == content
    assert list(again) == order


def test_the_facts_of_a_table_that_are_no_object_are_refused(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN | {"data": {"train": "t.csv"}}), encoding="utf-8")
    with pytest.raises(UserError, match="its data is not what main.py writes"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "it has no run.json"),
        ("missing", "there is no such directory"),
        ("file", "there is no such directory"),
    ],
)
def test_a_directory_that_is_no_model_is_refused_with_the_command_that_makes_one(tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        read_run(tmp_path / name)
    assert str(caught.value) == f"--model_dir {tmp_path / name}: {reason}; python main.py writes a model directory"


@pytest.mark.parametrize("content", [b"", b'{"labels": ["a"', b"\xff\xfe\x00", b"[]", b'"text"', b"null", b"{}"])
def test_a_run_json_that_is_damaged_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json"):
        read_run(tmp_path)


def test_a_run_json_that_cannot_be_opened_is_an_error_that_names_it(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        read_run(tmp_path)


def test_the_facts_of_a_table_are_its_file_its_rows_and_its_fingerprint(tmp_path):
    tables = {}
    for name, rows in (("train", 3), ("valid", 1)):
        path = tmp_path / f"{name}.csv"
        path.write_text("text,label\n" + "a,1\n" * rows, encoding="utf-8")
        tables[name] = SimpleNamespace(path=path, frame=pd.read_csv(path), sha256=fingerprint(path), held_out=None)
        path.unlink()  # what counts is what was read
    assert table_facts(tables, {}) == {
        name: TableFacts(
            file=str(tmp_path / f"{name}.csv"),
            rows=rows,
            sha256=hashlib.sha256(b"text,label\n" + b"a,1\n" * rows).hexdigest(),
        )
        for name, rows in (("train", 3), ("valid", 1))
    }


def test_the_facts_of_a_table_change_with_its_tokens_and_labels(tmp_path):
    table = SimpleNamespace(
        path=tmp_path / "t.csv", frame=pd.DataFrame({"text": ["a", "b"]}), sha256="aa", held_out=None
    )
    ids, types, lengths, labels = torch.arange(6).reshape(2, 3), torch.zeros(2, 0), torch.tensor([3, 2]), torch.ones(2)
    tokens = [
        table_facts({"train": table}, {"train": torch.utils.data.TensorDataset(*tensors)})["train"].tokens
        for tensors in (
            (ids, types, lengths, labels), (ids + 0, types, lengths, labels), (ids.flip(0), types, lengths, labels),
            (ids, types, lengths.flip(0), labels), (ids, types, lengths, labels * 0),
        )
    ]  # fmt: skip
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 4
