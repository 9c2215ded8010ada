"""Data files: which format a name stands for, which file of a folder is meant, and what reading one gives."""

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from toolkit.base.errors import UserError
from toolkit.base.languages import COMMA, LIST_COMMA, Text, joined
from toolkit.cli.sections import DataOptions
from toolkit.files.texts import NAME_OF_OUTPUT, PROBLEMS, STANDARD_INPUT

PEEKED_RECORDS = 256
FORMATS = ("csv", "tsv", "json", "jsonl", "txt", "parquet", "xlsx")  # that can be read and written
ENDINGS = {**{f".{kind}": kind for kind in FORMATS}, ".ndjson": "jsonl", ".arrow": "arrow"}  # of files to read
PACKED = (".gz", ".zip")
TEXT_FORMATS = ("csv", "tsv", "json", "jsonl", "txt")

_short_repr = reprlib.Repr()
_short_repr.maxstring = 80  # characters
_short_repr.maxother = 80


def short_repr(value: object) -> str:
    """Return a value from a file as it is written into a message, however long or deep it is."""
    return _short_repr.repr(value)


def shown_name(name: str) -> Text:
    """Return in both languages what a source is called, whose name is that of a file or of standard input."""
    return STANDARD_INPUT if name == STANDARD_INPUT.en else Text(name, name)


class Closeable(Protocol):
    """What can be closed, as a file can."""

    def close(self) -> object:
        """Close it."""


class FileLine(str):
    """A line of one of several files that are read as one, written file:line."""

    file: str
    line: int

    def __new__(cls, file: str, line: int) -> "FileLine":
        """Return the place by its file and its line."""
        place = super().__new__(cls, f"{file}:{line}")
        place.file = file
        place.line = line
        return place


class Record(NamedTuple):
    """A row as it stands in the file; where it cannot be read `values` is None and `problem` says why."""

    line: int | str  # the line it begins on, the first being 1, as an editor counts them; of a folder its file
    values: dict | None
    problem: Text | None = None
    raw: object = None  # what stands in the place of values that cannot be read


@dataclass(frozen=True)
class Header:
    """The names of the columns of a table."""

    line: int | None  # on which it stands; None: on none, as in parquet, or the file has no header
    columns: list[str]  # without what cannot be seen; of equal ones the second is called name.1, and so on
    written: Mapping[str, str]  # how a column's name stands in the file, where it is written otherwise
    repeated: frozenset[str] = frozenset()  # names that several columns have
    is_doubtful: bool = False  # it may as well be a row
    unit: str = "line"  # what `line` counts

    def refuse_repeated(self, name: str, used: Iterable[str]) -> None:
        """Raise UserError if several columns of the file `name` are called as one that is used."""
        repeated = {*used} & self.repeated
        if repeated:
            place = name if self.line is None else f"{name}, {self.unit} {self.line}"
            raise UserError(PROBLEMS["two_columns"].fill(place=place, name=short_repr(min(repeated))))


@dataclass
class Source:
    """An open file: its columns and its records, to iterate over once. It is a context manager that closes the file.

    `format` is the one in which its rows are written again. The columns of a json file are the keys of its first
    objects; `columns_of_first` says how many those are, None if they are all.
    """

    name: str
    format: str
    columns: list[str]
    records: Iterator[Record]
    stream: Closeable | None = None
    unit: str = "line"  # what `Record.line` counts: a parquet file has rows
    columns_of_first: int | None = None
    cells_are_text: bool = True  # decoded from the file's bytes, of which some may be no characters
    arrow_schema: Any = None  # of a parquet or arrow file, in which its predictions are written
    has_fixed_columns: bool = False  # they are called text and label whatever the columns of other files are called
    is_pipe: bool = False  # standard input, whose end cannot be waited for
    taken_for: list[str | Text] = field(
        default_factory=list
    )  # what is said of how it was read, where that is not obvious
    separator: str | None = None  # of a csv or tsv file
    header: Header | None = None  # of a table in cells; of parquet, arrow and json where two columns have one name

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            self.stream.close()

    def peek(self) -> list[Record]:
        """Return the first records, which stay to be read; none of a pipe, where they may not have come yet."""
        if self.is_pipe:
            return []
        head = list(islice(self.records, PEEKED_RECORDS))
        self.records = chain(head, self.records)
        return head

    @property
    def written_names(self) -> Mapping[str, str]:
        """How the names of columns stand in the file, where they are written otherwise than in `columns`."""
        return {} if self.header is None else self.header.written

    @property
    def is_in_cells(self) -> bool:
        """Whether it is a csv or tsv file or a sheet, which mostly begins with a line of names."""
        return self.separator is not None or self.format == "xlsx"

    @property
    def header_is_doubtful(self) -> bool:
        """Whether what was taken for the header may as well be a row."""
        return self.header is not None and self.header.is_doubtful


