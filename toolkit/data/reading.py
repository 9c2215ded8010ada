"""Open a data file of any format and encoding and give its rows one by one."""

import codecs
import gzip
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO, TypeAlias, cast

from toolkit.base.errors import UserError, first_line
from toolkit.data.delimited import read_table_text, read_txt
from toolkit.data.dialects import UNKNOWN, TableReading
from toolkit.data.encodings import detect_encoding, guess_encoding
from toolkit.data.files import Record, Source, file_format, short_repr
from toolkit.data.json_rows import read_json, read_jsonl

KEEP_BOM = {"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030"}
UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error)
PARQUET_ROWS = 1024  # made into Python values at once
Bytes: TypeAlias = "io.BufferedReader | gzip.GzipFile"


class Spool:
    """All that a pipe holds, in a temporary file without a name: it is gone when the process ends, however it ends.

    It can be read any number of times, one after the other.
    """

    def __init__(self, pipe: BinaryIO):
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed by `close`)
        try:
            shutil.copyfileobj(pipe, self.file)
            self.file.flush()
        except BaseException:
            self.file.close()
            raise

    def open(self) -> io.BufferedReader:
        """Return a stream of all of it; earlier ones must have been read as far as they are needed."""
        handle = os.dup(self.file.fileno())  # the position is common to all copies
        os.lseek(handle, 0, os.SEEK_SET)
        return os.fdopen(handle, "rb")

    def close(self) -> None:
        """Remove the file."""
        self.file.close()


def open_source(
    path: str | Path,
    encoding: str | None = None,
    kind: str | None = None,
    spool: Spool | None = None,
    known: TableReading = UNKNOWN,
) -> Source:
    """Open a file, or standard input if `path` is "-", for reading row by row. Use it as a context manager.

    `encoding` None means that it is told apart; `kind` is the format, by default that of the file's ending; `spool`
    has all of standard input if it was kept; `known` is what is known of a csv or tsv file. Raises UserError for a file
    that cannot be opened or decoded, or whose columns cannot be told.
    """
    name = "standard input" if path == "-" else str(path)
    kind = kind or file_format(path)
    try:
        if path != "-":
            _refuse_pipe(Path(path))
        source = _parquet(name) if kind == "parquet" else _text_source(path, encoding, kind, spool, known)
    except UNREADABLE as error:
        raise _unreadable(name, error) from None
    source.records = _guarded(name, source.records)
    source.is_pipe = path == "-" and spool is None
    return source


def _refuse_pipe(path: Path) -> None:
    """Raise UserError for what is there and is neither file nor directory, of which the latter is refused later."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path}: a pipe or a device cannot be read twice; save it as a file first")


def _guarded(name: str, records: Iterator[Record]) -> Iterator[Record]:
    """Yield records; UserError for a file that cannot be read to its end."""
    try:
        yield from records
    except UNREADABLE as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: object) -> UserError:
    return UserError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _text_source(path: str | Path, encoding: str | None, kind: str, spool: Spool | None, known: TableReading) -> Source:
    """Open a file of a text format, or standard input."""
    newline = "" if kind in ("csv", "tsv") else None  # csv fields may hold line breaks of their own
    name = "standard input" if path == "-" else str(path)
    lines_at_hand = None
    if spool is not None:
        stream = _open_text(spool.open, name, encoding, newline)
    elif path == "-":
        stream, lines_at_hand = _open_standard_input(encoding, newline)
    else:
        stream = _open_text(lambda: _open_bytes(Path(path)), name, encoding, newline)
    try:
        if kind in ("csv", "tsv"):
            return read_table_text(name, kind, stream, known, lines_at_hand)
        read = {"json": read_json, "jsonl": read_jsonl, "txt": read_txt}[kind]
        return read(name, stream)
    except BaseException:
        stream.close()
        raise


def _open_bytes(path: Path) -> Bytes:
    """Open a file that may be compressed."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _open_text(open_bytes: Callable[[], Bytes], name: str, encoding: str | None, newline: str | None) -> TextIO:
    """Open a text that can be opened twice, in its encoding, None if it is not known; UserError if none fits."""
    if encoding is None:
        with open_bytes() as stream:
            encoding = detect_encoding(stream, name)
    return _decoded(open_bytes(), encoding, newline)


def standard_input() -> BinaryIO:
    """Return the bytes of standard input; UserError if there is none."""
    if sys.stdin is None:
        raise UserError("standard input is closed")
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        raise UserError("standard input cannot be read here, as in a notebook; --input_file names a file")
    return buffer


def _open_standard_input(encoding: str | None, newline: str | None) -> tuple[TextIO, int]:
    """Return standard input as text, and how many lines of it have come.

    Where its encoding is None it is guessed from its beginning.
    """
    stream = cast(io.BufferedReader, standard_input())
    head = stream.peek(1)
    if encoding is None:
        encoding = guess_encoding(head, "standard input")
    text = _decoded(stream, encoding, newline)
    lines = head.decode(encoding, errors="ignore").replace("\r\n", "\n").replace("\r", "\n")
    return text, lines.count("\n")


def _replace_by_surrogate(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are no character of UTF-16 or UTF-32 as a lone surrogate, as surrogateescape does elsewhere."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udfff", error.end


codecs.register_error("half a character", _replace_by_surrogate)


def _decoded(stream: Bytes, encoding: str, newline: str | None) -> TextIO:
    """Decode a stream; bytes that do not fit become lone surrogates, by which a damaged row is recognised."""
    try:
        name = codecs.lookup(encoding).name
        errors = "half a character" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"
        # A BOM is no part of the text; codecs of other names drop it or have none.
        if name == "utf-8":
            name = "utf-8-sig"
        if name in KEEP_BOM:
            _skip_bom(stream, "\ufeff".encode(name))
        return io.TextIOWrapper(stream, encoding=name, errors=errors, newline=newline)
    except LookupError:  # no such codec, or one that is not about text
        stream.close()
        raise UserError(f"--encoding {encoding}: unknown text encoding (try utf-8, gb18030 or utf-16)") from None


def _skip_bom(stream: Bytes, bom: bytes) -> None:
    if stream.peek(len(bom)).startswith(bom):
        stream.read(len(bom))


def _parquet(name: str) -> Source:
    """Open a parquet file; its records are numbered by row, the first being 1."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 (optional)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ModuleNotFoundError:
        raise UserError(f"{name}: parquet files need the package pyarrow (pip install pyarrow)") from None
    try:
        file = ParquetFile(name)
    except ArrowException as error:
        raise UserError(f"{name}: not a parquet file ({first_line(error)})") from None
    columns = file.schema_arrow.names
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise UserError(f"{name}: two columns are called {short_repr(repeated[0])}")

    def records() -> Iterator[Record]:
        """Yield the rows with their numbers; UserError where the file is damaged."""
        rows = (row for batch in file.iter_batches(batch_size=PARQUET_ROWS) for row in batch.to_pylist())
        try:
            for number, row in enumerate(rows, 1):
                yield Record(number, row)
        # Besides what is damaged: dates beyond Python's (ValueError, OverflowError), unknown time zones (KeyError).
        except (ArrowException, ValueError, OverflowError, KeyError) as error:
            raise _unreadable(name, first_line(error)) from None

    return Source(name, "parquet", columns, records(), file, unit="row")
