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
    write_bytes(path, (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode())


def write_json_lines(path: Path, values: list) -> None:
    """Replace a file of one json object a line in one go."""
    write_bytes(
        path, "".join(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values).encode()
    )


def recover(path: Path) -> None:
    """Give a directory its name back if replace_directory was killed between its two renames."""
    old = path.with_name(path.name + ".old")
    if old.is_dir() and not path.exists():
        old.rename(path)


def replace_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Replace a directory by one that `fill` writes into the empty directory it is given.

    Two renames cannot be one: if the process dies between them, `recover` gives the old directory its name back.
    """
    new, old = path.with_name(path.name + ".new"), path.with_name(path.name + ".old")
    recover(path)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    fill(new)
    for file in new.iterdir():
        sync(file)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
