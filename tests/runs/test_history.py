import io
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import interrupted
from tests.runs.test_directory import FACTS, NO_BAD, parts
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.runs.directory import RunDirectory
from toolkit.runs.history import EventFile
from toolkit.runs.progress import Progress


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard's own reader finds below a directory: by name, (step, value) of each scalar."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }


def expected(output: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the same from metrics.jsonl, in the fp32 of event files."""
    found = {}
    for line in (output / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        for name, value in entry.items():
            if name != "step" and value is not None:
                found.setdefault(name, []).append((entry["step"], float(np.float32(value))))
    return found


def progress(evaluations: int) -> Progress:
    made = Progress()
    for number in range(1, evaluations + 1):
        made.count([8.0 / number] * 10, [np.full(16, 20)] * 10, 1.5)
        made.note({"loss": 1 / number, "accuracy": 1 - 1 / number, "macro_f1": 0.5}, "accuracy", 40, 1e-5)
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
def test_whenever_the_writing_ends_no_step_is_read_twice_and_none_is_lost(tmp_path, monkeypatch, fails):
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no machine dies here, only processes
    run, seen = tmp_path / "run", set()

    @contextmanager
    def opened(resume: bool):
        with RunDirectory(run, writes=True) as files:
            files.want_event_file(True)
            files.open(Log(io.StringIO()), NO_BAD, FACTS, resume)
            yield files

    def prepare() -> None:
        shutil.rmtree(run, ignore_errors=True)
        with opened(False) as files:
            files.write_history(progress(3))
            files.save(parts(), Progress(step=30), FACTS)  # else it starts over

    def write() -> None:
        with opened(True) as files:
            files.write_history(progress(4))
            files.write_history(progress(5))

    for _ in interrupted(write, prepare, fails):
        steps = [step for step, _ in events(run / "tensorboard").get("accuracy", ())]
        assert steps == [10, 20, 30, 40, 50][: len(steps)]
        seen.add(len(steps))
        with opened(True) as files:
            files.write_history(progress(5))
        assert events(run / "tensorboard") == expected(run)
        assert len(names(run / "tensorboard")) == 1
    assert seen >= {3, 4}


def test_a_reader_that_looks_on_sees_each_step_once(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    scalars = EventFile(tmp_path / "tensorboard")
    scalars.write(progress(2).history)
    accumulator = reader.EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    scalars.write(progress(3).history)
    accumulator.Reload()
    assert len(names(tmp_path)) == 1
    assert [(event.step, event.value) for event in accumulator.Scalars("accuracy")] == [
        (10, 0.0), (20, 0.5), (30, float(np.float32(2 / 3)))
    ]  # fmt: skip
    times = [event.wall_time for event in accumulator.Scalars("accuracy")]
    assert times[1] - times[0] == pytest.approx(1.5)
    assert times == sorted(times)


def test_a_loss_that_is_no_number_is_left_out(tmp_path):
    pytest.importorskip("tensorboard")
    made = progress(2)
    made.history[0]["train_loss"] = None
    EventFile(tmp_path / "tensorboard").write(made.history)
    assert [step for step, _ in events(tmp_path / "tensorboard")["train_loss"]] == [20]
    EventFile(tmp_path / "none").write([])
    assert not (tmp_path / "none").exists()


def test_the_message_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        EventFile(tmp_path)
