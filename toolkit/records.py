"""Open a data file of any format and encoding and give its rows one by one."""

import codecs
import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from toolkit.delimited import read_table_text, read_txt
from toolkit.encoding import detect_encoding, guess_encoding
from toolkit.errors import UserError
from toolkit.files import Record, Source, file_format
from toolkit.jsonrows import read_json, read_jsonl

UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error)


def open_source(path: str | Path, encoding: str | None = None, kind: str | None = None) -> Source:
    """Open a file, or standard input if `path` is "-", for reading row by row. Use it as a context manager.

    `encoding` None means that it is told apart; `kind` is the format, by default that of the file's ending.
    Raises UserError for a file that cannot be opened or decoded or has no header.
    """
    name, kind = "standard input" if path == "-" else str(path), kind or file_format(path)
    try:
        source = _parquet(name) if kind == "parquet" else _text_source(path, name, encoding, kind)
    except UNREADABLE as error:
        raise _unreadable(name, error) from None
    source.records = _guarded(name, source.records)
    return source


def _guarded(name: str, records: Iterator[Record]) -> Iterator[Record]:
    try:
        yield from records
    except UNREADABLE as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> UserError:
    return UserError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _text_source(path: str | Path, name: str, encoding: str | None, kind: str) -> Source:
    newline = "" if kind in ("csv", "tsv") else None  # csv fields may hold line breaks of their own
    stream = _stdin(encoding, newline) if path == "-" else _open(Path(path), encoding, newline)
    try:
        if kind in ("csv", "tsv"):
            return read_table_text(name, kind, stream)
        return {"json": read_json, "jsonl": read_jsonl, "txt": read_txt}[kind](name, stream)
    except BaseException:
        stream.close()
        raise


def _binary(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _open(path: Path, encoding: str | None, newline: str | None) -> TextIO:
    if encoding is None:
        with _binary(path) as stream:
            encoding = detect_encoding(stream, str(path))
    return _decoded(_binary(path), encoding, newline)


def _stdin(encoding: str | None, newline: str | None) -> TextIO:
    if sys.stdin is None:
        raise UserError("standard input is closed")
    return _decoded(sys.stdin.buffer, encoding or guess_encoding(sys.stdin.buffer.peek(1), "standard input"), newline)


def spooled(stream: BinaryIO):
    """Return a temporary file with all that is in a pipe; it is removed when it is closed or forgotten."""
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(stream, file)
    file.flush()
    return file


def _decoded(stream: BinaryIO, encoding: str, newline: str | None) -> TextIO:
    """Decode a stream; bytes that do not fit become lone surrogates, by which a damaged row is recognised."""
    try:
        name = codecs.lookup(encoding).name
        errors = "surrogatepass" if name.startswith("utf-16") else "surrogateescape"
        name = "utf-8-sig" if name == "utf-8" else name  # a BOM is no part of the text
        return io.TextIOWrapper(stream, encoding=name, errors=errors, newline=newline)
    except LookupError:  # no such codec, or one that is not about text
        stream.close()
        raise UserError(f"--encoding {encoding}: there is no such encoding of text") from None


def _parquet(name: str) -> Source:
    """Open a parquet file; its records are numbered by row, the first being 1."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:
        raise UserError(f"{name}: parquet files need the package pyarrow (pip install pyarrow)") from None
    try:
        file = ParquetFile(name)
    except ArrowException as error:
        raise UserError(f"{name}: not a parquet file ({str(error).splitlines()[0]})") from None
    batches = file.iter_batches(batch_size=1024)
    rows = (row for batch in batches for row in batch.to_pylist())
    records = (Record(number, row) for number, row in enumerate(rows, 1))
    return Source(name, "parquet", list(file.schema_arrow.names), records, unit="row")
