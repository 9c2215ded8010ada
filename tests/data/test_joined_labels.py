"""Labels that are several joined are told with the option that parts them, whichever error they lead to."""

import shlex
from dataclasses import replace

import pytest

from tests.data.test_labels import table
from toolkit.base.errors import UserError
from toolkit.data.joined_labels import SEPARATORS, find_joined, find_joined_of
from toolkit.data.labels import encode_labels, learn_labels, match_labels, split_table
from toolkit.files.columns import Columns

NEEDED = "several labels a row need main.py --multi_label --label_separator '{}'"


def of_sets(labels: list[tuple[str, ...]], separator: str = ";"):
    made = table([""] * len(labels))
    return replace(made, frame=made.frame.assign(label=labels), columns=Columns(label_separator=separator))


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("blank", ["", " "])
def test_a_file_with_labels_joined_of_those_of_the_training_file_is_told_of_the_option(separator, blank):
    other = table(["a", f"a{separator}{blank}b", f"b{blank}{separator}c"])
    with pytest.raises(UserError) as caught:
        match_labels(other, ["a", "b", "c"], "stop")
    assert f"several labels a row need main.py --multi_label --label_separator {shlex.quote(separator)}" in str(
        caught.value
    )
    with pytest.raises(UserError, match="several labels a row need"):
        encode_labels(other, ["a", "b", "c"])
    with pytest.raises(UserError, match="several labels a row need"):
        match_labels(table([f"a{separator}b"]), ["a", "b"], "skip")


def test_other_unknown_labels_are_not_said_to_be_joined():
    for unknown, known in (
        (["x"], "ab"),
        (["x, y"], "ab"),
        (["a, y"], "ab"),
        (["a;b", "c;d", "e;f"], "ab"),
        (["a;"], "ab"),
    ):
        with pytest.raises(UserError) as caught:
            match_labels(table(unknown), list(known), "stop")
        assert "multi_label" not in str(caught.value)


def test_the_training_labels_may_be_joined_too():
    assert find_joined_of(["a;b", "b;c"], ["a;c"]).separator == ";"


def test_too_many_labels_that_are_joined_are_told_of_the_option():
    tags = [f"a rather long name of a tag {i}" for i in range(12)]
    pairs = [f"{first}|{second}" for first in tags for second in tags if first != second]
    with pytest.raises(UserError, match="132 different labels in 132 rows") as caught:
        learn_labels(table(pairs))
    assert NEEDED.format("|") in str(caught.value)
    with pytest.raises(UserError, match="every label has only one row") as caught:
        split_table(table(["a,b", "b,c", "a,c", "a"]), 0.2, 0)
    assert "several labels a row need main.py --multi_label --label_separator ," in str(caught.value)


def test_with_several_labels_a_row_another_separator_is_told():
    assert find_joined(["a|b", "b|a", "a"]).separator == "|"
    with pytest.raises(UserError) as caught:
        match_labels(of_sets([("a|b",), ("a",)]), ["a", "b"], "stop")
    assert "the separator is ';': main.py --multi_label --label_separator '|'" in str(caught.value)
