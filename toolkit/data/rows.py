"""Decide which rows of a file can be used: text, second text, label and group made plain, or the reason why not."""

import csv
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from toolkit.base.disk import replacing
from toolkit.base.errors import UserError
from toolkit.base.languages import LANGUAGES, LIST_COMMA, PLACES, Text, in_words, joined
from toolkit.cli.console import one_line
from toolkit.data.cells import Unusable, check_characters, group_of, is_indicator, labels_of_row, text_of
from toolkit.data.spellings import plain_label
from toolkit.data.texts import ROWS, TABLES
from toolkit.files.columns import Columns
from toolkit.files.source import FileLine, Record, Source, short_repr, shown_name

AnyRow = TypeVar("AnyRow")
MAX_LISTED_COLUMNS = 20  # in an error
UNREADABLE = re.compile("[\0\udc80-\udcff]")  # NUL, and bytes that could not be decoded
PAIR_SEPARATOR = "\0"  # between the two texts of a pair where they are one; no text can contain it


class Row(NamedTuple):
    """A row that can be used; `values` is the whole row as it stands in the file."""

    line: int | str  # with its file where several are read as one
    text: str
    text_pair: str | None
    label: str | tuple[str, ...] | None  # several where a row may have several, none of them twice
    values: dict
    group: str = ""  # "": none that it shares with other rows


class Rejected(NamedTuple):
    """A row that cannot be used, and why."""

    name: str  # of its file
    unit: str  # what `line` counts
    line: int | str
    reason: Text
    values: object
    stops: bool = True  # the reading, where bad rows do; a header that is repeated is left out anyhow

    @classmethod
    def at(cls, source: str, unit: str, line: int | str, reason: Text, values: object) -> "Rejected":
        """Return a row of `source` that cannot be used, by the file in which it stands where a source has several."""
        if isinstance(line, FileLine):
            return cls(line.file, unit, line.line, reason, values)
        return cls(source, unit, line, reason, values)

    @property
    def place(self) -> Text:
        """Where it stands in its file."""
        return PLACES[self.unit].fill(number=self.line)

    @property
    def shown_reason(self) -> Text:
        """The reason on one line."""
        return Text(*(one_line(in_words(self.reason, language)) for language in LANGUAGES))

    @property
    def problem(self) -> Text:
        """The whole row's problem, as an error says it."""
        return ROWS["rejected"].fill(file=shown_name(self.name), place=self.place, reason=self.reason)

    def __str__(self) -> str:
        return str(self.problem)


def read_rows(source: Source, columns: Columns) -> Iterator[Row | Rejected]:
    """Yield every row of `source` in the file's order, as a Row or as Rejected.

    The columns of a txt file are always called text and label, as are those of other formats that name none. Raises
    UserError if the file lacks one of `columns`: at once, or at the end of a json file that is longer than what its
    columns are known from.
    """
    if source.has_fixed_columns:
        columns = replace(columns, text="text", label=None if columns.label is None else "label")
    if source.header is not None:
        source.header.refuse_repeated(source.name, columns.read_names)
    # A lone surrogate is a byte that could not be decoded; in json and the like it is data.
    checks_every_cell = source.cells_are_text
    absent = _absent_columns(source, columns)
    if absent and (source.columns_of_first is None or source.is_pipe):
        raise _no_column(source, absent)
    for record in source.records:
        if record.values is not None and _repeats_header(record.values, source.written_names):
            repeated = Rejected.at(source.name, source.unit, record.line, ROWS["header"], record.values)
            yield repeated._replace(stops=False)
            continue
        if absent and record.values is not None:
            absent = {column: option for column, option in absent.items() if column not in record.values}
        try:
            yield _usable_row(_filled(record, source, columns), columns, checks_every_cell)
        except Unusable as error:
            values = record.values if record.problem is None else record.raw
            yield Rejected.at(source.name, source.unit, record.line, error.reason, values)
    if absent:
        raise _no_column(source, absent)


def _repeats_header(values: dict, written_names: Mapping[str, str]) -> bool:
    """Return whether every one of several cells is the name of its column, as where two files were joined."""
    return len(values) > 1 and all(
        isinstance(value, str) and plain_label(value) in map(plain_label, (column, written_names.get(column, column)))
        for column, value in values.items()
    )


def _absent_columns(source: Source, columns: Columns) -> dict[str, str]:
    """Return which of `columns` are not among those of `source`, with the option that names each.

    Raises UserError if two options name one column.
    """
    option_of: dict[str, str] = {}
    roles = [("text_column", columns.text), ("pair_column", columns.text_pair), ("label_column", columns.label)]
    roles += [("label_columns", name) for name in columns.label_columns]
    for option, column in [*roles, ("group_column", columns.group)]:
        if column is None:
            continue
        if column in option_of:
            named_twice = TABLES["one_column"].fill(
                file=source.name, first=option_of[column], second=option, column=short_repr(column)
            )
            raise UserError(named_twice)
        option_of[column] = option
    if not source.columns:
        return {}
    if columns.group is not None and columns.group_if_present:
        del option_of[columns.group]
    return {column: option for column, option in option_of.items() if column not in source.columns}


