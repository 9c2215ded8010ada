import math

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.evaluation.samples import drawn_at
from toolkit.base.errors import UserError
from toolkit.evaluation.decision import Decision, cross_entropy_sum, find_positive_id, softmax
from toolkit.evaluation.metrics import (
    DecisionSettings,
    brier_score,
    calibration_error,
    full_scores,
    quick_scores,
)
from toolkit.evaluation.scored_set import ScoredSet

RANDOM = np.random.default_rng(0)
PLAIN = Decision()  # without temperature and threshold


def scores_of(logits: np.ndarray, label_ids: np.ndarray, labels: list[str], decision: Decision = PLAIN) -> dict:
    """Return every score of rows with these logits."""
    return full_scores(ScoredSet(logits, label_ids, np.ones(len(logits), int), labels, decision))


def drawn(classes: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    label_ids = RANDOM.integers(0, classes, rows)
    return RANDOM.normal(0, 1, (rows, classes)).astype(np.float32) + np.eye(classes)[label_ids], label_ids


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_are_those_of_the_classification_report(classes):
    logits, label_ids = drawn(classes)
    labels = [f"label {i}" for i in range(classes)]
    scores = scores_of(logits, label_ids, labels)
    report = sk.classification_report(label_ids, logits.argmax(1), target_names=labels, output_dict=True)
    for label in labels:
        mine = scores["per_class"][label]
        expected = (
            report[label]["precision"],
            report[label]["recall"],
            report[label]["f1-score"],
            report[label]["support"],
        )
        assert (mine["precision"], mine["recall"], mine["f1"], mine["support"]) == pytest.approx(expected)
    for average in ("macro", "weighted"):
        for mine, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert scores[f"{average}_{mine}"] == pytest.approx(report[f"{average} avg"][theirs])
    assert scores["accuracy"] == pytest.approx(report["accuracy"])
    counted = [
        [int(((label_ids == t) & (logits.argmax(1) == p)).sum()) for p in range(classes)] for t in range(classes)
    ]
    assert scores["confusion_matrix"] == counted
    number_of = {label: number for number, label in enumerate(scores["labels"])}
    mixed_up = {(number_of[each["true"]], number_of[each["predicted"]]): each["rows"] for each in scores["confusions"]}
    assert mixed_up == {
        (t, p): counted[t][p] for t in range(classes) for p in range(classes) if t != p and counted[t][p]
    }
    assert [each["rows"] for each in scores["confusions"]] == sorted(mixed_up.values(), reverse=True)
    assert scores["rows"] == len(label_ids)


def test_of_many_labels_only_what_is_mixed_up_is_listed():
    logits, label_ids = drawn(101)
    scores = scores_of(logits, label_ids, [str(number) for number in range(101)])
    assert scores["confusion_matrix"] is None
    matrix = sk.confusion_matrix(label_ids, logits.argmax(1), labels=range(101))
    listed = [(int(entry["true"]), int(entry["predicted"])) for entry in scores["confusions"]]
    np.fill_diagonal(matrix, 0)
    assert sorted(listed) == [tuple(pair) for pair in np.argwhere(matrix).tolist()]
    assert [entry["rows"] for entry in scores["confusions"]] == [matrix[pair] for pair in listed]


def test_roc_auc_is_the_share_of_pairs_in_the_right_order():
    logits, label_ids = drawn(2, rows=60)
    probability = softmax(logits)[:, 1]
    pairs = [(p > n) + 0.5 * (p == n) for p in probability[label_ids == 1] for n in probability[label_ids == 0]]
    assert scores_of(logits, label_ids, ["a", "b"])["roc_auc"] == pytest.approx(np.mean(pairs))


def test_ranking_of_more_than_two_labels_is_the_mean_of_one_against_rest():
    logits, label_ids = drawn(4)
    scores = scores_of(logits, label_ids, list("abcd"))
    expected = sk.roc_auc_score(label_ids, softmax(logits), multi_class="ovr", average="macro")
    assert scores["roc_auc"] == pytest.approx(expected)
    assert scores["average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(label_ids == i, softmax(logits)[:, i]) for i in range(4)])
    )


def test_what_is_not_defined_is_null():
    logits, _ = drawn(2, rows=5)
    scores = scores_of(logits, np.zeros(5, dtype=int), ["a", "b"])
    assert scores["roc_auc"] is None
    assert scores["average_precision"] is None


def test_averages_leave_out_a_label_that_occurs_nowhere_as_scikit_learn_does():
    logits = np.array([[3.0, 0.0, -9.0], [0.0, 3.0, -9.0], [3.0, 0.0, -9.0]])
    label_ids = np.array([0, 1, 1])
    expected = sk.f1_score(label_ids, logits.argmax(1), average="macro")
    assert scores_of(logits, label_ids, list("abc"))["macro_f1"] == pytest.approx(expected)
    assert quick_scores(logits, label_ids, DecisionSettings(1))["macro_f1"] == pytest.approx(expected)


def test_quick_scores_agree_with_the_full_ones():
    logits, label_ids = drawn(2)
    quick, full = quick_scores(logits, label_ids, DecisionSettings(1)), scores_of(logits, label_ids, ["a", "b"])
    for name in ("accuracy", "macro_f1", "mcc", "loss"):
        assert quick[name] == full[name]
    assert quick["f1"] == full["per_class"]["b"]["f1"]
    assert quick["mcc"] == pytest.approx(np.corrcoef(label_ids, logits.argmax(1))[0, 1])
    assert not math.isnan(quick["loss"])


def test_the_positive_label_is_the_second_of_two_unless_named():
    assert find_positive_id(["ham", "spam"], None, "accuracy") == 1
    assert find_positive_id(["ham", "spam"], "ham", "f1") == 0
    with pytest.raises(UserError, match="ham, spam"):
        find_positive_id(["ham", "spam"], "eggs", "accuracy")
    with pytest.raises(UserError, match="positive_label"):
        find_positive_id(["a", "b", "c"], None, "f1")


def test_calibration_error_is_that_of_a_loop_over_bins():
    logits, label_ids = drawn_at(3000, 2.0)
    probabilities = softmax(logits)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == label_ids
    expected = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & ((confidence < (number + 1) / 15) | (number == 14))
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(probabilities, label_ids) == pytest.approx(expected)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0.0


def test_brier_score_is_the_mean_squared_distance():
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert brier_score(probabilities, np.array([0, 0])) == pytest.approx((0.09 + 0.09 + 0.64 + 0.64) / 2)


def test_scores_tell_before_and_after_and_these_rows_are_better_calibrated():
    logits, label_ids = drawn_at(4000, 2.0)
    temperature = quick_scores(logits, label_ids, DecisionSettings(1))["temperature"]
    scores = scores_of(logits, label_ids, list("abc"), Decision(temperature, temperature))
    told = scores["calibration"]
    assert told["temperature"] == temperature
    assert told["after"]["calibration_error"] < 0.5 * told["before"]["calibration_error"]
    assert told["after"]["brier_score"] < told["before"]["brier_score"]
    assert told["after"]["loss"] < told["before"]["loss"] == scores["loss"]
    assert told["after"]["loss"] == pytest.approx(cross_entropy_sum(logits / temperature, label_ids) / 4000)
