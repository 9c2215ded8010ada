"""In which script most of a text is."""

import unicodedata
from collections import Counter
from itertools import groupby

LOOKED_AT = 200  # characters of a text
NAMES = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


def main_script(text: str) -> str | None:
    """Return the script of most words at the beginning of a text, such as Latin, Cyrillic or Chinese, None for none.

    A Chinese character is a word. A text with Japanese letters among the Chinese characters is Japanese.
    """
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text[:LOOKED_AT])) else None
    counts: Counter = Counter()
    for script, letters in groupby(text[:LOOKED_AT], _script):
        counts[script] += len(list(letters)) if script == "Chinese" else 1
    del counts[None]
    if counts["Japanese"]:
        counts["Japanese"] += counts.pop("Chinese", 0)
    return max(counts, key=counts.__getitem__) if counts else None


def _script(character: str) -> str | None:
    """Return the script of a letter, None for any other character."""
    if not character.isalpha():
        return None
    first = unicodedata.name(unicodedata.normalize("NFKC", character)[0], "?").split()[0].split("-")[0]
    return NAMES.get(first, first.capitalize())
