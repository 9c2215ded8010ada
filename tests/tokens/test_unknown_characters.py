import pytest

from tests.conftest import CHINESE, WORDS, bert_tokenizer
from toolkit.base.errors import UserError
from toolkit.tokens.unknown_characters import check_unknown, known_tokens, unknown_characters

ENGLISH = bert_tokenizer(WORDS)


def test_the_share_counts_the_characters_of_unknown_words_without_blanks():
    share, scripts = unknown_characters(ENGLISH, ["the xyzzy was good", "very good"])
    assert share == pytest.approx(5 / (3 + 5 + 3 + 4 + 4 + 4))
    assert scripts == {"LATIN": 5}


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("房间很干净，服务也好", "hfl/chinese-bert-wwm"),
        ("방이 깨끗하고 좋아요", "klue/bert-base"),
        ("Очень хорошее место", "DeepPavlov/rubert-base-cased"),
        ("مكان رائع جدا", "aubmindlab/bert-base-arabertv02"),
        ("ดีมาก", "google-bert/bert-base-multilingual-cased"),
    ],
)
def test_text_of_another_language_is_refused_with_a_model_that_knows_it(text, model):
    with pytest.raises(UserError, match=model) as caught:
        check_unknown(ENGLISH, [text] * 3, "rows.csv", 0.2)
    assert "rows.csv: 100% of the characters" in str(caught.value)


def test_a_tokenizer_that_knows_the_text_lets_it_pass():
    assert check_unknown(bert_tokenizer(list(CHINESE)), ["房间很好", "服务不好！"], "rows.csv", 0.2) == 0.0


def test_the_limit_can_be_moved():
    assert check_unknown(ENGLISH, ["房间"], "rows.csv", 1.0) == 1.0


def test_of_a_very_long_text_the_beginning_is_looked_at():
    share, _ = unknown_characters(ENGLISH, ["good " * 2_000 + "房" * 1_000_000])
    assert share == 0.0


def test_known_tokens_are_neither_unknown_nor_special_nor_padding():
    encoded = ENGLISH(["good food", "房间", "", "good 房"], padding=True, return_tensors="np")
    lengths = encoded["attention_mask"].sum(1)
    found = known_tokens(ENGLISH, encoded["input_ids"], lengths, pairs=False)
    special = set(ENGLISH.all_special_ids)
    expected = [sum(token not in special for token in row) for row in encoded["input_ids"].tolist()]
    assert found.tolist() == expected
    assert expected[1] == expected[2] == 0 < expected[3]
