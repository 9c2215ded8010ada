"""main.py --seeds: several runs by the script, the best of which is kept."""

import json
import os
import random
import shlex
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.forked import differences, result
from tests.base.test_disk import holder
from tests.conftest import ended, processes, script, started, wait_for
from toolkit.cli.exits import EXIT_STOPPED
from toolkit.runs.run_json import read_run

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
RATES = ("--learning_rate", "3e-3", "--batch_size", "8", "--device", "cpu", "--precision", "fp32")


@pytest.fixture
def command(reviews, english_bert) -> list[str]:
    """The options of a small run on rows of which some are held out."""
    (reviews / "validset.csv").unlink()
    words = ["--data_dir", reviews, "--model", english_bert, "--valid_ratio", "0.3", "--epochs", "2", *RATES]
    return [*map(str, words)]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def history(folder: Path) -> list[dict]:
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "train_seconds"} for entry in entries]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bert_classifier" / "model.safetensors")


def left(output: Path) -> dict:
    """Return what a run has left, but for locks, and of what tells of times and places only that it is there."""
    found = {name: value for name, value in result(output).items() if not name.endswith(".lock")}
    return found | {name: None for name in found if name.endswith(("train.log", "report.html"))}


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_the_best_of_several_seeds_is_what_a_single_run_with_its_seed_leaves(command, reviews, tmp_path):
    whole, test = tmp_path / "whole", ["--test_file", reviews / "testset.csv"]
    done = script("main.py", *command, *test, "--output_dir", whole, "--seeds", 3, "--seed", 5)
    noted = read(whole / "seeds.json")
    assert noted["seeds"] == [run["seed"] for run in noted["runs"]] == [5, 6, 7]
    scores = {}
    for seed in noted["seeds"]:
        entries, tested = history(whole / f"seed-{seed}"), read(whole / f"seed-{seed}" / "test" / "metrics.json")
        scores[seed] = max(entries, key=lambda entry: (entry["accuracy"], -entry["step"]))
        scores[seed] |= {"test_accuracy": tested["accuracy"], "test_macro_f1": tested["macro_f1"]}
    kept = max(scores, key=lambda seed: (scores[seed]["accuracy"], -seed))
    assert noted["kept"] == kept
    for name in ("accuracy", "macro_f1", "test_accuracy", "test_macro_f1"):
        column = [entry[name] for entry in scores.values()]
        assert noted["mean"][name] == pytest.approx(np.mean(column))
        assert noted["sd"][name] == pytest.approx(np.std(column, ddof=1))
    *_, row, last = done.stdout.splitlines()
    for name in ("accuracy", "macro_f1"):
        assert f"{name.replace('_', ' ')} {noted['mean'][name]:.4f} ± {noted['sd'][name]:.4f}" in row
    assert last == f"seed {kept} has the best accuracy; its run is kept in {whole}"
    assert (whole / "train.log").read_text(encoding="utf-8").endswith(f"{row}\n{last}\n")
    for seed in noted["seeds"]:
        alone = tmp_path / f"alone-{seed}"
        script("main.py", *command, *test, "--output_dir", alone, "--seed", seed, "--split_seed", 5)
        assert history(alone) == history(whole / f"seed-{seed}")
    alone = tmp_path / f"alone-{kept}"
    assert all(torch.equal(weights(alone)[name], tensor) for name, tensor in weights(whole).items())
    assert [name for name in differences(left(alone), left(whole)) if not name.startswith(("seed", "checkpoint"))] == []
    assert not [*whole.glob("checkpoint"), *whole.glob("seed-*/checkpoint"), *whole.glob("seed-*/bert_classifier")]
    assert read(whole / "test" / "metrics.json")["model"]["directory"] == str(whole / "bert_classifier")
    page = (whole / "test" / "report.html").read_text(encoding="utf-8")
    assert page.count(f"<bdi>{whole / 'bert_classifier'}</bdi>") == 2
    assert f"<bdi>&#34;{whole}&#34;</bdi>" in page
    assert read(whole / "bert_classifier" / "run.json")["options"]["output_dir"] == str(whole)
    assert f"the best model is in {whole / 'bert_classifier'}\n" in (whole / "train.log").read_text(encoding="utf-8")
    for path in whole.rglob("*"):
        if path.is_file() and not path.relative_to(whole).parts[0].startswith("seed-"):
            assert f"seed-{kept}".encode() not in path.read_bytes(), path


