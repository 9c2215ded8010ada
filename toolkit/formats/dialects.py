"""Tell how a csv or tsv file separates and quotes its fields, from the whole beginning of the file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, joined
from toolkit.cli.sections import TableOptions
from toolkit.files.texts import PROBLEMS, REMARKS
from toolkit.formats.column_names import USUAL_NAMES, clean_name, is_known
from toolkit.formats.fields import NAMES, SEPARATORS, Dialect, Fields, split_rows
from toolkit.formats.texts import TABLES

HEAD_CHARACTERS = 1 << 20  # of a file, in which its dialect is told
HEAD_LINES = 10_000
FEW_LINES = 20  # of which a longer head is looked at
LONG_HEAD_CHARACTERS = 8 * HEAD_CHARACTERS
CHECKED_FIELDS = 100  # of a row; it may have many
FEW_ROWS = 3  # fewer may agree about a separator by chance
MOST_BAD_ROWS = 0.2  # share of the rows; a dialect that reads more of them badly is hardly the file's
SEPARATOR_LINE = re.compile('"?sep=([,;|\t])"?\\s*', re.IGNORECASE)


@dataclass(frozen=True)
class EarlierFile:
    """The first of several files that are read as one table, which the others may go on without a header."""

    format: str
    separator: str | None  # of a csv or tsv file
    columns: tuple[str, ...]
    rows: list[list[str]]  # some of them


@dataclass(frozen=True)
class TableReading:
    """What is known beforehand of a csv or tsv file; None: to be told from the file itself."""

    separator: str | None = None  # the character
    escapes: bool | None = None  # whether a backslash stands before quotes
    has_header: bool | None = None
    names: tuple[str, ...] = ()  # of the columns of a file without a header
    wanted: tuple[str, ...] = USUAL_NAMES  # names of the columns that will be used, that of the text first
    with_label: bool = True  # whether labels are wanted
    earlier: EarlierFile | None = None  # what was read before as part of the same table

    @classmethod
    def from_options(cls, options: TableOptions, wanted: tuple[str, ...], with_label: bool) -> "TableReading":
        """Return what options say of a file whose columns of these names are wanted."""
        separator = options.separator or "auto"
        return cls(
            separator=None if separator == "auto" else SEPARATORS.get(separator, separator),
            escapes={"none": False, "backslash": True}.get(options.escape or "auto"),
            has_header=False if options.no_header or options.columns else None,
            names=tuple(options.columns.split(",")) if options.columns else (),
            wanted=wanted,
            with_label=with_label,
        )


UNKNOWN = TableReading()


@dataclass(frozen=True)
class Head:
    """The first lines of a file; `is_cut` where there may be more of them."""

    lines: list[str]
    is_cut: bool

    @cached_property
    def text(self) -> str:
        """All of it."""
        return "".join(self.lines)


def without_separator_line(head: Head) -> tuple[Head, str | None]:
    """Return a head, and the separator that its first line names, such as sep=; for Excel, which is then blank."""
    named = SEPARATOR_LINE.fullmatch(head.lines[0]) if head.lines else None
    if named is None:
        return head, None
    return Head(["\n", *head.lines[1:]], head.is_cut), named.group(1)


def read_head(stream: TextIO, lines_at_hand: int | None = None) -> Head:
    """Read the first lines of a stream, of a pipe no more than are at hand, but one that is not blank in any case."""
    lines: list[str] = []
    characters = 0
    has_content = False
    for line in stream:
        lines.append(line)
        characters += len(line)
        has_content = has_content or bool(line.strip())
        limit = HEAD_CHARACTERS if len(lines) >= FEW_LINES else LONG_HEAD_CHARACTERS
        is_long = characters >= limit or len(lines) >= HEAD_LINES
        if has_content and (is_long or (lines_at_hand is not None and len(lines) >= lines_at_hand)):
            return Head(lines, is_cut=True)
    return Head(lines, is_cut=False)


@dataclass
class Reading:
    """How a dialect reads the head of a file; `remarks` are what there is to say of it."""

    dialect: Dialect
    rows: list[Fields]
    remarks: list[str | Text] = field(default_factory=list)
    may_escape: bool = False  # its backslashes may as well stand for nothing but the signs behind them

    @cached_property
    def width(self) -> int:
        """The fields of the first row, 0 where it cannot be read."""
        return len(self.rows[0].values) if self.rows and self.rows[0].problem is None else 0

    @cached_property
    def bad_rows(self) -> int:
        """How many rows have not the width of the first; empty fields too many at the end do not count."""
        return sum(not self._fits(row) for row in self.rows[1:]) + (self.width == 0)

    @cached_property
    def odd_rows(self) -> int:
        """How many rows have a field with a quote that should have been quoted."""
        return sum('"' in row.raw and _has_stray_quote(row, self.dialect) for row in self.rows)

    @property
    def bad_share(self) -> float:
        """The share of the rows that are bad."""
        return self.bad_rows / max(1, len(self.rows))

    @property
    def is_table(self) -> bool:
        """Whether every row has the same fields, two at least."""
        return self.width >= 2 and self.bad_rows == 0

    def _fits(self, row: Fields) -> bool:
        return row.problem is None and len(row.values) >= self.width and not any(row.values[self.width :])


def _has_stray_quote(row: Fields, dialect: Dialect) -> bool:
    """Return whether a field has a quote that is not written as a writer of the dialect would."""
    values = (value for value in row.values if '"' in value)
    for value in islice(values, CHECKED_FIELDS):
        doubled = value.replace('"', '""')
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        if f'"{doubled}"' not in row.raw and not (dialect.escapes and escaped in row.raw):
            return True
    return False


def tell_dialect(name: str, kind: str, head: Head, known: TableReading) -> Reading:
    """Return how the file `name` is to be read, whose ending says that it is csv or tsv (`kind`).

    A file that the ending's own separator reads with a column that is wanted has that separator, and a sound
    comma-separated file means what it always did. Raises UserError, with the options that settle it, where two
    dialects read the file equally well.
    """
    usual = "\t" if kind == "tsv" else ","
    if known.separator is not None:
        reading = _read(head, known.separator, known.escapes)
    else:
        reading = _told_apart(name, head, known, usual)
    if reading.dialect != Dialect(usual):
        reading.remarks.insert(0, reading.dialect.words())
    if reading.may_escape:
        if reading.dialect.separator != usual:
            raise UserError(TABLES["backslashes"].fill(name=name))
        reading.remarks.append(REMARKS["text_backslashes"])
    if any(row.is_split and '"' in row.raw for row in reading.rows):
        reading.remarks.append(REMARKS["text_quotes"])
    return reading


def _told_apart(name: str, head: Head, known: TableReading, usual: str) -> Reading:
    """Return the reading by the separator that fits the best; UserError where two do."""
    default = _read(head, usual, known.escapes)
    if _header_level(default, known) == 2:
        return default
    separators = [separator for separator in NAMES if separator != usual and separator in head.text]
    others = [_read(head, separator, known.escapes) for separator in separators]
    others = [reading for reading in others if reading.width >= 2]
    readings = [default, *others]
    level = max(_header_level(reading, known) for reading in readings)
    if level > 0:
        best = [reading for reading in readings if _header_level(reading, known) == level]
        return default if default in best else _least_bad(name, best)
    tables = [reading for reading in readings if reading.is_table]
    if not tables:
        usable = [reading for reading in others if reading.bad_share <= MOST_BAD_ROWS]
        if default.width >= 2 and default.bad_share <= MOST_BAD_ROWS:
            usable.append(default)
        return _least_bad(name, usable) if usable else default
    may_be_one_column = default.width == 1 and default.bad_rows == 0 and len(default.rows) < FEW_ROWS
    if len(tables) > 1 or may_be_one_column:
        raise _undecided(name, [*tables, default] if may_be_one_column else tables)
    return tables[0]


def _header_level(reading: Reading, known: TableReading) -> int:
    """Return how well the first row fits as a header: 2 if it names the text, 1 if it has a name that is known.

    Where the names of the columns are given, it is a matter of their number, and where an earlier file has as many
    columns between the same separators, that is as good as a name.
    """
    if known.names:
        return 2 if reading.width == len(known.names) else 0
    earlier = known.earlier
    if earlier is not None and (reading.dialect.separator, reading.width) == (earlier.separator, len(earlier.columns)):
        return 2
    if known.has_header is False or reading.width == 0:
        return 0
    names = [clean_name(value) for value in reading.rows[0].values]
    if clean_name(known.wanted[0]) in names:
        return 2
    if any(clean_name(wanted) in names for wanted in known.wanted):
        return 1
    return int(any(is_known(cell) and not _recurs(reading.rows, j) for j, cell in enumerate(names)))


def _recurs(rows: Sequence[Fields], column: int) -> bool:
    """Return whether the first cell of a column stands below too, in rows that are not the first again."""
    first = rows[0].values
    return any(row.values != first and row.values[column : column + 1] == [first[column]] for row in rows[1:])


def _least_bad(name: str, readings: Sequence[Reading]) -> Reading:
    """Return the reading with the fewest bad rows; UserError where two have equally few."""
    fewest = min(reading.bad_share for reading in readings)
    best = [reading for reading in readings if reading.bad_share == fewest]
    if len(best) > 1:
        raise _undecided(name, best)
    return best[0]


def _undecided(name: str, readings: Sequence[Reading]) -> UserError:
    """Return the error that names the options by which the separator is settled."""
    options = [f"--separator {NAMES[reading.dialect.separator]}" for reading in readings]
    listed = joined(options, PROBLEMS["or"])
    return UserError(TABLES["separators"].fill(name=name, count=len(options), options=listed))


def _read(head: Head, separator: str, escapes: bool | None) -> Reading:
    """Read a head by a separator in the way of quoting that leaves the fewest rows bad, if possible the plain one."""
    if escapes is not None:
        plain = _by(head, Dialect(separator, escapes))
        candidates = [plain, *_without_blanks(plain, head)]
        return min(candidates, key=_faults)
    plain = _by(head, Dialect(separator))
    escaping = _with_escapes(plain, head)
    if _faults(plain) == (0, 0):
        if escaping is not None and _faults(escaping) == (0, 0):
            plain.may_escape = True
        return plain
    candidates = [plain, *_without_blanks(plain, head)]
    if escaping is not None:
        candidates += [escaping, *_without_blanks(escaping, head)]
    return min(candidates, key=_faults)


def _by(head: Head, dialect: Dialect) -> Reading:
    return Reading(dialect, list(split_rows(head.lines, dialect, head.is_cut)))


def _faults(reading: Reading) -> tuple[int, int]:
    return reading.bad_rows, reading.odd_rows


def _without_blanks(reading: Reading, head: Head) -> Iterator[Reading]:
    """Yield the reading by the same dialect, blanks behind separators left out, if they stand before quotes."""
    dialect = reading.dialect
    if re.search(f'{re.escape(dialect.separator)} +"', head.text):
        yield _by(head, Dialect(dialect.separator, dialect.escapes, skips_blanks=True))


def _with_escapes(plain: Reading, head: Head) -> Reading | None:
    """Return the reading by a dialect with escapes, None where the file has a backslash that escapes nothing."""
    if "\\" not in head.text:
        return None
    pair = re.compile(f"\\\\[\\\\\"'\r\n{re.escape(plain.dialect.separator)}]")
    if "\\" in pair.sub("", head.text):
        return None
    return _by(head, Dialect(plain.dialect.separator, escapes=True))
