"""Files and directories on the disk: replaced so that a reader finds the old or the new one, whole, at any instant."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from toolkit.base.errors import UserError
from toolkit.base.languages import Text

LOCK_FILE = ".lock"
UNWRITABLE = Text("{folder}: cannot be written ({reason})", "{folder}：无法写入（{reason}）")
IN_USE = Text(
    "{folder}: another run is writing there; wait for it to end, or choose another directory",
    "{folder}：另一次运行正在写这个目录；请等它结束，或换一个目录",
)


def hidden_sibling(path: Path, state: str) -> Path:
    """Return the hidden path beside `path` of what is not in its place, or no longer: `state` is new, old or gone."""
    return path.with_name(f".{path.name}.{state}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file to; it then takes the place of `path` in one go.

    Its content is on the disk before its name is. If the writing fails, as on a full disk, nothing is left of it and
    the old file stays.
    """
    new = hidden_sibling(path, "new")
    try:
        yield new
        sync(new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content in one go."""
    with replacing(path) as new:
        new.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Replace a json file in one go."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    write_bytes(path, f"{text}\n".encode())


def write_json_lines(path: Path, values: list) -> None:
    """Replace a file of one json object a line in one go."""
    lines = [json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values]
    write_bytes(path, "".join(lines).encode())


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yield an empty directory beside `folder` to write to, and wait in the end until what is in it is on the disk.

    It is left there for install_directory. If the writing fails nothing is left of it. Raises UserError where
    safetensors or the tokenizers cannot write.
    """
    new = hidden_sibling(folder, "new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        umask = os.umask(0o077)
        os.umask(umask)
        for path in new.rglob("*"):
            if path.is_dir():
                sync_directory(path)
            else:
                path.chmod(0o666 & ~umask)  # safetensors lets nobody else read what it writes
                sync(path)
        sync_directory(new)
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        # Libraries that write in Rust have exceptions of their own for a full disk: the tokenizers a plain Exception.
        is_of_tokenizers = type(error) is Exception and "os error" in str(error)
        if isinstance(error, SafetensorError) or is_of_tokenizers:
            raise UserError(UNWRITABLE.fill(folder=folder, reason=error)) from None
        raise


def install_directory(path: Path) -> None:
    """Replace the directory `path` by the one that `filling` has left beside it.

    Two renames cannot be one: if the process dies between them, `recover` gives the old directory its name back.
    """
    new = hidden_sibling(path, "new")
    old = hidden_sibling(path, "old")
    recover(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    try:
        new.rename(path)
    except OSError:  # a reader came between the two renames and gave the old one its name back
        path.rename(old)
        new.rename(path)
    sync_directory(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover(path: Path) -> None:
    """Give a directory its name back if install_directory was killed between its two renames."""
    old = hidden_sibling(path, "old")
    if old.is_dir() and not path.exists():
        old.rename(path)


def sweep(path: Path) -> None:
    """Remove what killed processes left of a file or directory that was being written, and nothing that is whole."""
    recover(path)
    for state in ("new", "old", "gone"):
        leftover = hidden_sibling(path, state)
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk, where a system can tell (Windows cannot)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and shared folders do not know how
            raise
    finally:
        os.close(handle)


def lock_directory(folder: Path) -> FileLock:
    """Return the lock of a directory that is there, taken; UserError if another process has it.

    The system lets go of it when the process ends, however that happens.
    """
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(IN_USE.fill(folder=folder)) from None
    return lock


class DirectoryLock:
    """A context in which the lock of a directory can be taken; it is released at the end.

    A directory that has been locked before is locked on entering, so that a second process is refused before it begins
    its work. One that has not, or that is not there yet, is left as it is until `take` is called, so that a script that
    ends by a mistake before it writes leaves nothing behind. Raises UserError if another process has the lock. In a
    process that is not to write, nothing here does anything.
    """

    def __init__(self, folder: Path, writes: bool = True):
        self.folder = folder
        self.writes = writes
        self.lock: FileLock | None = None

    def __enter__(self) -> "DirectoryLock":
        self.take_if_used()
        return self

    @property
    def is_taken(self) -> bool:
        """Whether this process has the lock."""
        return self.lock is not None

    def take_if_used(self) -> None:
        """Take the lock of a directory that has been locked before, if this has not been done."""
        if (self.folder / LOCK_FILE).exists():
            self.take()

    def take(self) -> None:
        """Make the directory if it is missing, and take its lock if this has not been done."""
        if self.writes and self.lock is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = lock_directory(self.folder)

    def release(self) -> None:
        """Release the lock if it was taken."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def __exit__(self, *_: object) -> None:
        self.release()


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    with path.open("rb") as stream:
        return stream_fingerprint(stream)


def stream_fingerprint(stream: BinaryIO) -> str:
    """Return the sha256 of the bytes of a stream in hex."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
