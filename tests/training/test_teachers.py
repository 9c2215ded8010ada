from pathlib import Path

import numpy as np
import pytest

from tests.conftest import run_facts
from toolkit.base.errors import UserError
from toolkit.training.teachers import TEACHERS_SHARE, check_teachers, soft_targets

SETS = {"text": "text", "text_pair": None, "label": "label", "label_separator": ";"}
PAIR = {"text": "text", "text_pair": "second", "label": "label"}


def test_a_row_with_a_label_learns_a_mixture_and_one_without_what_the_teachers_say():
    probabilities = np.random.default_rng(0).dirichlet([1.0, 1.0, 1.0], 5)
    targets = soft_targets(probabilities, np.array([2, 0, 2]))
    assert targets.dtype == np.float32
    assert targets.sum(axis=1) == pytest.approx(np.ones(5))
    for row, label in enumerate([2, 0, 2]):
        for other in range(3):
            expected = TEACHERS_SHARE * probabilities[row, other] + (1 - TEACHERS_SHARE) * (other == label)
            assert targets[row, other] == pytest.approx(expected)
    assert targets[3:] == pytest.approx(probabilities[3:])


def test_the_probabilities_of_the_teachers_stay_as_they_are():
    probabilities = np.full((2, 2), 0.5, np.float32)
    soft_targets(probabilities, np.array([0, 1]))
    assert (probabilities == 0.5).all()


def test_teachers_may_have_the_labels_in_another_order():
    runs = [run_facts(labels=["a", "b"]), run_facts(labels=["b", "a"])]
    check_teachers([Path("one"), Path("two")], runs, ["a", "b"], pairs=False)


@pytest.mark.parametrize(
    ("content", "pairs", "message"),
    [
        ({"labels": ["a", "c"]}, False, "--teacher two has other labels than the training rows: a, c, not a, b"),
        ({"labels": ["a", "b", "c"]}, False, "a, b, c, not a, b"),
        ({"columns": {**SETS}}, False, "--teacher two gives a text any number of labels"),
        (
            {"columns": PAIR},
            False,
            "--teacher two was trained on pairs of texts, and the training rows are single texts",
        ),
        ({}, True, "--teacher one was trained on single texts, and the training rows are pairs of texts"),
    ],
)
def test_a_teacher_that_was_taught_something_else_is_named(content, pairs, message):
    runs = [run_facts(), run_facts(**content)]
    with pytest.raises(UserError) as caught:
        check_teachers([Path("one"), Path("two")], runs, ["a", "b"], pairs)
    assert message in str(caught.value)
