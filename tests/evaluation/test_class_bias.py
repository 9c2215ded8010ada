"""The bias of each of more than two labels: best where it is chosen, and kept only where it is more than noise."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

from tests.conftest import run_facts
from toolkit.base.errors import UserError
from toolkit.evaluation import class_bias
from toolkit.evaluation.class_bias import _move_one_by_one, _Rows, bias_lines, choose_bias
from toolkit.evaluation.decision import Decision, decision_of, find_positive_id, scale, softmax
from toolkit.evaluation.metrics import DecisionSettings, full_scores, quick_scores
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.runs.history import EventFile
from toolkit.runs.model_card import model_card

LABELS = ["a", "b", "c", "d", "e", "f"]
SKEWED = 0.35 ** np.arange(6)
BALANCED = np.ones(6)
METRICS = {
    "accuracy": lambda truth, predicted, _: sk.accuracy_score(truth, predicted),
    "macro_f1": lambda truth, predicted, labels: sk.f1_score(
        truth, predicted, labels=labels, average="macro", zero_division=0
    ),
    "f1": lambda truth, predicted, _: sk.f1_score(truth, predicted, labels=[3], average="macro", zero_division=0),
    "mcc": lambda truth, predicted, _: sk.matthews_corrcoef(truth, predicted),
}


def drawn(rows: int, shares: np.ndarray, seed: int, timid: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits (N, 6) of a model, and labels (N,): what it sees of a label is drowned in noise.

    If it is `timid`, above 1, it takes rare labels for rarer than they are, as one that has seen few of them does.
    """
    draw = np.random.default_rng(seed)
    label_ids = draw.choice(6, rows, p=shares / shares.sum())
    seen = np.eye(6)[label_ids] * 1.8 + draw.normal(size=(rows, 6))  # evidence for each label
    return (1.8 * seen + timid * np.log(shares / shares.sum())).astype(np.float32), label_ids


def brute_force(rows: _Rows, start: np.ndarray, metric: str) -> np.ndarray:
    """Return the bias that is found by trying every place among the rows for one label after the other."""
    bias = start.copy()
    for label in np.argsort(-rows.counts, kind="stable"):
        others = np.delete(rows.logits + bias, label, axis=1).max(axis=1)
        leads = np.unique(others - rows.logits[:, label])
        places = [leads[0] - 1, *(leads[1:] + leads[:-1]) / 2, leads[-1] + 1]
        scores = []
        for place in (now := bias[label], *places):
            bias[label] = place
            predicted = (rows.logits + bias).argmax(axis=1)
            scores.append(METRICS[metric](rows.label_ids, predicted, rows.averaged))
        bias[label] = now
        if max(scores) > scores[0] + 1e-12:
            best = [number for number, score in enumerate(scores[1:]) if score >= max(scores) - 1e-12]
            edges = [leads[0] - 0.2, *leads, leads[-1] + 0.2]
            near = []
            for number in best:
                margin = min(0.1, (edges[number + 1] - edges[number]) / 2)
                near.append(min(max(now, edges[number] + margin), edges[number + 1] - margin))
            bias[label] = min(near, key=lambda place: abs(place - now))
    return bias


@pytest.mark.parametrize("metric", METRICS)
def test_each_label_is_moved_to_where_scikit_learn_says_that_the_metric_is_best(metric):
    logits, label_ids = drawn(80, SKEWED**0.5, seed=4)
    rows = _Rows(scale(logits, 1.3), label_ids, metric, 3)
    start = np.linspace(-0.2, 0.2, 6)
    expected = brute_force(rows, start, metric)
    moved = _move_one_by_one(rows, start)
    np.testing.assert_allclose(moved, expected, atol=1e-9)
    assert not np.array_equal(moved, start)


