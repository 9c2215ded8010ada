import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.data.labels import encode_labels, learn_labels, sort_labels, split_table, stratified_sample
from toolkit.data.rows import Columns, Rejected
from toolkit.data.tables import Table

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


def test_the_rows_held_out_are_a_like_share_of_every_label_and_never_its_last_row():
    labels = np.array(["a"] * 100 + ["b"] * 10 + ["c"] * 2 + ["d"])
    held_out = stratified_sample(labels, 0.2, seed=3)
    assert {label: int(held_out[labels == label].sum()) for label in "abcd"} == {"a": 20, "b": 2, "c": 1, "d": 0}
    assert (held_out == stratified_sample(labels, 0.2, seed=3)).all()
    assert (held_out != stratified_sample(labels, 0.2, seed=4)).any()
