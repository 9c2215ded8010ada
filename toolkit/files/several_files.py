"""Read several files that a pattern names as one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, beginning
from toolkit.files.inputs import text_of_name
from toolkit.files.source import PEEKED_RECORDS, FileLine, Record, Source, short_repr
from toolkit.files.texts import REMARKS, SEVERAL_FILES

MAX_LISTED = 5  # columns in an error


class _OpenFile:
    """The file that is being read, the others being closed or not yet open."""

    def __init__(self, source: Source):
        self.source = source

    def close(self) -> None:
        """Close it."""
        self.source.__exit__()


def read_several(name: str, paths: Sequence[Path], first: Source, open_one: Callable[[Path], Source]) -> Source:
    """Return the source of several files, of which the first is open and `open_one` opens each other in its turn.

    Records have the file in their line. Once they are read, `taken_for` says how many files have no header where the
    first has one. Raises UserError, while they are read, for a file with other columns or of another format than it.
    """
    open_file = _OpenFile(first)
    source = replace(first, name=name, stream=open_file)
    source.records = _records(paths, open_one, open_file, source)
    if source.format in ("json", "jsonl"):  # later files may have keys that the first has not
        source.columns_of_first = PEEKED_RECORDS
    if len(paths) > 1:
        source.taken_for = [REMARKS["files"].fill(count=len(paths)), *first.taken_for]
    return source


def _records(
    paths: Sequence[Path], open_one: Callable[[Path], Source], open_file: _OpenFile, source: Source
) -> Iterator[Record]:
    """Yield the records of all files, and say in the end which have no header."""
    first = open_file.source
    without_header = 0
    for number, path in enumerate(paths):
        if number > 0:
            open_file.close()
            open_file.source = open_one(path)
            _refuse_another(paths[0], first, path, open_file.source)
        for record in open_file.source.records:
            yield record._replace(line=FileLine(text_of_name(str(path)), int(record.line)))
        without_header += _has_no_header(open_file.source)
    if without_header and not _has_no_header(first):
        only_first = without_header == len(paths) - 1
        remark = REMARKS["first_header" if only_first else "without_header"].fill(count=without_header)
        source.taken_for.insert(1, remark)


def _has_no_header(source: Source) -> bool:
    """Return whether a source is a table in cells that has no line of names."""
    return source.is_in_cells and source.header is not None and source.header.line is None


def _refuse_another(first_path: Path, first: Source, path: Path, other: Source) -> None:
    """Raise UserError for a file that is not like the first."""
    if other.format != first.format or other.unit != first.unit:
        raise UserError(
            SEVERAL_FILES["format"].fill(path=path, own=other.format, first=first_path, format=first.format)
        )
    has_keys = first.format in ("json", "jsonl")  # which may differ from row to row
    if not has_keys and sorted(other.columns) != sorted(first.columns):
        own, columns = _listed(other.columns), _listed(first.columns)
        raise UserError(SEVERAL_FILES["columns"].fill(path=path, own=own, first=first_path, columns=columns))
    if first.arrow_schema is not None and not first.arrow_schema.equals(other.arrow_schema):
        raise UserError(SEVERAL_FILES["types"].fill(path=path, first=first_path))


def _listed(columns: Sequence[str]) -> Text:
    return beginning([short_repr(column) for column in columns], MAX_LISTED)
