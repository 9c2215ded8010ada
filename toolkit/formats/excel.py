"""Read xlsx files, the workbooks of Excel."""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, BinaryIO

from toolkit.base.errors import CANNOT_BE_READ, UserError, first_line
from toolkit.files.packed import refuse_bomb
from toolkit.files.source import Record, Source, short_repr
from toolkit.files.texts import REMARKS
from toolkit.formats.dialects import UNKNOWN, TableReading
from toolkit.formats.header import described, tell_header
from toolkit.formats.texts import TABLE_FILES

ROWS_AT_ONCE = 1024
MAX_ROWS = 1 << 20  # of a sheet
DIGITS = 15  # of a number that Excel keeps


def read_xlsx(name: str, file: BinaryIO, known: TableReading = UNKNOWN) -> Source:
    """Open the first sheet of a workbook that has rows; `known` says what need not be told of its header.

    Records are numbered as in the sheet, whose first row is 1. Of a formula the value counts that Excel computed last.
    Raises UserError for what is no workbook or has nothing in it, and where two columns have a name that is `wanted`.
    """
    try:
        import openpyxl  # noqa: PLC0415 (optional)
    except ModuleNotFoundError:
        raise UserError(TABLE_FILES["package"].fill(name=name, kind="xlsx", package="openpyxl")) from None
    try:
        with zipfile.ZipFile(file) as archive:
            refuse_bomb(name, archive.infolist())
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and checks of cells, which do not matter here
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheets = [sheet for sheet in workbook.worksheets if _first_row(sheet) is not None]
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged workbook may be anything
        raise UserError(TABLE_FILES["no_workbook"].fill(name=name, reason=first_line(error))) from None
    if not sheets:
        raise UserError(TABLE_FILES["empty_workbook"].fill(name=name))
    chosen = next((sheet for sheet in sheets if sheet.sheet_state == "visible"), sheets[0])
    source = _sheet_source(name, chosen, known)
    source.stream = file
    if len(workbook.sheetnames) > 1:
        remark = REMARKS["first_sheet" if len(sheets) > 1 else "sheet"]
        source.taken_for.append(remark.fill(name=short_repr(chosen.title), count=len(sheets)))
    return source


def _sheet_source(name: str, sheet: Any, known: TableReading) -> Source:
    """Return the source of a sheet that has rows."""
    rows = _plain_rows(name, sheet)
    head = list(islice(rows, ROWS_AT_ONCE))
    number, first = head[0]
    width = max(place for place, cell in enumerate(first, 1) if not _is_empty(cell))
    texts = [["" if cell is None else str(cell) for cell in _cut(row, width)] for _, row in head]
    header = tell_header(name, number, texts, known, unit="row")
    below = head if header.line is None else head[1:]
    records = (_record(number, row, header.columns) for number, row in chain(below, rows))
    source = Source(name, "xlsx", header.columns, records, unit="row", cells_are_text=False, header=header)
    if header.line is None:
        source.taken_for.append(described(header.columns))
    return source


def _cut(row: Sequence[object], width: int) -> list[object]:
    """Return the cells of a row that stand below the first row's, None for those that it lacks."""
    return [*row[:width], *[None] * (width - len(row))]


def _record(number: int, row: Sequence[object], columns: Sequence[str]) -> Record:
    """Return the record of a row; what stands beside the columns is left out."""
    return Record(number, dict(zip(columns, _cut(row, len(columns)), strict=True)))


def _first_row(sheet: Any) -> tuple[int, Sequence[object]] | None:
    """Return the first row of a sheet that is not blank, with its number; None if there is none."""
    return next(((number, row) for number, row in _rows(sheet) if not _is_blank(row)), None)


def _rows(sheet: Any) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield the rows of a sheet with their numbers."""
    sheet.reset_dimensions()  # which some programs write wrongly
    return enumerate(sheet.iter_rows(min_row=1, values_only=True), 1)


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _is_blank(row: Sequence[object]) -> bool:
    return all(map(_is_empty, row))


def _plain_rows(name: str, sheet: Any) -> Iterator[tuple[int, list[object]]]:
    """Yield the rows that are not blank with their numbers; UserError where the workbook is damaged."""
    rows = _rows(sheet)
    while chunk := _chunk(name, rows):
        for number, row in chunk:
            if number > MAX_ROWS:
                raise UserError(TABLE_FILES["too_many_rows"].fill(name=name, number=number))
            if not _is_blank(row):
                yield number, [_plain(value) for value in row]


def _chunk(name: str, rows: Iterator[tuple[int, Sequence[object]]]) -> list[tuple[int, Sequence[object]]]:
    """Return the next rows; UserError where the workbook is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(islice(rows, ROWS_AT_ONCE))
    except MemoryError:
        raise
    except Exception as error:  # a damaged workbook may be anything
        raise UserError(CANNOT_BE_READ.fill(file=name, reason=first_line(error))) from None


def _plain(value: object) -> object:
    """Return a cell's value as text, as Excel shows it; numbers stay numbers, without digits that Excel does not keep.

    A date is written year-month-day, with its time if that is not midnight.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, datetime):
        return str(value).removesuffix(" 00:00:00")
    return str(value)
