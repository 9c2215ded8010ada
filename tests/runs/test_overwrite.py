import json
import shutil

import pytest

from tests.conftest import run_facts
from toolkit.base.disk import DirectoryLock
from toolkit.base.errors import UserError
from toolkit.runs import checkpoint
from toolkit.runs.best_model import waiting_model
from toolkit.runs.overwrite import (
    earlier_seeds,
    end_seed_run,
    remove_empty,
    remove_records,
    remove_seed_run,
    settle_earlier,
    sweep_run,
)
from toolkit.runs.paths import RunPaths

RUN = ["bert_classifier/run.json", "bert_classifier/model.safetensors", "checkpoint/state.json", "train.log"]
RECORDS = ["checkpoint/state-8.safetensors", "metrics.jsonl", "curves.png", "rejected_rows.csv", "test/metrics.json",
           "test/predictions.csv", "test/rejected_rows.csv", "test/report.html",
           "tensorboard/events.out.tfevents.1"]  # fmt: skip
THEIRS = ["checkpoint/mine.txt", "test/mine.py", "predictions.csv", "notes.md"]


def names(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def fill(folder, files: list[str]) -> RunPaths:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x", encoding="utf-8")
    return RunPaths(folder)


def test_the_records_of_a_run_are_removed_and_what_it_is_known_by_its_model_and_other_files_stay(tmp_path):
    paths = fill(tmp_path, RUN + RECORDS + THEIRS)
    remove_records(paths)
    assert names(tmp_path) == sorted(RUN + THEIRS)
    remove_empty(paths)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "bert_classifier",
        "checkpoint",
        "test",
    ]


def test_of_the_run_of_a_seed_the_model_stays_until_the_rest_is_removed(tmp_path):
    paths = fill(tmp_path / "seed-1", RUN + RECORDS)
    fill(tmp_path, ["notes.md"])
    end_seed_run(paths)
    assert names(paths.folder) == sorted(name for name in RUN if name != "checkpoint/state.json")
    remove_seed_run(paths)
    assert names(tmp_path) == ["notes.md"]
    assert not paths.folder.exists()
    for remove in (end_seed_run, remove_seed_run):
        remove(paths)  # which is gone already
    assert not paths.folder.exists()


def test_of_the_run_of_a_seed_that_has_no_model_nothing_but_the_files_of_others_stays(tmp_path):
    end_seed_run(fill(tmp_path / "seed-1", [*RECORDS, *THEIRS, "train.log", "checkpoint/state.json"]))
    assert names(tmp_path / "seed-1") == sorted(THEIRS)


def test_the_run_of_a_seed_whose_scores_are_being_written_is_left_alone(tmp_path):
    paths = fill(tmp_path, RUN + RECORDS)
    with DirectoryLock(paths.test_dir) as lock:
        lock.take()
        with pytest.raises(UserError, match="another run is writing there"):
            end_seed_run(paths)
        assert [name for name in names(tmp_path) if name != "test/.lock"] == sorted(RUN + RECORDS)


@pytest.mark.parametrize("place", ["seeds.json", "checkpoint/state.json", "checkpoint", "bert_classifier/README.md"])
def test_sweeping_removes_what_is_half_and_nothing_that_is_whole(tmp_path, place):
    paths = fill(tmp_path, RUN + RECORDS + THEIRS)
    before = names(tmp_path)
    half = tmp_path / place / ".tensors.new" if place == "checkpoint" else None
    half = half or (tmp_path / place).with_name(f".{(tmp_path / place).name}.new")
    half.write_text("half")
    sweep_run(paths)
    assert names(tmp_path) == before


def test_earlier_runs_are_those_of_seeds_json_and_those_whose_models_a_later_run_had_not_yet_replaced(tmp_path):
    paths = RunPaths(tmp_path)
    assert earlier_seeds(tmp_path, None) == []
    paths.seeds_file.write_text(json.dumps({"seeds": [3, 4], "replaces": [9]}))
    assert earlier_seeds(tmp_path, None) == [3, 4, 9]
    checkpoint.begin_checkpoint(paths.checkpoint_dir, run_facts(), replaced_seeds=[1, 3])
    assert earlier_seeds(tmp_path, None) == [1, 3, 4, 9]
    paths.state_file.write_text("{")
    assert earlier_seeds(tmp_path, None) == [3, 4, 9]
    for damaged in ("[]", "{", '{"seeds": ["a"]}'):
        paths.seeds_file.write_text(damaged)
        assert earlier_seeds(tmp_path, None) == []


def test_the_run_of_the_model_that_a_new_run_begins_with_does_not_go(tmp_path, monkeypatch):
    paths = RunPaths(tmp_path)
    paths.seeds_file.write_text(json.dumps({"seeds": [3, 4]}))
    for seed in (3, 4):
        paths.of_seed(seed).model_dir.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in (str(paths.of_seed(3).model_dir), "seed-3/bert_classifier", "seed-4/../seed-3/bert_classifier/"):
        assert earlier_seeds(tmp_path, name) == [4]
    assert earlier_seeds(tmp_path, "some/model") == [3, 4]


def test_the_kept_model_of_several_runs_that_was_on_its_way_gets_its_place(tmp_path):
    paths = fill(tmp_path, ["bert_classifier/run.json", "bert_classifier/model.safetensors"])
    for kept, expected in ((None, "x"), (3, "best")):
        paths.seeds_file.write_text(json.dumps({"seeds": [3], "kept": kept}))
        new = waiting_model(paths.model_dir)
        shutil.copytree(paths.model_dir, new)
        (new / "model.safetensors").write_text("best")
        settle_earlier(paths, [3])
        assert (paths.model_dir / "model.safetensors").read_text() == expected
        assert not new.exists()
