"""A lock on a directory, which the system lets go of when the process ends, however that happens."""

from pathlib import Path

from filelock import FileLock, Timeout

from toolkit.base.errors import UserError

LOCK = ".lock"


def lock_directory(folder: Path) -> FileLock:
    """Return the lock of a directory that is there, taken; UserError if another process has it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder}: another run is writing there; wait for its end or name another place") from None
    return lock
