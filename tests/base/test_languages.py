"""Every text of the project is there in English and in Chinese, and both are filled in with the same facts."""

import importlib
import pkgutil
import re
import string
from collections.abc import Iterator

import toolkit
from toolkit.base.languages import COMMA, NOUNS, Message, Text, beginning, count_of, counted, in_words, joined
from toolkit.report.texts import PAGE

CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


def texts_in(name: str, value: object) -> Iterator[tuple[str, Text]]:
    """Yield the texts that a value of a module is or holds, by their names."""
    if isinstance(value, Text):
        yield name, value
    elif isinstance(value, Message):
        yield f"{name}.sentence", value.sentence
        yield f"{name}.advice", value.advice
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from texts_in(f"{name}.{key}", entry)


def all_texts() -> dict[str, Text]:
    """Return the texts of all rooms, each once, by where they stand."""
    found: dict[str, Text] = {}
    seen: set[int] = set()
    for module in pkgutil.walk_packages(toolkit.__path__, "toolkit."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.isupper():
                texts = [entry for entry in texts_in(f"{module.name}.{name}", value) if id(entry[1]) not in seen]
                seen |= {id(text) for _, text in texts}
                found |= dict(texts)
    return found


def gaps(text: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


def test_one_thing_is_counted_in_the_singular_and_any_other_number_in_the_plural():
    assert [counted(number, "row") for number in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
    assert counted(2, "process") == "2 processes"
    assert all(CHINESE.search(count_of(2, noun)["zh"]) for noun in NOUNS)


def test_both_languages_of_every_text_have_the_same_gaps_and_each_is_in_its_language():
    texts = all_texts()
    assert len(texts) > 400
    for name, text in texts.items():
        assert gaps(text.en) == gaps(text.zh), name
        assert bool(text.en) == bool(text.zh), name
        assert CHINESE.search(text.en) is None, name
        is_name = text.en.casefold() == text.zh.casefold() or text is PAGE["lang"]
        assert is_name or CHINESE.search(text.zh), name


def test_a_chinese_text_has_no_english_sentence():
    for name, text in all_texts().items():
        words = re.sub(r"\{[^}]*\}|--\S+|\S+\.py\b|pip install|hf auth login|git lfs pull", "", text.zh)
        assert text.en == text.zh or not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", words), name


def test_gaps_are_filled_in_each_language():
    row = Text("{count:,} rows of {file}", "{file} 的 {count:,} 行").fill(count=1200, file="a{b}.csv")
    assert (row["en"], row["zh"], str(row)) == ("1,200 rows of a{b}.csv", "a{b}.csv 的 1,200 行", row["en"])
    whole = Text("left out: {row}", "未使用：{row}").fill(row=row)
    assert whole["zh"] == "未使用：a{b}.csv 的 1,200 行"
    assert joined(["x", whole], COMMA)["zh"] == f"x，{whole['zh']}"
    assert (in_words(whole, "en"), in_words(5, "zh")) == (whole.en, 5)


def test_the_beginning_of_a_list_has_something_for_what_is_left_out():
    assert beginning(["a", "b"], 2) == Text("a, b", "a、b")
    assert beginning(["a", "b", "c"], 2) == Text("a, b, ...", "a、b 等")
