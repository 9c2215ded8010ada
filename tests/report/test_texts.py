"""Each text of the report is there in English and in Chinese, and both are filled in with the same facts."""

import pytest

from toolkit.base.languages import LANGUAGES
from toolkit.report import texts
from toolkit.report.texts import ADVICE, PAGE, template_texts


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
