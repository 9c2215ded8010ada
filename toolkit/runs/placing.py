"""Give the best of several runs the place that a single one would have, and remove the weights of the others."""

import json
import re
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
    if source.model_dir.is_dir():
        with DirectoryLock(target.test_dir) as lock:
            if source.test_dir.is_dir():
                lock.take()
            _copy_records(source, target, lines)
        shutil.rmtree(new, ignore_errors=True)
        source.model_dir.rename(new)
    if new.is_dir():
        run = _read_json(new / "run.json")
        run["options"]["output_dir"] = str(target.folder)
        write_json(new / "run.json", run)
        install_directory(target.model_dir)
    sweep(target.model_dir)
    if not _is_of(target, entry):
        model_dir, seed = target.model_dir, entry["seed"]
        raise UserError(f"--resume: {model_dir} is not the model of seed {seed}, the best of these runs")


def _is_of(paths: RunPaths, entry: dict) -> bool:
    """Say whether the model in a run directory is that of the run that seeds.json has this entry of."""
    try:
        run = _read_json(paths.run_json)
        noted = {name: entry[name] for name in run["metrics"]}  # to the millisecond of the training, and so this run's
        return run["options"]["seed"] == entry["seed"] and run["metrics"] == noted
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _copy_records(source: RunPaths, target: RunPaths, lines: Sequence[str]) -> None:
    """Replace the records of a run that was kept before by those of the one in `source`, naming where they are now."""
    for pattern in PLACED:
        for path in target.folder.glob(pattern):
            path.unlink()
        for path in source.folder.glob(pattern):
            place = target.folder / path.relative_to(source.folder)
            place.parent.mkdir(exist_ok=True)
            with replacing(place) as new:
                shutil.copyfile(path, new)
    folder = _read_json(source.run_json)["options"].get("output_dir", str(source.folder))  # where it was trained
    _rename_in_log(target.log_file, folder, str(target.folder), lines)
    metrics_file = target.test_dir / "metrics.json"
    if metrics_file.is_file():
        scores = _read_json(metrics_file)
        model_dir = scores["model"]["directory"]
        scores["model"]["directory"] = str(target.model_dir)
        write_json(metrics_file, scores)
        _rename_in_report(target.test_dir / "report.html", model_dir, str(target.model_dir))
        old, new_name = (json.dumps(name, ensure_ascii=False) for name in (folder, str(target.folder)))
        _rename_in_report(target.test_dir / "report.html", old, new_name)  # as an option's value


def _rename_in_log(path: Path, folder: str, new_folder: str, lines: Sequence[str]) -> None:
    """Write a log anew with another name of a directory, and of what is in it, and `lines` at its end."""
    name = re.compile(rf"(?<![\w./\\-]){re.escape(folder)}(?![\w.-])")
    log = name.sub(lambda _: new_folder, path.read_text(encoding="utf-8"))
    write_bytes(path, (log + "".join(line + "\n" for line in ("", *lines))).encode())


def _rename_in_report(path: Path, name: str, new_name: str) -> None:
    """Write report.html anew with another name in the cells that hold this one and nothing else."""
    if path.is_file():
        page = path.read_text(encoding="utf-8")
        cell, new_cell = (f"<bdi>{escape(text)}</bdi>" for text in (name, new_name))
        write_bytes(path, page.replace(cell, new_cell).encode())


def _read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
