"""What is drawn of several labels a row is what scikit-learn and slow loops say."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from tests.evaluation.label_set_samples import LABELS, drawn, scored
from toolkit.evaluation.intervals import share_interval
from toolkit.evaluation.label_set_diagnostics import MAX_CURVES, diagnose_label_sets, labels_together
from toolkit.evaluation.label_set_metrics import full_label_set_scores
from toolkit.evaluation.metrics import BINS


def diagnosed(found, records=None):
    records = [{}] * len(found.label_ids) if records is None else records
    return diagnose_label_sets(found, full_label_set_scores(found), records, ["text", "label"], 512)


def test_the_pairs_that_come_together_are_counted_in_the_rows_the_predictions_and_both():
    found = scored(*drawn(60))
    expected = {name: Counter() for name in ("true", "predicted", "right")}
    for i in range(60):
        kinds = {"true": found.label_ids[i], "predicted": found.predicted[i]}
        kinds["right"] = kinds["true"] & kinds["predicted"]
        for name, row in kinds.items():
            expected[name].update(combinations([label for label, has in zip(LABELS, row, strict=True) if has], 2))
    entries = labels_together(found)
    for name, counts in expected.items():
        assert {tuple(e["labels"]): e[name] for e in entries if e[name]} == dict(counts)
    order = [max(entry["true"], entry["predicted"]) for entry in entries]
    assert order == sorted(order, reverse=True)


def test_the_bins_are_those_of_scikit_learn_over_rows_times_labels_and_of_predicted_labels():
    found = scored(*drawn(300))
    bins = diagnosed(found)["reliability"]
    for name, chosen in (("after", np.ones_like(found.predicted)), ("predicted", found.predicted)):
        share, confidence = calibration_curve(found.label_ids[chosen], found.probabilities[chosen], n_bins=BINS)
        assert [part["accuracy"] for part in bins[name]] == pytest.approx(share.tolist())
        assert [part["confidence"] for part in bins[name]] == pytest.approx(confidence.tolist())
    nothing = scored(np.full((5, 2), -9.0, np.float32), np.zeros((5, 2), bool))
    assert diagnosed(nothing)["reliability"]["predicted"] == []


def test_the_curves_are_those_of_the_labels_with_the_least_average_precision_that_have_enough_rows():
    found = scored(*drawn(300))
    curves = diagnosed(found)["curves"]
    precisions = {
        label: sk.average_precision_score(found.label_ids[:, i], found.probabilities[:, i])
        for i, label in enumerate(LABELS)
    }
    assert list(curves) == sorted(LABELS, key=precisions.get)
    for label, of_label in curves.items():
        recall, precision = np.array(of_label["precision_recall"]).T
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(precisions[label], abs=2e-3)
    logits, truth = (np.tile(values, 4) for values in drawn(300))
    truth[9:, 0] = False  # too few rows for a curve
    many = scored(logits, truth)
    many = many.__class__(**{**vars(many), "labels": [str(i) for i in range(20)]})
    assert len(diagnosed(many)["curves"]) == MAX_CURVES
    assert "0" not in diagnosed(many)["curves"]


def test_parts_of_the_rows_have_the_scores_of_these_rows():
    found = scored(*drawn(90))
    [of_column] = diagnosed(found, [{"source": "ab"[i % 2], "text": i} for i in range(90)])["slices"]
    assert (of_column["column"], [group["name"] for group in of_column["groups"]]) == ("source", ["a", "b"])
    for start, group in enumerate(of_column["groups"]):
        truth, predicted = found.label_ids[start::2], found.predicted[start::2]
        right = sk.accuracy_score(truth, predicted)
        assert (group["rows"], group["subset_accuracy"]) == (45, pytest.approx(right))
        assert [group["low"], group["high"]] == list(share_interval(round(45 * right), 45))
        assert group["micro_f1"] == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
