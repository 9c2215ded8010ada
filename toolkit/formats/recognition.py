"""Which format a file has whose name does not say so, told by how it begins."""

import csv
import json
import re
from collections.abc import Sequence

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.files.encodings import guess_encoding
from toolkit.files.packed import Content
from toolkit.files.source import format_of_name
from toolkit.files.texts import REMARKS
from toolkit.formats.texts import TABLE_FILES
from toolkit.formats.txt_rows import BARS, TAB, is_fasttext, names_columns

HEAD_BYTES = 1 << 16  # that are looked at
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BINARY = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[{\[\]])')
SEPARATORS = ",;|"
REGULAR_SHARE = 0.95  # of the rows have as many cells as the first, or it is no table
LINE_END = re.compile("\r\n|\r|\n")


def recognise(content: Content, name: str, encoding: str | None) -> tuple[str, Text | None]:
    """Return the format of a file, and what is said of it where its name says otherwise or nothing.

    The name counts, but for files that are another format altogether, and txt, which people call every text.
    """
    named = format_of_name(content.name)
    if named in ("parquet", "arrow", "xlsx"):
        return named, None
    head = content.head(HEAD_BYTES)
    kind = _binary_format(content, name, head)
    if kind is None and named is not None and named != "txt":
        return named, None
    if kind is None:
        lines = _lines(head, encoding)
        kind = _format_of_txt(lines) if named == "txt" else _format_of_lines(lines)
    if kind == named:
        return kind, None
    return kind, REMARKS["content"].fill(format=REMARKS["workbook"] if kind == "xlsx" else kind)


def _binary_format(content: Content, name: str, head: bytes) -> str | None:
    """Return the binary format that the first bytes of a file stand for, None for a text."""
    if content.is_workbook:
        return "xlsx"
    if head.startswith(OLD_EXCEL):
        raise UserError(TABLE_FILES["old_workbook"].fill(name=name))
    for magic, kind in BINARY.items():
        if head.startswith(magic):
            return kind
    return None


def _lines(head: bytes, encoding: str | None) -> list[str]:
    """Return the first lines that are not blank, without the last one if it may be cut off.

    None of a text that cannot be decoded, which is refused when it is opened.
    """
    try:
        text = head.decode(encoding or guess_encoding(head, ""), errors="replace").lstrip("\ufeff")
    except (UserError, LookupError):
        return []
    lines = LINE_END.split(text)
    if len(head) == HEAD_BYTES and len(lines) > 1:
        del lines[-1]
    return [line for line in lines if line.strip()]


def _format_of_txt(lines: Sequence[str]) -> str:
    """Return txt, or json or a table with a header if that is what is called .txt here."""
    if lines and all(map(_is_object, lines)):
        return "json"
    return _table_with_header(lines) or "txt"


def _format_of_lines(lines: Sequence[str]) -> str:
    """Return the format of a text of which nothing is known."""
    if not lines:
        return "txt"
    if JSON.match(lines[0]) or lines[0].strip() in ("{", "["):
        return "json"
    if table := _table_with_header(lines):
        return table
    if is_fasttext(lines) or all(BARS in line for line in lines):
        return "txt"
    if TAB in lines[0]:
        return "tsv" if min(line.count(TAB) for line in lines) > 1 else "txt"
    return "csv" if any(_is_table(lines, separator) for separator in SEPARATORS) else "txt"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _table_with_header(lines: Sequence[str]) -> str | None:
    """Return csv or tsv if the first line names a column of texts and one of labels, else None."""
    if not lines:
        return None
    if names_columns(lines[0].split(TAB)):
        return "tsv"
    return "csv" if any(names_columns(lines[0].split(separator)) for separator in SEPARATORS) else None


def _is_table(lines: Sequence[str], separator: str) -> bool:
    """Return whether nearly all lines have as many cells, several of them."""
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
    except csv.Error:
        return False
    return len(widths) > 1 and widths[0] > 1 and widths.count(widths[0]) >= REGULAR_SHARE * len(widths)
