"""Which files an input is: one, all of a folder, or those that a pattern such as part-*.csv names."""

import glob
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.files.texts import PROBLEMS

PATTERN = re.compile(r"[*?\[]")


def is_pattern(path: str | Path) -> bool:
    """Return whether a name stands for several files; a file or folder that is really called so is itself."""
    return bool(PATTERN.search(str(path))) and not Path(path).exists()


def matching_files(pattern: str | Path) -> list[Path]:
    """Return the files that a pattern names, sorted by their names; UserError if there are none."""
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    files = sorted(Path(name) for name in names if Path(name).is_file())
    if not files:
        raise UserError(PROBLEMS["no_match"].fill(pattern=pattern))
    return files


def files_of_folder(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those in it, without hidden ones, sorted by their paths."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def text_of_name(name: str) -> str:
    """Return the name of a file as text that can be written: what is not, as unzip leaves names in GBK, is escaped."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def input_files(path: Path) -> list[Path]:
    """Return the files that are read for an input; one that is not there stands for itself."""
    if is_pattern(path):
        return matching_files(path)
    return list(files_of_folder(path)) if path.is_dir() else [path]


def input_fingerprint(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex; of several files that of their names and of the sha256 of each."""
    files = input_files(path)
    if files == [path]:
        return fingerprint(path)
    folder = path if path.is_dir() else path.parent
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder) if file.is_relative_to(folder) else file
        digest.update(f"{fingerprint(file)} {name.as_posix()}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
