"""What a run is made of: fingerprints of its data, versions of its packages, and the run.json of its model."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from toolkit.base.disk import LOCK_FILE, DirectoryLock, fingerprint, hidden_sibling, recover, sweep
from toolkit.base.errors import UserError
from toolkit.models.trust import pickles, stray_files
from toolkit.runs.run_facts import RunFacts

SEEDS = "seeds.json"  # of several runs of one command
RUN_FILES = (
    *(SEEDS, "checkpoint/state.json", "checkpoint/state-*.safetensors", "metrics.jsonl", "curves.png"),
    *("rejected_rows.csv", "tensorboard/events.out.tfevents.*"),
    *(f"test/{name}" for name in ("metrics.json", "predictions.csv", "rejected_rows.csv", "report.html")),
)
OWN_FILES = ("run.json", "README.md")  # of the model directory; the others are written by save_pretrained
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "scikit-learn", "safetensors")


def versions() -> dict[str, str]:
    """Return the versions of python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def read_run(model_dir: Path) -> RunFacts:
    """Return the run.json of a model directory; UserError if it is not one that main.py wrote."""
    path = model_dir / "run.json"
    recover(model_dir)
    try:
        if model_dir.is_dir() and (problems := _not_ours(model_dir)):
            raise UserError(*(f"--model_dir {model_dir}: {problem}" for problem in problems))
        return RunFacts.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        there = "it has no run.json" if model_dir.is_dir() else "there is no such directory"
        raise UserError(f"--model_dir {model_dir}: {there}; python main.py writes a model directory") from None
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


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
        run, others = "", {}
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


def _not_ours(model_dir: Path) -> list[str]:
    """Return what main.py never puts into a model directory, so that somebody else did."""
    found = [
        f"{name} is a pickle, which can run code, and main.py writes none; remove it" for name in pickles(model_dir)
    ]
    return [*stray_files(model_dir), *found]


def step_of_model(model_dir: Path) -> int:
    """Return the step at which the model in a directory was the best, 0 if there is none."""
    try:
        return json.loads((model_dir / "run.json").read_text(encoding="utf-8"))["metrics"]["step"]
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def refuse_to_overwrite(output_dir: Path, overwrite: bool) -> None:
    """Raise UserError if a run, finished or not, is in the way and may not be replaced, or something that is no run."""
    model_dir, state = output_dir / "bert_classifier", output_dir / "checkpoint" / "state.json"
    a_run = any(path.is_file() for path in (model_dir / "run.json", state, output_dir / SEEDS))
    if a_run and not overwrite:
        raise UserError(
            f"{output_dir} already holds a run; --overwrite replaces it, --resume goes on with it, "
            "--output_dir names another place"
        )
    empty = model_dir.is_dir() and not any(model_dir.iterdir())
    if model_dir.exists() and not empty and not (model_dir / "run.json").is_file():
        raise UserError(f"{model_dir} is in the way and is not a model of ours; --output_dir names another place")


def seed_folder(output_dir: Path, seed: int) -> Path:
    """Return the run directory of one of several runs of a command."""
    return output_dir / f"seed-{seed}"


def seed_folders(output_dir: Path) -> list[Path]:
    """Return the run directories of the runs that seeds.json tells of, none if there is no such file."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        seeds = json.loads((output_dir / SEEDS).read_text(encoding="utf-8"))["seeds"]
        return [seed_folder(output_dir, int(seed)) for seed in seeds]
    return []


def sweep_run(output_dir: Path) -> None:
    """Remove what killed runs left of files that they were writing, and nothing that is whole."""
    for name in (*RUN_FILES, "bert_classifier", *(f"bert_classifier/{name}" for name in OWN_FILES)):
        if "*" not in name:
            sweep(output_dir / name)


def clear_run(output_dir: Path) -> None:
    """Remove the files of an earlier run, or of several of one command, models included, and nothing else.

    Raises UserError, and removes nothing, if scores are being written there.
    """
    with DirectoryLock(output_dir / "test"):
        _clear(output_dir)
    (output_dir / "test" / LOCK_FILE).unlink(missing_ok=True)
    for name in ("checkpoint", "test", "tensorboard"):
        if (output_dir / name).is_dir() and not any((output_dir / name).iterdir()):
            (output_dir / name).rmdir()


def _clear(output_dir: Path) -> None:
    for folder in seed_folders(output_dir):
        sweep_run(folder)
        sweep(folder / "checkpoint" / "tensors")
        clear_run(folder)
        for name in ("train.log", ".lock"):
            (folder / name).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    model_dir = output_dir / "bert_classifier"
    if (model_dir / "run.json").is_file():  # of a half a model no next start could know that it was one
        model_dir.rename(hidden_sibling(model_dir, "gone"))
        sweep(model_dir)
    for pattern in reversed(RUN_FILES):  # by the first of them a run is known, so it is removed last
        for path in output_dir.glob(pattern):
            path.unlink()


def data_facts(tables: dict, sets: dict) -> dict:
    """Return for each table, by its name, its file, rows and fingerprint, and that of its dataset in `sets`, if any."""
    facts = {}
    for name, table in tables.items():
        facts[name] = {"file": str(table.path), "rows": len(table.frame), "sha256": table.sha256}
        if name in sets:
            digest = hashlib.sha256()
            for tensor in sets[name].tensors:
                digest.update(tensor.numpy())
            facts[name]["tokens"] = digest.hexdigest()
    return facts
