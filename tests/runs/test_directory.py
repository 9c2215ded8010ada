import io
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.conftest import interrupted, run_facts
from toolkit.base.disk import DirectoryLock, filling, hidden_sibling
from toolkit.base.errors import UserError
from toolkit.base.torch_versions import grad_scaler
from toolkit.cli.console import Log
from toolkit.data.rows import Rejected
from toolkit.runs import checkpoint
from toolkit.runs.best_model import waiting_model
from toolkit.runs.checkpoint import TrainerState
from toolkit.runs.directory import RunDirectory
from toolkit.runs.progress import Progress
from toolkit.runs.run_json import RunFacts

FACTS = run_facts(options={"epochs": 3, "overwrite": True}, precision="fp32")
BAD = {"train": SimpleNamespace(rejected=[]), "valid": SimpleNamespace(rejected=[
    Rejected("t.csv", "line", 4, "text is empty", {"text": "", "label": "差"})
])}  # fmt: skip
NO_BAD = {"train": SimpleNamespace(rejected=[])}
SCORES = {"loss": 0.5, "accuracy": 0.75, "macro_f1": 0.5}


def evaluated() -> Progress:
    progress = Progress()
    for step in (10, 20):
        progress.count([8.0] * 10, [np.full(16, 20)] * 10, 1.5)
        progress.note(SCORES | {"accuracy": step / 40}, "accuracy", 40, 1e-5)
    return progress


def parts() -> TrainerState:
    model = torch.nn.Linear(2, 2)
    return TrainerState(model, torch.optim.AdamW(model.parameters()), grad_scaler("cpu", enabled=False))


