import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.data.labels import (
    encode_labels,
    learn_labels,
    match_labels,
    sort_labels,
    spelled_as,
    split_table,
    unused_names,
    with_new_names,
    with_one_spelling,
)
from toolkit.data.rows import Rejected
from toolkit.data.tables import Table
from toolkit.files.columns import Columns

ROOT = Path(__file__).resolve().parents[2]


def table(labels: list[str], first_line: int = 2) -> Table:
    index = pd.Index(range(first_line, first_line + len(labels)), name="line")
    texts = [f"text {i}" for i in range(len(labels))]
    frame = pd.DataFrame({"text": texts, "label": labels}, index, dtype=object)
    rejected = [Rejected("t.csv", "line", 1000, "text is empty", {})]
    return Table(Path("t.csv"), frame, rejected, frame.to_dict("records"), Columns(), "")


@pytest.mark.parametrize(
    ("labels", "in_order"),
    [
        (["10", "9", "1", "9"], ["1", "9", "10"]),
        (["1", "-1", "0", "-10"], ["-10", "-1", "0", "1"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["10", "9", "01"], ["01", "10", "9"]),
        (["10", "9.5"], ["10", "9.5"]),
        (["١", "10", "9"], ["10", "9", "١"]),
        (["pos", "neg", "Neutral"], ["Neutral", "neg", "pos"]),
        (["好", "差", "中"], ["中", "好", "差"]),
        (["12345678901234567890", "2"], ["2", "12345678901234567890"]),
        (["2", "9" * 5000], ["2", "9" * 5000]),
        ([], []),
    ],
    ids=lambda value: " ".join(value)[:20],
)
def test_labels_are_sorted_as_numbers_if_all_are_integers_else_as_strings(labels, in_order):
    assert sort_labels(labels) == in_order
    assert sort_labels(reversed(labels)) == in_order


def test_the_order_of_the_labels_is_the_same_in_every_process():
    code = "from toolkit.data.labels import sort_labels; print(sort_labels(['0', '-0', '1', '-1']))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed)}, check=True,
            capture_output=True, encoding="utf-8",
        ).stdout
        for seed in range(1, 5)
    }  # fmt: skip
    assert len(found) == 1


def test_labels_are_learned_in_order_and_become_their_numbers():
    train = table(["10", "9", "9", "1"])
    assert learn_labels(train) == ["1", "9", "10"]
    numbers = encode_labels(table(["9", "1", "10"]), ["1", "9", "10"])
    assert (numbers.tolist(), numbers.dtype) == ([1, 0, 2], np.int64)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a"], "t.csv: every row has the label 'a'; a classifier needs at least two labels"),
        (list(map(str, range(51))), "t.csv: 51 different labels in 51 rows; is this the label column?"),
    ],
)
def test_labels_that_are_too_few_or_too_many_are_refused(labels, message):
    with pytest.raises(UserError) as caught:
        learn_labels(table(labels))
    assert str(caught.value) == message
    assert len(learn_labels(table(list(map(str, range(50)))))) == 50


def few_shot(labels: list[str], texts: list[str] | None = None) -> Table:
    return with_texts(
        table(labels), texts or [f"please do the task of number {i} for me now" for i in range(len(labels))]
    )


def with_texts(train: Table, texts: list[str]) -> Table:
    train.frame["text"] = texts
    return train


CLINC = [f"{verb}_{noun}" for verb in ("book", "cancel", "change", "find", "confirm")
         for noun in ("flight", "hotel", "alarm", "card payment", "account balance", "exchange rate", "restaurant",
                      "insurance", "direct_deposit", "timezone", "pto_request_status", "w2")]  # fmt: skip


