import io
import json
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import interrupted, script, started, wait_for
from tests.runs.test_directory import FACTS, NO_BAD, parts
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.runs.directory import RunDirectory
from toolkit.runs.history import EventFile
from toolkit.runs.progress import Progress

RATES = ("--learning_rate", "3e-3", "--batch_size", "8", "--device", "cpu", "--precision", "fp32")


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


def test_without_the_package_a_run_ends_before_it_begins(reviews, english_bert, tmp_path):
    words = ("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "o", *RATES)
    missing = "import sys; sys.modules['tensorboard'] = None"
    done = script(*words, "--tensorboard", before=missing, status=2)
    assert done.stderr == "error: --tensorboard needs the package tensorboard (pip install tensorboard)\n"
    assert not (tmp_path / "o").exists()
    script(*words, "--tensorboard", "--check_data", before=missing)


def test_the_event_file_has_the_numbers_of_metrics_jsonl_whether_or_not_the_run_was_killed(
    reviews, english_bert, tmp_path
):
    pytest.importorskip("tensorboard")
    words = ("main.py", "--data_dir", reviews, "--model", english_bert, *RATES, "--epochs", 12, "--tensorboard")
    output = tmp_path / "o"
    with started(*words, "--output_dir", output) as process:
        wait_for(process, lambda: len(names(output / "tensorboard")) == 1 and len(expected(output)["accuracy"]) > 2)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    script("main.py", "--output_dir", output, "--resume")
    found = events(output / "tensorboard")
    assert found == expected(output)
    assert [step for step, _ in found["accuracy"]] == list(range(8, 97, 8))
    assert {"train_loss", "valid_loss", "macro_f1", "learning_rate", "epoch"} <= found.keys()
    assert len(names(output / "tensorboard")) == 1
    script("main.py", "--data_dir", reviews, "--model", english_bert, *RATES, "--output_dir", output, "--overwrite")
    assert not (output / "tensorboard").exists()


def test_a_finished_run_and_the_best_of_several_have_theirs_too(reviews, english_bert, tmp_path):
    pytest.importorskip("tensorboard")
    words = ("main.py", "--data_dir", reviews, "--model", english_bert, *RATES, "--epochs", 2)
    script(*words, "--output_dir", tmp_path / "one")
    script("main.py", "--output_dir", tmp_path / "one", "--resume", "--tensorboard")
    assert events(tmp_path / "one" / "tensorboard") == expected(tmp_path / "one") != {}
    script(*words, "--output_dir", tmp_path / "two", "--seeds", 2, "--tensorboard")
    for folder in (tmp_path / "two", *(tmp_path / "two" / f"seed-{seed}" for seed in (42, 43))):
        assert events(folder / "tensorboard") == expected(folder) != {}


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
            files.save(parts(), Progress(step=30), FACTS)  # else it begins anew

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
