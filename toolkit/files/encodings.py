"""Tell the encoding of a text file: utf-8 (with or without BOM), GB18030/GBK, UTF-16, or another that is likely."""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from toolkit.base.errors import UserError
from toolkit.base.languages import joined
from toolkit.files.likely_encodings import (
    NAMES,
    SAMPLE_BYTES,
    LikelyReadings,
    Reading,
    has_only_western_signs,
    likely_readings,
)
from toolkit.files.texts import PROBLEMS

BLOCK_BYTES = 1 << 20
LINE_BYTES = 1 << 20  # of a line looked at together; a line may be as long as the file
UTF16_BYTES = 8192  # of the beginning, in which UTF-16 is recognised
ENOUGH_LINES = 100_000  # non-ASCII lines after which the vote is decided
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16 does, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    "\ufeff".encode("gb18030"): "gb18030",
}
ABOUT_AS_LIKELY = 0.85  # as the reading as GB18030
ENOUGH_TO_DOUBT = 24  # bytes that are not ASCII, of fewer of which it is GB18030 where that is possible
FAR_LESS = 0.4  # plausible than another reading is GB18030 where it is not taken
MAX_LISTED = 3  # encodings, in an error
GB_CHARACTER = re.compile(rb"[\x81-\xfe][\x30-\xfe]")  # how GB18030 writes a character (or half of a rare one)
COMMON_CHARACTER = re.compile(rb"[\xa1-\xa9\xb0-\xd7][\xa1-\xfe]")  # punctuation and the first level of GB 2312


