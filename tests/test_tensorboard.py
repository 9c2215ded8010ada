"""main.py --tensorboard: the event files of whole runs."""

import signal

import pytest

from tests.conftest import script, started, wait_for
from tests.runs.test_history import events, expected, names

RATES = ("--learning_rate", "3e-3", "--batch_size", "8", "--device", "cpu", "--precision", "fp32")


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