def gains(
    shares: np.ndarray, valid_rows: int, metric: str = "macro_f1", timid: float = 1.0, draws: int = 12
) -> np.ndarray:
    """Return by how much the metric of 4,000 other rows changes, for each of some validation sets (draws,)."""
    changes = []
    for seed in range(draws):
        logits, label_ids = drawn(valid_rows, shares, seed, timid)
        test_logits, truth = drawn(4000, shares, 1000 + seed, timid)
        bias = choose_bias(scale(logits, 1.0), label_ids, metric, 3).bias
        plain, chosen = (Decision(bias=each).label_ids(test_logits) for each in (None, bias))
        changes.append(METRICS[metric](truth, chosen, None) - METRICS[metric](truth, plain, None))
    return np.array(changes)


def test_skewed_labels_gain_in_macro_f1():
    changes = gains(SKEWED**0.5, 600, timid=2.0)
    assert changes.mean() > 0.07
    assert changes.min() >= 0


@pytest.mark.parametrize("valid_rows", [12, 60, 600])
def test_balanced_labels_and_few_rows_lose_nothing_on_average(valid_rows):
    assert gains(BALANCED, valid_rows).mean() > -0.001
    assert gains(SKEWED, valid_rows).mean() > -0.001


@pytest.mark.parametrize("metric", ["accuracy", "mcc"])
def test_what_is_best_already_stays_as_it_is_on_average(metric):
    assert gains(SKEWED, 300, metric).mean() > -0.002  # the most probable label is the best one for accuracy


def test_of_very_few_rows_or_one_label_no_bias_is_made():
    logits, _ = drawn(9, BALANCED, 0)
    assert choose_bias(logits, np.zeros(9, int), "macro_f1", 1).bias is None
    logits, _ = drawn(40, BALANCED, 0)
    for metric in METRICS:
        choice = choose_bias(logits, np.zeros(40, int), metric, 3)
        assert math.isfinite(choice.gain.difference)


def test_a_label_without_rows_is_not_favoured_over_what_the_shares_say():
    logits, label_ids = drawn(600, SKEWED**0.5, 2, timid=2.0)
    kept = label_ids != 5
    bias = choose_bias(scale(logits[kept], 1.0), label_ids[kept], "macro_f1", 1).bias
    assert bias is not None
    counts = np.bincount(label_ids[kept], minlength=6)
    shares = -np.log((counts + 1) / (counts + 1).sum())
    assert bias[5] <= 1.5 * shares[5]


def evaluated(metric: str = "macro_f1") -> tuple[np.ndarray, np.ndarray, dict]:
    logits, label_ids = drawn(1500, SKEWED, 5, timid=1.5)
    logits *= 2  # as overconfident as fine-tuned models are
    return logits, label_ids, quick_scores(logits, label_ids, DecisionSettings(1, "auto", metric, LABELS))


def test_a_bias_goes_by_label_name_from_the_evaluation_to_scores_and_predictions():
    logits, label_ids, scores = evaluated()
    assert list(scores["bias"]) == LABELS
    run = run_facts(labels=LABELS, metrics=json.loads(json.dumps(scores)))
    decision = decision_of(run)
    biases = np.array(list(scores["bias"].values()))
    predicted = (special.log_softmax(logits.astype(float) / scores["temperature"], axis=1) + biases).argmax(axis=1)
    assert (predicted != logits.argmax(axis=1)).any()
    np.testing.assert_array_equal(decision.label_ids(logits), predicted)
    np.testing.assert_array_equal(decision_of(run, calibrated=False).label_ids(logits), predicted)
    np.testing.assert_array_equal(decision.probabilities(logits), softmax(logits, scores["temperature"]))
    assert scores["macro_f1"] == pytest.approx(METRICS["macro_f1"](label_ids, predicted, None))
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(label_ids, predicted))
    scored = full_scores(ScoredSet(logits, label_ids, np.ones(1500, int), LABELS, decision))
    assert scored["macro_f1"] == pytest.approx(scores["macro_f1"])
    assert scored["bias"] == scores["bias"]
    other_order = replace(run, labels=LABELS[::-1], positive_label="a")
    np.testing.assert_array_equal(5 - decision_of(other_order).label_ids(logits[:, ::-1]), predicted)


