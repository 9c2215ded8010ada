import itertools
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.doctor.toy_tables import clean, table, unlike
from toolkit.data.labels import split_table
from toolkit.data.tables import Table
from toolkit.doctor.comparison import compare_texts
from toolkit.doctor.duplicates import ngram_hashes, normalize, similarity
from toolkit.doctor.together import Together, kept_on_one_side, kept_together, rows_together
from toolkit.files.columns import Columns


def together_of(rows: list[tuple], groups: list[str] | None = None) -> Together:
    """Return what is kept together of a training table of these rows, and of groups by name."""
    train = table("t", rows)
    if groups is not None:
        train = replace(train, groups=np.array(groups, object))
    return rows_together({"train": train}, compare_texts({"train": train}))


def sets_of(numbers: np.ndarray) -> set[tuple[int, ...]]:
    """Return which rows are together, those that are alone left out."""
    of_number: dict[int, list[int]] = {}
    for row, number in enumerate(numbers.tolist()):
        of_number.setdefault(number, []).append(row)
    return {tuple(rows) for rows in of_number.values() if len(rows) > 1}


def chain(length: int, seed: int = 0) -> list[str]:
    """Return texts each of which is nearly equal to the one before it; first and last have nothing in common."""
    words = " ".join(unlike(4 + length // 12, seed)).split()
    assert length <= len(words) - 20
    return [" ".join(words[start : start + 20]) for start in range(length)]


def test_texts_that_nothing_joins_are_apart():
    together = together_of(clean(unlike(30)))
    assert sets_of(together.numbers) == set()
    assert (together.copies, together.divided) == (0, 0)


def test_equal_and_nearly_equal_texts_are_together_whatever_their_labels():
    texts = unlike(30)
    rows = [*clean(texts), (texts[4].upper(), "b"), (texts[7][:-3] + "qqq", "a"), (f" {texts[7]}", "a")]
    together = together_of(rows)
    assert sets_of(together.numbers) == {(4, 30), (7, 31, 32)}
    assert (together.copies, together.divided) == (2, 0)


def test_a_chain_of_nearly_equal_texts_is_one_group():
    texts = chain(28)
    ends = [ngram_hashes(normalize(text)) for text in (texts[0], texts[-1])]
    assert similarity(*ends) < 0.1
    together = together_of(clean(unlike(40, seed=1) + texts))
    assert sets_of(together.numbers) == {tuple(range(40, 68))}
    shuffled = random.Random(0).sample(range(28), 28)
    together = together_of(clean([texts[number] for number in shuffled]))
    assert sets_of(together.numbers) == {tuple(range(28))}


def test_rows_of_a_group_are_together_and_those_of_an_empty_cell_are_not():
    texts = unlike(6)
    assert sets_of(together_of(clean(texts), ["u", "", "v", "u", "", "v"]).numbers) == {(0, 3), (2, 5)}
    train = replace(table("t", clean(texts)), groups=np.array(["u", "", "v", "u", "", "v"], object))
    assert sets_of(rows_together({"train": train}, None).numbers) == {(0, 3), (2, 5)}


def test_copies_join_groups():
    texts = unlike(6)
    rows = clean([*texts, texts[2]])
    together = together_of(rows, ["u", "v", "u", "v", "w", "", "v"])
    assert sets_of(together.numbers) == {(0, 1, 2, 3, 6)}
    assert together.copies == 1


def orders(count: int, label: str) -> list[tuple]:
    """Return rows that are all made from one template."""
    return [(f"the order with the number {number} has been sent and will come on monday", label)
            for number in range(count)]  # fmt: skip


def test_texts_of_a_template_that_are_most_of_a_label_are_divided_into_small_pieces_but_equal_ones_are_not():
    rows = [*orders(80, "a"), *[(text, "a") for text in unlike(40)], *[(text, "b") for text in unlike(100, seed=1)]]
    rows += [rows[0], rows[0], rows[90]]
    together = together_of(rows)
    pieces = sets_of(together.numbers)
    assert {piece for piece in pieces if min(piece) >= 80} == {(90, 222)}
    assert {frozenset(piece) & {0, 220, 221} for piece in pieces} == {frozenset(), frozenset({0, 220, 221})}
    assert 1 < max(map(len, pieces)) <= 50
    assert together.divided == 1


@pytest.mark.parametrize(("count", "others"), [(50, 10), (80, 81)])
def test_templates_of_few_rows_or_of_less_than_half_of_a_label_stay_together(count, others):
    rows = [
        *orders(count, "a"),
        *[(text, "a") for text in unlike(others)],
        *[(text, "b") for text in unlike(20, seed=1)],
    ]
    together = together_of(rows)
    assert sets_of(together.numbers) == {tuple(range(count))}
    assert together.divided == 0


def test_one_text_that_many_groups_have_does_not_join_them_all():
    texts = unlike(120)
    rows = [*clean(texts), *[("ok", "ab"[number % 2]) for number in range(60)]]
    groups = [f"u{number % 60}" for number in range(180)]
    together = together_of(rows, groups)
    pieces = sets_of(together.numbers)
    assert together.divided == 1
    assert max(map(len, pieces)) <= 50
    assert all({row % 60 for row in piece} == {row % 60 for row in piece if row < 60} for piece in pieces)
    assert sum(map(len, pieces)) == 180
    assert all(len(piece) == 3 * len({row % 60 for row in piece}) for piece in pieces)


def test_a_group_is_never_divided_however_large():
    texts = unlike(100)
    together = together_of([*clean(texts), (texts[3], "a")], ["u"] * 90 + [""] * 11)
    assert sets_of(together.numbers) == {tuple(range(90))}


def test_where_nothing_could_be_held_out_otherwise_copies_are_divided():
    train = table("t", [("good food", "a"), ("bad food", "b")] * 10)
    compared = compare_texts({"train": train})
    assert len(sets_of(rows_together({"train": train}, compared).numbers)) == 2
    together = kept_on_one_side(train, compared)
    assert (len(set(together.numbers.tolist())), together.copies, together.divided) == (20, 0, 2)
    _, valid = split_table(train, 0.2, 0, together.numbers)
    assert valid.frame["label"].value_counts().to_dict() == {"a": 2, "b": 2}


def test_two_tables_are_numbered_together():
    texts = unlike(8)
    train = replace(table("t", clean(texts)), groups=np.array(["u", *[""] * 7], object))
    valid = replace(table("v", clean([texts[5], "one more text of it"])), groups=np.array(["", "u"], object))
    together = kept_together({"train": train, "valid": valid}, compare_texts({"train": train, "valid": valid}))
    assert [len(together[name]) for name in ("train", "valid")] == [8, 2]
    assert together["valid"].tolist() == [together["train"][5], together["train"][0]]


def written_anew(text: str, draw: random.Random) -> str:
    """Return a text that is equal to another but for case and blanks, or that differs from it by a letter."""
    at = draw.randrange(len(text))
    return draw.choice([text, text.upper(), f"  {text} ", f"{text[:at]}z{text[at + 1 :]}"])


@st.composite
def planted(draw) -> Table:
    """Draw a table of unlike texts into which copies, and copies of copies, are planted, and groups."""
    random_draw = draw(st.randoms(use_true_random=False))
    texts = unlike(draw(st.integers(10, 40)), seed=draw(st.integers(0, 1000)))
    for _ in range(draw(st.integers(0, 30))):
        texts.append(written_anew(random_draw.choice(texts), random_draw))
    random_draw.shuffle(texts)
    labels = random_draw.choices("aab", k=len(texts))
    train = table("t", list(zip(texts, labels, strict=True)))
    if draw(st.booleans()):
        names = random_draw.choices(["", "", *map(str, range(len(texts)))], k=len(texts))
        train = replace(train, groups=np.array(names, object))
    return train


@settings(max_examples=150, deadline=None)
@given(planted(), st.integers(0, 2**63 - 1))
def test_no_group_and_no_copy_of_a_text_is_on_the_other_side_of_the_split(train, seed):
    """All pairs of texts, compared the slow way."""
    together = kept_on_one_side(train, compare_texts({"train": train}))
    assume(not together.divided)
    rest, valid = split_table(train, 0.2, seed, together.numbers)
    assert not {*rest.group_names} & {*valid.group_names} - {""}
    sides = [{normalize(text) for text in part.texts} for part in (rest, valid)]
    assert not sides[0] & sides[1]
    hashes = [[ngram_hashes(text) for text in side] for side in sides]
    nearest = max(similarity(one, other) for one in hashes[0] for other in hashes[1])
    assert nearest < 0.85  # that MinHash misses one that is so similar is less likely than one in ten million


def several_labels(rows: list[tuple[str, tuple[str, ...]]]) -> dict[str, Table]:
    train = table("t", [(text, "x") for text, _ in rows])
    labels = pd.Series([labels for _, labels in rows], train.frame.index, dtype=object)
    return {"train": replace(train, frame=train.frame.assign(label=labels), columns=Columns(label_separator=";"))}


def test_rows_whose_sets_are_all_different_are_kept_together_as_their_labels_allow():
    texts = unlike(40)
    sets = list(itertools.combinations("abcdefghij", 2))[:40]
    tables = several_labels([*zip(texts, sets, strict=True), (texts[3].upper(), ("a", "b", "c"))])
    together = kept_on_one_side(tables["train"], compare_texts(tables))
    assert sets_of(together.numbers) == {(3, 40)}
    assert (together.copies, together.divided) == (1, 0)


@pytest.mark.parametrize("labels", [("a", "b", "c"), ()])
def test_copies_that_have_most_rows_of_a_set_but_few_of_its_labels_are_not_divided(labels):
    texts = chain(60)
    others = [(text, tuple("abc"[i % 3]) if i % 4 else ()) for i, text in enumerate(unlike(600, seed=2))]
    tables = several_labels([(text, labels) for text in texts] + others)
    assert rows_together(tables, compare_texts(tables)).divided == 0


def test_copies_that_have_most_rows_of_one_of_their_labels_are_divided():
    tables = several_labels(
        [(text, ("a", "rare")) for text in chain(60)] + [(text, ("a",)) for text in unlike(300, seed=2)]
    )
    assert rows_together(tables, compare_texts(tables)).divided == 1
