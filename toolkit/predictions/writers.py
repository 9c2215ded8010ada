"""Rows with their predictions, written in one of the formats, a window of the file at a time."""

import csv
import gzip
import io
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from toolkit.base.errors import UserError
from toolkit.files.source import file_format
from toolkit.predictions.added_columns import AddedColumns
from toolkit.predictions.texts import OUTPUT

Writer: TypeAlias = "TextWriter | ParquetWriter | ExcelWriter"
EXCEL_ROWS = 1 << 20  # of a sheet, the header too
EXCEL_CHARACTERS = 32_767  # of a cell
EXACT_INTEGER = 10**15  # Excel keeps 15 digits
NO_EXCEL_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
UTF8_BOM = b"\xef\xbb\xbf"  # by which Excel knows utf-8

# -- text formats ----------------------------------------------------------------------------------------------------


class TextWriter:
    """How rows are written in a text format: `header`, then `encode(rows)` of each window, then `footer`.

    Everything is utf-8. A txt file is like a tsv file without header and quotes; tabs and line breaks become blanks.
    `names` says what columns are called in the header, where that is not as in the rows. With `excel_safe` there is a
    BOM, by which Excel knows utf-8, and cells that would be run as a formula begin with '.
    """

    def __init__(
        self, kind: str, columns: Sequence[str], excel_safe: bool = False, names: Mapping[str, str] | None = None
    ):
        self.kind = kind
        self.columns = list(columns)
        self.excel_safe = excel_safe and kind in ("csv", "tsv")
        self.header = b""
        self.separator = b""  # between windows
        self.footer = b""
        if kind == "json":
            self.header = b"[\n"
            self.separator = b",\n"
            self.footer = b"\n]\n"
        elif kind in ("csv", "tsv"):
            self.header = self._table([{column: (names or {}).get(column, column) for column in columns}])
            if self.excel_safe:
                self.header = UTF8_BOM + self.header

    @property
    def holds_lists(self) -> bool:
        """Whether a value may be a list."""
        return self.kind in ("json", "jsonl")

    def encode(self, rows: Sequence[Mapping]) -> bytes:
        """Return the bytes of some rows."""
        if self.kind == "json":
            return b",\n".join(_json_bytes(row) for row in rows)
        if self.kind == "jsonl":
            return b"".join(_json_bytes(row) + b"\n" for row in rows)
        return self._table(rows)

    def _table(self, rows: Sequence[Mapping]) -> bytes:
        """Return the bytes of the lines of some rows in a format of cells."""
        lines = [[_cell(row.get(column)) for column in self.columns] for row in rows]
        if self.excel_safe:
            lines = [[without_formula(cell, self.kind) for cell in line] for line in lines]
        if self.kind == "txt":
            text = "".join("\t".join(_one_line(cell) for cell in line) + "\n" for line in lines)
        else:
            text = _delimited(lines, "," if self.kind == "csv" else "\t")
        return text.encode(errors="replace")

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Write the complete file from the windows' files."""
        compressed = path.suffix.lower() == ".gz"
        with gzip.GzipFile(path, "wb", mtime=0) if compressed else path.open("wb") as file:
            file.write(self.header)
            for number, part in enumerate(parts):
                if number > 0:
                    file.write(self.separator)
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, cast(BinaryIO, file))
            file.write(self.footer)


