"""The best of several runs takes the place that a single run would have; the weights of the others are removed."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from toolkit.runs.seeds_json import SeedRun
from toolkit.runs.texts import RESUMING

# What the directory of the best run keeps a copy of in the place of a single run; the model is moved.
COPIED = ("train.log", *(name for name in RECORDS if not name.startswith("checkpoint/")))


def drop_checkpoint(paths: RunPaths) -> None:
    """Remove the checkpoint of a finished run."""
    _remove_in_one_go(paths.checkpoint_dir)


def drop_model(paths: RunPaths) -> None:
    """Remove the model of a finished run that is not the best; its small files stay."""
    _remove_in_one_go(paths.model_dir)


def _remove_in_one_go(folder: Path) -> None:
    """Rename a directory and remove it then: a part of one would be taken for a run."""
    if folder.is_dir():
        folder.rename(hidden_sibling(folder, "gone"))
    sweep(folder)


def place_run(source: RunPaths, target: RunPaths, kept: SeedRun, lines: Sequence[str]) -> None:
    """Move the `kept` run from its own directory `source` to `target`, and add `lines` to the end of its train.log.

    The model is moved last: until it is in its place, this can be done again, and afterwards it does nothing. Raises
    UserError if the model is in neither place, or if scores are being written to `target`.
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
    if not _holds_model_of(target, kept):
        raise UserError(RESUMING["other_kept"].fill(folder=target.model_dir, seed=kept.seed))


def _holds_model_of(paths: RunPaths, run: SeedRun) -> bool:
    """Say whether the model in a run directory is that of a run in seeds.json."""
    try:
        content = _read_json(paths.run_json)
        metrics = content["metrics"]  # with the milliseconds that the training took, so no other run has the same
        noted_metrics = {name: run.scores[name] for name in metrics}
        return content["options"]["seed"] == run.seed and metrics == noted_metrics
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _copy_records(source: RunPaths, target: RunPaths, lines: Sequence[str]) -> None:
    """Replace the records of the run that was kept before by those of the one in `source`, with their new paths."""
    for pattern in COPIED:
        for path in target.folder.glob(pattern):
            path.unlink()
        for path in source.folder.glob(pattern):
            copy = target.folder / path.relative_to(source.folder)
            copy.parent.mkdir(exist_ok=True)
            with replacing(copy) as new:
                shutil.copyfile(path, new)
    trained_in = _read_json(source.run_json)["options"].get("output_dir", str(source.folder))
    _rename_in_log(target.log_file, trained_in, str(target.folder), lines)
    metrics_file = target.test_dir / "metrics.json"
    if metrics_file.is_file():
        scores = _read_json(metrics_file)
        old_model_dir = scores["model"]["directory"]
        scores["model"]["directory"] = str(target.model_dir)
        write_json(metrics_file, scores)
        _rename_in_report(target.test_dir / "report.html", old_model_dir, str(target.model_dir))
        _rename_in_report(target.test_dir / "report.html", _quoted(trained_in), _quoted(str(target.folder)))


def _rename_in_log(path: Path, folder: str, new_folder: str, lines: Sequence[str]) -> None:
    """Replace the path of a directory in a log, also where it begins the path of a file, and add `lines` to the end."""
    name = re.compile(rf"(?<![\w./\\-]){re.escape(folder)}(?![\w.-])")
    log = name.sub(lambda _: new_folder, path.read_text(encoding="utf-8"))
    write_bytes(path, "\n".join([log, *lines, ""]).encode())


def _rename_in_report(path: Path, name: str, new_name: str) -> None:
    """Replace a path in those cells of report.html that hold it and nothing else."""
    if path.is_file():
        page = path.read_text(encoding="utf-8")
        write_bytes(path, page.replace(_cell(name), _cell(new_name)).encode())


def _cell(text: str) -> str:
    """Return the cell of report.html that holds a text."""
    return f"<bdi>{escape(text)}</bdi>"


def _quoted(text: str) -> str:
    """Return a text as the value of an option stands in report.html."""
    return json.dumps(text, ensure_ascii=False)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
