"""Texts in each language that the scripts and the report speak, with both languages side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Text:
    """A text in English and in Chinese, with the same gaps in braces for str.format; as a str it is the English one."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        """Return the text in one of LANGUAGES."""
        return {"en": self.en, "zh": self.zh}[language]

    def __str__(self) -> str:
        return self.en

    def fill(self, **facts: Any) -> "Text":
        """Return the text with its gaps filled; a fact that is a Text itself is filled in in each language."""
        in_english = {name: in_words(fact, "en") for name, fact in facts.items()}
        in_chinese = {name: in_words(fact, "zh") for name, fact in facts.items()}
        return Text(self.en.format(**in_english), self.zh.format(**in_chinese))


@dataclass(frozen=True)
class Message:
    """A sentence that says what there is to know, and one that says what to do about it, "" if nothing."""

    sentence: Text
    advice: Text


COMMA = Text(", ", "，")  # between parts of a sentence
LIST_COMMA = Text(", ", "、")  # between things of a list
SEMICOLON = Text("; ", "；")
AND_SO_ON = Text("{listed}, ...", "{listed} 等")
AND_MORE = Text("{listed} and {count:,} more", "{listed} 等，另有 {count:,} 个")
NOUNS: dict[str, str] = {  # what is counted, in English in the singular, and after a number in Chinese
    "device": "个设备",
    "epoch": "轮",
    "evaluation": "次评估",
    "field": "个字段",
    "file": "个文件",
    "finding": "项发现",
    "group": "组",
    "process": "个进程",
    "layer": "层",
    "row": "行",
    "step": "步",
    "thread": "个线程",
    "training row": "行训练数据",
    "validation row": "行验证数据",
    "weight": "个权重",
    "window": "个窗口",
}
PLURALS = {"process": "processes"}  # that do not end in s alone
PLACES: dict[str, Text] = {  # where a row stands, by what its number counts
    "line": Text("line {number}", "第 {number} 行"),
    "object": Text("object {number}", "第 {number} 个对象"),
    "row": Text("row {number}", "第 {number} 行"),
    "file": Text("file {number}", "文件 {number}"),
}


def counted(number: int, noun: str) -> str:
    """Return a number of things in English, such as "1 row" or "1,200 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {PLURALS.get(noun, noun + 's')}"


def count_of(number: int, noun: str) -> Text:
    """Return a number of things, by one of NOUNS."""
    return Text(counted(number, noun), f"{number:,} {NOUNS[noun]}")


def in_words(words: Any, language: str) -> Any:
    """Return a Text in one of LANGUAGES, and anything else as it is."""
    return words[language] if isinstance(words, Text) else words


def shortened(shown: Sequence[str | Text], total: int, separator: str | Text) -> Text:
    """Return the first of some things as a list, and how many of `total` it does not show."""
    words = joined(shown, separator)
    if total <= len(shown):
        return words
    return AND_MORE.fill(listed=words, count=total - len(shown))


def beginning(things: Sequence[str], most: int) -> Text:
    """Return the first of some things as a list, with dots for others."""
    listed = joined(things[:most], LIST_COMMA)
    return AND_SO_ON.fill(listed=listed) if len(things) > most else listed


def joined(parts: Iterable[str | Text], separator: str | Text) -> Text:
    """Return some texts as one, with a separator between."""
    texts = list(parts)
    in_english, in_chinese = (
        in_words(separator, language).join(in_words(text, language) for text in texts) for language in LANGUAGES
    )
    return Text(in_english, in_chinese)


def in_language(texts: Mapping[str, Text], language: str) -> dict[str, str]:
    """Return texts in one of LANGUAGES, by the same names."""
    return {name: text[language] for name, text in texts.items()}
