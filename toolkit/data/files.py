"""Data files: which format a name stands for, which file of a folder is meant, and what reading one gives."""

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from toolkit.base.errors import UserError
from toolkit.cli.sections import DataOptions

FORMATS = ("csv", "tsv", "json", "jsonl", "txt", "parquet")

shown = reprlib.Repr()  # `shown.repr` writes what stands in a file into a message, however long or deep it is
shown.maxstring = shown.maxother = 80  # characters


class Record(NamedTuple):
    """One row as it stands in the file; `values` is None and `problem` says why where it cannot be read."""

    line: int  # the line it begins on, the first being 1, as an editor counts them
    values: dict | None
    problem: str | None = None
    raw: object = None  # what stands there instead of values


@dataclass
class Source:
    """An open file: its columns (the keys of its first objects for json) and its records, to iterate over once.

    `columns_of_first` says of how many objects, where there may be more of them with other keys.
    """

    name: str
    format: str
    columns: list[str]
    records: Iterator[Record]
    stream: IO | None = None
    unit: str = "line"  # what `Record.line` counts: a parquet file has rows
    columns_of_first: int | None = None
    is_pipe: bool = False  # standard input, whose end cannot be waited for

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.stream is not None:
            self.stream.close()


def file_ending(path: str | Path) -> str:
    """Return the ending that tells a file's format: .csv, or .csv.gz if it is packed."""
    suffixes = Path(str(path).lower()).suffixes
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def file_format(path: str | Path) -> str:
    """Return the format that a file name's ending stands for; UserError if it stands for none."""
    ending = file_ending(path)
    kind = ending.removesuffix(".gz").removeprefix(".")
    if kind not in FORMATS or ending == ".parquet.gz":
        raise UserError(f"{path}: the name should end in .{', .'.join(FORMATS)} (all but the last also with .gz)")
    return kind


def find_file(folder: str | Path, stem: str) -> Path | None:
    """Return the one file called `stem` with a known ending in `folder`, None if there is none.

    Raises UserError if there are several, naming two of them.
    """
    endings = [f".{kind}{gz}" for kind in FORMATS for gz in ("", ".gz")]
    found = [path for ending in endings if (path := Path(folder) / f"{stem}{ending}").is_file()]
    if len(found) > 1:
        raise UserError(f"{found[0]} and {found[1]} are both there; remove one, or name the one that is meant")
    return found[0] if found else None


def need_file(given: str | None, folder: str | Path, stem: str, option: str) -> str | Path:
    """Return the file that is given by an option or, without it, the one called `stem` in `folder`; else UserError."""
    found = given or find_file(folder, stem)
    if found is None:
        raise UserError(f"there is no {stem}.csv (.tsv, .json, ...) in {folder}; {option} names another")
    return found


def labelled_files(options: DataOptions) -> dict[str, Path | None]:
    """Return the files train, valid and test of a run (None: there is none): those of options, else the folder's.

    A training file that is named alone goes without the folder's validset. A test file is one that is named. Raises
    UserError if there is no training file.
    """
    train_file = need_file(options.train_file, options.data_dir, "trainset", "--train_file")
    valid_file = _path(options.valid_file)
    if valid_file is None and options.train_file is None:
        valid_file = find_file(options.data_dir, "validset")
    return {"train": Path(train_file), "valid": valid_file, "test": _path(options.test_file)}


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
