"""In which script, such as Latin or Chinese, most of a text is written."""

import unicodedata
from collections import Counter
from itertools import groupby

MAX_CHARACTERS = 200  # of a text, from its beginning, that are looked at
SCRIPT_OF_NAME = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


def main_script(text: str) -> str | None:
    """Return the script of most words at the beginning of a text, such as Latin, Cyrillic or Chinese, None for none.

    A Chinese character is a word. A text with Japanese letters among the Chinese characters is Japanese.
    """
    head = text[:MAX_CHARACTERS]
    if text.isascii():
        return "Latin" if any(map(str.isalpha, head)) else None
    counts: Counter = Counter()
    for script, letters in groupby(head, _script):
        if script is not None:
            counts[script] += len(list(letters)) if script == "Chinese" else 1
    if counts["Japanese"]:
        counts["Japanese"] += counts.pop("Chinese", 0)
    return max(counts, key=counts.__getitem__) if counts else None


def _script(character: str) -> str | None:
    """Return the script of a letter, None for any other character."""
    if not character.isalpha():
        return None
    composed = unicodedata.normalize("NFKC", character)
    first_word = unicodedata.name(composed[0], "?").split()[0].split("-")[0]
    return SCRIPT_OF_NAME.get(first_word, first_word.capitalize())
