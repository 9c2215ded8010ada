import io
import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from toolkit import checkpoint
from toolkit.compat import grad_scaler
from toolkit.console import Log
from toolkit.journal import Journal
from toolkit.rows import Rejected
from toolkit.run_files import RunFiles

ABOUT = {"options": {"epochs": 3}, "precision": "fp32", "data": {}}
BAD = {"train": SimpleNamespace(rejected=[]), "valid": SimpleNamespace(rejected=[
    Rejected("t.csv", "line", 4, "text is empty", {"text": "", "label": "差"})
])}  # fmt: skip
NO_BAD = {"train": SimpleNamespace(rejected=[])}
SCORES = {"loss": 0.5, "accuracy": 0.75, "macro_f1": 0.5}


def evaluated() -> Journal:
    journal = Journal()
    for step in (10, 20):
        journal.count([8.0] * 10, [np.full(16, 20)] * 10, 1.5)
        journal.note(SCORES | {"accuracy": step / 40}, "accuracy", 40, 1e-5)
    return journal


def parts() -> tuple:
    model = torch.nn.Linear(2, 2)
    return model, torch.optim.AdamW(model.parameters()), grad_scaler("cpu", enabled=False)


def names(folder) -> set[str]:
    """Return the files below a folder, the lock left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix() for path in files}


@contextmanager
def opened(folder, log: Log, tables: dict, about: dict | None):
    """A run directory in which a run has begun, or is gone on with."""
    with RunFiles(folder, writes=True) as files:
        files.open(log, tables, about)
        yield files


def test_a_process_that_is_not_to_write_leaves_nothing_and_removes_nothing(tmp_path):
    stream = io.StringIO()
    log = Log(stream)
    for folder in (tmp_path / "new", tmp_path / "old"):
        files = RunFiles(folder, writes=False)
        with files:
            for about in (ABOUT, None):
                files.open(log, BAD, about)
            log("a line")
            files.save(parts(), evaluated(), ABOUT)
            files.write_history(evaluated())
            files.draw(evaluated(), "accuracy")
        assert list(tmp_path.iterdir()) == ([] if folder.name == "new" else [folder])
        (tmp_path / "old" / "checkpoint").mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / "checkpoint" / "state.json").write_text("{}")
        (tmp_path / "old" / "metrics.jsonl").write_text("old")
    assert names(tmp_path) == {"old/checkpoint/state.json", "old/metrics.jsonl"}
    assert (tmp_path / "old" / "metrics.jsonl").read_text() == "old"
    assert stream.getvalue() == "a line\na line\n"


def test_opening_makes_the_directory_with_its_log_and_the_rows_left_out(tmp_path):
    folder = tmp_path / "deep" / "in" / "run"
    log = Log(io.StringIO())
    log("said before there was a file")
    with opened(folder, log, BAD, ABOUT):
        log("said after")
    assert names(folder) == {"train.log", "rejected_rows.csv", "checkpoint/state.json"}
    assert (folder / "train.log").read_text(encoding="utf-8") == "said before there was a file\nsaid after\n"
    rejected = (folder / "rejected_rows.csv").read_text(encoding="utf-8").splitlines()
    assert rejected[0] == "file,line,reason,row"
    assert rejected[1].startswith("t.csv,4,text is empty,")
    assert "差" in rejected[1]


@pytest.fixture
def earlier(tmp_path):
    """The directory of an earlier run, with a file and a folder in it that are not of a run."""
    content = {
        "train.log": "old line\n", "metrics.jsonl": "old", "curves.png": "old", "rejected_rows.csv": "old",
        "checkpoint/state.json": "{}", "checkpoint/state-5.safetensors": "old", "bert_classifier/run.json": "{}",
        "bert_classifier/model.safetensors": "old", "test/metrics.json": "old", "test/report.html": "old",
        "notes.txt": "mine", "test/my_own.csv": "mine",
    }  # fmt: skip
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    checkpoint._write_state(tmp_path / "checkpoint", {"tensors": {"file": "state-5.safetensors"}})
    return tmp_path


def test_opening_anew_clears_an_earlier_run_and_nothing_else(earlier):
    log = Log(io.StringIO())
    log("new line")
    with opened(earlier, log, NO_BAD, ABOUT):
        assert names(earlier) == {"train.log", "notes.txt", "test/my_own.csv", "checkpoint/state.json"}
    assert json.loads((earlier / "checkpoint" / "state.json").read_text())["options"] == {"epochs": 3}
    assert (earlier / "train.log").read_text() == "new line\n"


def test_resuming_keeps_the_run_and_goes_on_with_its_log(earlier):
    before = names(earlier)
    log = Log(io.StringIO())
    log("new line")
    with opened(earlier, log, BAD, None):
        assert names(earlier) == before
    assert (earlier / "train.log").read_text() == "old line\nnew line\n"
    assert "text is empty" in (earlier / "rejected_rows.csv").read_text(encoding="utf-8")


def test_the_rows_left_out_of_an_earlier_run_do_not_stay_where_none_are(earlier):
    with opened(earlier, Log(io.StringIO()), NO_BAD, None):
        pass
    assert not (earlier / "rejected_rows.csv").exists()


def test_a_run_can_be_gone_on_with_from_its_beginning_and_from_its_last_save(tmp_path):
    state = tmp_path / "checkpoint" / "state.json"
    with opened(tmp_path, Log(io.StringIO()), NO_BAD, ABOUT) as files:
        begun = json.loads(state.read_text())
        assert (begun["tensors"], begun["journal"]["step"], begun["options"]) == (None, 0, {"epochs": 3})
        files.save(parts(), Journal(step=7), ABOUT)
    saved = json.loads(state.read_text())
    assert (saved["journal"]["step"], saved["options"]) == (7, {"epochs": 3})
    assert (state.parent / saved["tensors"]["file"]).is_file()


def test_the_history_is_a_json_object_for_each_evaluation_and_the_curves_are_a_picture(tmp_path):
    journal = evaluated()
    with opened(tmp_path, Log(io.StringIO()), NO_BAD, ABOUT) as files:
        for _ in range(2):  # replaced, not added to
            files.write_history(journal)
            lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            assert [json.loads(line) for line in lines] == journal.history
        assert [json.loads(line)["step"] for line in lines] == [10, 20]
        files.draw(journal, "accuracy")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG\r\n")
