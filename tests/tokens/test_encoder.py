import random

import pytest

from tests.conftest import WORDS, bert_tokenizer
from toolkit.tokens.encoder import allowances, kept_positions

TOKENIZER = bert_tokenizer(WORDS)
PLAIN = [word for word in WORDS if word.isalpha()]


def texts(seed: int, pair: bool) -> tuple[str, str | None]:
    draw = random.Random(seed)
    first = " ".join(draw.choices(PLAIN, k=draw.randint(1, 40)))
    return first, " ".join(draw.choices(PLAIN, k=draw.randint(1, 40))) if pair else None


def cut(first: str, second: str | None, max_length: int, truncation: str) -> list[int]:
    encoded = TOKENIZER([first], [second] if second else None)
    kept = kept_positions(encoded.sequence_ids(0), max_length, truncation)
    return [encoded["input_ids"][0][i] for i in kept]


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("max_length", [5, 6, 7, 12, 30])
def test_longest_first_cuts_as_the_tokenizer_does(pair, max_length):
    for seed in range(60):
        first, second = texts(seed, pair)
        reference = TOKENIZER(first, second, truncation="longest_first", max_length=max_length)["input_ids"]
        assert cut(first, second, max_length, "longest_first") == reference


@pytest.mark.parametrize("truncation", ["only_first", "only_second"])
def test_only_one_text_is_cut_as_the_tokenizer_does(truncation):
    checked = 0
    for seed in range(80):
        first, second = texts(seed, True)
        kept_whole = first if truncation == "only_second" else second
        if len(kept_whole.split()) + 4 > 30:
            continue
        reference = TOKENIZER(first, second, truncation=truncation, max_length=30)["input_ids"]
        assert cut(first, second, 30, truncation) == reference
        checked += len(reference) == 30
    assert checked > 20


def test_head_tail_keeps_128_and_382_tokens_of_a_long_text_as_sun_et_al_did():
    sequence_ids = [None, *[0] * 900, None]
    kept = kept_positions(sequence_ids, 512, "head_tail")
    assert kept == [0, *range(1, 129), *range(901 - 382, 901), 901]
    assert len(kept) == 512


def test_head_tail_of_a_short_length_keeps_both_ends():
    assert kept_positions([None, *[0] * 10, None], 6, "head_tail") == [0, 1, 2, 9, 10, 11]


def test_head_tail_cuts_the_middle_of_both_texts_of_a_pair():
    sequence_ids = [None, *[0] * 8, None, *[1] * 8, None]
    assert kept_positions(sequence_ids, 11, "head_tail") == [0, 1, 2, 7, 8, 9, 10, 11, 16, 17, 18]


@pytest.mark.parametrize("truncation", ["longest_first", "only_first", "only_second", "head_tail"])
def test_a_row_that_fits_is_left_alone(truncation):
    sequence_ids = [None, 0, 0, None, 1, None]
    assert kept_positions(sequence_ids, 6, truncation) == list(range(6))


def test_where_one_text_is_not_enough_the_other_is_cut_too_and_something_of_both_stays():
    assert allowances(3, 40, 20, "only_first") == (1, 19)
    assert allowances(40, 3, 20, "only_second") == (19, 1)
    assert allowances(5, 18, 20, "only_first") == (2, 18)
