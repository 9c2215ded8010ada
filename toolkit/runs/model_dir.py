"""The directory of a saved model: which model is in it, and a better one that waits beside it.

The new best model of a run waits until the checkpoint that tells of it is written, and then takes its place.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.base.disk import fingerprint, hidden_sibling, install_directory, recover, sweep
from toolkit.base.errors import UserError
from toolkit.runs.checkpoint import saved_progress
from toolkit.runs.paths import RunPaths
from toolkit.runs.progress import Progress

OWN_FILES = ("run.json", "README.md")  # of the model directory; the others are written by save_pretrained
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class ModelFiles:
    """Which model is in a directory: by this two readings of it know whether they have read the same one."""

    directory: Path
    run: str  # the sha256 of run.json, "" where there is none
    others: Mapping[str, Sequence[int]]  # by name, the bytes and the time of change in ns: weights, tokenizer and so on

    @classmethod
    def in_directory(cls, model_dir: Path) -> "ModelFiles":
        """Return which model is in a directory, whatever is wrong with it."""
        recover(model_dir)
        run = ""
        others = {}
        with suppress(OSError):  # the directory is missing, or is being replaced
            run = fingerprint(model_dir / "run.json")
            for path in sorted(model_dir.iterdir()):
                if path.name not in OWN_FILES:
                    status = path.stat()
                    others[path.name] = [status.st_size, status.st_mtime_ns]
        return cls(model_dir, run, others)

    def check(self) -> None:
        """Raise UserError if another model is in the directory by now, so that parts of two may have been read."""
        if ModelFiles.in_directory(self.directory) != self:
            raise UserError(f"--model_dir {self.directory}: the model was replaced while it was read; start again")

    def as_json(self) -> dict[str, str | Sequence[int]]:
        """Return the files by their names."""
        return {"run.json": self.run, **self.others}


def is_directory_of(model: str | None, model_dir: Path) -> bool:
    """Say whether --model names this model directory."""
    if model is None:
        return False
    path = Path(model).expanduser()
    return path.is_dir() and path.resolve() == model_dir.resolve()


def weights_fingerprint(model_dir: Path) -> str:
    """Return the sha256 of a model's weights in hex, "" if there are none."""
    path = model_dir / WEIGHTS_FILE
    return fingerprint(path) if path.is_file() else ""


# -- the best model of a run ------------------------------------------------------------------------------------------


def waiting_model(model_dir: Path) -> Path:
    """Return where a new model waits to replace the one in `model_dir`."""
    return hidden_sibling(model_dir, "new")


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
        raise UserError(
            f"--resume: {paths.model_dir} is not the best model of this run, that of step {progress.best_step}"
        )
