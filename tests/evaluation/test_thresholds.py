import numpy as np
import pytest

from tests.conftest import run_facts
from tests.evaluation.label_set_samples import LABELS, drawn, f1, miscalibrated
from toolkit.evaluation.label_set_decision import (
    label_set_decision_of,
)
from toolkit.evaluation.label_set_metrics import (
    LabelSetSettings,
    quick_label_set_scores,
)
from toolkit.evaluation.thresholds import choose_thresholds


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1"])
def test_own_thresholds_are_better_on_new_rows_where_labels_differ_and_hardly_worse_where_they_do_not(metric):
    gains, losses = [], []
    for seed in range(3):
        odds, truth = miscalibrated(600, seed)
        new_odds, new_truth = miscalibrated(3000, 100 + seed)
        predicted = 1 / (1 + np.exp(-new_odds)) >= choose_thresholds(odds, truth, metric)
        gains.append(f1(new_truth, predicted, metric) - f1(new_truth, new_odds >= 0, metric))
        odds, truth = drawn(100, seed=seed)
        new_odds, new_truth = drawn(3000, seed=50 + seed)
        predicted = 1 / (1 + np.exp(-new_odds)) >= choose_thresholds(odds, truth, metric)
        best = max(f1(new_truth, new_odds >= edge, metric) for edge in np.linspace(-2, 2, 9))
        losses.append(best - f1(new_truth, predicted, metric))
    assert np.mean(gains) > 0.05
    assert min(gains) > 0
    assert np.mean(losses) < 0.02


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1"])
def test_a_label_without_rows_has_the_common_threshold_and_a_rare_one_is_near_it(metric):
    odds, truth = miscalibrated(400, 1)
    truth[:, 0] = truth[:, 1] = False
    truth[7, 1] = True
    chosen = choose_thresholds(odds, truth, metric)
    assert ((chosen >= 0) & (chosen <= 1)).all()
    common = chosen[0]
    logit = np.log(chosen / (1 - chosen))
    assert abs(logit[1] - np.log(common / (1 - common))) < 1.2  # 1 of 11 parts of the way to its own, 12 at most


def test_thresholds_do_not_depend_on_the_order_of_the_labels_and_need_no_rows():
    odds, truth = miscalibrated(300, 3)
    order = np.arange(8)[::-1]
    chosen = choose_thresholds(odds, truth, "micro_f1")
    np.testing.assert_allclose(choose_thresholds(odds[:, order], truth[:, order], "micro_f1"), chosen[order])
    np.testing.assert_allclose(choose_thresholds(odds[:3], truth[:3] & False, "macro_f1"), 0.5)
    one = choose_thresholds(odds[:, -1:], truth[:, -1:], "micro_f1")
    assert one.shape == (1,)


def test_thresholds_by_label_are_reported_and_used_by_the_evaluation_and_the_run():
    logits, truth = drawn(seed=4)
    scores = quick_label_set_scores(logits, truth, LabelSetSettings(LABELS, "auto", "macro_f1"))
    assert list(scores["thresholds"]) == LABELS
    plain = quick_label_set_scores(logits, truth, LabelSetSettings(LABELS))
    assert scores["macro_f1"] >= plain["macro_f1"]
    run = run_facts(labels=LABELS, metrics=scores)
    predicted = label_set_decision_of(run).label_ids(logits)
    assert f1(truth, predicted, "macro_f1") == pytest.approx(scores["macro_f1"])
    given = quick_label_set_scores(logits, truth, LabelSetSettings(LABELS, 0.2))
    assert given["threshold"] == 0.2