def test_what_is_kept_is_found_by_the_other_scripts_and_not_replaced_unless_asked_to(command, reviews, tmp_path):
    script("main.py", *command, "--output_dir", "output", "--seeds", 2, cwd=tmp_path)
    data = ("--data_dir", reviews, "--device", "cpu")
    script("test_code.py", *data, cwd=tmp_path)
    script("infer.py", *data, cwd=tmp_path)
    output = tmp_path / "output"
    assert read(output / "test" / "metrics.json")["baselines"]["tfidf"]  # by the rows that were not held out
    (output / "seed-42" / "mine.txt").write_text("mine")
    for more in ([], ["--seeds", 2]):
        assert "already holds a run" in script("main.py", *command, *more, cwd=tmp_path, status=2).stderr
    script("main.py", *command, "--overwrite", "--epochs", 1, cwd=tmp_path)
    left = {path.relative_to(output).as_posix() for path in output.rglob("seed*")}
    assert left == {"seed-42"}
    assert [path.name for path in (output / "seed-42").iterdir()] == ["mine.txt"]


def test_checking_the_data_is_one_look_and_writes_nothing(command, tmp_path):
    done = script("main.py", *command, "--output_dir", tmp_path / "o", "--seeds", 3, "--check_data")
    assert done.stdout.count("nothing in the data stops training") == 1
    assert not (tmp_path / "o").exists()


def test_a_mistake_leaves_nothing(command, tmp_path):
    for more in (["--text_column", "none"], ["--seed", 2**63 - 2]):
        script("main.py", *command, "--output_dir", tmp_path / "o", "--seeds", 3, *more, status=2)
        assert not (tmp_path / "o").exists()


def test_the_rows_that_are_held_out_depend_on_split_seed_where_it_is_given(command, tmp_path):
    tokens = []
    for number, seeds in enumerate([(1, None), (2, None), (2, 1)]):
        more = ["--split_seed", seeds[1]] * (seeds[1] is not None)
        script("main.py", *command, "--epochs", 1, "--output_dir", tmp_path / str(number), "--seed", seeds[0], *more)
        tokens.append(read(tmp_path / str(number) / "bert_classifier" / "run.json")["data"]["valid"]["tokens"])
    assert tokens[0] == tokens[2] != tokens[1]


# -- resuming ---------------------------------------------------------------------------------------------------------


@POSIX
def test_runs_that_are_killed_again_and_again_come_to_the_same_end(command, reviews, tmp_path):
    options = [*command, "--test_file", reviews / "testset.csv", "--seeds", 3, "--save_steps", 2, "--resume"]
    began = time.monotonic()
    script("main.py", *options, "--output_dir", tmp_path / "whole")
    seconds, draw, kills = time.monotonic() - began, random.Random(0), 0
    for _ in range(30):
        with started("main.py", *options, "--output_dir", tmp_path / "killed") as process:
            end = time.monotonic() + draw.uniform(0.2, 0.6) * seconds
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            if process.poll() is not None:
                assert process.returncode == 0, process.communicate()
                break
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    assert kills
    script("main.py", *options, "--output_dir", tmp_path / "killed")
    assert differences(left(tmp_path / "whole"), left(tmp_path / "killed")) == []
    assert {path.name for path in tmp_path.rglob(".*")} == {".lock"}


