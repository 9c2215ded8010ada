"""What a run is made of: fingerprints of its data, versions of its packages, and the run.json of its model."""

import hashlib
import json
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from toolkit.errors import UserError

NEEDED = ("labels", "columns", "max_length")
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "scikit-learn", "safetensors")


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def read_run(model_dir: Path) -> dict:
    """Return the run.json of a model directory; UserError if it is not one that main.py wrote."""
    path = model_dir / "run.json"
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in NEEDED if key not in run]:
            raise ValueError(f"it has no {missing[0]}")
        return run
    except (FileNotFoundError, NotADirectoryError):
        there = "it has no run.json" if model_dir.is_dir() else "there is no such directory"
        raise UserError(f"--model_dir {model_dir}: {there}; python main.py writes a model directory") from None
    except (ValueError, TypeError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def refuse_to_overwrite(output_dir: Path, overwrite: bool) -> None:
    """Raise UserError if a run, finished or not, is in the way and may not be replaced."""
    there = (output_dir / "bert_classifier" / "run.json").is_file() or (
        output_dir / "checkpoint" / "state.json"
    ).is_file()
    if there and not overwrite:
        raise UserError(
            f"{output_dir} already holds a run; --overwrite replaces it, --resume goes on with it, "
            "--output_dir names another place"
        )


def clear_run(output_dir: Path) -> None:
    """Remove what an earlier run left and a new one does not replace at once; its model stays until there is a new."""
    for name in ("checkpoint", "test"):
        shutil.rmtree(output_dir / name, ignore_errors=True)
    for name in ("metrics.jsonl", "curves.png", "rejected_rows.csv"):
        (output_dir / name).unlink(missing_ok=True)


def data_facts(tables: dict) -> dict:
    """Return for each table, by its name, its file, rows and fingerprint."""
    return {
        name: {"file": str(table.path), "rows": len(table.frame), "sha256": fingerprint(table.path)}
        for name, table in tables.items()
    }
