"""Open data files of any format and encoding and give their rows one by one."""

import codecs
import gzip
import io
import lzma
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from toolkit.base.errors import CANNOT_BE_READ, UserError, reason_of
from toolkit.base.languages import Text
from toolkit.files.encodings import detect_encoding, error_handler, guess_encoding, unknown_encoding
from toolkit.files.folders import read_folder
from toolkit.files.inputs import is_pattern, matching_files
from toolkit.files.likely_encodings import encoding_remark
from toolkit.files.packed import DAMAGED, Bytes, Content, unpacked
from toolkit.files.several_files import read_several
from toolkit.files.source import Record, Source, format_of_name, shown_name
from toolkit.files.texts import REMARKS, STANDARD_INPUT
from toolkit.formats.annotations import flatten_annotations
from toolkit.formats.arrow import read_arrow, read_parquet, read_saved_dataset
from toolkit.formats.delimited import read_table_text
from toolkit.formats.dialects import UNKNOWN, EarlierFile, TableReading
from toolkit.formats.excel import read_xlsx
from toolkit.formats.json_rows import read_json, read_jsonl
from toolkit.formats.recognition import recognise
from toolkit.formats.texts import DAMAGED_IN_CHINESE, STREAMS
from toolkit.formats.txt_rows import read_txt

KEEP_BOM = {"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030"}
CELLS = ("csv", "tsv", "txt")  # which the content of a file does not always tell apart
UNREADABLE = (OSError, UnicodeError, *DAMAGED)


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
    """Open an input for reading row by row. Use it as a context manager.

    `path` is a file, a folder of texts or of a saved dataset, a pattern that names several files, or "-" for standard
    input. `encoding` None means that it is told apart; `kind` is the format, by default that of the file's ending or
    content; `spool` has all of standard input if it was kept. `known` is what is known of csv and tsv files.
    Raises UserError for what cannot be opened or decoded, or whose columns cannot be told.
    """
    name = STANDARD_INPUT.en if path == "-" else str(path)
    try:
        if path == "-":
            source = _standard_input_source(encoding, kind or "txt", spool, known)
        else:
            source = _open(path, encoding, kind, known)
    except UNREADABLE as error:
        raise _unreadable(name, error) from None
    if encoding is None and isinstance(source.stream, io.TextIOWrapper):
        remark = encoding_remark(source.stream.encoding)
        source.taken_for[:0] = [] if remark is None else [remark]
    source.records = _guarded(name, source.records)
    source.is_pipe = path == "-" and spool is None
    return source


def _open(path: str | Path, encoding: str | None, kind: str | None, known: TableReading) -> Source:
    """Open what is not standard input."""
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(STREAMS["pipe"].fill(path=path))
    # A folder with the name of a file is none of texts: opening it says so.
    if path.is_dir() and format_of_name(path) is None:
        return read_saved_dataset(path) or read_folder(path, encoding)
    if is_pattern(path):
        return _open_several(str(path), matching_files(path), encoding, kind, known)
    return _open_file(path, encoding, kind, known)


def _open_several(
    name: str, paths: Sequence[Path], encoding: str | None, kind: str | None, known: TableReading
) -> Source:
    """Open several files as one table, of which only the first may have a header."""
    first = _open_guarded(paths[0], encoding, kind, known)
    try:
        if known.has_header is None and first.is_in_cells:
            values = [record.values for record in first.peek() if record.problem is None and record.values is not None]
            rows = [["" if cell is None else str(cell) for cell in row.values()] for row in values]
            known = replace(known, earlier=EarlierFile(first.format, first.separator, tuple(first.columns), rows))
    except BaseException:
        first.__exit__()
        raise
    return read_several(name, paths, first, lambda path: _open_guarded(path, encoding, kind, known))


def _open_guarded(path: Path, encoding: str | None, kind: str | None, known: TableReading) -> Source:
    """Open one of several files, whose own name is in what is said of it."""
    try:
        source = _open_file(path, encoding, kind, known)
    except UNREADABLE as error:
        raise _unreadable(str(path), error) from None
    source.records = _guarded(str(path), source.records)
    return source


def _open_file(path: Path, encoding: str | None, kind: str | None, known: TableReading) -> Source:
    """Open one file, in the format that is named or that it is recognised to have."""
    content = unpacked(path)
    said = None
    if kind is None:
        kind, said = recognise(content, str(path), encoding)
    if known.earlier is not None and kind in CELLS and format_of_name(content.name) in (None, "txt"):
        kind = known.earlier.format  # a few rows without a header do not tell it themselves
    if kind == "txt" and known.names and set(known.names) != {"text", "label"}:
        kind, said = "tsv", REMARKS["tabs"]
    source = _opened(str(path), content, kind, encoding, known)
    source.taken_for[:0] = [remark for remark in (content.remark, said) if remark is not None]
    flatten_annotations(source)
    return source