def _no_column(source: Source, absent: dict[str, str]) -> UserError:
    """Return the error that says that the first of the `absent` columns is not there."""
    column, option = next(iter(absent.items()))
    names = [short_repr(name) for name in source.columns[:MAX_LISTED_COLUMNS]]
    if len(source.columns) > MAX_LISTED_COLUMNS:
        names.append("...")
    where: str | Text = ""
    if source.is_pipe and source.columns_of_first:
        where = TABLES["in_first_objects"].fill(count=source.columns_of_first)
    of_option = TABLES["label_columns_hint" if option == "label_columns" else "column_hint"].fill(option=option)
    hint = TABLES["txt_hint"] if source.format == "txt" else of_option
    indicators = _indicator_columns(source) if option == "label_column" else []
    if indicators:
        hint = TABLES["indicators"].fill(columns=" ".join(map(shlex.quote, indicators)))
    if source.header is not None and source.header.is_doubtful:
        hint = TABLES["header_hint"].fill(hint=hint)
    listed = joined(names, LIST_COMMA)
    return UserError(
        TABLES["no_column"].fill(
            file=shown_name(source.name), column=short_repr(column), where=where, names=listed, hint=hint
        )
    )


def _indicator_columns(source: Source) -> list[str]:
    """Return the columns of a file, if there are several, that say of a label whether a row has it."""
    rows = [record.values for record in source.peek() if record.values is not None]
    columns = [column for column in source.columns if rows and all(is_indicator(row.get(column)) for row in rows)]
    return columns if len(columns) > 1 else []


def _filled(record: Record, source: Source, columns: Columns) -> Record:
    """Return a record that ends early with empty values for what it lacks, if that is of no account; else as it is.

    It is not where a label is read and there, nor where only columns without a name are missing: without a label it
    may as well be a part of a text with a line break.
    """
    if record.problem is None or record.values is None:
        return record
    missing = [column for column in source.columns if column not in record.values]
    is_named = any(source.written_names.get(column, column).strip() for column in missing)
    if set(missing) & {*columns.read_names} or (not columns.are_labelled and is_named):
        return record
    return Record(record.line, record.values | dict.fromkeys(missing, ""))


def _usable_row(record: Record, columns: Columns, checks_every_cell: bool) -> Row:
    """Return the row of a record; Unusable if it has none."""
    values = record.values
    if record.problem is not None:
        raise Unusable(record.problem)
    assert values is not None, "a record without values has a problem"
    text = text_of(values, columns.text)
    text_pair = None if columns.text_pair is None else text_of(values, columns.text_pair)
    label = labels_of_row(values, columns) if columns.are_labelled else None
    group = "" if columns.group is None else group_of(values, columns.group)
    if checks_every_cell:
        for column, value in values.items():
            if isinstance(value, str):
                check_characters(value, column)
    return Row(record.line, text, text_pair, label, values, group)


def usable_text(value: str, name: str) -> str:
    """Return a text that is not from a file; UserError, calling it `name`, if it cannot be used."""
    try:
        return text_of({name: value}, name)
    except Unusable as error:
        raise UserError(error.reason) from None


def cut_into_windows(rows: Iterator[AnyRow], size: int) -> Iterator[list[AnyRow]]:
    """Cut a stream of rows into lists of `size`, the last one shorter."""
    while window := list(islice(rows, size)):
        yield window


def stop_if_rejected(rejected: Sequence[Rejected], total: int, on_bad_rows: str) -> None:
    """Raise UserError that lists the rejected ones of `total` rows, if `on_bad_rows` is "stop" or no others are left.

    Without rejected rows nothing is raised, nor for those that do not stop a reading.
    """
    bad_rows = [row for row in rejected if row.stops]
    if not bad_rows or (on_bad_rows != "stop" and len(rejected) < total):
        return
    summary = ROWS["summary_skip" if on_bad_rows == "stop" else "summary"]
    of_file = summary.fill(file=shown_name(bad_rows[0].name), bad=len(bad_rows), total=total)
    raise UserError(*(row.problem for row in bad_rows), summary=of_file)


def cells_of(row: Rejected, columns: Sequence[str]) -> dict:
    """Return what can be told of the cells of a rejected row: those that it has, as they stand, by their columns.

    Fields beyond the columns are left out, and so is what is no row at all, such as a broken line of json.
    """
    cells: dict = {}
    if isinstance(row.values, dict):
        cells = row.values
    elif isinstance(row.values, list) and all(isinstance(value, str) for value in row.values):
        cells = dict(zip(columns, row.values, strict=False))
    elif isinstance(row.values, str) and list(columns) == ["text"]:
        cells = {"text": row.values}
    return {name: UNREADABLE.sub("\ufffd", cell) if isinstance(cell, str) else cell for name, cell in cells.items()}


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write the rejected rows as csv: file, line, reason and the row itself as json (empty where it has none).

    Nothing is written if there are none, and what an earlier run wrote is removed.
    """
    rejected = iter(rejected)
    first = next(rejected, None)
    if first is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as new, new.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "line", "reason", "row"])
        for row in chain([first], rejected):
            values = "" if row.values is None else json.dumps(row.values, ensure_ascii=False, default=str)
            writer.writerow([row.name, row.line, row.reason, values])
