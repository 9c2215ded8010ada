import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.doctor.toy_tables import table, tokens, unlike
from toolkit.doctor.examine import examine
from toolkit.doctor.findings import Finding
from toolkit.doctor.label_sets import joined_labels, strange_label_sets
from toolkit.files.columns import Columns


def sets(rows: list[tuple[str, tuple[str, ...]]], **columns):
    """Return a table of texts with several labels each."""
    plain = table("t", [(text, "x") for text, _ in rows])
    plain.frame["label"] = pd.Series([labels for _, labels in rows], plain.frame.index, dtype=object)
    return replace(plain, columns=Columns(label_separator=";", **columns))


def found(rows, **columns) -> dict[str, Finding]:
    return {finding.kind: finding for finding in strange_label_sets(sets(rows, **columns))}


def test_labels_that_say_nothing_or_the_same_are_found():
    texts = unlike(40)
    rows = [(text, ("every", *(("a", "b") if number % 2 else ("c",)))) for number, text in enumerate(texts)]
    findings = found(rows, label=None, label_columns=("a", "b", "c", "every", "none"))
    assert {kind: finding.facts["listed"] for kind, finding in findings.items()} == {
        "never_set": "none",
        "always_set": "every",
        "together": "a = b",
    }
    for finding in findings.values():
        assert finding.sentence("zh") != finding.sentence("en")
        assert finding.advice("zh") != finding.advice("en")


def test_labels_that_only_sometimes_come_together_are_no_finding():
    texts = unlike(40)
    rows = [
        (text, ("a", "b") if number % 2 else ("a",) if number == 2 else ("c",)) for number, text in enumerate(texts)
    ]
    assert found(rows) == {}


def test_rows_without_labels_are_a_finding_where_most_have_none():
    texts = unlike(40)
    findings = found([(text, ("a",) if number < 15 else ()) for number, text in enumerate(texts)])
    assert findings["no_label"].sentence() == "25 of 40 training rows have no label"
    assert "no_label" not in found([(text, ("a",) if number < 25 else ()) for number, text in enumerate(texts)])


@pytest.mark.parametrize("separator", [";", ", ", "|", "；", "、"])
def test_labels_of_one_label_a_row_that_look_joined_are_a_finding_that_names_the_option(separator):
    labels = ["a", "b", separator.join("ab"), "c", separator.join("bc"), separator.join("abc")] * 5
    [finding] = joined_labels(labels)
    assert finding.count == 15
    assert f"--multi_label --label_separator {shlex.quote(separator.strip())}" in finding.advice()
    assert finding.advice("zh") != finding.advice()


@pytest.mark.parametrize(
    "labels",
    [
        ["pro", "con"] * 10,
        ["news, local", "news, world", "sport"] * 10,  # of whose parts most stand nowhere else
        ["R&B; soul", "rock", "pop"] * 10,
        [f"{i};{i + 1}" for i in range(0, 40, 2)],
    ],
)
def test_labels_that_hold_a_separator_in_their_names_are_no_finding(labels):
    assert list(joined_labels(labels)) == []


def test_equal_texts_with_other_sets_are_conflicts_and_the_order_of_labels_is_none():
    texts = unlike(30)
    rows = [(text, ("a", "b") if number % 2 else ("b",)) for number, text in enumerate(texts)]
    train = sets([*rows, (texts[0], ("b", "a")), (texts[1], ("b", "a"))])
    valid = sets([(texts[2] + " again", ("b",))])
    given = {
        name: tokens(each, counts=np.full(len(each.frame), 9))
        for name, each in {"train": train, "valid": valid}.items()
    }
    findings = {finding.kind: finding for finding in examine({"train": train, "valid": valid}, given)}
    assert findings["conflicts"].facts["texts"] == 1
    assert {location.label for location in findings["conflicts"].examples[0]} == {"b", "a;b"}
    assert findings["missing_labels"].facts["listed"] == "a"
