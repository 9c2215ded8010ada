"""Texts in each language that a report can be written in, with both languages side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Text:
    """A text in English and in Chinese, with the same gaps in braces for str.format."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        """Return the text in one of LANGUAGES."""
        return {"en": self.en, "zh": self.zh}[language]


@dataclass(frozen=True)
class Message:
    """A sentence that says what there is to know, and one that says what to do about it, "" if nothing."""

    sentence: Text
    advice: Text


def counted(number: int, noun: str) -> str:
    """Return a number of things in English, such as "1 row" or "1,200 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def in_language(texts: Mapping[str, Text], language: str) -> dict[str, str]:
    """Return texts in one of LANGUAGES, by the same names."""
    return {name: text[language] for name, text in texts.items()}
