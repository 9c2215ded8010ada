"""Intervals hold the truth as often as they say, and are about scikit-learn's scores."""

import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.evaluation import intervals
from toolkit.evaluation.intervals import difference_intervals, score_intervals, share_interval, weighted_scores

NAMES = ("accuracy", "macro_f1", "f1", "mcc")


def population(labels: int, accuracy: float, common: float) -> np.ndarray:
    """The chances (C, C) of each true and predicted label; each is `common` times as frequent as the one before."""
    wrong = (1 - accuracy) / max(labels - 1, 1)
    chances = np.where(np.eye(labels, dtype=bool), accuracy, wrong) * (common ** np.arange(labels))[:, None]
    return chances / chances.sum()


@pytest.mark.parametrize("labels", [1, 2, 5])
def test_weighted_scores_are_those_of_scikit_learn_with_sample_weight(labels):
    draw = np.random.default_rng(labels)
    true, predicted, weights = draw.integers(labels, size=80), draw.integers(labels, size=80), draw.random((3, 80))
    found = weighted_scores(weights, true, predicted, 1)
    for row, weight in enumerate(weights):
        how = {"sample_weight": weight}
        positive = {"labels": [1], "average": "macro", "zero_division": 0}
        expected = [
            sk.accuracy_score(true, predicted, **how),
            sk.f1_score(true, predicted, average="macro", zero_division=0, **how),
            sk.f1_score(true, predicted, **positive, **how),
            sk.matthews_corrcoef(true, predicted, **how),
        ]
        assert [found[name][row] for name in NAMES] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "accuracy", "common", "rows"),
    [(2, 0.85, 1.0, 1000), (2, 0.9, 0.3, 500), (2, 0.97, 1.0, 200), (6, 0.8, 0.7, 800)],
)
def test_the_interval_covers_the_truth_in_93_to_97_of_100_draws(labels, accuracy, common, rows, monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 1000)
    chances, draw, inside = population(labels, accuracy, common), np.random.default_rng(1), dict.fromkeys(NAMES, 0)
    true, predicted = np.divmod(np.arange(labels**2), labels)
    truth = {
        name: float(value[0]) for name, value in weighted_scores(chances.reshape(1, -1), true, predicted, 1).items()
    }
    for _ in range(1000):
        cells = draw.choice(labels**2, rows, p=chances.ravel())
        for name, (low, high) in score_intervals(true[cells], predicted[cells], 1, labels).items():
            inside[name] += low <= truth[name] <= high
    assert all(930 <= count <= 970 for count in inside.values()), inside


def test_a_difference_of_which_there_is_none_is_found_in_3_to_7_of_100_draws(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 1000)
    draw, apart = np.random.default_rng(5), 0
    for _ in range(1000):
        true = draw.integers(2, size=1000)
        ours, theirs = (np.where(draw.random(1000) < 0.85, true, 1 - true) for _ in range(2))
        found = difference_intervals(true, ours, theirs, 1, 2)["accuracy"]
        assert found.difference == pytest.approx((ours == true).mean() - (theirs == true).mean())
        apart += not found.low <= 0 <= found.high
    assert 30 <= apart <= 70


def test_what_is_all_right_is_not_certain_and_the_interval_holds_the_score():
    true = np.array([0, 1] * 20)
    for low, high in score_intervals(true, true, 1, 2).values():
        assert high == 1.0
        assert 0.8 < low < 0.97
    assert score_intervals(true, 1 - true, 1, 2)["accuracy"][0] == 0.0


@pytest.mark.parametrize(("rows", "least", "most"), [(5, 0.05, 0.4), (40, 0.01, 0.08), (2000, 0.0, 0.002)])
def test_two_predictions_that_agree_on_few_rows_may_still_differ(rows, least, most):
    true = np.arange(rows) % 2
    ours = np.where(np.arange(rows) % 5 == 0, 1 - true, true)
    difference = difference_intervals(true, ours, ours, 1, 2)["accuracy"]
    assert difference.difference == 0
    assert -most < difference.low < -least
    assert least < difference.high < most


def test_draws_that_do_not_fit_the_memory_at_once_are_drawn_in_parts(monkeypatch):
    draw = np.random.default_rng(4)
    data = draw.integers(5, size=(2, 200))
    whole = score_intervals(*data, 1, 5)
    monkeypatch.setattr(intervals, "MAX_WEIGHTS_AT_ONCE", 1000)
    assert score_intervals(*data, 1, 5) == whole


def test_a_share_has_the_same_interval_computed_exactly():
    true = np.zeros(400, int)
    for wrong in (0, 3, 60, 400):
        predicted = np.array([1] * wrong + [0] * (400 - wrong))
        assert share_interval(400 - wrong, 400) == pytest.approx(
            score_intervals(true, predicted, 1, 2)["accuracy"], abs=0.004
        )
    assert share_interval(90, 100, 0.999)[0] < share_interval(90, 100)[0]


def test_scores_that_are_not_defined_have_no_interval_and_labels_that_do_not_occur_no_part_in_the_mean():
    found = score_intervals(np.zeros(300, int), np.zeros(300, int), 1, 2)
    assert found["mcc"] is None
    assert found["f1"] is None
    assert found["macro_f1"][0] > 0.98
    true = np.array([0, 1] * 50)
    assert score_intervals(true, true, 2, 3)["f1"] is None
    assert score_intervals(true, np.zeros(100, int), 1, 2)["mcc"] is None


def test_one_label_only_and_many_labels_are_no_trouble():
    assert score_intervals(np.zeros(9, int), np.zeros(9, int), 1, 1)["accuracy"] == (1.0, 1.0)
    draw = np.random.default_rng(0)
    true = draw.integers(900, size=5000)
    predicted = np.where(draw.random(5000) < 0.7, true, draw.integers(900, size=5000))
    low, high = score_intervals(true, predicted, 1, 900)["accuracy"]
    assert low < (true == predicted).mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.21 / 5000), rel=0.1)
