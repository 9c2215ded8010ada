import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import interrupted, run_facts
from tests.runs.test_directory import parts
from tests.runs.test_directory import put_run as put_single_run
from toolkit.base.disk import filling
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
from toolkit.runs.directory import RunDirectory
from toolkit.runs.progress import Progress
from toolkit.runs.seeds import Seeds

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
# -- at every instant -------------------------------------------------------------------------------------------------

FACTS = run_facts(precision="fp32")
ACCURACY = {1: 0.5, 2: 0.75, 3: 1.0}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def put_run(whole: Path, seed: int) -> None:
    """Leave what a run of this seed leaves when it is through, in a few bytes and in one go."""
    folder = whole.parent / f"made {seed}"
    shutil.rmtree(folder, ignore_errors=True)
    metrics = {"step": seed, "accuracy": ACCURACY[seed], "macro_f1": 0.5, "valid_loss": 1 - ACCURACY[seed]}
    run = {"options": {"seed": seed}, "metrics": metrics}
    content = {
        "bert_classifier/run.json": run, "bert_classifier/model.safetensors": f"weights of {seed}",
        "checkpoint/state.json": {}, "checkpoint/state-5.safetensors": "state", "metrics.jsonl": metrics,
        "curves.png": seed, "train.log": f"log of {seed}\n",
    }  # fmt: skip
    if seed == 2:
        content |= {"test/metrics.json": {"model": {"directory": "x"}, "accuracy": 1.0, "macro_f1": 1.0}}
    for name, value in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    folder.rename(whole / f"seed-{seed}")


def resume_seeds(folder: Path, seeds: int, *more: str) -> None:
    """Do what main.py does with several seeds and --resume, without the training."""
    options = fine_tuning_options([f"--output_dir={folder}", "--seed=1", f"--seeds={seeds}", "--resume", *more])
    runs = Seeds(folder, writes=True)
    try:
        for run in runs.plan(options).runs_left:
            runs.begin(FACTS)
            if not (folder / f"seed-{run.seed}").exists():
                put_run(folder, run.seed)
            runs.finish_run(run.seed)
        runs.finish_all(Log(io.StringIO()))
    finally:
        runs.lock.release()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def train(runs: Seeds, seed: int, name: str, resume: bool) -> None:
    """Do what a run of this seed does, without the training; `name` is in its weights."""
    options = {"seed": seed, "name": name, "overwrite": False, "output_dir": str(runs.paths.of_seed(seed).folder)}
    with RunDirectory(runs.paths.of_seed(seed).folder, writes=True, seeds=runs) as files:
        resume = resume and files.paths.state_file.is_file()
        if resume:
            assert read(files.paths.state_file)["options"]["name"] == name
        files.open(Log(io.StringIO()), {}, replace(FACTS, options=options), resume)
        with filling(files.paths.model_dir) as new:
            metrics = {"step": 5, "accuracy": ACCURACY[seed], "macro_f1": 0.5, "valid_loss": 0.5}
            (new / "run.json").write_text(json.dumps({"options": options, "metrics": metrics}))
            (new / "model.safetensors").write_text(f"{name} {seed}")
        progress = Progress(step=5, best_step=5, best_score=ACCURACY[seed], history=[metrics])
        files.save(parts(), progress, replace(FACTS, options=options))
        files.write_history(progress)


def train_all(folder: Path, seeds: int, name: str, *words: str, stop_at: int | None = None) -> None:
    """Do what main.py does with several seeds; stop before the run of the seed `stop_at` is done."""
    options = fine_tuning_options([f"--output_dir={folder}", "--seed=1", f"--seeds={seeds}", *words])
    runs = Seeds(folder, writes=True)
    try:
        for run in runs.plan(options).runs_left:
            train(runs, run.seed, name, options.output.resume and not run.replaces_another)
            if run.seed == stop_at:
                return
            runs.finish_run(run.seed)
        runs.finish_all(Log(io.StringIO()))
    finally:
        runs.lock.release()


def models(folder: Path) -> dict[str, str]:
    """Return the weights of each model by the place where it is, which whoever looks for it makes good first."""
    found = {}
    for run in (folder, *folder.glob("seed-*")):
        with RunDirectory(run, writes=True):
            if (run / "bert_classifier").is_dir():
                found[run.relative_to(folder).as_posix()] = (run / "bert_classifier" / "model.safetensors").read_text()
    return found


def without_options(files: dict[str, bytes]) -> dict:
    """Return what tree gives with the content of seeds.json but for the options, which tell of --resume."""
    return files | {"seeds.json": {**json.loads(files["seeds.json"]), "options": None}}


