"""Read csv and tsv files: fields, mostly below a header."""

from dataclasses import replace
from itertools import chain
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.base.languages import PLACES, Text, count_of
from toolkit.files.source import Header, Record, Source
from toolkit.files.texts import BAD_ROWS, PROBLEMS
from toolkit.formats.dialects import UNKNOWN, Reading, TableReading, read_head, tell_dialect, without_separator_line
from toolkit.formats.fields import Fields, split_rows
from toolkit.formats.header import described, tell_header


def read_table_text(
    name: str, kind: str, stream: TextIO, known: TableReading = UNKNOWN, lines_at_hand: int | None = None
) -> Source:
    """Open a csv or tsv file (`kind`); UserError if its columns cannot be told.

    `known` says what need not be told from its beginning, of which no more than `lines_at_hand` are read.
    """
    head, separator = without_separator_line(read_head(stream, lines_at_hand))
    if known.separator is None and separator is not None:
        known = replace(known, separator=separator)
    reading = tell_dialect(name, kind, head, known)
    rows = split_rows(chain(head.lines, stream), reading.dialect)
    header = _header(name, reading, known)
    taken_for: list[str | Text] = list(reading.remarks)
    if header.line is None:
        taken_for.append(described(header.columns))
    else:
        next(rows)
    records = (_record(row, header.columns) for row in rows)
    source = Source(name, kind, header.columns, records, stream, header=header, taken_for=taken_for)
    source.separator = reading.dialect.separator
    return source


def _header(name: str, reading: Reading, known: TableReading) -> Header:
    """Return the names of the columns: the first row, or where that is a row like the others, by what is in them."""
    if not reading.rows:
        raise UserError(PROBLEMS["empty"].fill(file=name))
    first = reading.rows[0]
    if first.problem is not None:
        place = PLACES["line"].fill(number=first.line)
        raise UserError(PROBLEMS["at"].fill(file=name, place=place, reason=first.problem))
    rows = [row.values for row in reading.rows if row.problem is None]
    return tell_header(name, first.line, rows, known)


def _record(row: Fields, columns: list[str]) -> Record:
    """Return the record of a row, with what is wrong where it is not as long as the columns are many."""
    problem = row.problem
    if problem is None and len(row.values) != len(columns):
        problem = BAD_ROWS["fields"].fill(fields=count_of(len(row.values), "field"), columns=len(columns))
    if problem is None:
        return Record(row.line, dict(zip(columns, row.values, strict=True)))
    if row.problem is None and len(row.values) < len(columns):
        return Record(row.line, dict(zip(columns, row.values, strict=False)), problem, row.values)
    return Record(row.line, None, problem, row.values)