def test_a_run_that_is_stopped_names_the_directory_of_all_and_goes_on_with_its_options(command, tmp_path):
    output = tmp_path / "out put"
    options = [*command, "--epochs", 6, "--seeds", 2, "--output_dir", output]
    with started("main.py", *options) as process:
        wait_for(process, (output / "seed-42" / "metrics.jsonl").exists)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=120)
    assert process.returncode == EXIT_STOPPED
    line = error.splitlines()[-1]
    assert line.endswith(f"python main.py --output_dir {shlex.quote(str(output))} --resume")
    for more, message in (
        (["--seeds", 1], "--seeds 1: the run to resume has 2"),
        (["--epochs", 7], "--epochs 7: the run to resume has 6"),
        (["--seed", 43], "--seed 43: the run to resume has 42"),
    ):
        done = script("main.py", "--output_dir", output, "--resume", *more, status=2)
        assert done.stderr == f"error: {message}\n"
    script(*shlex.split(line.partition("python ")[2]))
    assert [len(history(output / f"seed-{seed}")) for seed in (42, 43)] == [6, 6]  # not the 3 of the default


def test_more_seeds_may_be_asked_for_later_and_those_that_are_done_are_not_repeated(command, tmp_path):
    script("main.py", *command, "--seeds", 4, "--output_dir", tmp_path / "at once")
    grown = tmp_path / "grown"
    script("main.py", *command, "--seeds", 2, "--output_dir", grown)
    done = script("main.py", "--output_dir", grown, "--resume", "--seeds", 4)
    assert [line for line in done.stdout.splitlines() if ", run " in line] == [
        "seed       44, run 3 of 4", "seed       45, run 4 of 4",
    ]  # fmt: skip
    assert differences(left(tmp_path / "at once"), left(grown)) == []
    again = script("main.py", "--output_dir", grown, "--resume").stdout.splitlines()
    assert again == done.stdout.splitlines()[-len(again) :]
    assert len(again) == 6
    assert differences(left(tmp_path / "at once"), left(grown)) == []


def test_a_single_run_does_not_become_one_of_several(command, tmp_path):
    script("main.py", *command, "--epochs", 1, "--output_dir", tmp_path / "o")
    done = script("main.py", "--output_dir", tmp_path / "o", "--resume", "--seeds", 2, status=2)
    assert done.stderr == "error: --seeds 2: the run to resume has 1\n"


def test_changed_data_is_not_mixed_with_runs_on_what_it_was(command, reviews, tmp_path):
    output = tmp_path / "o"
    script("main.py", *command, "--epochs", 1, "--seeds", 2, "--output_dir", output)
    with (reviews / "trainset.csv").open("a") as stream:
        stream.write("the bill was nice,pro\n")
    done = script("main.py", "--output_dir", output, "--resume", "--seeds", 3, status=2)
    assert done.stderr == f"error: --resume: {reviews / 'trainset.csv'} has changed since the run began\n"
    assert len(read(output / "seeds.json")["runs"]) == 2


def test_the_directory_is_locked_while_any_of_the_runs_is_under_way(command, tmp_path):
    (tmp_path / "o").mkdir()
    with holder(tmp_path / "o") as process:
        done = script("main.py", *command, "--seeds", 2, "--output_dir", tmp_path / "o", status=2)
        process.stdin.close()
    assert "another run is writing there" in done.stderr
    with started("main.py", *command, "--seeds", 2, "--epochs", 40, "--output_dir", tmp_path / "o") as process:
        wait_for(process, (tmp_path / "o" / "seed-42" / "metrics.jsonl").exists)
        for more in (["--resume"], ["--overwrite"], ["--overwrite", "--seeds", 2]):
            done = script("main.py", *command, "--output_dir", tmp_path / "o", *more, status=2)
            assert "another run is writing there" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as the other tests of several processes")
def test_several_processes_agree_on_the_seeds_that_are_left(command, tmp_path):
    output = tmp_path / "o"
    for more in (["--seeds", 2], ["--seeds", 3, "--resume"], ["--resume"]):
        with processes(2, "main.py", *command, "--output_dir", output, *more) as begun:
            ends = ended(begun)
        assert [status for status, _ in ends] == [0, 0], ends
    assert [run["seed"] for run in read(output / "seeds.json")["runs"]] == [42, 43, 44]
    assert read_run(output / "bert_classifier").processes == 2
