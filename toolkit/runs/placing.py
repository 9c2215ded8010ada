"""Give the best of several runs the place that a single one would have, and remove the weights of the others."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from markupsafe import escape

from toolkit.base.disk import (
    DirectoryLock,
    hidden_sibling,
    install_directory,
    replacing,
    sweep,
    write_bytes,
    write_json,
)
from toolkit.base.errors import UserError
from toolkit.runs.best_model import waiting_model
from toolkit.runs.overwrite import RECORDS
from toolkit.runs.paths import RunPaths

PLACED = ("train.log", *(name for name in RECORDS if not name.startswith("checkpoint/")))


def drop_weights(folder: Path, but_model: bool) -> None:
    """Remove the checkpoint of a run that is done, and its model, but for that of the best; small files stay."""
    for path in [folder / "checkpoint", *[folder / "bert_classifier"] * (not but_model)]:
        if path.is_dir():
            path.rename(hidden_sibling(path, "gone"))  # a half would be taken for a run
        sweep(path)


def place_run(source: RunPaths, target: RunPaths, entry: dict, lines: Sequence[str]) -> None:
    """Put the run that seeds.json has this `entry` of into its place, `lines` at the end of its train.log.

    The model comes last: until it is there, this can be done again, and afterwards it does nothing. Raises UserError if
    the model is in neither place, or if scores are being written in the place.
    """
    new = waiting_model(target.model_dir)
    if source.model_dir.is_dir() or new.is_dir():
        with DirectoryLock(target.test_dir) as lock:
            if source.test_dir.is_dir():
                lock.take()
            _copy(source.folder, target.folder, lines)
        if source.model_dir.is_dir():
            shutil.rmtree(new, ignore_errors=True)
            source.model_dir.rename(new)
        install_directory(target.model_dir)
    sweep(target.model_dir)
    if not _is_of(target, entry):
        raise UserError(
            f"--resume: {target.model_dir} is not the model of seed {entry['seed']}, the best of these runs"
        )


def _is_of(paths: RunPaths, entry: dict) -> bool:
    """Say whether the model in a run directory is that of the run that seeds.json has this entry of."""
    try:
        run = json.loads(paths.run_json.read_text(encoding="utf-8"))
        noted = {name: entry[name] for name in run["metrics"]}  # to the millisecond of the training, and so this run's
        return run["options"]["seed"] == entry["seed"] and run["metrics"] == noted
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _copy(source: Path, folder: Path, lines: Sequence[str]) -> None:
    """Replace the small files of a run that was kept before by those of the one in `source`."""
    for pattern in PLACED:
        for path in folder.glob(pattern):
            path.unlink()
        for path in source.glob(pattern):
            place = folder / path.relative_to(source)
            place.parent.mkdir(exist_ok=True)
            with replacing(place) as new:
                shutil.copyfile(path, new)
    with (folder / "train.log").open("a", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in ("", *lines))
    then, now = (str(place / "bert_classifier") for place in (source, folder))  # where the scores say that the model is
    if (path := folder / "test" / "metrics.json").is_file():
        scores = json.loads(path.read_text(encoding="utf-8"))
        scores["model"]["directory"] = now
        write_json(path, scores)
    if (path := folder / "test" / "report.html").is_file():
        page = path.read_text(encoding="utf-8")
        write_bytes(path, page.replace(str(escape(then)), str(escape(now))).encode())