def _delimited(lines: Iterable[Sequence[str]], separator: str) -> str:
    """Return lines of cells as csv, or as tsv if the separator is a tab."""
    stream = io.StringIO(newline="")
    plain = csv.writer(stream, delimiter=separator, lineterminator="\n")
    quoted = csv.writer(stream, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for line in lines:
        # Python quotes a cell for its carriage return in its newest versions only.
        writer = quoted if any("\r" in cell for cell in line) else plain
        writer.writerow(line)
    return stream.getvalue()


def _json_bytes(row: Mapping) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:  # half a character in another column: only an escape can write it
        return json.dumps(row, default=str).encode()


def _cell(value: object) -> str:
    """Return a value as a cell: "" for none, json for what is neither text nor a number."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _one_line(cell: str) -> str:
    return " ".join(re.split("[\t\r\n]+", cell))


# -- cells that a spreadsheet does not run as a formula --------------------------------------------------------------

# What begins a formula, full-width forms too, and what a spreadsheet may skip before it: blanks, what cannot be seen,
# quotes. See OWASP, CSV Injection.
FORMULA_SIGN = "[=+\\-@＝＋－＠\u2212]"
SKIPPED = (
    '(?:[^\\S\t\r\n]|["\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])*'
)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
FORMULA = re.compile(f"{SKIPPED}(?:{FORMULA_SIGN}|[\t\r\n])")
# One whose separator is another than the file's, or that is confused by quotes, begins cells in the middle of ours.
FORMULA_INSIDE = {
    "csv": re.compile(f"([\t\r\n;])(?={SKIPPED}{FORMULA_SIGN})"),
    "tsv": re.compile(f"([\t\r\n;,])(?={SKIPPED}{FORMULA_SIGN})"),
}


def without_formula(cell: str, kind: str) -> str:
    """Return a cell of a csv or tsv file with ' before all that could begin a formula; numbers stay as they are."""
    if NUMBER.fullmatch(cell):
        return cell
    cell = FORMULA_INSIDE[kind].sub(r"\1'", cell)
    return "'" + cell if FORMULA.match(cell) else cell


# -- parquet ---------------------------------------------------------------------------------------------------------


class ParquetWriter:
    """How rows are written as parquet; columns keep the types of the input's schema, without one they are strings."""

    def __init__(self, columns: Sequence[str], added: AddedColumns, input_schema: Any = None):
        try:
            import pyarrow as pa  # noqa: PLC0415 (optional)
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ModuleNotFoundError:
            raise UserError(OUTPUT["package"].fill(kind="parquet", package="pyarrow")) from None
        self.pa = pa
        self.pq = pq
        self.writes_strings = input_schema is None
        if input_schema is None:
            fields = [pa.field(name, pa.string()) for name in columns if name not in added.names]
        else:
            fields = [field for field in input_schema if field.name in columns]
        for name in added.names:
            kind = pa.bool_() if name in added.truth_names else pa.float64()
            fields.append(pa.field(name, pa.string() if name in added.label_names else kind))
        self.schema = pa.schema(fields)

    def encode(self, rows: Sequence[Mapping]) -> bytes:
        """Return some rows as the bytes of a parquet file of their own."""
        if self.writes_strings:
            strings = {field.name for field in self.schema if field.type == self.pa.string()}
            rows = [{name: _string(v) if name in strings else v for name, v in row.items()} for row in rows]
        stream = io.BytesIO()
        self.pq.write_table(self.pa.Table.from_pylist(list(rows), schema=self.schema), stream)
        return stream.getvalue()

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Write the complete file from the windows' files, a row group for each."""
        with self.pq.ParquetWriter(path, self.schema) as writer:
            for part in parts:
                writer.write_table(self.pq.read_table(part, schema=self.schema))


def _string(value: object) -> str | None:
    return None if value is None else _cell(value).encode(errors="replace").decode()


# -- xlsx ------------------------------------------------------------------------------------------------------------


class ExcelWriter:
    """How rows are written as a workbook of one sheet. Texts are never formulas, whatever they begin with.

    What Excel cannot hold is changed: a cell ends after 32,767 characters, and control characters become U+FFFD.
    `names` says what columns are called in the header, where that is not as in the rows.
    """

    def __init__(self, columns: Sequence[str], names: Mapping[str, str] | None = None):
        try:
            import openpyxl  # noqa: PLC0415 (optional)
            from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
        except ModuleNotFoundError:
            raise UserError(OUTPUT["package"].fill(kind="xlsx", package="openpyxl")) from None
        self.openpyxl = openpyxl
        self.make_cell = WriteOnlyCell
        self.columns = list(columns)
        self.names = names or {}

    def check(self, rows: int) -> None:
        """Raise UserError for more rows than a sheet can hold."""
        if rows >= EXCEL_ROWS:
            raise UserError(OUTPUT["too_many_rows"].fill(rows=rows))

    def encode(self, rows: Sequence[Mapping]) -> bytes:
        """Return some rows as json lines, of which `join` makes the workbook."""
        return b"".join(_json_bytes(row) + b"\n" for row in rows)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Write the complete file from the windows' files, a row at a time."""
        workbook = self.openpyxl.Workbook(write_only=True)
        sheet = workbook.create_sheet("predictions")
        sheet.append([self._cell(sheet, self.names.get(column, column)) for column in self.columns])
        for part in parts:
            with part.open(encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    sheet.append([self._cell(sheet, row.get(column)) for column in self.columns])
        workbook.save(path)

    def _cell(self, sheet: Any, value: object) -> Any:
        """Return a cell of the sheet: a number that Excel keeps exactly, or a text that it does not interpret."""
        if value is None or _is_exact_number(value):
            return value
        text = NO_EXCEL_CHARACTER.sub("\ufffd", _cell(value))[:EXCEL_CHARACTERS]
        cell = self.make_cell(sheet, text)
        cell.data_type = "s"  # also where it begins with =
        return cell


def _is_exact_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -EXACT_INTEGER < value < EXACT_INTEGER  # which not-a-number is not


# -- which of them ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InputTable:
    """What the file of the rows was: its format, its columns, and what they are called there if not as in the rows."""

    format: str
    columns: Sequence[str]
    written_names: Mapping[str, str] = field(default_factory=dict)


def choose_writer(
    output: Path | None,
    table: InputTable,
    added: AddedColumns,
    excel_safe: bool,
    arrow_schema: Any = None,
) -> Writer:
    """Return how rows of an input `table` are written to `output` (None: standard output).

    `arrow_schema` is that of the rows if they come from parquet or arrow, else None. Raises UserError for a combination
    that makes no sense and for columns that the output needs itself.
    """
    columns = table.columns
    added.check(columns)
    all_columns = [*columns, *added.names]
    kind = table.format if output is None else file_format(output)
    if kind == "json" and table.format == "jsonl":  # .json files may be either
        kind = "jsonl"
    if output is None and kind in ("parquet", "xlsx"):
        raise UserError(OUTPUT["no_stream"].fill(kind=kind))
    if kind == "xlsx":  # whose texts are safe in any case
        return ExcelWriter(all_columns, table.written_names)
    if excel_safe and kind not in ("csv", "tsv"):
        raise UserError(OUTPUT["excel_safe"].fill(kind=kind))
    if kind == "parquet":
        return ParquetWriter(columns, added, arrow_schema)
    return TextWriter(kind, all_columns, excel_safe, table.written_names)