@pytest.mark.parametrize(
    "labels",
    [
        [f"intent_{i:03}" for i in range(150)],
        CLINC,
        [
            f"{subject}{kind}"
            for subject in "天地玄黄宇宙洪荒日月"
            for kind in ("查询", "投诉", "退款", "办理", "取消", "咨询")
        ],
        CLINC + CLINC[:10],
    ],
    ids=["numbered intents", "intents", "Chinese intents", "a few with two rows"],
)
def test_a_row_or_two_of_each_of_many_labels_are_labels(labels):
    assert len(learn_labels(few_shot(labels))) == len(set(labels))


SENTENCES = [f"The {noun} that I bought here {verb} after {i} days" for i in range(10)
             for noun in ("lamp", "chair", "phone") for verb in ("broke", "fell apart")]  # fmt: skip


@pytest.mark.parametrize(
    "labels",
    [
        SENTENCES,
        [f"这家酒店的第{i}间房又干净又舒服，早餐也很好，下次来还住这里" for i in range(60)],
        [f"https://example.org/reviews/page-{chr(97 + i % 26)}{chr(97 + i // 26)}.html" for i in range(60)],
        [str(1000 + i) for i in range(60)],
        [f"{i * 0.37:.4f}" for i in range(60)],
        [f"2024-03-{i % 28 + 1:02}T{i % 24:02}:00:{i:02}" for i in range(60)],
        [f"u{i:05}" for i in range(60)],
        ["%032x" % (i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128) for i in range(60)],
    ],
    ids=["sentences", "Chinese sentences", "addresses", "numbers", "decimals", "times", "names of users", "hashes"],
)
def test_texts_and_ids_are_not_taken_for_labels(labels):
    with pytest.raises(UserError, match=r"60 different labels in 60 rows; is this the label column\?"):
        learn_labels(few_shot(labels))


def test_titles_and_texts_that_changed_places_are_not_taken_for_labels():
    titles = [f"{a} {b}" for a in ("Good", "Poor", "Fair", "Plain", "Odd", "Fine") for b in
              ("lamp", "chair", "soup", "room", "phone", "table", "bread", "coffee", "shoes", "watch")]  # fmt: skip
    with pytest.raises(UserError, match="is this the label column"):
        learn_labels(few_shot(titles, ["pos", "neg"] * 30))


# -- spellings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "labels"),
    [
        (["1", "1.0", "0", "0.0"], ["0", "1"]),
        (["1.0", "4.5", "3"], ["1", "3", "4.5"]),
        (["True", "TRUE", "false"], ["false", "true"]),
        (["2.1", "2.10", "v3"], ["2.1", "2.10", "v3"]),
        (["2.1", "2.10"], ["2.1", "2.10"]),
        (["1.0", "1", "none"], ["1", "1.0", "none"]),
        (["True", "true", "maybe"], ["True", "maybe", "true"]),
        (["Positive", "positive"], ["Positive", "positive"]),
        (["01", "1", "1.0"], ["01", "1", "1.0"]),
    ],
    ids=" ".join,
)
def test_what_certainly_is_one_label_is_learned_as_one(spelled, labels):
    assert learn_labels(with_one_spelling(table(spelled))) == labels


@pytest.mark.parametrize(
    ("learned", "spelled", "known"),
    [
        (["0", "1"], ["1.0", "0", "0.00"], ["1", "0", "0"]),
        (["0.0", "1.0"], ["1", "0.0", "0"], ["1.0", "0.0", "0.0"]),  # as older versions learned them
        (["False", "True"], ["true", "False", "TRUE"], ["True", "False", "True"]),
        (["caf\u0065\u0301", "x"], ["caf\u00e9", "x"], ["caf\u0065\u0301", "x"]),
        (["1.0", "2.0", "none"], ["1.0", "2.0", "1.0"], ["1.0", "2.0", "1.0"]),
        (["1", "1.0"], ["1.0", "1"], ["1.0", "1"]),
        (["1", "4.5"], ["4.5", "1.0"], ["4.5", "1"]),
    ],
)
def test_the_labels_of_other_files_are_spelled_as_those_of_training(learned, spelled, known):
    assert spelled_as(table(spelled), learned).frame["label"].tolist() == known
    assert match_labels(table(spelled), learned, "stop").frame["label"].tolist() == known


