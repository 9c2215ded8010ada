import random

import numpy as np
import pytest
from datasketch import MinHashLSH

from toolkit.doctor.duplicates import (
    MIN_SIMILARITY,
    equal_groups,
    most_similar,
    near_pairs,
    ngram_hashes,
    normalize,
    similarity,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good  food\n", "good food"),
        ("ＡＢＣ１２３！", "abc123!"),
        ("這間酒店的房間很乾淨", "这间酒店的房间很干净"),
        ("房间 很 干净", "房间很干净"),
        ("STRASSE", "straße"),
        ("ﬁne\u00a0 tea", "Fine tea"),
    ],
)
def test_what_makes_no_difference_to_a_reader_is_normalized(one, other):
    assert normalize(one) == normalize(other)
    assert normalize(normalize(one)) == normalize(one)


@pytest.mark.parametrize(
    ("one", "other"), [("no table", "notable"), ("good", "goods"), ("很好", "不好"), ("a.b", "ab"), ("e", "é")]
)
def test_what_makes_a_difference_is_not(one, other):
    assert normalize(one) != normalize(other)


def test_groups_are_those_of_equal_texts_in_order():
    assert equal_groups(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]
    assert equal_groups([]) == equal_groups(["a", "b"]) == []


@pytest.mark.parametrize("size", [2, 4])
def test_n_grams_are_as_many_as_there_are_different_ones(size):
    text = "abcabcabcdefgh" * 3 if size == 4 else "房间很好房间很好早餐不错" * 3
    assert len(ngram_hashes(text)) == len({text[i : i + size] for i in range(len(text) - size + 1)})


@pytest.mark.parametrize("text", ["", "a", "abcd", "好", "\U0001f600", "\x00"])
def test_texts_shorter_than_an_n_gram_have_one(text):
    assert len(ngram_hashes(text)) == 1
    assert similarity(ngram_hashes(text), ngram_hashes(text)) == 1.0


def near_duplicates(texts: list[str], table_of) -> list[tuple[int, int]]:
    """Return what each text is nearly equal to, of each table the most similar one."""
    return most_similar(near_pairs(texts, table_of), table_of)


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(count)]


def test_similarity_is_jaccard_s():
    for seed in range(20):
        text = " ".join(words(20, seed))
        other = text[: 10 + seed] + text[20 + seed :]
        sets = [{each[i : i + 4] for i in range(len(each) - 3)} for each in (text, other)]
        expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        assert similarity(ngram_hashes(text), ngram_hashes(other)) == pytest.approx(expected)


def test_pairs_above_the_limit_are_found_and_no_others():
    """All pairs, compared the slow way."""
    texts = []
    for seed in range(60):
        text = words(15, seed)
        texts.append(" ".join(text))
        for changed in range(1, 1 + seed % 4):
            text[changed * 3] = words(1, 1000 + seed * 10 + changed)[0]
            texts.append(" ".join(text))
    owner = [number % 2 for number in range(len(texts))]
    found, sets = near_duplicates(texts, owner), [ngram_hashes(text) for text in texts]
    assert all(other < number and similarity(sets[number], sets[other]) >= MIN_SIMILARITY for number, other in found)
    assert len({(number, owner[other]) for number, other in found}) == len(found)
    first, expected = [], {}  # texts that are not nearly the same as an earlier one of their owner
    for number in range(len(texts)):
        best = {
            each: max((similarity(sets[number], sets[o]) for o in first if owner[o] == each), default=0)
            for each in (0, 1)
        }
        expected |= {(number, each): like for each, like in best.items() if like >= MIN_SIMILARITY}
        first += [number] * (best[owner[number]] < MIN_SIMILARITY)
    hit = {(number, owner[other]) for number, other in found}
    assert {key for key, like in expected.items() if like >= 0.8} <= hit
    assert len(hit) >= 0.9 * len(expected) > 30


def test_many_texts_that_are_all_alike_take_no_square_of_time(monkeypatch):
    looked_at = []

    class Index(MinHashLSH):
        def query(self, sketch):
            found = super().query(sketch)
            looked_at.append(len(found))
            return found

    monkeypatch.setattr("datasketch.MinHashLSH", Index)
    texts = [f"the order with the number {number} has been sent and will come on monday" for number in range(600)]
    found = list(near_duplicates(texts, np.arange(600) % 2))
    assert {number for number, _ in found} >= set(range(2, 600))
    assert sum(looked_at) <= 600 * 20


def test_of_a_long_text_the_beginning_counts():
    draw = random.Random(0)
    long = "".join(draw.choices("abcdefgh ", k=200_000))
    assert len(ngram_hashes(long)) <= 10_000
    assert list(near_duplicates([long, long[:150_000] + "x" * 50_000], [0, 0])) == [(1, 0)]
