"""Windows of long texts: those that transformers makes with return_overflowing_tokens, and a limited number of them."""

import random

import pytest

from tests.conftest import WORDS, bert_tokenizer
from toolkit.base.errors import UserError
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.windows import Windows, window_positions

TOKENIZER = bert_tokenizer(WORDS)
PLAIN = [word for word in WORDS if word.isalpha()]
MANY = 1000  # windows


def text(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(PLAIN, k=count))


def windows_of(first: str, second: str | None, max_length: int, windows: Windows) -> list[list[int]]:
    """Return the token ids of each window, as an encoder makes them."""
    encoder = Encoder(TOKENIZER, max_length, "longest_first", second is not None, True, windows)
    encoded = encoder.encode([first], None if second is None else [second])
    ids = encoded["input_ids"][0]
    return [ids if isinstance(kept, slice) else [ids[i] for i in kept] for kept in encoder.kept_positions(encoded, 0)]


@pytest.mark.parametrize("stride", [0, 1, 3, 7])
def test_the_windows_of_a_text_are_those_of_transformers(stride):
    for count in range(1, 60):
        reference = TOKENIZER(
            text(count, count), truncation=True, max_length=10, stride=stride, return_overflowing_tokens=True
        )
        assert windows_of(text(count, count), None, 10, Windows(stride, MANY)) == reference["input_ids"]


@pytest.mark.parametrize("stride", [0, 2, 4])
def test_of_a_pair_the_longer_text_slides_as_in_transformers(stride):
    for count in range(9, 40):
        short = text(1 + count % 5, count)
        for first, second, truncation in ((short, text(count), "only_second"), (text(count), short, "only_first")):
            reference = TOKENIZER(
                first, second, truncation=truncation, max_length=14, stride=stride, return_overflowing_tokens=True
            )
            assert windows_of(first, second, 14, Windows(stride, MANY)) == reference["input_ids"]


def test_of_two_long_texts_the_shorter_one_is_cut_to_half_of_the_room_and_all_of_the_other_is_read():
    first, second = text(30, 1), text(25, 2)
    encoded = TOKENIZER(first, second)
    sequence_ids = encoded.sequence_ids(0)
    cut = window_positions(sequence_ids, 17, Windows(2, MANY))
    start = sequence_ids.index(1)
    for positions in cut:
        assert len(positions) <= 17
        assert [i for i in positions if sequence_ids[i] == 1] == list(range(start, start + 7))
        assert [i for i in positions if sequence_ids[i] is None] == [i for i, s in enumerate(sequence_ids) if s is None]
    assert {i for positions in cut for i in positions if sequence_ids[i] == 0} == set(range(1, 31))


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_of_more_windows_than_may_be_as_many_are_read_from_the_beginning_to_the_end(most):
    sequence_ids = [None, *[0] * 100, None]
    cut = window_positions(sequence_ids, 12, Windows(2, most))
    assert len(cut) == most
    assert all(len(positions) == 12 for positions in cut)
    assert cut[0][:2] == [0, 1]
    if most > 1:
        assert cut[-1][-2:] == [100, 101]
        steps = [after[1] - before[1] for before, after in zip(cut, cut[1:], strict=False)]
        assert max(steps) - min(steps) <= 1
        assert min(steps) > 8  # there are gaps


def test_the_capacity_is_the_longest_text_without_a_gap():
    encoder = Encoder(TOKENIZER, 12, "longest_first", False, True, Windows(3, 4))
    for count in range(1, 60):
        read = {i for positions in window_positions([None, *[0] * count, None], 12, encoder.windows) for i in positions}
        assert (len(read) == count + 2) == (count + 2 <= encoder.capacity)


def test_a_stride_that_leaves_no_step_is_refused_and_a_quarter_is_usual():
    encoder = Encoder(TOKENIZER, 42, "longest_first", False, True)
    assert encoder.with_windows(None, None).windows == Windows(10, 16)
    assert encoder.with_windows(39, 2).windows == Windows(39, 2)
    with pytest.raises(UserError, match=r"--stride 40: a window of --max_length 42 may have room for 40 tokens"):
        encoder.with_windows(40, None)
    pairs = Encoder(TOKENIZER, 43, "longest_first", True, True)
    with pytest.raises(UserError, match="room for 20 tokens"):
        pairs.with_windows(20, None)


def test_a_tokenizer_that_cannot_cut_says_so():
    class Slow:
        is_fast = False

    encoder = Encoder(Slow(), 4, "longest_first", False, True, Windows(0, 2))
    with pytest.raises(UserError, match="only a fast tokenizer"):
        encoder.kept_positions({"input_ids": [[1] * 9]}, 0, "t.csv")
