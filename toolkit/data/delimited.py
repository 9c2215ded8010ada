"""Read csv and tsv files (a header, then fields) and txt files (text, or text<TAB>label, a line)."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.data.files import Record, Source, short_repr

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class _Fields:
    """The fields of a row that begins on a line; with a `problem` the only field is the line as it stands."""

    line: int
    values: list[str]
    problem: str | None = None


class _Lines:
    """A file's lines, some of which can be handed out again after a csv error."""

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.returned: deque[str] = deque()  # lines to be handed out again
        self.taken: list[str] = []  # lines of the record being read
        self.number = 0  # of the line that was handed out last
        self.last_failed_line = 0  # of all records that made no sense
        self.last_failure = ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        """Return the next line; csv.Error if the record being read would go on as one did that made no sense.

        A record that is still open at a line reads on from there as any other that was open there did, whatever came
        before. So none is followed twice over the same lines: the time is linear even where every line opens a quote.
        """
        if self.taken and self.number < self.last_failed_line:
            raise csv.Error(self.last_failure)
        line = self.returned.popleft() if self.returned else next(self.stream)
        self.taken.append(line)
        self.number += 1
        return line.replace("\0", "\ufffd")  # at which Python 3.10's csv would stop

    def keep_first(self) -> str:
        """Put all but the first line of the record being read back and return that first line without its end."""
        self.returned.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]
        return self.taken[0].rstrip("\r\n")

    def note_failure(self, message: str) -> None:
        """Remember that the record being read makes no sense, and why, before its lines are put back."""
        if self.number > self.last_failed_line:
            self.last_failed_line = self.number
            self.last_failure = message


def read_table_text(name: str, kind: str, stream: TextIO) -> Source:
    """Open a csv or tsv file (`kind`), whose first row names the columns; UserError if that row is unusable."""
    rows = _rows(stream, "\t" if kind == "tsv" else ",")
    header = next(rows, _Fields(1, [], "the file is empty"))
    if header.problem is not None:
        raise UserError(f"{name}, line {header.line}: {header.problem}")
    columns = [column.strip() for column in header.values]
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise UserError(f"{name}, line {header.line}: two columns are called {short_repr(min(repeated))}")
    return Source(name, kind, columns, (_record(row, columns) for row in rows), stream)


def _record(row: _Fields, columns: list[str]) -> Record:
    """Return the record of a row below the header, with what is wrong where one is not as long as it."""
    problem = row.problem
    if problem is None and len(row.values) != len(columns):
        fields = "1 field" if len(row.values) == 1 else f"{len(row.values)} fields"
        problem = f"{fields} where the header has {len(columns)}"
    if problem is not None:
        return Record(row.line, None, problem, row.values)
    return Record(row.line, dict(zip(columns, row.values, strict=True)))


def _rows(stream: TextIO, delimiter: str) -> Iterator[_Fields]:
    """Yield the rows that are not blank.

    A quote that never closes would swallow the rest of the file: then the row's first line alone is the bad one. In
    a tsv file, which many programs write without quoting, a line whose quotes make no sense is split at its tabs as it
    stands.
    """
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width: int | None = None  # of the first row
    while True:
        lines.taken.clear()
        row = _next_row(lines, reader, delimiter, width)
        if row is None:
            return
        if any("\0" in line for line in lines.taken):
            row = _Fields(row.line, ["".join(lines.taken).rstrip("\r\n")], "contains a NUL character")
        if any(line.strip() for line in lines.taken):
            if width is None:
                width = len(row.values)
            yield row


def _next_row(lines: _Lines, reader: Iterator[list[str]], delimiter: str, width: int | None) -> _Fields | None:
    """Return the next row, blank ones too, None at the end of the file; `width` is the number of its columns."""
    start = lines.number + 1
    try:
        values = next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        lines.note_failure(str(error))
        line = lines.keep_first()
        if delimiter == ",":
            return _Fields(start, [line], _csv_problem(str(error)))
        return _Fields(start, line.split("\t"))
    if delimiter == "\t" and _are_rows_each(lines.taken, width):
        lines.note_failure("its lines are rows by themselves")
        return _Fields(start, lines.keep_first().split("\t"))
    return _Fields(start, values)


def _are_rows_each(lines: list[str], width: int | None) -> bool:
    """Return whether the lines that a quoted field seems to join are rows by themselves."""
    return len(lines) > 1 and width is not None and all(line.count("\t") == width - 1 for line in lines)


def _csv_problem(message: str) -> str:
    """Return what is wrong with a row, from what Python's csv says of it."""
    if "end of data" in message:
        return "a quoted field is never closed"
    if "expected after" in message:
        return 'text follows a closing quote (a quote inside a quoted field is written "")'
    return message


def read_txt(name: str, stream: TextIO) -> Source:
    """Open a txt file. Its first line that is not blank decides whether the lines are texts or texts with labels."""
    numbered = ((number, line.rstrip("\r\n")) for number, line in enumerate(stream, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return Source(name, "txt", ["text"], iter(()), stream)
    columns = ["text", "label"] if "\t" in first[1] else ["text"]
    records = (_txt_record(number, line, columns) for number, line in chain([first], numbered))
    return Source(name, "txt", columns, records, stream)


def _txt_record(number: int, line: str, columns: list[str]) -> Record:
    """Return the record of a line; the label is what follows its last tab."""
    if columns == ["text"]:
        return Record(number, {"text": line})
    text, tab, label = line.rpartition("\t")
    if not tab:
        return Record(number, None, "no tab between text and label, although the first line has one", line)
    return Record(number, {"text": text, "label": label})
