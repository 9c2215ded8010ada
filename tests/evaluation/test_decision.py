"""What becomes of logits: probabilities, and labels by the most probable one or by a threshold."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from tests.conftest import run_facts
from tests.evaluation.samples import drawn_at
from toolkit.base.errors import UserError
from toolkit.evaluation.decision import (
    Decision,
    best_threshold,
    cross_entropy_sum,
    decision_of,
    decision_of_average,
    find_positive_id,
    fit_temperature,
    mean_logits,
    softmax,
    temperature_of,
)
from toolkit.evaluation.metrics import DecisionSettings, full_scores, quick_scores
from toolkit.evaluation.scored_set import ScoredSet

RUN = run_facts(**{"labels": ["no", "yes"], "positive_label": "yes", "metrics": {"temperature": 2.0, "threshold": 0.3}})


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_of_no_rows_nothing_is_decided(threshold):
    decision = Decision(1.3, 1.0, 1, threshold)
    assert decision.probabilities(np.zeros((0, 2), np.float32)).shape == (0, 2)
    assert decision.label_ids(np.zeros((0, 2), np.float32)).shape == (0,)


def drawn(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    label_ids = (draw.random(rows) < 0.2).astype(int)
    margin = draw.normal(2 * label_ids - 1.5, 1.5)
    return np.stack([-margin, margin], axis=1).astype(np.float32), label_ids


def score(metric: str, label_ids: np.ndarray, predicted: np.ndarray) -> float:
    if metric == "macro_f1":
        return sk.f1_score(label_ids, predicted, average="macro", labels=[0, 1], zero_division=0)
    how = {"accuracy": sk.accuracy_score, "mcc": sk.matthews_corrcoef}
    return how[metric](label_ids, predicted) if metric in how else sk.f1_score(label_ids, predicted, zero_division=0)


def test_softmax_and_loss_are_those_of_torch_also_for_huge_logits():
    logits = np.array([[1000.0, -1000.0, 3.0], [0.1, 0.2, 0.3]], dtype=np.float32)
    expected = torch.softmax(torch.tensor(logits, dtype=torch.float64), dim=1).numpy()
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-15)
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor([1, 2]), reduction="sum")
    assert cross_entropy_sum(logits, np.array([1, 2])) == pytest.approx(loss.item(), rel=1e-6)
    assert str(cross_entropy_sum(np.array([[900.0, -900.0]], np.float32), np.array([0]))) == "0.0"


def test_rows_of_one_difference_get_one_probability():
    lower = np.arange(-8, 8, 1 / 64, np.float32)
    logits = np.stack([lower, lower + np.float32(1.25)], axis=1)
    assert len(np.unique(softmax(logits, 1.37)[:, 1])) == 1


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_by_is_found(temperature, classes):
    assert fit_temperature(*drawn_at(20_000, temperature, classes)) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_one_that_torch_finds_by_its_gradient():
    logits, label_ids = drawn_at(500, 1.7)
    scaled, labels = torch.tensor(logits, dtype=torch.float64), torch.tensor(label_ids)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, tolerance_grad=1e-10)

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(scaled / log_temperature.exp(), labels, reduction="sum")
        value = value + 0.5 * (log_temperature / 0.5) ** 2
        value.backward()
        return value

    optimizer.step(loss)
    assert fit_temperature(logits, label_ids) == pytest.approx(log_temperature.exp().item(), rel=1e-4)


def test_few_rows_that_are_all_right_do_not_make_it_sure_of_everything():
    logits = np.array([[2.0, -2.0]] * 10, np.float32)
    assert 0.7 < fit_temperature(logits, np.zeros(10, int)) < 1.0
    assert fit_temperature(np.zeros((0, 2), np.float32), np.zeros(0, int)) == pytest.approx(1.0, abs=1e-4)


def test_huge_logits_are_no_trouble():
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], np.float32)
    assert 1.0 < fit_temperature(logits, np.array([0, 1])) <= 20.01


@pytest.mark.parametrize("temperature", [0.05, 0.7, 3.0, 20.0])
def test_calibration_changes_no_predicted_label(temperature):
    draw = np.random.default_rng(1)
    logits = np.concatenate([draw.normal(0, scale, (2000, 4)) for scale in (1e-6, 1, 50)]).astype(np.float32)
    logits[:500, 1] = np.nextafter(logits[:500, 0], np.float32(9))
    probabilities = softmax(logits, temperature)
    of_predicted_label = probabilities[np.arange(len(logits)), Decision(temperature, temperature).label_ids(logits)]
    assert (of_predicted_label >= probabilities.max(1) - 1e-15).all()  # exp of older numpy is not quite monotone
    labels = list("abcd")
    plain, cooled = (
        ScoredSet(logits, np.zeros(6000, int), np.ones(6000, int), labels, Decision(each, each))
        for each in (1.0, temperature)
    )
    assert full_scores(plain)["confusion_matrix"] == full_scores(cooled)["confusion_matrix"]


def test_the_temperature_of_a_run_is_used_only_if_there_is_one_and_it_makes_sense():
    assert temperature_of(run_facts(metrics={"temperature": 1.5})) == 1.5
    assert temperature_of(run_facts()) == 1.0
    for strange in (0, -1.0, math.nan, math.inf, "2", None, True):
        with pytest.raises(UserError, match="temperature"):
            temperature_of(run_facts(metrics={"temperature": strange}))


@pytest.mark.parametrize("metric", ["accuracy", "f1", "macro_f1", "mcc"])
def test_no_other_threshold_is_better_than_the_best(metric):
    logits, label_ids = drawn()
    probability = softmax(logits, 1.7)[:, 1]
    found = best_threshold(probability, label_ids == 1, metric)
    everything = [score(metric, label_ids, probability >= cut) for cut in [*np.unique(probability), 1.1]]
    assert score(metric, label_ids, probability >= found) == pytest.approx(max(everything))
    assert 0 < found < 1


def test_a_threshold_lies_between_probabilities_and_near_a_half_where_it_makes_no_difference():
    assert best_threshold(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]) == 1, "f1") == pytest.approx(0.5)
    assert best_threshold(np.array([0.5, 0.5]), np.array([1, 1]) == 1, "accuracy") == pytest.approx(0.25)
    assert best_threshold(np.array([0.2, 0.2, 0.2]), np.array([1, 0, 0]) == 1, "accuracy") == pytest.approx(0.6)


def test_the_threshold_is_one_of_calibrated_probabilities_whatever_is_written():
    logits = np.array([[0.0, -1.0], [0.0, -1.8]], np.float32)  # calibrated 0.378 and 0.289, plain 0.269 and 0.142
    for calibrated in (True, False):
        decision = decision_of(RUN, calibrated)
        assert decision.label_ids(logits).tolist() == [1, 0]
    assert decision.probabilities(logits)[0, 1] == pytest.approx(1 / (1 + np.e))
    assert decision_of(RUN, threshold=0.5).label_ids(logits).tolist() == [0, 0]
    assert decision_of(RUN, threshold=0.0).label_ids(logits).tolist() == [1, 1]


def test_without_a_threshold_it_is_the_most_probable_label():
    logits, _ = drawn()
    plain = decision_of(replace(RUN, metrics={"temperature": 3.0}))
    assert np.array_equal(plain.label_ids(logits), logits.argmax(1))
    assert decision_of(run_facts(positive_label="a")) == Decision(positive_id=0)


def test_a_positive_label_that_comes_first_has_its_own_threshold():
    decision = decision_of(replace(RUN, positive_label="no"), threshold=0.9)
    assert decision.label_ids(np.array([[1.0, 0.0], [9.0, 0.0]], np.float32)).tolist() == [1, 0]


def test_thresholds_that_make_no_sense_are_refused():
    for strange in (-0.1, 1.5, "0.5", True, float("nan")):
        with pytest.raises(UserError, match="threshold"):
            decision_of(replace(RUN, metrics={"threshold": strange}))
    with pytest.raises(UserError, match="two labels; there are 3"):
        decision_of(run_facts(labels=list("abc")), threshold=0.5)
    with pytest.raises(UserError, match=r"--threshold 0.5 needs exactly two labels; there are 3"):
        find_positive_id(list("abc"), None, "accuracy", 0.5)
    with pytest.raises(UserError, match="the loss does not depend on the threshold"):
        find_positive_id(list("ab"), None, "loss", "auto")


def test_an_evaluation_is_scored_by_its_threshold():
    logits, label_ids = drawn()
    plain, chosen = (
        quick_scores(logits, label_ids, DecisionSettings(1, threshold, "f1")) for threshold in (None, "auto")
    )
    assert "threshold" not in plain
    assert chosen["f1"] > plain["f1"]
    predicted = softmax(logits, chosen["temperature"])[:, 1] >= chosen["threshold"]
    assert chosen["f1"] == pytest.approx(sk.f1_score(label_ids, predicted))
    assert chosen["accuracy"] == pytest.approx(sk.accuracy_score(label_ids, predicted))
    assert quick_scores(logits, label_ids, DecisionSettings(1, 0.9))["threshold"] == 0.9


# -- several models ---------------------------------------------------------------------------------------------------


def test_logits_of_a_mean_have_it_for_their_softmax_and_stay_finite():
    draw = np.random.default_rng(0)
    parts = [softmax(draw.normal(0, 30, (50, 4))) for _ in range(3)]
    parts[0][0] = parts[1][0] = parts[2][0] = [0.0, 1.0, 0.0, 0.0]
    logits = mean_logits(parts)
    assert np.isfinite(logits).all()
    assert softmax(logits) == pytest.approx(sum(parts) / 3, abs=1e-12)


def test_a_rule_that_all_runs_have_is_that_of_their_mean():
    runs = [
        run_facts(labels=labels, positive_label="b", metrics={"threshold": 0.3}) for labels in (["a", "b"], ["b", "a"])
    ]
    assert decision_of_average(runs) == (Decision(positive_id=1, threshold=0.3), None)
    bias = {"a": 0.5, "b": 0.0, "c": -1.0}
    runs = [run_facts(labels=labels, metrics={"bias": bias}) for labels in (["a", "b", "c"], ["c", "a", "b"])]
    runs = [replace(run, positive_label="b") for run in runs]
    assert decision_of_average(runs) == (Decision(positive_id=1, bias=(0.5, 0.0, -1.0)), None)


def test_rules_that_differ_are_not_used_and_that_is_said():
    runs = [run_facts(metrics={"threshold": threshold}) for threshold in (0.3, 0.4)]
    decision, note = decision_of_average(runs)
    assert decision == Decision()
    assert "are not used" in str(note)
    assert decision_of_average(runs, 0.7) == (Decision(threshold=0.7), None)
    assert decision_of_average([run_facts(), run_facts()]) == (Decision(), None)
    with pytest.raises(UserError, match="needs exactly two labels"):
        decision_of_average([run_facts(labels=["a", "b", "c"])] * 2, 0.7)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(2.0),
        Decision(2.0, threshold=0.2),
        Decision(1.0, positive_id=0, threshold=0.9),
        Decision(0.5, bias=(0.0, 2.0)),
    ],
)
def test_the_margin_is_none_where_the_prediction_would_change_and_grows_on_both_sides(decision):
    gaps = np.linspace(-8, 8, 4001)
    logits = np.column_stack([np.zeros(4001), gaps]).astype(np.float32)
    margins = decision.margins(logits)
    change = int(np.flatnonzero(np.diff(decision.label_ids(logits)))[0])
    assert abs(int(margins.argmin()) - change) <= 1 and margins.min() < 0.01
    assert (np.diff(margins[: change - 1]) <= 0).all() and (np.diff(margins[change + 2 :]) >= 0).all()


def test_the_margin_is_the_difference_of_the_two_largest_probabilities():
    logits = np.random.default_rng(0).normal(0, 2, (50, 6)).astype(np.float32)
    ranked = np.sort(softmax(logits, 1.7), axis=1)
    np.testing.assert_allclose(Decision(1.7).margins(logits), ranked[:, -1] - ranked[:, -2])
    assert Decision(1.7, bias=(1e3, 0, 0, 0, 0, 0)).margins(logits).min() > 0.999
    assert Decision().margins(logits[:, :1]).tolist() == [1.0] * 50
    assert np.isfinite(Decision(threshold=0.0).margins(logits[:, :2])).all()