@pytest.mark.parametrize(
    ("learned", "spelled", "option"),
    [
        (["negative", "positive"], ["Positive", "Negative", "positive"], "Positive=positive Negative=negative"),
        (["A", "B"], ["Ａ", "B"], "'Ａ=A'"),
        (["1", "2", "none"], ["1.0", "none"], "1.0=1"),
        (["1.0", "2.0", "none"], ["1", "2"], "1=1.0 2=2.0"),
        (["2.1", "3"], ["2.10", "3"], "2.10=2.1"),
    ],
)
@pytest.mark.parametrize("on_bad_rows", ["stop", "skip"])
def test_labels_that_are_likely_known_ones_are_an_error_that_says_how_to_rename_them(
    learned, spelled, option, on_bad_rows
):
    with pytest.raises(UserError) as caught:
        match_labels(table(spelled), learned, on_bad_rows)
    (line,) = caught.value.lines()
    assert "in case, width or decimal point only: " in line
    assert line.endswith(f"; --map_labels {option} makes them the same")
    names = dict(word.split("=") for word in shlex.split(option))
    renamed = with_new_names(table(spelled), names)
    assert set(match_labels(renamed, learned, "stop").frame["label"]) <= set(learned)


def test_rows_with_labels_that_were_not_learned_are_left_out_and_told_if_asked_to():
    test = table(["a", "b", "x", "a", "x"])
    with pytest.raises(UserError, match=r"2 rows .*'x' \(line 4\); --on_bad_rows skip leaves them out"):
        match_labels(test, ["a", "b"], "stop")
    left = match_labels(test, ["a", "b"], "skip")
    assert left.frame["label"].tolist() == ["a", "b", "a"]
    assert [row["text"] for row in left.records] == left.frame["text"].tolist() == ["text 0", "text 1", "text 3"]
    assert [(row.line, str(row.reason)) for row in left.rejected] == [
        (4, "label is 'x', which the training data does not have"),
        (6, "label is 'x', which the training data does not have"),
        (1000, "text is empty"),
    ]
    assert left.rejected[0].values == test.records[2]
    assert str(left.accounts()).endswith("6 rows = 3 used + 3 rejected")
    with pytest.raises(UserError, match="5 rows with labels that the training data does not have"):
        match_labels(test, ["c", "d"], "skip")


@pytest.mark.parametrize(
    ("spelled", "names", "renamed"),
    [
        (["0", "1", "0"], {"0": "neg", "1": "pos"}, ["neg", "pos", "neg"]),
        (["0.0", "1", "0"], {"0": "neg", "1": "pos"}, ["neg", "pos", "neg"]),
        (["a", "b", "c"], {"a": "b", "b": "a"}, ["b", "a", "c"]),
        (["True", "false"], {"true": "yes", "FALSE": "no"}, ["yes", "false"]),
        (["caf\u00e9", "x"], {"cafe\u0301": "bar"}, ["bar", "x"]),
    ],
)
def test_each_label_is_renamed_once(spelled, names, renamed):
    assert with_new_names(table(spelled), names).frame["label"].tolist() == renamed


def test_new_names_that_no_row_asks_for_are_told():
    tables = [table(["0", "1.0"]), table(["2"])]
    assert unused_names(tables, {"0": "a", "1": "b", "2": "c", "3": "d", "\ufeff1.0": "e"}) == ["3"]


@pytest.mark.parametrize(("kinds", "more"), [(10, ""), (13, " and 3 more")])
def test_labels_that_were_not_learned_are_listed_with_their_first_lines(kinds, more):
    labels = ["a", *(f"x{i}" for i in range(kinds)), *(f"x{i}" for i in range(kinds))]
    with pytest.raises(UserError) as caught:
        encode_labels(table(labels), ["a", "b"])
    listed = ", ".join(f"'x{i}' (line {i + 3})" for i in range(10))
    said = f"t.csv: {2 * kinds} rows with labels that the training data does not have: {listed}{more}"
    assert str(caught.value) == said


