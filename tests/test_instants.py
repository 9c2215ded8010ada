"""Runs and their bookkeeping end at whatever instant; those of these tests that take long."""

import io
import json
import os
import shutil

import pytest

from tests.conftest import interrupted
from tests.runs.test_directory import FORK, NO_BAD, best, facts_of, found_model, names, put_run, state_of
from tests.runs.test_seeds import ACCURACY, POSIX, resume_seeds, tree
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.runs import checkpoint
from toolkit.runs.directory import RunDirectory
from toolkit.runs.paths import RunPaths, refuse_to_overwrite


@FORK
@pytest.mark.parametrize("fails", [False, True])
def test_a_good_model_is_there_at_whatever_instant_a_run_that_replaces_another_ends(tmp_path, monkeypatch, fails):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no machine dies here, only processes
    run, seen = tmp_path / "run", set()

    def prepare() -> None:
        shutil.rmtree(run, ignore_errors=True)
        put_run(run, 10, "old weights", facts_of("old"))

    def replace() -> None:
        with RunDirectory(run, writes=True) as files:
            files.open(Log(io.StringIO()), NO_BAD, facts_of("new"))
            best(files, 10, "new weights", facts_of("new"))

    for _ in interrupted(replace, prepare, fails):
        with pytest.raises(UserError, match="already holds a run"):
            refuse_to_overwrite(run, overwrite=False)
        now = state_of(run)
        seen.add(now)
        with RunDirectory(run, writes=True):  # which finds what the run may begin with, before it begins
            weights = found_model(run)
        assert weights == "old weights" or now == ("new", 10)
        with RunDirectory(run, writes=True) as files:
            files.open(Log(io.StringIO()), NO_BAD, facts_of(now[0]), resume=True)
            assert found_model(run) == ("new weights" if now == ("new", 10) else "old weights")
            left = names(run) - {
                "bert_classifier/run.json",
                "bert_classifier/model.safetensors",
                "checkpoint/state.json",
            }
            if now == ("new", 0):
                assert left == {"train.log"}
            elif now == ("old", 10):
                assert left >= {"checkpoint/state-10.safetensors", "metrics.jsonl", "test/metrics.json", "train.log"}
        assert not [path.name for path in run.rglob(".*") if path.name != ".lock"]
        replace()
        assert state_of(run) == ("new", 10)
        assert found_model(run) == "new weights"
    assert seen == {("old", 10), ("new", 0), ("new", 10)}


@FORK
@pytest.mark.parametrize("kept", [None, 2])
def test_the_models_of_several_runs_stay_until_a_single_one_that_replaces_them_has_one(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    run, seen = RunPaths(tmp_path / "run"), set()
    place = run if kept else run.of_seed(2)

    def prepare() -> None:
        shutil.rmtree(run.folder, ignore_errors=True)
        for seed in (1, 3):
            put_run(run.of_seed(seed).folder, 10, "other weights", facts_of(f"seed {seed}"))
            shutil.rmtree(run.of_seed(seed).model_dir)
        put_run(place.folder, 10, "best weights", facts_of("best"))
        shutil.rmtree(place.checkpoint_dir)
        (run.of_seed(1).folder / "mine.txt").write_text("mine")
        run.seeds_file.write_text(json.dumps({"seeds": [1, 2, 3], "kept": kept}))

    def replace() -> None:
        with RunDirectory(run.folder, writes=True) as files:
            resume = run.state_file.is_file()
            files.open(Log(io.StringIO()), NO_BAD, facts_of("new"), resume)
            best(files, 10, "new weights", facts_of("new"))

    for _ in interrupted(replace, prepare, fails=False, every=3):
        began = run.state_file.is_file()
        seen.add(began)
        with RunDirectory(run.folder, writes=True):
            new = run.model_dir.is_dir() and found_model(run.folder) == "new weights"
            assert new or found_model(place.folder) == "best weights"
        assert began or run.seeds_file.is_file()
        if began:
            assert not new or state_of(run.folder) == ("new", 10)
        replace()
        ours = {"bert_classifier/run.json", "bert_classifier/model.safetensors", "checkpoint/state.json", "train.log"}
        assert names(run.folder) == ours | {"checkpoint/state-10.safetensors", "seed-1/mine.txt"}
        assert found_model(run.folder) == "new weights"
        assert not checkpoint.read_state(run.checkpoint_dir).replaced_seeds
    assert seen == {False, True}


@POSIX
@pytest.mark.parametrize(("before", "seeds", "fails"), [(0, 2, True), (2, 3, False)])
def test_at_whatever_instant_the_bookkeeping_ends_it_is_done_by_the_next_start(
    tmp_path, monkeypatch, before, seeds, fails
):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no machine dies here, only processes
    folder, count = tmp_path / "run", 0

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if before:
            resume_seeds(folder, before)

    prepare()
    resume_seeds(folder, seeds)
    expected = tree(folder)
    best = max(range(1, seeds + 1), key=ACCURACY.get)
    assert expected["bert_classifier/model.safetensors"] == f"weights of {best}".encode()
    assert expected["train.log"].startswith(f"log of {best}\n".encode())
    assert ("test/metrics.json" in expected) == (best == 2)
    assert not [name for name in expected if "checkpoint" in name or name.count("bert_classifier") * name.count("seed")]
    for _ in interrupted(lambda: resume_seeds(folder, seeds), prepare, fails):
        count += 1
        model = folder / "bert_classifier" / "model.safetensors"
        assert not model.exists() or model.read_text() in {f"weights of {best}", f"weights of {2 if before else best}"}
        if (folder / "seeds.json").exists():
            with pytest.raises(UserError, match="already holds a run"):
                refuse_to_overwrite(folder, overwrite=False)
        resume_seeds(folder, seeds)
        assert tree(folder) == expected
    assert count > 50