def test_what_became_of_the_bias_is_said():
    _, _, scores = evaluated()
    [line] = bias_lines(scores, "macro_f1")
    assert line.startswith("--threshold auto: each label has a bias; on held-out validation rows, macro f1 +0.1")
    unkept = {name: value for name, value in scores.items() if name != "bias"}
    assert "no bias is kept" in bias_lines(unkept, "macro_f1")[0]
    assert bias_lines({"accuracy": 0.9}, "accuracy") == []


def test_without_a_gain_the_evaluation_is_the_plain_one():
    logits, label_ids = drawn(200, BALANCED, 1)
    plain, chosen = (
        quick_scores(logits, label_ids, DecisionSettings(1, each, "macro_f1", LABELS)) for each in (None, "auto")
    )
    assert chosen.pop("bias_gain")["low"] <= 0
    assert chosen == plain


def test_a_bias_that_makes_no_sense_is_refused():
    bias = dict.fromkeys(LABELS, 0.5)
    for strange in (
        0.5,
        list(bias.values()),
        {},
        bias | {"g": 0.1},
        bias | {"a": "1"},
        bias | {"a": math.nan},
        bias | {"a": True},
        bias | {"a": None},
    ):
        with pytest.raises(UserError, match="bias"):
            decision_of(run_facts(labels=LABELS, metrics={"bias": strange}))


def test_the_loss_and_the_f1_of_no_label_choose_no_bias():
    with pytest.raises(UserError, match="the loss does not depend on the threshold"):
        find_positive_id(LABELS, None, "loss", "auto")
    with pytest.raises(UserError, match="--metric f1 is for one label"):
        find_positive_id(LABELS, None, "f1", "auto")
    assert find_positive_id(LABELS, "d", "f1", "auto") == 3


def test_the_model_card_says_that_the_prediction_may_not_be_the_most_probable_label():
    metrics = {"valid_loss": 0.5, "accuracy": 0.8, "macro_f1": 0.7, "mcc": 0.6, "bias": dict.fromkeys(LABELS, 0.1)}
    table = {"file": "t.csv", "rows": 10}
    run = run_facts(labels=LABELS, metrics=metrics, data={"train": table, "valid": table})
    assert "it need not be the most probable one" in model_card(run)
    assert "calibrated" not in model_card(replace(run, metrics=metrics | {"bias": None}))


def test_tensorboard_gets_the_numbers_and_not_what_is_told_of_each_label(tmp_path):
    written = []

    class Writer:
        def __init__(self, *_, **__):
            pass

        def add_scalar(self, name, *_, **__):
            written.append(name)

        def flush(self):
            pass

    events = EventFile(tmp_path / "tensorboard")
    events.make_writer = Writer
    events.write([{"step": 1, "macro_f1": 0.5, "train_loss": None, "bias": {"a": 1.0}, "train_seconds": 2.0}])
    assert written == ["macro_f1", "train_seconds"]


def test_rows_that_belong_together_are_in_one_fold(monkeypatch):
    """Twins that differ in nothing: folds that part them would let a bias that fits one of them gain by the other."""
    seen = []
    monkeypatch.setattr(class_bias, "_held_out_predictions", lambda rows, folds: seen.append(folds) or [folds * 0] * 5)
    logits, label_ids = drawn(200, BALANCED, 1)
    together = np.arange(200) // 2
    for numbers in (together, None, np.arange(200)):
        choose_bias(logits, label_ids, "macro_f1", 1, numbers)
    grouped, plain, alone = seen
    assert (grouped[::2] == grouped[1::2]).all()
    assert (plain == alone).all()
    assert (plain[::2] != plain[1::2]).any()
    counts = [np.bincount(label_ids[grouped == fold], minlength=len(LABELS)) for fold in range(5)]
    assert np.ptp(counts, axis=0).max() <= 2
