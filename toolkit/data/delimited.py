"""Read csv and tsv files (a header, then fields) and txt files (text, or text<TAB>label, a line)."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.data.files import Record, Source, shown

csv.field_size_limit(2**31 - 1)


class _PushBack:
    """A file's lines, some of which can be handed out again after a csv error."""

    def __init__(self, stream: TextIO):
        self.stream, self.again = stream, deque()
        self.taken: list[str] = []  # lines of the record being read
        self.number = 0
        self.failed, self.why = 0, ""  # the last line of the longest record that made no sense, and why it made none

    def __iter__(self):
        return self

    def __next__(self) -> str:
        """Return the next line; csv.Error if the record being read would go on as one did that made no sense.

        A record that is still open at a line reads on from there as any other that was open there did, whatever came
        before. So none is followed twice over the same lines: the time is linear even where every line opens a quote.
        """
        if self.taken and self.number < self.failed:
            raise csv.Error(self.why)
        line = self.again.popleft() if self.again else next(self.stream)
        self.taken.append(line)
        self.number += 1
        return line.replace("\0", "\ufffd")  # at which Python 3.10's csv would stop

    def keep_first(self, why: str = "") -> str:
        """Put all but the first line of a record that makes no sense back and return that first line."""
        if self.number > self.failed:
            self.failed, self.why = self.number, why
        self.again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]
        return self.taken[0]


def read_table_text(name: str, kind: str, stream: TextIO) -> Source:
    """Open a csv or tsv file (`kind`), whose first row names the columns."""
    rows = _rows(stream, "\t" if kind == "tsv" else ",")
    line, header, problem = next(rows, (1, None, "the file is empty"))
    if problem:
        raise UserError(f"{name}, line {line}: {problem}")
    columns = [column.strip() for column in header]
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise UserError(f"{name}, line {line}: two columns are called {shown.repr(min(twice))}")

    def records() -> Iterator[Record]:
        """Yield the rows below the header, with what is wrong where one is not as long as it."""
        for line, row, problem in rows:
            if problem is None and len(row) != len(columns):
                problem = f"{len(row)} field{'s' * (len(row) != 1)} where the header has {len(columns)}"
            yield Record(line, None, problem, row) if problem else Record(line, dict(zip(columns, row, strict=True)))

    return Source(name, kind, columns, records(), stream)


def _rows(stream: TextIO, delimiter: str) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield (line, fields, problem) of each row that is not blank; with a problem the fields are the line as it stands.

    A quote that never closes would swallow the rest of the file: then the row's first line alone is the bad one. In
    a tsv file, which many programs write without quoting, a line whose quotes make no sense is split at its tabs as it
    stands.
    """
    lines, width = _PushBack(stream), None
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        start, problem = lines.number + 1, None
        try:
            row = next(reader)
            if delimiter == "\t" and _are_rows_each(lines.taken, width):
                row = lines.keep_first().rstrip("\r\n").split("\t")
        except StopIteration:
            return
        except csv.Error as error:
            row = lines.keep_first(str(error)).rstrip("\r\n").split("\t")
            if delimiter == ",":
                row, problem = [lines.taken[0].rstrip("\r\n")], _csv_problem(str(error))
        if any("\0" in line for line in lines.taken):
            row, problem = ["".join(lines.taken).rstrip("\r\n")], "contains a NUL character"
        if any(line.strip() for line in lines.taken):
            width = width or len(row)
            yield start, row, problem


def _are_rows_each(lines: list[str], width: int | None) -> bool:
    """Say whether the lines that a quoted field seems to join are rows by themselves."""
    return len(lines) > 1 and width is not None and all(line.count("\t") == width - 1 for line in lines)


def _csv_problem(message: str) -> str:
    if "end of data" in message:
        return "a quote is opened that never closes"
    if "expected after" in message:
        return 'text follows a closing quote (a quote inside a quoted field is written "")'
    return message


def read_txt(name: str, stream: TextIO) -> Source:
    """Open a txt file. Its first line decides whether the lines are texts or texts with labels."""
    numbered = ((number, line.rstrip("\r\n")) for number, line in enumerate(stream, 1) if line.strip())
    head = list(islice(numbered, 1))
    columns = ["text", "label"] if head and "\t" in head[0][1] else ["text"]

    def parse(line: int, text: str) -> Record:
        """Return the record of a line, the label being what follows its last tab."""
        fields = text.rsplit("\t", 1) if len(columns) == 2 else [text]
        if len(fields) < len(columns):
            return Record(line, None, "there is no tab between text and label, as there is on the first line", text)
        return Record(line, dict(zip(columns, fields, strict=True)))

    return Source(name, "txt", columns, (parse(*line) for line in chain(head, numbered)), stream)