def _opened(name: str, content: Content, kind: str, encoding: str | None, known: TableReading) -> Source:
    """Open the content of a file in a format."""
    if kind == "parquet" and content.path is not None:
        return read_parquet(name, str(content.path))
    if kind in ("parquet", "arrow", "xlsx"):
        file = content.open_seekable()
        try:
            return _seekable_source(name, kind, file, known)
        except BaseException:
            file.close()
            raise
    return _text_source(name, kind, _open_text(content.open, name, encoding, _newline(kind)), known)


def _seekable_source(name: str, kind: str, file: BinaryIO, known: TableReading) -> Source:
    """Return the source of an opened file of a format that is not text."""
    if kind == "parquet":
        return read_parquet(name, file)
    return read_xlsx(name, file, known) if kind == "xlsx" else read_arrow(name, [file])


def _newline(kind: str) -> str | None:
    """Return how line ends are decoded: csv fields may hold line breaks of their own."""
    return "" if kind in ("csv", "tsv") else None


def _standard_input_source(encoding: str | None, kind: str, spool: Spool | None, known: TableReading) -> Source:
    """Open standard input, or what was kept of it."""
    name = STANDARD_INPUT.en
    if spool is not None:
        return _text_source(name, kind, _open_text(spool.open, name, encoding, _newline(kind)), known)
    stream, lines_at_hand = _open_standard_input(encoding, _newline(kind))
    return _text_source(name, kind, stream, known, lines_at_hand)


def _text_source(name: str, kind: str, stream: TextIO, known: TableReading, lines_at_hand: int | None = None) -> Source:
    """Return the source of an opened text, of which no more than `lines_at_hand` are read before its rows."""
    try:
        if kind in ("csv", "tsv"):
            return read_table_text(name, kind, stream, known, lines_at_hand)
        if kind == "txt":
            return read_txt(name, stream, lines_at_hand, known.names)
        return read_json(name, stream) if kind == "json" else read_jsonl(name, stream)
    except BaseException:
        stream.close()
        raise


def _guarded(name: str, records: Iterator[Record]) -> Iterator[Record]:
    """Yield records; UserError for a file that cannot be read to its end."""
    try:
        yield from records
    except UNREADABLE as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: BaseException) -> UserError:
    reason = reason_of(error)
    if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)):
        reason = Text(reason.en, DAMAGED_IN_CHINESE)
    return UserError(CANNOT_BE_READ.fill(file=shown_name(name), reason=reason))


def _open_text(open_bytes: Callable[[], Bytes], name: str, encoding: str | None, newline: str | None) -> TextIO:
    """Open a text that can be opened twice, in its encoding, None if it is not known; UserError if none fits."""
    if encoding is None:
        with open_bytes() as stream:
            encoding = detect_encoding(stream, name)
    return _decoded(open_bytes(), encoding, newline)


def standard_input() -> BinaryIO:
    """Return the bytes of standard input; UserError if there is none."""
    if sys.stdin is None:
        raise UserError(STREAMS["closed"])
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        raise UserError(STREAMS["notebook"])
    return buffer


def _open_standard_input(encoding: str | None, newline: str | None) -> tuple[TextIO, int]:
    """Return standard input as text, and how many lines of it have come.

    Where its encoding is None it is guessed from its beginning.
    """
    stream = cast(io.BufferedReader, standard_input())
    head = stream.peek(1)
    if encoding is None:
        encoding = guess_encoding(head, STANDARD_INPUT.en)
    text = _decoded(stream, encoding, newline)
    lines = head.decode(encoding, errors="ignore").replace("\r\n", "\n").replace("\r", "\n")
    return text, lines.count("\n")


def _decoded(stream: Bytes, encoding: str, newline: str | None) -> TextIO:
    """Decode a stream; bytes that do not fit become lone surrogates, by which a damaged row is recognised."""
    try:
        name = codecs.lookup(encoding).name
        # A BOM is no part of the text; codecs of other names drop it or have none.
        if name == "utf-8":
            name = "utf-8-sig"
        if name in KEEP_BOM:
            _skip_bom(stream, "\ufeff".encode(name))
        return io.TextIOWrapper(stream, encoding=name, errors=error_handler(name), newline=newline)
    except LookupError:  # no such codec, or one that is not about text
        stream.close()
        raise unknown_encoding(encoding) from None


def _skip_bom(stream: Bytes, bom: bytes) -> None:
    if stream.peek(len(bom)).startswith(bom):
        stream.read(len(bom))
