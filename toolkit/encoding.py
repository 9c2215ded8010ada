"""Tell the encoding of a text file: utf-8 (with or without BOM), GB18030/GBK, or UTF-16."""

import codecs
import re
from collections.abc import Iterable
from typing import BinaryIO

from toolkit.errors import UserError

BLOCK = 1 << 20  # bytes
ENOUGH_LINES = 100_000  # non-ASCII lines after which the vote is decided
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UNKNOWN = "is neither utf-8, GB18030 nor UTF-16 text; --encoding can name another encoding"


def detect_encoding(stream: BinaryIO, name: str) -> str:
    """Return the Python name of the encoding of `stream`, read from its beginning to its end.

    A file is taken for the encoding in which most of its non-ASCII lines can be read, so that one damaged line
    cannot turn a utf-8 file into readable-looking nonsense. Raises UserError, naming `name`, if none fits.
    """
    head = stream.read(BLOCK)
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    if encoding := _utf16_without_bom(head):
        return encoding
    decoder, block = codecs.getincrementaldecoder("utf-8")(), head
    try:
        while block:
            decoder.decode(block)
            block = stream.read(BLOCK)
        decoder.decode(b"", final=True)
        return "utf-8"
    except UnicodeDecodeError:
        stream.seek(0)
        return _vote(stream, name)


def guess_encoding(head: bytes, name: str) -> str:
    """Return the encoding of a stream that cannot be read twice, from its first bytes."""
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    complete = head[: head.rfind(b"\n") + 1] or head
    return _utf16_without_bom(head) or _vote(complete.splitlines(keepends=True), name)


def _utf16_without_bom(head: bytes) -> str | None:
    """Recognise UTF-16 by its line ends and NUL bytes, which all stand on one side of their pairs."""
    zeros = [i % 2 for i, byte in enumerate(head[:4096]) if byte == 0]
    if len(zeros) < 2 or len(set(zeros)) > 1:
        return None
    encoding, newline = ("utf-16-le", b"\n\0") if zeros[0] == 1 else ("utf-16-be", b"\0\n")
    return encoding if newline in head or len(zeros) > len(head[:4096]) // 4 else None


def _readable(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _vote(lines: Iterable[bytes], name: str) -> str:
    """Choose between utf-8 and GB18030 by the number of non-ASCII lines that each can read."""
    seen = utf8 = gb = pairs = chinese_pairs = 0
    for line in lines:
        if line.isascii():
            continue
        seen += 1
        utf8 += _readable(line, "utf-8")
        gb += _readable(line, "gb18030")
        found = re.findall(rb"[\x81-\xfe][\x30-\xfe]", line)
        pairs += len(found)
        chinese_pairs += sum(pair[1] >= 0x80 for pair in found)
        if seen == ENOUGH_LINES:
            break
    if utf8 * 2 >= seen:
        return "utf-8"
    # An accented western letter before a plain one is a valid GB18030 pair too; Chinese is mostly high bytes.
    if gb * 2 >= seen and chinese_pairs * 4 >= pairs:
        return "gb18030"
    raise UserError(f"{name} {UNKNOWN}")
