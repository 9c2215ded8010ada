"""What a run is made of: fingerprints of its data, versions of its packages, and the run.json of its model."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from toolkit.base.disk import fingerprint, recover
from toolkit.base.errors import UserError
from toolkit.models.trust import pickles, stray_files
from toolkit.runs.run_facts import RunFacts

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