def test_a_table_is_split_in_the_order_of_the_file():
    train, valid = split_table(table(["a", "b"] * 20), 0.25, seed=1)
    assert valid.frame["label"].value_counts().to_dict() == {"a": 5, "b": 5}
    assert sorted([*train.frame.index, *valid.frame.index]) == list(range(2, 42))
    for part in (train, valid):
        assert part.frame.index.is_monotonic_increasing
        assert [row["text"] for row in part.records] == part.frame["text"].tolist()
    assert (len(train.rejected), len(valid.rejected)) == (1, 0)
    with pytest.raises(UserError, match="every label has only one row"):
        split_table(table(["a", "b"]), 0.5, seed=1)


# -- several labels a row ---------------------------------------------------------------------------------------------


def sets_table(labels: list[tuple[str, ...]]) -> Table:
    several = table(["x"] * len(labels))
    several.frame["label"] = pd.Series(labels, several.frame.index, dtype=object)
    return replace(several, columns=Columns(label_separator=";"))


def test_each_label_of_a_row_is_learned_renamed_and_encoded_by_itself():
    train = with_one_spelling(sets_table([("b", "a "), (), ("c",), ("a", "b")]))
    assert learn_labels(train) == ["a", "b", "c"]
    assert encode_labels(train, ["a", "b", "c"]).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 0]]
    renamed = with_new_names(train, {"c": "b", "a": "d"})
    assert renamed.frame["label"].tolist() == [("b", "d"), (), ("b",), ("d", "b")]
    assert with_new_names(train, {"a": "b"}).frame["label"].tolist() == [("b",), (), ("c",), ("b",)]
    assert unused_names([train], {"x": "y", "a": "z"}) == ["x"]


def test_whole_numbers_among_several_labels_are_one_label():
    train = with_one_spelling(sets_table([("1.0", "2"), ("1",), ("1", "1.0")]))
    assert train.frame["label"].tolist() == [("1", "2"), ("1",), ("1",)]
    assert spelled_as(sets_table([("2.0", "1")]), ["1", "2"]).frame["label"].tolist() == [("2", "1")]


def test_a_row_with_one_unknown_label_among_several_is_told_or_left_out():
    valid = sets_table([("a", "x"), ("b",), (), ("y", "x")])
    with pytest.raises(UserError, match=r"2 rows with labels .* 'x' \(line 2\), 'y' \(line 5\); --on_bad_rows skip"):
        match_labels(valid, ["a", "b"], "stop")
    matched = match_labels(valid, ["a", "b"], "skip")
    assert matched.frame["label"].tolist() == [("b",), ()]
    assert [row.line for row in matched.rejected] == [2, 5, 1000]
    with pytest.raises(UserError, match="1 row with labels that differ"):
        match_labels(sets_table([("A", "b")]), ["a", "b"], "skip")


def test_labels_that_cannot_be_joined_or_are_nowhere_are_told():
    with pytest.raises(UserError, match="the label 'a;b' contains ';'"):
        learn_labels(sets_table([("a;b",), ("c",)]))
    with pytest.raises(UserError, match="no row has a label"):
        learn_labels(sets_table([(), ()]))
    assert learn_labels(sets_table([("only",), ()])) == ["only"]


def test_the_rows_that_are_held_out_have_their_share_of_each_of_several_labels():
    random = np.random.default_rng(0)
    labels = list("abcdef")
    has = random.random((400, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.02]
    several = sets_table([tuple(np.array(labels)[row]) for row in has])
    train, valid = split_table(several, 0.1, seed=3)
    assert len(train.frame) + len(valid.frame) == 400
    held_out = encode_labels(valid, labels).sum(axis=0)
    assert (abs(held_out - 0.1 * has.sum(axis=0)) <= 1).all()
