import json
from pathlib import Path

import pytest

from tests.conftest import run_facts
from toolkit.base.errors import UserError
from toolkit.cli.sections import ColumnOptions
from toolkit.runs.averaged_runs import as_one_run, read_runs

NONE_NAMED = ColumnOptions(None, None, None)


def columns(text: str = "text", pair: str | None = None) -> dict:
    return {"text": text, "text_pair": pair, "label": "label"}


def written(folder: Path, **content) -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(run_facts(**content).as_json()), encoding="utf-8")
    return folder


def test_runs_with_the_same_labels_in_any_order_go_together(tmp_path):
    folders = [written(tmp_path / "a", labels=["x", "y", "z"]), written(tmp_path / "b", labels=["z", "x", "y"])]
    assert [run.labels for run in read_runs(folders, NONE_NAMED)] == [["x", "y", "z"], ["z", "x", "y"]]
    assert as_one_run(read_runs(folders, NONE_NAMED)).labels == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"labels": ["a", "c"]}, r"the labels of the first are 'a', 'b', those of the second 'a', 'c'$"),
        ({"labels": ["a", "b", "c"]}, r"the labels of the first are 'a', 'b', those of the second 'a', 'b', 'c'$"),
        ({"columns": columns() | {"label_separator": ";"}}, r"one gives a text one label, the other any number"),
        ({"columns": columns(pair="text_pair")}, r"the first was trained on single texts, the second on pairs of"),
        (
            {"columns": columns("review")},
            r"the first reads the column 'text', the second 'review'; --text_column names",
        ),
    ],
)
def test_those_that_do_not_are_refused_by_both_names(tmp_path, other, problem):
    folders = [written(tmp_path / "a"), written(tmp_path / "b", **other)]
    with pytest.raises(UserError, match=rf"^--model_dir: .*/a and .*/b cannot be averaged: {problem}"):
        read_runs(folders, NONE_NAMED)


def test_an_option_settles_which_column_all_of_them_read(tmp_path):
    folders = [written(tmp_path / "a"), written(tmp_path / "b", columns=columns("review"))]
    assert len(read_runs(folders, ColumnOptions("body", None, None))) == 2
    pairs = [written(tmp_path / name, columns=columns("one", pair)) for name, pair in (("c", "two"), ("d", "three"))]
    with pytest.raises(UserError, match=r"reads the column 'two', the second 'three'; --pair_column names"):
        read_runs(pairs, NONE_NAMED)
    assert len(read_runs(pairs, ColumnOptions(None, "two", None))) == 2


def test_one_directory_is_not_named_twice(tmp_path):
    folder = written(tmp_path / "a")
    with pytest.raises(UserError, match=r"--model_dir names .*/b/\.\./a twice"):
        read_runs([folder, written(tmp_path / "b") / ".." / "a"], NONE_NAMED)


def test_a_single_run_is_itself():
    run = run_facts(metrics={"accuracy": 0.9, "threshold": 0.3})
    assert as_one_run([run]) is run


def test_several_as_one_have_nothing_that_is_of_one_alone():
    data = {"train": {"file": "t.csv", "rows": 3, "sha256": "aa"}}
    one = run_facts(base_model="m", metrics={"accuracy": 0.9}, data=data, options={"map_labels": {"0": "a"}})
    two = run_facts(base_model="n", metrics={"accuracy": 0.8}, data=data, options={"map_labels": {"0": "b", "1": "b"}})
    both = as_one_run([one, two, one])
    assert (both.base_model, both.metrics, both.train_seconds) == ("m + n", {}, None)
    assert both.new_label_names == {"0": "a", "1": "b"}  # of the first, and what others add
    assert both.data["train"].sha256 == "aa"
    other = run_facts(data={"train": {"file": "u.csv", "rows": 3, "sha256": "bb"}})
    assert as_one_run([one, other]).data == {}  # there are no training rows that both have learned from
