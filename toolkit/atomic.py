"""Write files and directories so that a reader finds the old one or the new one, whole, at any instant."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content in one go, on the disk before its name is."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def write_json(path: Path, value: object) -> None:
    """Replace a json file in one go."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())


def write_json_lines(path: Path, values: list) -> None:
    """Replace a file of one json object a line in one go."""
    write_bytes(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode())


def replace_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Replace a directory by one that `fill` writes into the empty directory it is given."""
    new, old = path.with_name(path.name + ".new"), path.with_name(path.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    fill(new)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)
