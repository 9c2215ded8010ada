"""How a label may be spelled: which spellings are certainly one label, and which are only likely to be.

Certain, and so made one wherever labels are read: blanks around them, characters that nobody can see, the Unicode form;
of a column of numbers the decimal point of whole ones (1 and 1.0); of a column of truth values their case. Only
likely, and so left to the user: case, width, blanks inside, zeros at the end of other numbers (2.1 and 2.10 may be
versions).
"""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]+)?")
WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,99}))\.0+")
ZEROS_AT_THE_END = re.compile(r"(-?[0-9]+)(?:\.0+|(\.[0-9]*[1-9])0+)")
TRUTH_VALUES = {"true", "false"}
# Zero-width space, marks of the direction of writing, word joiner and its kin, byte order mark, soft hyphen.
INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# In these scripts and in emoji, what joins or parts two characters changes how they look.
JOINED = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
IDLE_JOINER = re.compile(f"(?<![{JOINED}])[\u200c\u200d]+|[\u200c\u200d]+(?![{JOINED}])")


def plain_label(label: str) -> str:
    """Return a label without blanks around it and characters that nobody can see, in Unicode's composed form (NFC)."""
    if label.isascii():
        return label.strip()
    visible = IDLE_JOINER.sub("", INVISIBLE.sub("", label))
    return unicodedata.normalize("NFC", visible).strip()


def number_label(value: int | float | Decimal) -> str:
    """Return a finite number as a label, a whole one without a decimal point."""
    if value == int(value):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return repr(value)


class LabelKind(Enum):
    """What the labels of a column are."""

    NUMBERS = "numbers"
    TRUTH_VALUES = "truth values"
    NAMES = "names"


def kind_of(labels: Iterable[str]) -> LabelKind:
    """Return what the labels of a column are, numbers or truth values only if all of them are."""
    distinct = set(labels)
    if all(NUMBER.fullmatch(label) for label in distinct):
        return LabelKind.NUMBERS
    if {label.lower() for label in distinct} <= TRUTH_VALUES:
        return LabelKind.TRUTH_VALUES
    return LabelKind.NAMES


def certain_form(label: str, kind: LabelKind) -> str:
    """Return what two spellings of a label have in common if they certainly are one label of such a column."""
    label = plain_label(label)
    if kind is LabelKind.NUMBERS and (whole := WHOLE_NUMBER.fullmatch(label)):
        return "0" if whole[1] == "-0" else whole[1]
    if kind is LabelKind.TRUTH_VALUES:
        return label.lower()
    return label


def likely_form(label: str) -> str:
    """Return what two spellings of a label have in common if they differ in case, width, blanks or decimal point."""
    composed = unicodedata.normalize("NFKC", label).casefold()
    visible = "".join(character for character in composed if unicodedata.category(character) != "Cf")
    joined = " ".join(visible.split())
    if number := ZEROS_AT_THE_END.fullmatch(joined):
        return number[1] + (number[2] or "")
    return joined


def likely_spellings(labels: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Return, for those of `labels` that are likely a `known` one in another spelling, that one."""
    known_of: dict[str, list[str]] = {}
    for label in known:
        known_of.setdefault(likely_form(label), []).append(label)
    candidates = {label: known_of.get(likely_form(label), []) for label in labels}
    return {label: names[0] for label, names in candidates.items() if len(names) == 1}


def map_labels_option(new_names: Mapping[str, str]) -> str:
    """Return the option --map_labels that gives labels these new names, as it can be pasted into a shell."""
    words = [f"{old.replace('=', chr(92) + '=')}={new}" for old, new in new_names.items()]
    if any(word.startswith(("-", "@")) for word in words):  # it would be taken for an option, or for a file of options
        return " ".join(shlex.quote(f"--map_labels={word}") for word in words)
    return " ".join(["--map_labels", *map(shlex.quote, words)])
