"""Each text of the report is there in English and in Chinese, and both are filled in with the same facts."""

import re
import string

import pytest

from toolkit.base.languages import LANGUAGES, Text
from toolkit.report import texts
from toolkit.report.texts import ADVICE, PAGE, template_texts

GROUPS = {name: group for name, group in vars(texts).items() if name.isupper()}
ALL = {
    f"{group}.{name}": text
    for group, entries in GROUPS.items()
    for name, entry in entries.items()
    for text in ([entry] if isinstance(entry, Text) else [entry.sentence, entry.advice])
}


def gaps(text: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


def test_both_languages_have_the_same_gaps():
    assert len(ALL) > 100
    for name, text in ALL.items():
        assert gaps(text["en"]) == gaps(text["zh"]), name
        assert bool(text["en"]) == bool(text["zh"]), name


def test_english_has_no_chinese_characters_and_chinese_has_some_where_it_differs():
    for name, text in ALL.items():
        assert re.search("[\u4e00-\u9fff]", text["en"]) is None, name
        assert text["en"] == text["zh"] or text is PAGE["lang"] or re.search("[\u4e00-\u9fff]", text["zh"]), name


def test_the_template_gets_all_texts_of_one_language():
    for language in LANGUAGES:
        of_page = template_texts(language)
        assert of_page["title"] == PAGE["title"][language]
        assert of_page["metrics"]["precision"] == texts.METRICS["precision"][language]
        assert not {name for name in of_page if name in PAGE} ^ set(PAGE)
    with pytest.raises(KeyError):
        PAGE["title"]["fr"]


def test_each_piece_of_advice_says_something():
    assert all(message.sentence[language] for message in ADVICE.values() for language in LANGUAGES)
