import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.evaluation.label_set_samples import LABELS, drawn, f1, scored
from toolkit.base.errors import UserError
from toolkit.evaluation.label_set_metrics import (
    LabelSetSettings,
    full_label_set_scores,
    quick_label_set_scores,
    set_difference_intervals,
    set_intervals,
)


def test_the_scores_are_those_of_scikit_learn():
    logits, truth = drawn()
    truth[:7] = False
    logits[:5] = -9
    scores = full_label_set_scores(scored(logits, truth))
    predicted = logits >= 0
    probability = 1 / (1 + np.exp(-logits.astype(float)))
    expected = {
        "micro_f1": sk.f1_score(truth, predicted, average="micro"),
        "macro_f1": sk.f1_score(truth, predicted, average="macro"),
        "sample_f1": sk.f1_score(truth, predicted, average="samples", zero_division=1),
        "subset_accuracy": sk.accuracy_score(truth, predicted),
        "hamming_loss": sk.hamming_loss(truth, predicted),
        "micro_precision": sk.precision_score(truth, predicted, average="micro"),
        "macro_recall": sk.recall_score(truth, predicted, average="macro"),
        "mean_average_precision": sk.average_precision_score(truth, probability, average="macro"),
        "macro_roc_auc": sk.roc_auc_score(truth, probability, average="macro"),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert scores["loss"] == pytest.approx(np.mean([sk.log_loss(truth[:, i], probability[:, i]) for i in range(5)]))
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, predicted)
    for i, label in enumerate(LABELS):
        entry = scores["per_label"][label]
        assert [entry["precision"], entry["recall"], entry["f1"]] == pytest.approx([precision[i], recall[i], f1[i]])
        assert (entry["support"], entry["predicted"]) == (support[i], predicted[:, i].sum())
    assert scores["calibration"]["after"]["brier_score"] == pytest.approx(((probability - truth) ** 2).mean())


def test_an_evaluation_reports_what_the_full_scores_do():
    logits, truth = drawn(seed=1)
    quick = quick_label_set_scores(logits, truth, LabelSetSettings(LABELS))
    full = full_label_set_scores(scored(logits, truth))
    for name in ("loss", "micro_f1", "macro_f1", "sample_f1", "subset_accuracy", "hamming_loss"):
        assert quick[name] == pytest.approx(full[name])
    assert "thresholds" not in quick
    with pytest.raises(UserError, match="training diverged"):
        quick_label_set_scores(logits * np.nan, truth, LabelSetSettings(LABELS))


def test_one_label_has_the_scores_of_a_binary_one():
    logits, truth = drawn()
    one = full_label_set_scores(scored(logits[:, :1], truth[:, :1]))
    quick = quick_label_set_scores(logits[:, :1], truth[:, :1], LabelSetSettings(["a"], "auto"))
    expected = sk.f1_score(truth[:, 0], logits[:, 0] >= 0)
    assert (one["micro_f1"], one["macro_f1"]) == pytest.approx((expected, expected))
    assert one["micro_precision"] == pytest.approx(sk.precision_score(truth[:, 0], logits[:, 0] >= 0))
    assert quick["micro_f1"] >= expected
    assert one["intervals"]["micro_f1"][0] < expected < one["intervals"]["micro_f1"][1]


def test_labels_that_no_row_has_or_all_have_leave_the_means_defined():
    logits, truth = drawn()
    truth[:, 0] = False
    truth[:, 1] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = full_label_set_scores(scored(logits, truth))
    rest = [scores["per_label"][label]["roc_auc"] for label in "cde"]
    assert scores["macro_roc_auc"] == pytest.approx(np.mean(rest))
    assert scores["per_label"]["a"]["roc_auc"] is None
    nothing = full_label_set_scores(scored(logits - 99, truth & False))
    assert (nothing["subset_accuracy"], nothing["sample_f1"], nothing["micro_f1"]) == (1, 1, 0)
    assert nothing["macro_roc_auc"] is None
    assert nothing["intervals"]["micro_f1"] is None


def test_what_is_missed_while_another_label_is_added_is_counted():
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0]], bool)
    predicted = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 1], [1, 1, 0]], bool)
    logits = np.where(predicted, 3.0, -3.0).astype(np.float32)
    assert full_label_set_scores(scored(logits, truth))["instead"] == [
        {"missed": "a", "added": "b", "rows": 2},
        {"missed": "a", "added": "c", "rows": 1},
    ]


def test_intervals_hold_the_score_of_new_rows_about_as_often_as_they_say():
    held = {"micro_f1": 0, "macro_f1": 0, "sample_f1": 0, "subset_accuracy": 0}
    logits, truth = drawn(12_000, seed=9)
    everything = full_label_set_scores(scored(logits, truth))
    for start in range(0, 12_000, 400):
        part = slice(start, start + 400)
        for name, (low, high) in set_intervals(truth[part], logits[part] >= 0).items():
            held[name] += low <= everything[name] <= high
    assert all(count >= 26 for count in held.values()), held


def test_the_difference_of_two_predictions_is_that_of_their_scores_with_an_interval():
    logits, truth = drawn(seed=5)
    ours, theirs = logits >= 0, logits >= 1.5
    for name, difference in set_difference_intervals(truth, ours, theirs).items():
        if name != "sample_f1":
            assert difference.difference == pytest.approx(f1(truth, ours, name) - f1(truth, theirs, name))
        assert difference.low < difference.difference < difference.high


@pytest.mark.parametrize(("hits", "errors"), [(30, 10), (3, 0), (0, 4), (200, 300)])
def test_the_interval_of_a_label_is_that_of_many_draws_of_the_rows_that_count_for_it(hits, errors):
    truth = np.repeat([True, True, False], [hits, errors, 50])[:, None]
    logits = np.repeat([2.0, -2.0, -2.0], [hits, errors, 50]).astype(np.float32)[:, None]
    entry = full_label_set_scores(scored(logits, truth))["per_label"]["a"]
    random = np.random.default_rng(1)
    right, wrong = random.gamma(hits + 0.5, size=200_000), random.gamma(errors + 0.5, size=200_000)
    low, high = np.quantile(2 * right / (2 * right + wrong), [0.025, 0.975])
    assert entry["interval"] == pytest.approx([min(low, entry["f1"]), max(high, entry["f1"])], abs=5e-3)


def test_a_label_that_is_nowhere_has_no_interval():
    entry = full_label_set_scores(scored(np.full((5, 1), -9.0, np.float32), np.zeros((5, 1), bool)))["per_label"]["a"]
    assert (entry["f1"], entry["interval"]) == (0, None)


def test_of_two_predictions_that_agree_on_all_rows_it_is_not_certain_that_they_always_do():
    logits, truth = drawn(100)
    predicted = logits > 0
    for found in set_difference_intervals(truth, predicted, predicted).values():
        assert found.difference == 0
        assert -0.05 < found.low < -0.001
        assert 0.001 < found.high < 0.05
