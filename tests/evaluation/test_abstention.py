"""Thresholds below which no label is predicted, and whether what they promise holds."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score

from toolkit.base.errors import UserError
from toolkit.evaluation.abstention import (
    CONFIDENCE,
    AnswerRule,
    ValidationSet,
    accuracy_bound,
    answered_at,
    energies_of,
    find_answers,
    find_least_energy,
    least_rows,
    require_answers,
    risk_coverage,
)
from toolkit.evaluation.decision import Decision, softmax


@pytest.mark.parametrize(("right", "rows"), [(0, 1), (0, 50), (1, 1), (59, 59), (148, 153), (950, 1000)])
def test_the_bound_of_an_accuracy_is_the_one_of_clopper_and_pearson(right, rows):
    exact = stats.binomtest(right, rows, alternative="greater").proportion_ci(CONFIDENCE, method="exact").low
    assert accuracy_bound(np.array([right]), np.array([rows]))[0] == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.95, 0.98, 0.999])
@pytest.mark.parametrize("errors", [0, 1, 3])
def test_the_fewest_rows_that_show_an_accuracy_are_those_of_the_exact_binomial_test(accuracy, errors):
    rows = least_rows(accuracy, errors)
    p_values = stats.binom.cdf(errors, [rows - 1, rows], 1 - accuracy)
    assert p_values[0] > 1 - CONFIDENCE >= p_values[1]


def drawn(rows: int, error_rate, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities spread evenly from 0 to 1, and whether each row is right, with its error rate."""
    draw = np.random.default_rng(seed)
    probability = draw.random(rows)
    return probability, draw.random(rows) >= error_rate(probability)


# Rows are wrong less often the surer they are; the accuracy of those at or above t is an integral.
FALLING = (lambda p: 0.3 * (1 - p), lambda t: 1 - 0.15 * (1 - t))
STEEP = (lambda p: 0.4 * (1 - p) ** 3, lambda t: 1 - 0.1 * (1 - t) ** 3)
# As often wherever they are, and exactly so often that nothing may be answered.
FLAT = (lambda p: np.full_like(p, 0.1001), lambda t: 0.8999)


@pytest.mark.parametrize("rows", [120, 600])
@pytest.mark.parametrize("world", [FALLING, STEEP, FLAT])
def test_in_so_many_of_simulated_validation_sets_the_threshold_gives_the_accuracy_that_is_promised(rows, world):
    error_rate, accuracy_from = world
    draws = 500
    broken = 0
    for seed in range(draws):
        answers = find_answers(*drawn(rows, error_rate, seed), 0.9)
        broken += answers is not None and accuracy_from(answers.threshold) < 0.9
    assert stats.binomtest(broken, draws, 1 - CONFIDENCE, alternative="greater").pvalue > 0.01


def test_a_threshold_that_is_chosen_without_paying_for_the_choice_would_break_the_promise():
    broken = 0
    for seed in range(300):
        probability, right = drawn(300, FLAT[0], seed)
        ranked = right[np.argsort(-probability)]
        rows = np.arange(1, 301)
        broken += (accuracy_bound(np.cumsum(ranked), rows) >= 0.9).any()
    assert broken > 0.05 * 300


def test_the_rows_that_are_answered_are_those_at_or_above_the_threshold():
    probability, right = drawn(1500, STEEP[0], 1)
    answers = find_answers(probability, right, 0.97)
    answered = probability >= answers.threshold
    assert answers.share == answered.mean() < 1
    assert answers.accuracy == right[answered].mean()
    exact = stats.binomtest(int(right[answered].sum()), int(answered.sum())).proportion_ci(method="exact")  # 95%
    assert answers.bound == pytest.approx(exact.low, abs=1e-12)
    assert answers.bound >= 0.97


def test_rows_with_the_same_probability_are_answered_together():
    probability = np.repeat([0.9, 0.6], 200)
    right = np.repeat([True, False], 200)
    answers = find_answers(probability, right, 0.95)
    assert (answers.threshold, answers.share, answers.accuracy) == (0.9, 0.5, 1.0)