@POSIX
@pytest.mark.parametrize(("stopped", "every"), [(None, 11), (1, 13), (3, 5)])
def test_a_good_model_is_there_at_whatever_instant_several_runs_that_replace_others_end(
    tmp_path, monkeypatch, stopped, every
):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    folder, seen = tmp_path / "run", set()
    train_all(folder, 2, "oldest")  # whose model stays where it is while others that replace it are under way
    train_all(folder, 3, "old", "--overwrite", stop_at=stopped)
    (folder / "seed-3" / "mine.txt").parent.mkdir(exist_ok=True)
    (folder / "seed-3" / "mine.txt").write_text("mine")
    shutil.copytree(folder, tmp_path / "before")

    def prepare() -> None:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)

    before = models(folder)
    assert before == {
        None: {".": "old 3"}, 1: {".": "oldest 2", "seed-1": "old 1"},
        3: {".": "oldest 2", "seed-2": "old 2", "seed-3": "old 3"},
    }[stopped]  # fmt: skip
    train_all(folder, 2, "new", "--overwrite")
    expected = tree(folder)
    assert models(folder) == {".": "new 2"}
    assert "seed-3/mine.txt" in expected
    assert "replaces" not in read(folder / "seeds.json")
    for _ in interrupted(lambda: train_all(folder, 2, "new", "--overwrite"), prepare, False, every):
        noted = read(folder / "seeds.json")
        began = noted["options"]["seeds"] == 2
        seen.add(began)
        now = models(folder)
        done = [run["seed"] for run in noted["runs"]] if began else []
        for place, weights in before.items():
            seed = int(place.removeprefix("seed-").replace(".", "0"))
            by_its_own = now.get(place) == f"new {seed}" or seed in done
            assert now.get(place) == weights or now["."] == "new 2" or (seed in (1, 2) and by_its_own)
        if began:
            train_all(folder, 2, "new", "--resume")
        else:
            train_all(folder, 2, "new", "--overwrite")
        assert without_options(tree(folder)) == without_options(expected)
    assert seen == {False, True}


@POSIX
def test_a_good_model_is_there_at_whatever_instant_several_runs_that_replace_a_single_one_end(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    folder, seen = tmp_path / "run", set()
    put_single_run(folder, 5, "old weights", replace(FACTS, options={"name": "old", "overwrite": True}))
    shutil.copytree(folder, tmp_path / "before")

    def prepare() -> None:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)

    train_all(folder, 2, "new", "--overwrite")
    expected = tree(folder)
    for _ in interrupted(lambda: train_all(folder, 2, "new", "--overwrite"), prepare, False, every=5):
        single = (folder / "checkpoint" / "state.json").is_file()
        seen.add(single)
        assert models(folder)["."] in ("old weights", "new 2")
        if single:
            with pytest.raises(UserError, match="--seeds 2: the run to resume has 1"):
                train_all(folder, 2, "new", "--resume")
            with RunDirectory(folder, writes=True) as files:
                files.open(Log(io.StringIO()), {}, replace(FACTS, options={"name": "old"}), resume=True)
            assert not (folder / "seeds.json").exists()
            assert (folder / "test" / "metrics.json").is_file()
            train_all(folder, 2, "new", "--overwrite")
        else:
            train_all(folder, 2, "new", "--resume")
        assert without_options(tree(folder)) == without_options(expected)
    assert seen == {False, True}


@pytest.mark.parametrize("place", ["bert_classifier", "."])  # --model may name a run, too
def test_the_model_that_all_runs_begin_with_is_not_where_one_of_them_puts_its_own(tmp_path, place):
    train_all(tmp_path, 3, "old", stop_at=3)
    words = ["--model", str(tmp_path / "seed-2" / place), "--overwrite"]
    with pytest.raises(UserError, match="is where the run with seed 2 puts its model; move it"):
        train_all(tmp_path, 2, "new", *words)
    words[1] = str(tmp_path / "seed-3" / place)
    train_all(tmp_path, 2, "new", *words)
    assert models(tmp_path) == {".": "new 2", "seed-3": "old 3"}  # the user's model is left alone


@pytest.mark.parametrize("place", ["bert_classifier", "."])
def test_more_runs_do_not_begin_with_the_best_of_the_others_in_place_of_the_model_that_it_has_replaced(tmp_path, place):
    train_all(tmp_path, 2, "old")
    words = ["--model", str(tmp_path / place)]
    train_all(tmp_path, 2, "new", *words, "--overwrite", stop_at=1)
    assert models(tmp_path) == {".": "old 2", "seed-1": "new 1"}
    train_all(tmp_path, 2, "new", "--resume")
    train_all(tmp_path, 2, "new", "--resume")
    assert models(tmp_path) == {".": "new 2"}
    with pytest.raises(UserError, match="the runs so far began with .*, which the best of them has replaced"):
        train_all(tmp_path, 3, "new", "--resume")


def test_a_run_of_others_is_not_replaced_by_one_of_more_seeds_unless_asked_to(tmp_path):
    train_all(tmp_path, 2, "ours")
    put_single_run(tmp_path / "seed-3", 5, "mine", replace(FACTS, options={"name": "mine", "overwrite": True}))
    with pytest.raises(UserError, match="seed-3 already holds a run"):
        train_all(tmp_path, 3, "ours", "--resume")
    assert models(tmp_path)["seed-3"] == "mine"
    train_all(tmp_path, 3, "ours", "--resume", "--overwrite")
    assert models(tmp_path) == {".": "ours 3"}
