"""Rows with their predictions, written as csv, tsv, txt, json, jsonl or parquet, a window of the file at a time."""

import csv
import gzip
import io
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from toolkit.base.errors import UserError
from toolkit.data.files import file_format
from toolkit.data.spreadsheet import harmless


def prediction_columns(
    labels: Sequence[str], taken: Iterable[str] = (), more: Iterable[str] = (), first: str = "prediction"
) -> list[str]:
    """Return the names of the columns that are added to a row, `more` last; UserError if the row has one already."""
    added = [first, *(f"prob_{label}" for label in labels), *more]
    if both := sorted({*added} & {*taken}):
        raise UserError(f"the input already has a column {both[0]!r}, which the output needs; rename or remove it")
    return added


def with_predictions(
    rows: Sequence[dict],
    probabilities: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    first: str = "prediction",
) -> list[dict]:
    """Return the rows with the predicted label and `prob_<label>` added; probabilities (N, C) keep nine digits.

    predicted (N,) are numbers of labels; their column is called `first`.
    """
    columns = prediction_columns(labels, {name for row in rows for name in row}, first=first)
    return [
        {**row, **dict(zip(columns, [labels[i], *(float(f"{p:.9g}") for p in line)], strict=True))}
        for row, line, i in zip(rows, probabilities.tolist(), predicted.tolist(), strict=True)
    ]


class TextWriter:
    """How rows are written in a text format: `header`, then `encode(rows)` of each window, then `footer`.

    Everything is utf-8. A txt file is like a tsv file without header and quotes; tabs and line breaks become blanks.
    With `excel_safe` there is a BOM, by which Excel knows utf-8, and cells that would be run as a formula begin with '.
    """

    def __init__(self, kind: str, columns: Sequence[str], excel_safe: bool = False):
        self.kind, self.columns = kind, list(columns)
        self.excel_safe = excel_safe and kind in ("csv", "tsv")
        self.separator = b",\n" if kind == "json" else b""
        self.footer = b"\n]\n" if kind == "json" else b""
        self.header = b"[\n" if kind == "json" else b""
        if kind in ("csv", "tsv"):
            self.header = b"\xef\xbb\xbf" * self.excel_safe + self._table([dict(zip(columns, columns, strict=True))])

    def encode(self, rows: Sequence[dict]) -> bytes:
        """Return the bytes of some rows."""
        if self.kind in ("json", "jsonl"):
            return (b",\n" if self.kind == "json" else b"\n").join(map(_json, rows)) + b"\n" * (self.kind == "jsonl")
        return self._table(rows)

    def _table(self, rows: Sequence[dict]) -> bytes:
        cells = [[_cell(row.get(column)) for column in self.columns] for row in rows]
        if self.excel_safe:
            cells = [[harmless(cell, self.kind) for cell in line] for line in cells]
        if self.kind == "txt":
            return "".join("\t".join(map(_one_line, line)) + "\n" for line in cells).encode(errors="replace")
        stream, separator = io.StringIO(newline=""), "," if self.kind == "csv" else "\t"
        quoted = csv.writer(stream, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain = csv.writer(stream, delimiter=separator, lineterminator="\n")
        for line in cells:  # Python quotes a cell for its carriage return in its newest versions only
            (quoted if any("\r" in cell for cell in line) else plain).writerow(line)
        return stream.getvalue().encode(errors="replace")

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Write the whole file from the windows' files."""
        with gzip.GzipFile(path, "wb", mtime=0) if path.suffix.lower() == ".gz" else path.open("wb") as whole:
            whole.write(self.header)
            for number, part in enumerate(parts):
                whole.write(self.separator if number else b"")
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, whole)
            whole.write(self.footer)


class ParquetWriter:
    """How rows are written as parquet; columns keep their types if the input is parquet, else they are strings."""

    def __init__(self, columns: Sequence[str], labels: Sequence[str], input_file: Path | None):
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError:
            raise UserError("parquet files need the package pyarrow (pip install pyarrow)") from None
        self.pa, self.pq, self.strings = pa, pq, input_file is None
        added = prediction_columns(labels)
        kept = [pa.field(name, pa.string()) for name in columns if name not in added]
        kept = kept if self.strings else list(pq.read_schema(input_file))
        types = [pa.string(), *[pa.float64()] * len(labels)]
        self.schema = pa.schema(kept + [pa.field(*pair) for pair in zip(added, types, strict=True)])

    def encode(self, rows: Sequence[dict]) -> bytes:
        """Return some rows as the bytes of a parquet file of their own."""
        if self.strings:
            strings = {field.name for field in self.schema if field.type == self.pa.string()}
            rows = [{k: _string(v) if k in strings else v for k, v in row.items()} for row in rows]
        stream = io.BytesIO()
        self.pq.write_table(self.pa.Table.from_pylist(list(rows), schema=self.schema), stream)
        return stream.getvalue()

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Write the whole file from the windows' files, a row group for each."""
        with self.pq.ParquetWriter(path, self.schema) as writer:
            for part in parts:
                writer.write_table(self.pq.read_table(part, schema=self.schema))


def choose_writer(
    output: Path | None,
    given: str,
    names: list[str],
    labels: Sequence[str],
    excel_safe: bool,
    parquet_input: Path | None,
) -> TextWriter | ParquetWriter:
    """Return how rows are written to `output` (None: standard output) that come in format `given` with columns `names`.

    Raises UserError for a combination that makes no sense and for columns that the output needs itself.
    """
    added, kind = prediction_columns(labels, names), given
    if output is not None:
        kind = file_format(output)
        kind = "jsonl" if kind == "json" and given == "jsonl" else kind  # .json files may be either
    elif kind == "parquet":
        raise UserError("parquet cannot be written to standard output; --output_file names a file")
    if excel_safe and kind not in ("csv", "tsv"):
        raise UserError(f"--excel_safe is for csv and tsv, not for {kind}")
    if kind == "parquet":
        return ParquetWriter(names, labels, parquet_input)
    return TextWriter(kind, names + added, excel_safe)


def _json(row: dict) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:  # half a character in another column: only an escape can write it
        return json.dumps(row, default=str).encode()


def _string(value: object) -> str | None:
    return None if value is None else _cell(value).encode(errors="replace").decode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list, bool)) else str(value)


def _one_line(cell: str) -> str:
    return " ".join(re.split("[\t\r\n]+", cell))