def _replace_by_surrogate(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are no character of UTF-16 or UTF-32 as a lone surrogate, as surrogateescape does elsewhere."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udfff", error.end


codecs.register_error("half a character", _replace_by_surrogate)


def error_handler(encoding: str) -> str:
    """Return how bytes that are no text in an encoding are decoded: as lone surrogates, for which a row is refused.

    Raises LookupError if there is no such encoding.
    """
    is_wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    return "half a character" if is_wide else "surrogateescape"


def unknown_encoding(encoding: str) -> UserError:
    """Return the error for a name that --encoding gives and that is no encoding of text."""
    return UserError(PROBLEMS["unknown_encoding"].fill(encoding=encoding))


class SeekableBytes(Protocol):
    """A file of bytes that can be read twice."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all."""

    def readline(self, size: int = -1, /) -> bytes:
        """Read a line, or so many bytes of it."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""


def detect_encoding(stream: SeekableBytes, name: str) -> str:
    """Return the Python name of the encoding of `stream`, read from its beginning to its end.

    A file is taken for the encoding in which most of its non-ASCII characters can be read, so that some damage
    cannot turn a utf-8 file into readable-looking nonsense. Raises UserError, naming `name`, if none fits.
    """
    head = stream.read(BLOCK_BYTES)
    encoding = encoding_of_bom(head) or _utf16_without_bom(head)
    if encoding is not None:
        return encoding
    if _is_utf8_to_the_end(head, stream):
        return "utf-8"
    stream.seek(0)
    return _vote(iter(lambda: stream.readline(LINE_BYTES), b""), name)


def guess_encoding(head: bytes, name: str) -> str:
    """Return the encoding of a stream that cannot be read twice, from its first bytes; UserError if none fits."""
    encoding = encoding_of_bom(head) or _utf16_without_bom(head)
    return encoding or _vote(head.splitlines(keepends=True), name)


def encoding_of_bom(head: bytes) -> str | None:
    """Return the encoding that a byte order mark stands for, None if there is no mark."""
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    return None


def _is_utf8_to_the_end(head: bytes, stream: SeekableBytes) -> bool:
    """Return whether `head` and what follows it in `stream` is utf-8 without a single mistake."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = head
    try:
        while block:
            decoder.decode(block)
            block = stream.read(BLOCK_BYTES)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_bom(head: bytes) -> str | None:
    """Recognise UTF-16 by its NUL bytes: western text is half NULs; Chinese has some and is no valid utf-8."""
    even_length = len(head) // 2 * 2
    head = head[: min(even_length, UTF16_BYTES)]
    zeros = head.count(0)
    if not zeros or (zeros * 4 < len(head) and _is_utf8_so_far(head)):
        return None
    # Commas, line ends and digits are ASCII in the right byte order and rare signs in the other.
    little_endian = _count_ascii(head, "utf-16-le")
    big_endian = _count_ascii(head, "utf-16-be")
    if max(little_endian, big_endian) * 2 < zeros:
        return None
    return "utf-16-le" if little_endian >= big_endian else "utf-16-be"


def _count_ascii(head: bytes, encoding: str) -> int:
    return sum("\0" < character < "\x80" for character in head.decode(encoding, errors="replace"))


def _is_utf8_so_far(head: bytes) -> bool:
    """Return whether bytes are utf-8, apart from a character at their end that is cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _Readability:
    """How well utf-8 and GB18030 read the non-ASCII lines of a text."""

    lines: int = 0  # of the text, ASCII ones too
    non_ascii_lines: int = 0
    utf8_characters: int = 0  # non-ASCII ones that can be read
    utf8_errors: int = 0
    gb_characters: int = 0
    gb_common_characters: int = 0
    gb_errors: int = 0
    sample: list[bytes] = field(default_factory=list)  # the first of the non-ASCII lines
    sample_size: int = 0  # bytes

    def count(self, line: bytes) -> None:
        """Count what there is in a line."""
        self.lines += 1
        if line.isascii():
            return
        self.non_ascii_lines += 1
        if self.sample_size < SAMPLE_BYTES:
            self.sample.append(line[:SAMPLE_BYTES].rstrip(b"\r\n"))
            self.sample_size += len(line)
        text = line.decode("utf-8", errors="replace")
        errors = text.count("\ufffd")
        self.utf8_errors += errors
        self.utf8_characters += sum(character > "\x7f" for character in text) - errors
        self.gb_errors += line.decode("gb18030", errors="replace").count("\ufffd")
        characters = GB_CHARACTER.findall(line)
        self.gb_characters += len(characters)
        self.gb_common_characters += len(COMMON_CHARACTER.findall(b" ".join(characters)))

    @property
    def reads_as_utf8(self) -> bool:
        """Whether most characters can be read in utf-8."""
        return self.utf8_errors * 4 <= self.utf8_characters

    @property
    def reads_as_gb18030(self) -> bool:
        """Whether most characters can be read in GB18030 and are Chinese ones.

        Accented western letters make characters of GB18030 too, but seldom any that are frequent in Chinese.
        """
        is_readable = self.gb_errors * 4 <= self.gb_characters
        return is_readable and self.gb_common_characters * 5 >= self.gb_characters * 2

    @property
    def may_be_damaged_utf8(self) -> bool:
        """Whether there are a few characters, some of them damaged, or few lines that are not ASCII."""
        return self.utf8_errors <= self.utf8_characters or self.non_ascii_lines * 20 <= self.lines


def _vote(lines: Iterable[bytes], name: str) -> str:
    """Choose between utf-8 and GB18030 by how many characters of the non-ASCII lines each can read."""
    readability = _Readability()
    for line in lines:
        readability.count(line)
        if readability.non_ascii_lines == ENOUGH_LINES:
            break
    if readability.reads_as_utf8:
        return "utf-8"
    likely = likely_readings(readability.sample)
    if readability.reads_as_gb18030:
        return _gb18030_or_another(likely, name)
    if likely.best is not None and likely.is_clear and readability.utf8_errors > readability.utf8_characters:
        return likely.best.codec
    if not readability.utf8_characters and has_only_western_signs(readability.sample):
        return "cp1252"
    if readability.may_be_damaged_utf8:
        return "utf-8"
    if likely.best is not None:
        raise _in_doubt(name, [likely.best, *likely.rivals()])
    raise UserError(PROBLEMS["no_encoding"].fill(file=name))


def _gb18030_or_another(likely: LikelyReadings, name: str) -> str:
    """Return gb18030 for what can be read as Chinese, or the encoding in which it is far more plausible.

    UserError where it is hard to tell. Where there is too little to go by, it is GB18030.
    """
    best = likely.best
    if best is None:
        return "gb18030"
    if best.codec != "gb18030" and likely.confidence("gb18030") <= FAR_LESS * best.confidence:
        return best.codec
    rivals = likely.rivals(ABOUT_AS_LIKELY)
    if likely.odd_bytes < ENOUGH_TO_DOUBT or (best.codec == "gb18030" and not rivals):
        return "gb18030"
    gb18030 = Reading("gb18030", likely.confidence("gb18030"))
    raise _in_doubt(name, [best, *(rivals if best.codec == "gb18030" else [gb18030])])


def _in_doubt(name: str, readings: Sequence[Reading]) -> UserError:
    """Return the error that names the encodings that a file may be in."""
    options = [
        PROBLEMS["encoding_option"].fill(name=NAMES[each.codec], codec=each.codec) for each in readings[:MAX_LISTED]
    ]
    return UserError(PROBLEMS["encoding_in_doubt"].fill(file=name, listed=joined(options, PROBLEMS["or"])))
