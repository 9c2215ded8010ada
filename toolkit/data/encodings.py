"""Tell the encoding of a text file: utf-8 (with or without BOM), GB18030/GBK, or UTF-16."""

import codecs
import re
from collections.abc import Iterable
from typing import BinaryIO

from toolkit.base.errors import UserError

BLOCK = 1 << 20  # bytes
PIECE = 1 << 20  # bytes of a line looked at together; a line may be as long as the file
ENOUGH_LINES = 100_000  # non-ASCII lines after which the vote is decided
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16 does, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    "\ufeff".encode("gb18030"): "gb18030",
}
PAIR = re.compile(rb"[\x81-\xfe][\x30-\xfe]")  # how GB18030 writes a character (or half of a rare one)
COMMON = re.compile(rb"[\xa1-\xa9\xb0-\xd7][\xa1-\xfe]")  # punctuation and the first level of GB 2312
UNKNOWN = "is neither utf-8, GB18030 nor UTF-16 text; --encoding can name another encoding"


def detect_encoding(stream: BinaryIO, name: str) -> str:
    """Return the Python name of the encoding of `stream`, read from its beginning to its end.

    A file is taken for the encoding in which most of its non-ASCII characters can be read, so that some damage
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
        return _vote(iter(lambda: stream.readline(PIECE), b""), name)


def guess_encoding(head: bytes, name: str) -> str:
    """Return the encoding of a stream that cannot be read twice, from its first bytes."""
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    return _utf16_without_bom(head) or _vote(head.splitlines(keepends=True), name)


def _utf16_without_bom(head: bytes) -> str | None:
    """Recognise UTF-16 by its NUL bytes: western text is half NULs; Chinese has some and is no valid utf-8."""
    head = head[: min(len(head) // 2 * 2, 8192)]
    zeros = head.count(0)
    if not zeros or (zeros * 4 < len(head) and _is_utf8_so_far(head)):
        return None
    # Commas, line ends and digits are ASCII in the right byte order and rare signs in the other.
    ascii_in = {
        encoding: sum("\0" < character < "\x80" for character in head.decode(encoding, errors="replace"))
        for encoding in ("utf-16-le", "utf-16-be")
    }
    best = max(ascii_in, key=ascii_in.get)
    return best if ascii_in[best] * 2 >= zeros else None


def _is_utf8_so_far(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _vote(lines: Iterable[bytes], name: str) -> str:
    """Choose between utf-8 and GB18030 by how many characters of the non-ASCII lines each can read."""
    every = seen = good = bad = gb_bad = pairs = common = 0
    for line in lines:
        every += 1
        if line.isascii():
            continue
        seen += 1
        text = line.decode("utf-8", errors="replace")
        replaced = text.count("\ufffd")
        good, bad = good + sum(character > "\x7f" for character in text) - replaced, bad + replaced
        gb_bad += line.decode("gb18030", errors="replace").count("\ufffd")
        found = PAIR.findall(line)
        pairs, common = pairs + len(found), common + len(COMMON.findall(b" ".join(found)))
        if seen == ENOUGH_LINES:
            break
    if bad * 4 <= good:
        return "utf-8"
    # Accented western letters make pairs of GB18030 too, but seldom any that are frequent in Chinese.
    if gb_bad * 4 <= pairs and common * 5 >= pairs * 2:
        return "gb18030"
    # A few characters, some of them damaged, or a plain file with a few odd lines.
    if bad <= good or seen * 20 <= every:
        return "utf-8"
    raise UserError(f"{name} {UNKNOWN}")
