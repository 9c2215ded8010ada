"""Cut the lines of a csv or tsv file into rows of fields, by the separator and the quoting that the file has."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.base.languages import COMMA, Text, joined
from toolkit.files.texts import BAD_ROWS, REMARKS
from toolkit.formats.texts import TABLES

csv.field_size_limit(2**31 - 1)

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
NAMES = {separator: name for name, separator in SEPARATORS.items()}


@dataclass(frozen=True)
class Dialect:
    """How a file separates and quotes its fields; a quote inside a quoted field is doubled in every dialect."""

    separator: str = ","
    escapes: bool = False  # a backslash makes an ordinary character of the quote, separator or line break behind it
    skips_blanks: bool = False  # blanks behind a separator are no part of the field

    @property
    def is_lenient(self) -> bool:
        """Whether a line whose quotes make no sense is cut at its separators, as tsv is often written without any."""
        return self.separator == "\t"

    def words(self) -> Text:
        """Return the dialect in words, such as semicolon-separated."""
        separator = REMARKS.get(NAMES.get(self.separator, ""), repr(self.separator))
        words = [REMARKS["separated"].fill(separator=separator)]
        if self.escapes:
            words.append(REMARKS["escaped_quotes"])
        if self.skips_blanks:
            words.append(REMARKS["skipped_blanks"])
        return joined(words, COMMA)

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Return Python's reader of this dialect."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            escapechar="\\" if self.escapes else None,
            skipinitialspace=self.skips_blanks,
            strict=True,
        )


@dataclass(frozen=True)
class Fields:
    """The fields of a row that begins on a line; with a `problem` the only field is the line as it stands."""

    line: int
    values: list[str]
    problem: Text | None = None
    raw: str = ""  # its lines
    is_split: bool = False  # its quotes made no sense, so the line was cut at its separators


class Lines:
    """A file's lines, some of which can be handed out again after a csv error."""

    def __init__(self, stream: Iterable[str]):
        self.stream = iter(stream)
        self.returned: deque[str] = deque()  # lines to be handed out again
        self.taken: list[str] = []  # lines of the record being read
        self.number = 0  # of the line that was handed out last
        self.last_failed_line = 0  # of all records that made no sense
        self.last_failure = ""

    def __iter__(self) -> "Lines":
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


def split_rows(stream: Iterable[str], dialect: Dialect, is_cut: bool = False) -> Iterator[Fields]:
    """Yield the rows of a stream of lines that are not blank.

    A quote that never closes would swallow the rest of the file: then the row's first line alone is the bad one. In
    a tsv file, which many programs write without quoting, a line whose quotes make no sense is split at its tabs as it
    stands, and so are the lines of a quoted field that are rows by themselves, unless the first row is quoted
    throughout. Of a stream that `is_cut`, a row whose quote is still open at the end is no row yet.
    """
    lines = Lines(stream)
    reader = dialect.reader(lines)
    is_first = True
    width: int | None = None  # of the first row, if lines of this width are rows whatever quotes they have
    while True:
        lines.taken.clear()
        row = _next_row(lines, reader, dialect, width, is_cut)
        if row is None:
            return
        raw = "".join(lines.taken)
        if "\0" in raw:
            row = Fields(row.line, [raw.rstrip("\r\n")], TABLES["nul"])
        if raw.strip():
            if is_first and not _is_quoted(raw, row.values):
                width = len(row.values)
            is_first = False
            yield Fields(row.line, row.values, row.problem, raw, row.is_split)


def _next_row(
    lines: Lines, reader: Iterator[list[str]], dialect: Dialect, width: int | None, is_cut: bool
) -> Fields | None:
    """Return the next row, blank ones too, None at the end of the file; `width` is the number of its columns."""
    start = lines.number + 1
    try:
        values = next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        if is_cut and _is_open_at_end(str(error)):
            return None
        lines.note_failure(str(error))
        line = lines.keep_first()
        if dialect.is_lenient:
            return Fields(start, line.split(dialect.separator), is_split=True)
        return Fields(start, [line], _problem(str(error)))
    if dialect.is_lenient and _are_rows_each(lines.taken, dialect.separator, width):
        lines.note_failure("its lines are rows by themselves")
        return Fields(start, lines.keep_first().split(dialect.separator), is_split=True)
    return Fields(start, values)


def _is_quoted(raw: str, values: Sequence[str]) -> bool:
    """Return whether every field of a row is quoted, as only a program writes it that quotes well."""
    return raw.count('"') == 2 * (len(values) + sum(value.count('"') for value in values))


def _are_rows_each(lines: list[str], separator: str, width: int | None) -> bool:
    """Return whether the lines that a quoted field seems to join are rows by themselves."""
    return len(lines) > 1 and width is not None and all(line.count(separator) == width - 1 for line in lines)


def _is_open_at_end(message: str) -> bool:
    """Return whether Python's csv says that the lines ended within a quoted field."""
    return "end of data" in message


def _problem(message: str) -> Text:
    """Return what is wrong with a row, from what Python's csv says of it."""
    if _is_open_at_end(message):
        return BAD_ROWS["never_closed"]
    if "expected after" in message:
        return BAD_ROWS["after_quote"]
    return Text(message, message)