def said_first(taken_for: Iterable[str | Text]) -> Text:
    """Return what a file was taken for as the beginning of what is said of its rows; "" if that is obvious."""
    return joined([joined([remark, COMMA], "") for remark in taken_for], "")


def file_ending(path: str | Path) -> str:
    """Return the ending that tells a file's format: .csv, or .csv.gz if it is packed."""
    suffixes = Path(str(path).lower()).suffixes
    count = 2 if suffixes[-1:] and suffixes[-1] in PACKED else 1
    return "".join(suffixes[-count:])


def format_of_name(path: str | Path) -> str | None:
    """Return the format that the ending of a name stands for, of a packed file that of its content; None for none."""
    ending = file_ending(path)
    for packed in PACKED:
        ending = ending.removesuffix(packed)
    return ENDINGS.get(ending)


def file_format(path: str | Path) -> str:
    """Return the format in which a file of this name is written; UserError if its ending stands for none."""
    ending = file_ending(path)
    kind = format_of_name(path)
    can_be_packed = kind in TEXT_FORMATS and ending.endswith(".gz")
    if kind not in FORMATS or (ending.endswith(PACKED) and not can_be_packed):
        kinds = joined([f".{kind}" for kind in TEXT_FORMATS], LIST_COMMA)
        others = joined([f".{kind}" for kind in FORMATS if kind not in TEXT_FORMATS], PROBLEMS["or"])
        raise UserError(NAME_OF_OUTPUT.fill(path=path, kinds=kinds, others=others))
    return kind


def find_file(folder: str | Path, stem: str) -> Path | None:
    """Return the one file called `stem` with a known ending in `folder`, or the folder of that name with data in it.

    None if there is none. Raises UserError if there are several, naming two of them.
    """
    files = _files_called(folder, stem)
    if len(files) > 1:
        raise UserError(PROBLEMS["two_files"].fill(first=files[0], second=files[1]))
    return files[0] if files else None


def has_file(folder: str | Path, stem: str) -> bool:
    """Say whether `folder` has data called `stem`, once or more often."""
    return bool(_files_called(folder, stem))


def _files_called(folder: str | Path, stem: str) -> list[Path]:
    """Return all files called `stem` with a known ending in `folder`, and the folder of that name with data in it."""
    names = [f"{stem}{ending}{packed}" for ending in ENDINGS for packed in ("", *PACKED)]
    names += [f"{stem}{packed}" for packed in PACKED]
    files = [path for path in (Path(folder) / name for name in names) if path.is_file()]
    if _holds_data(Path(folder) / stem):
        files.append(Path(folder) / stem)
    return files


def _holds_data(path: Path) -> bool:
    """Return whether a path is a folder of texts, of one folder a label, or of a saved dataset."""
    if not path.is_dir():
        return False
    return any(entry.is_dir() or entry.suffix.lower() in (".txt", ".arrow") for entry in path.iterdir())


def need_file(name: str | None, folder: str | Path, stem: str, option: str) -> str | Path:
    """Return the file that an option names or, where it names none, the one called `stem` in `folder`; else UserError.

    `option` is what the option is called in the error.
    """
    file = name or find_file(folder, stem)
    if file is None:
        raise UserError(PROBLEMS["no_file"].fill(stem=stem, folder=folder, option=option))
    return file


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