def test_where_all_rows_may_be_answered_there_is_no_threshold():
    answers = find_answers(np.linspace(0.5, 1, 200), np.ones(200, bool), 0.95)
    assert (answers.threshold, answers.share) == (0.0, 1.0)


def test_an_accuracy_that_the_rows_do_not_show_is_refused_with_the_best_one_that_they_do():
    probability, right = drawn(300, FALLING[0], 3)
    with pytest.raises(UserError, match=r"--abstain_for 0.99: the 300 validation rows do not show so much") as refused:
        require_answers(probability, right, 0.99)
    best = float(str(refused.value).split("the best that they show is ")[1].split(",")[0])
    assert find_answers(probability, right, best) is not None
    assert all(find_answers(probability, right, wanted) is None for wanted in np.arange(best + 0.001, 0.99, 0.001))
    assert "97.5%" in str(refused.value)


@pytest.mark.parametrize(("rows", "right"), [(3, True), (200, False), (0, True)])
def test_rows_that_show_nothing_are_refused_too(rows, right):
    with pytest.raises(UserError, match=f"the {rows} validation rows show no accuracy above one half"):
        require_answers(np.linspace(0.5, 1, rows), np.full(rows, right), 0.9)


def test_a_rule_answers_rows_with_enough_of_both():
    rule = AnswerRule(0.8, 2.0)
    uncertain = rule.uncertain(np.array([0.8, 0.79, 0.9, 1.0]), np.array([2.0, 3.0, 1.9, 5.0]))
    assert uncertain.tolist() == [False, True, True, False]
    assert not AnswerRule().uncertain(np.array([0.0]), np.array([-1e9])).any()


def test_the_least_energy_leaves_so_large_a_share_of_the_rows_below_it():
    logits = np.random.default_rng(0).normal(0, 3, (200, 5)).astype(np.float32)
    energies = energies_of(logits)
    np.testing.assert_allclose(energies, np.log(np.exp(logits.astype(float)).sum(1)))
    rows = ValidationSet(np.zeros(200), np.ones(200, bool), energies)
    for share in (0.0, 0.05, 0.5):
        least = find_least_energy(energies, share)
        assert (energies < least).mean() == share
        assert len(rows.with_energy(least).right) == 200 * (1 - share)


def test_the_curve_is_the_accuracy_of_what_is_answered_at_each_threshold():
    draw = np.random.default_rng(0)
    probability = draw.integers(0, 40, 300) / 40
    right = draw.random(300) < probability
    shares, accuracies = risk_coverage(probability, right)
    thresholds = np.unique(probability)[::-1]
    answered = [probability >= threshold for threshold in thresholds]
    np.testing.assert_allclose(shares, [rows.mean() for rows in answered])
    np.testing.assert_allclose(accuracies, [accuracy_score(right[rows], np.ones(rows.sum())) for rows in answered])


@pytest.mark.parametrize(
    "decision",
    [Decision(2.0, 1.0), Decision(2.0, 2.0, threshold=0.2), Decision(0.5, 1.0, bias=(0.0, 3.0, -1.0))],
)
def test_the_probability_that_is_compared_is_the_calibrated_one_of_the_label_that_is_predicted(decision):
    labels = 2 if decision.threshold is not None else 3
    logits = np.random.default_rng(0).normal(0, 2, (100, labels)).astype(np.float32)
    calibrated = softmax(logits, decision.temperature)
    expected = [row[label] for row, label in zip(calibrated, decision.label_ids(logits), strict=True)]
    assert decision.confidence(logits).tolist() == expected


def test_what_is_answered_at_each_threshold_is_counted():
    probability = np.array([0.5, 0.7, 0.8, 0.97])
    entries = answered_at(probability, np.array([False, True, False, True]))
    assert entries[0] == {"probability": 0.5, "rows": 4, "share": 1.0, "accuracy": 0.5}
    assert entries[3] == {"probability": 0.8, "rows": 2, "share": 0.5, "accuracy": 0.5}
    assert entries[-1] == {"probability": 0.95, "rows": 1, "share": 0.25, "accuracy": 1.0}
