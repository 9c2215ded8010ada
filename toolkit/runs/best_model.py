"""The best model of a run: a new one waits beside its place until the checkpoint that tells of it is written."""

import json
from pathlib import Path

from toolkit.base.disk import fingerprint, hidden_sibling, install_directory, sweep
from toolkit.base.errors import UserError
from toolkit.models.trust import weight_files
from toolkit.runs.checkpoint import saved_progress
from toolkit.runs.paths import RunPaths
from toolkit.runs.progress import Progress
from toolkit.runs.texts import RESUMING


def waiting_model(model_dir: Path) -> Path:
    """Return where a new model waits to replace the one in `model_dir`."""
    return hidden_sibling(model_dir, "new")


def weights_fingerprint(model_dir: Path) -> str:
    """Return the sha256 of a model's weights in hex, those that were trained if no others are saved; "" if none are."""
    path = weight_files(model_dir)[0]
    return fingerprint(path) if path.is_file() else ""


def step_of_model(model_dir: Path) -> int:
    """Return the step at which the model in a directory was the best, 0 if there is none."""
    try:
        return json.loads((model_dir / "run.json").read_text(encoding="utf-8"))["metrics"]["step"]
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def is_best_model(model_dir: Path, progress: Progress) -> bool:
    """Say whether a directory holds the best model of a run that has come as far as `progress`.

    A model of another run may be of the same step, so that its weights decide.
    """
    if not 0 < progress.best_step == step_of_model(model_dir):
        return False
    if not progress.best_model:  # a checkpoint of an older version, which does not tell
        return True
    return weights_fingerprint(model_dir) == progress.best_model


def settle_model(paths: RunPaths) -> None:
    """Put the model that waits in its place if it is the best one of the checkpoint, else remove it."""
    waiting = waiting_model(paths.model_dir)
    if is_best_model(waiting, saved_progress(paths.checkpoint_dir)):
        install_directory(paths.model_dir)
    sweep(paths.model_dir)


def need_model(paths: RunPaths) -> None:
    """Raise UserError if the checkpoint tells of a best model and another one, or none, is in its place."""
    progress = saved_progress(paths.checkpoint_dir)
    if progress.best_step and not is_best_model(paths.model_dir, progress):
        raise UserError(RESUMING["other_best"].fill(folder=paths.model_dir, step=progress.best_step))
