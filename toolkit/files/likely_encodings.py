"""Which of the older encodings a text is likely in, by how plausible its characters are in each (chardet).

Bytes that are no utf-8 can be read in many ways: Korean in CP949 is valid GB18030 too, and any bytes at all are letters
in Windows-1252. What is taken has to be clearly more likely than every other reading.
"""

from codecs import lookup
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.base.languages import Text
from toolkit.files.texts import REMARKS

NAMES = {  # of the encodings that are considered, by their codecs: how they are called, and whose they are
    "gb18030": "GB18030 (Chinese)",
    "big5hkscs": "Big5 (traditional Chinese)",
    "cp949": "CP949 (Korean)",
    "cp932": "Shift JIS (Japanese)",
    "euc_jis_2004": "EUC-JP (Japanese)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Russian)",
    "cp1252": "Windows-1252 (Western European)",
    "iso8859-15": "Latin-9 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1253": "Windows-1253 (Greek)",
}
TWO_BYTES = {"gb18030", "big5hkscs", "cp949", "cp932", "euc_jis_2004"}
LATIN = {"cp1252", "iso8859-15", "cp1250", "cp1254"}  # much the same letters at the same places
SAMPLE_BYTES = 200_000
LEAST_BYTES = {True: 10, False: 20}  # that are not ASCII and say something, of two to a character, and of one
ENOUGH_LATIN_BYTES = 40  # by which kin of Latin can be told apart
NEARLY_ALL = 0.9  # of the lines
LEAST_CONFIDENCE = 0.02
CLEARLY_LESS = 0.6  # of the confidence in the likeliest reading has at most another where there is no doubt
WESTERN_SIGNS = frozenset("£€¥¢§°©®™‘’“”„«»–—…•·½¼¾×±²³¿¡")
WESTERN_LETTERS = frozenset("éèêëáàâäãåíìîïóòôöõúùûüñçßæøœÉÈÀÁÂÄÅÇÑÓÖÜÆØ")
ENOUGH_LETTERS = 5
CONTROLS = bytes(set(range(32)) - {9, 10, 11, 12, 13, 26, 27}) + b"\x7f"  # that no text has


@dataclass(frozen=True)
class Reading:
    """A way to read some bytes, and how plausible chardet finds it."""

    codec: str
    confidence: float


@dataclass(frozen=True)
class LikelyReadings:
    """The ways to read some bytes, the likeliest first; those that give the same text count once."""

    readings: Sequence[Reading]
    odd_bytes: int  # those that are not ASCII

    @property
    def best(self) -> Reading | None:
        """The likeliest one, None where the bytes say too little."""
        first = next(iter(self.readings), None)
        if first is None or self.odd_bytes < LEAST_BYTES[first.codec in TWO_BYTES]:
            return None
        return first if first.codec in TWO_BYTES or first.confidence >= LEAST_CONFIDENCE else None

    @property
    def is_clear(self) -> bool:
        """Whether the likeliest one is plausible, and far more so than the others."""
        return self.best is not None and self.best.confidence >= LEAST_CONFIDENCE and not self.rivals()

    def rivals(self, share: float = CLEARLY_LESS) -> list[Reading]:
        """Return the other readings that are at least `share` as likely as the best one."""
        first, *others = self.readings
        near = [reading for reading in others if reading.confidence >= share * first.confidence]
        if first.codec in LATIN and self.odd_bytes >= ENOUGH_LATIN_BYTES:
            near = [reading for reading in near if reading.codec not in LATIN]
        return near

    def confidence(self, codec: str) -> float:
        """Return how plausible a reading is, 0 where it is impossible."""
        return next((reading.confidence for reading in self.readings if reading.codec == codec), 0.0)


def likely_readings(lines: Sequence[bytes]) -> LikelyReadings:
    """Return the ways to read some lines of a text, all of which have bytes that are not ASCII.

    A damaged line would rule a two-byte encoding out and leave those of one byte, which read anything. So the lines
    that nearly all go by are asked alone if the others make the difference.
    """
    likely = _readings_of(lines)
    sound = _sound_lines(lines)
    if len(sound) == len(lines) or (likely.best and likely.best.codec in TWO_BYTES):
        return likely
    without_others = _readings_of(sound)
    return without_others if without_others.best and without_others.best.codec in TWO_BYTES else likely


def _readings_of(lines: Sequence[bytes]) -> LikelyReadings:
    """Return the ways to read some lines, none if they hold what no text does."""
    import chardet  # noqa: PLC0415 - a tenth of a second that utf-8 does without

    sample = b"\n".join(lines)[:SAMPLE_BYTES]
    odd_bytes = sum(byte > 0x7F for byte in sample)
    if any(byte in CONTROLS for byte in sample):
        return LikelyReadings([], odd_bytes)
    codecs_ = list(NAMES)
    answers = chardet.detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=codecs_)
    confidence = {str(answer["encoding"]): float(answer["confidence"]) for answer in answers}
    readings: dict[str, Reading] = {}  # by the text that they give, of which the first of the codecs stands for all
    for codec in codecs_:
        if codec in confidence:
            readings.setdefault(sample.decode(codec, errors="replace"), Reading(codec, confidence[codec]))
    return LikelyReadings(sorted(readings.values(), key=lambda reading: -reading.confidence), odd_bytes)


def has_only_western_signs(lines: Sequence[bytes]) -> bool:
    """Say whether all that is not ASCII are single signs and letters as they stand in western text.

    They are a pound sign before a number or a curved quote, as in a file that is ASCII but for a few of them, which is
    too little for statistics; or usual accented letters beside other letters, of which one alone may be damage.
    """
    texts = [line.decode("cp1252", errors="replace") for line in lines]
    signs = [_is_western_sign(text, place) for text in texts for place in _odd_places(text)]
    letters = [_is_western_letter(text, place) for text in texts for place in _odd_places(text)]
    is_each = all(sign or letter for sign, letter in zip(signs, letters, strict=True))
    return is_each and (any(signs) or sum(letters) >= ENOUGH_LETTERS)


def _odd_places(text: str) -> list[int]:
    return [place for place, character in enumerate(text) if not character.isascii()]


def _neighbours(text: str, place: int) -> str:
    return text[max(place - 1, 0) : place] + text[place + 1 : place + 2]


def _is_western_sign(text: str, place: int) -> bool:
    return text[place] in WESTERN_SIGNS and _neighbours(text, place).isascii()


def _is_western_letter(text: str, place: int) -> bool:
    neighbours = _neighbours(text, place)
    is_in_word = neighbours.isascii() and any(character.isalpha() for character in neighbours)
    return text[place] in WESTERN_LETTERS and is_in_word


def _sound_lines(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Return the lines that the two-byte encoding which reads most of them can read, all where these are too few."""
    readable = max(([line for line in lines if is_readable(line, codec)] for codec in sorted(TWO_BYTES)), key=len)
    return readable if len(readable) >= NEARLY_ALL * len(lines) else lines


def is_readable(line: bytes, codec: str) -> bool:
    """Say whether bytes are text in an encoding without a single mistake."""
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def encoding_remark(codec: str) -> Text | None:
    """Return what is said of a file that was taken to be in an older encoding, None for the encodings of Unicode."""
    names = {lookup(name).name: name for name in NAMES}
    codec = names.get(lookup(codec).name, "")
    if not codec:
        return None
    return REMARKS["read_as" if codec in TWO_BYTES else "most_likely"].fill(encoding=NAMES[codec])
