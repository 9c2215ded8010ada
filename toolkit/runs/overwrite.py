"""What --overwrite removes of an earlier run, and when.

Its records go when the new run begins; its models go when the new run has a model in their place.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from toolkit.base.disk import LOCK_FILE, DirectoryLock, hidden_sibling, install_directory, sweep
from toolkit.base.errors import UserError
from toolkit.models.model_files import OWN_FILES
from toolkit.runs.best_model import settle_model, waiting_model
from toolkit.runs.checkpoint import read_state
from toolkit.runs.paths import RunPaths

# What a run leaves besides its model, its log and the files by which it is recognized.
RECORDS = (
    "checkpoint/state-*.safetensors",
    "metrics.jsonl",
    "curves.png",
    "rejected_rows.csv",
    "tensorboard/events.out.tfevents.*",
    "test/metrics.json",
    "test/predictions.csv",
    "test/rejected_rows.csv",
    "test/report.html",
)


def earlier_seeds(output_dir: Path, model: str | None) -> list[int]:
    """Return the seeds of earlier runs whose directories in `output_dir` are to be removed.

    They are those that seeds.json names, and those that a run which replaces them has not removed yet. One that has
    the `model` of --model in it stays.
    """
    paths = RunPaths(output_dir)
    seeds: set[int] = set()
    with suppress(OSError, ValueError, LookupError, TypeError):
        noted = json.loads(paths.seeds_file.read_text(encoding="utf-8"))
        seeds |= {int(seed) for seed in [*noted["seeds"], *noted.get("replaces", [])]}
    with suppress(UserError):  # a damaged one
        state = read_state(paths.checkpoint_dir)
        if state is not None:
            seeds |= set(state.replaced_seeds)
    return sorted(seed for seed in seeds if not paths.of_seed(seed).hold_model(model))


def settle_earlier(paths: RunPaths, seeds: Sequence[int]) -> None:
    """Put the best model of an earlier run, and those of its `seeds`, in their places if a kill kept them waiting."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(paths.seeds_file.read_text(encoding="utf-8"))["kept"]
        if kept is not None and waiting_model(paths.model_dir).is_dir():  # a rename has put it there, so it is complete
            install_directory(paths.model_dir)
    for run in (paths, *(paths.of_seed(seed) for seed in seeds)):
        with suppress(UserError):  # a damaged state tells of no model
            settle_model(run)


def sweep_run(paths: RunPaths) -> None:
    """Remove what killed runs left of files that they were writing, and nothing that is whole."""
    sweep(paths.seeds_file)
    sweep(paths.state_file)
    sweep(paths.checkpoint_dir / "tensors")
    for name in RECORDS:
        if "*" not in name:
            sweep(paths.folder / name)
    sweep(paths.model_dir)
    for name in OWN_FILES:
        sweep(paths.model_dir / name)


def remove_records(paths: RunPaths) -> None:
    """Remove what an earlier run has left except its model, its log, and the files by which it is recognized."""
    for pattern in RECORDS:
        for path in paths.folder.glob(pattern):
            path.unlink()


def remove_empty(paths: RunPaths) -> None:
    """Remove the directories of a run in which nothing is left."""
    (paths.test_dir / LOCK_FILE).unlink(missing_ok=True)
    for folder in (paths.checkpoint_dir, paths.test_dir, paths.tensorboard_dir):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def remove_model(paths: RunPaths) -> None:
    """Remove a model directory that main.py wrote, in one go: a part of one would not be recognized by the next run."""
    if paths.run_json.is_file():
        paths.model_dir.rename(hidden_sibling(paths.model_dir, "gone"))
    sweep(paths.model_dir)


def end_seed_run(paths: RunPaths) -> None:
    """Remove the checkpoint and the records of the run of one seed, so that it cannot be resumed; its model stays.

    If it has no model, nothing else of it stays either. Raises UserError if its scores are being written.
    """
    with DirectoryLock(paths.test_dir):
        paths.state_file.unlink(missing_ok=True)
        remove_records(paths)
    remove_empty(paths)
    if not paths.run_json.is_file():
        remove_seed_run(paths)


def remove_seed_run(paths: RunPaths) -> None:
    """Remove the rest of a run that was replaced: its model, its log, and its directory if it is then empty."""
    remove_model(paths)
    sweep_run(paths)
    remove_empty(paths)
    paths.log_file.unlink(missing_ok=True)
    (paths.folder / LOCK_FILE).unlink(missing_ok=True)
    if paths.folder.is_dir() and not any(paths.folder.iterdir()):
        paths.folder.rmdir()