def names(folder) -> set[str]:
    """Return the files below a folder, the lock left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix() for path in files}


@contextmanager
def opened(folder, log: Log, tables: dict, resume: bool = False, overwrite: bool = True):
    """A run directory in which a run has begun or is resumed."""
    with RunDirectory(folder, writes=True) as files:
        options = FACTS.options | {"overwrite": overwrite}
        files.open(log, tables, replace(FACTS, options=options), resume)
        yield files


def test_a_process_that_is_not_to_write_leaves_nothing_and_removes_nothing(tmp_path):
    stream = io.StringIO()
    log = Log(stream)
    for folder in (tmp_path / "new", tmp_path / "old"):
        files = RunDirectory(folder, writes=False)
        with files:
            for resume in (False, True):
                files.open(log, BAD, FACTS, resume)
            log("a line")
            files.save(parts(), evaluated(), FACTS)
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
    with opened(folder, log, BAD):
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
    tensors = checkpoint.TensorFile("state-5.safetensors", "aa")
    checkpoint._write_state(tmp_path / "checkpoint", checkpoint.SavedState(FACTS, Progress(step=5), tensors))
    return tmp_path


def test_opening_anew_clears_an_earlier_run_and_nothing_else(earlier):
    log = Log(io.StringIO())
    log("new line")
    with opened(earlier, log, NO_BAD):
        kept = {"bert_classifier/run.json", "bert_classifier/model.safetensors", "notes.txt", "test/my_own.csv"}
        assert names(earlier) == kept | {"train.log", "checkpoint/state.json"}
    assert json.loads((earlier / "checkpoint" / "state.json").read_text())["options"]["epochs"] == 3
    assert (earlier / "train.log").read_text() == "new line\n"


def test_resuming_keeps_the_run_and_goes_on_with_its_log(earlier):
    before = names(earlier)
    log = Log(io.StringIO())
    log("new line")
    with opened(earlier, log, BAD, resume=True):
        assert names(earlier) == before
    assert (earlier / "train.log").read_text() == "old line\nnew line\n"
    assert "text is empty" in (earlier / "rejected_rows.csv").read_text(encoding="utf-8")


def test_the_rows_left_out_of_an_earlier_run_do_not_stay_where_none_are(earlier):
    with opened(earlier, Log(io.StringIO()), NO_BAD, resume=True):
        pass
    assert not (earlier / "rejected_rows.csv").exists()


def test_a_run_can_be_resumed_from_its_beginning_and_from_its_last_save(tmp_path):
    state = tmp_path / "checkpoint" / "state.json"
    with opened(tmp_path, Log(io.StringIO()), NO_BAD) as files:
        begun = json.loads(state.read_text())
        assert (begun["tensors"], begun["progress"]["step"], begun["options"]) == (None, 0, FACTS.options)
        files.save(parts(), Progress(step=7), FACTS)
    saved = json.loads(state.read_text())
    assert (saved["progress"]["step"], saved["options"]) == (7, FACTS.options)
    assert (state.parent / saved["tensors"]["file"]).is_file()


def test_the_history_is_a_json_object_for_each_evaluation_and_the_curves_are_a_picture(tmp_path):
    progress = evaluated()
    with opened(tmp_path, Log(io.StringIO()), NO_BAD) as files:
        for _ in range(2):  # replaced, not added to
            files.write_history(progress)
            lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            assert [json.loads(line) for line in lines] == progress.history
        assert [json.loads(line)["step"] for line in lines] == [10, 20]
        files.draw(progress, "accuracy")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG\r\n")


# -- the model and the checkpoint -------------------------------------------------------------------------------------


def fill_model(folder, step: int) -> None:
    (folder / "run.json").write_text(json.dumps({"metrics": {"step": step}}))
    (folder / "model.safetensors").write_text(f"weights of step {step}")


def put_model(run, step: int, state: str = "") -> None:
    """Put a model in its place, or where it waits or is on its way out."""
    folder = hidden_sibling(run / "bert_classifier", state) if state else run / "bert_classifier"
    folder.mkdir(parents=True)
    fill_model(folder, step)


def found_model(run) -> str:
    return (run / "bert_classifier" / "model.safetensors").read_text()


def progress_of(best_step: int) -> Progress:
    return Progress(step=best_step, best_step=best_step, best_score=0.5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [0, 5])
def test_the_model_is_that_of_the_last_save_at_whatever_instant_a_save_ends(tmp_path, before, fails):
    run, seen = tmp_path / "run", set()

    def prepare() -> None:
        shutil.rmtree(run, ignore_errors=True)
        with opened(run, Log(io.StringIO()), NO_BAD) as files:
            if before:
                put_model(run, before)
                files.save(parts(), progress_of(before), FACTS)

    def save() -> None:
        files = RunDirectory(run, writes=True)
        with filling(files.paths.model_dir) as new:
            fill_model(new, 10)
        files.save(parts(), progress_of(10), FACTS)

    for _ in interrupted(save, prepare, fails):
        saved = checkpoint.saved_progress(run / "checkpoint").best_step
        with opened(run, Log(io.StringIO()), NO_BAD, resume=True):
            seen.add(saved)
        if saved:
            assert found_model(run) == f"weights of step {saved}"
        assert not (run / "bert_classifier").exists() or saved
        assert not list(run.rglob(".bert*"))
    assert seen == {before, 10}
    assert found_model(run) == "weights of step 10"


@pytest.mark.parametrize("other_step", [None, 5])
def test_a_run_whose_best_model_is_gone_or_another_is_not_resumed(tmp_path, other_step):
    with opened(tmp_path, Log(io.StringIO()), NO_BAD) as files:
        files.save(parts(), progress_of(10), FACTS)
    if other_step:
        put_model(tmp_path, other_step)
    with pytest.raises(UserError) as caught, opened(tmp_path, Log(io.StringIO()), NO_BAD, resume=True):
        pass
    model_dir = tmp_path / "bert_classifier"
    assert caught.value.lines() == [f"--resume: {model_dir} is not the best model of this run, which is from step 10"]


def test_a_run_that_came_between_is_not_replaced(tmp_path):
    slow = RunDirectory(tmp_path, writes=True)
    with slow:
        with opened(tmp_path, Log(io.StringIO()), NO_BAD, overwrite=False) as files:
            put_model(tmp_path, 5)
            files.save(parts(), progress_of(5), FACTS)
        before = names(tmp_path)
        with pytest.raises(UserError, match="already holds a run"):
            slow.open(Log(io.StringIO()), NO_BAD, replace(FACTS, options={"overwrite": False}))
    assert names(tmp_path) == before
    assert found_model(tmp_path) == "weights of step 5"


def test_the_options_with_which_a_run_is_resumed_are_noted_before_its_next_save(tmp_path):
    with opened(tmp_path, Log(io.StringIO()), NO_BAD) as files:
        files.save(parts(), Progress(step=7), FACTS)
        before = checkpoint.read_state(tmp_path / "checkpoint")
    with RunDirectory(tmp_path, writes=True) as files:
        files.open(Log(io.StringIO()), NO_BAD, replace(FACTS, options={"epochs": 9}), resume=True)
    after = checkpoint.read_state(tmp_path / "checkpoint")
    assert after == replace(before, facts=replace(before.facts, options={"epochs": 9}))


# -- an earlier run that is replaced ----------------------------------------------------------------------------------


def best(files: RunDirectory, step: int, weights: str, facts: RunFacts) -> None:
    """Do what a run does that has found its best model so far."""
    with filling(files.paths.model_dir) as new:
        fill_model(new, step)
        (new / "model.safetensors").write_text(weights)
    files.save(parts(), progress_of(step), facts)


def facts_of(name: str) -> RunFacts:
    return replace(FACTS, options={"name": name, "overwrite": True})


def put_run(folder, step: int, weights: str, facts: RunFacts) -> None:
    with RunDirectory(folder, writes=True) as files:
        files.open(Log(io.StringIO()), NO_BAD, facts)
        best(files, step, weights, facts)
        files.write_history(evaluated())
    (folder / "test").mkdir()
    (folder / "test" / "metrics.json").write_text("scores")


def state_of(folder) -> tuple[str, int]:
    """Return which run a directory holds, and the step of its best model."""
    state = checkpoint.read_state(folder / "checkpoint")
    return state.facts.options["name"], state.progress.best_step


FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")


def test_a_run_does_not_take_the_model_that_it_was_to_replace_for_its_own(tmp_path):
    put_run(tmp_path, 10, "old weights", facts_of("old"))
    shutil.copytree(tmp_path / "bert_classifier", tmp_path / "copy")
    put_run_again = RunDirectory(tmp_path, writes=True)
    shutil.rmtree(tmp_path / "test")
    with put_run_again as files:
        files.open(Log(io.StringIO()), NO_BAD, facts_of("new"))
        best(files, 10, "new weights", facts_of("new"))
    shutil.rmtree(tmp_path / "bert_classifier")
    (tmp_path / "copy").rename(tmp_path / "bert_classifier")  # of the same step
    with (
        pytest.raises(UserError, match="is not the best model of this run, which is from step 10"),
        RunDirectory(tmp_path, writes=True) as files,
    ):
        files.open(Log(io.StringIO()), NO_BAD, facts_of("new"), resume=True)


def test_the_best_model_of_a_killed_run_that_was_on_its_way_to_its_place_is_not_lost_by_replacing_it(
    tmp_path,
):
    put_run(tmp_path, 10, "best weights", facts_of("old"))
    (tmp_path / "bert_classifier").rename(waiting_model(tmp_path / "bert_classifier"))
    with RunDirectory(tmp_path, writes=True) as files:
        files.open(Log(io.StringIO()), NO_BAD, facts_of("new"))
        assert found_model(tmp_path) == "best weights"


def test_a_run_whose_scores_are_being_written_is_not_replaced(tmp_path):
    put_run(tmp_path, 10, "old weights", facts_of("old"))
    before = names(tmp_path)
    with DirectoryLock(tmp_path / "test") as lock:
        lock.take()
        with (
            pytest.raises(UserError, match="another run is writing there"),
            RunDirectory(tmp_path, writes=True) as files,
        ):
            files.open(Log(io.StringIO()), NO_BAD, facts_of("new"))
        assert names(tmp_path) == before
        assert state_of(tmp_path) == ("old", 10)
