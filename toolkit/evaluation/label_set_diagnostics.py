"""Where a model is right and where wrong, if rows may have several labels: curves, reliability, pairs and slices.

N rows, C labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special
from scipy.sparse import csr_array, triu
from sklearn import metrics as sk

from toolkit.evaluation.diagnostics import Point, answered, curve_points, reliability_bins, row_slices
from toolkit.evaluation.intervals import share_interval
from toolkit.evaluation.label_set_metrics import MAX_PAIRS
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.evaluation.thresholds import set_f1

MAX_CURVES = 6  # labels; of more, a chart cannot be read
ENOUGH_FOR_CURVE = 10  # rows that have a label, and that have it not


def diagnose_label_sets(
    scored: ScoredLabelSets,
    scores: Mapping[str, Any],
    records: Sequence[dict],
    used: Sequence[str],
    max_length: int,
) -> dict[str, Any]:
    """Return reliability, curves, what is answered, pairs that come together and slices, as metrics.json has them.

    Args:
        scored: what was predicted.
        scores: those of full_label_set_scores.
        records: the N rows as they stand in the file.
        used: names of the columns of text and labels, which make no slices.
        max_length: the number of tokens above which a part of a row is not read.
    """
    return {
        "reliability": _reliability(scored),
        "curves": _curves(scored, scores["per_label"]),
        "answered": answered(scored.calibrated_confidence, scored.right),
        "together": labels_together(scored),
        "slices": [
            part.as_json(
                [_group_scores(scored.label_ids[group.rows], scored.predicted[group.rows]) for group in part.groups]
            )
            for part in row_slices(scored.token_counts, records, used, max_length)
        ],
    }


def _reliability(scored: ScoredLabelSets) -> dict[str, list[dict[str, float]]]:
    """Return bins of the probabilities of all labels of all rows, before and after the temperature is used.

    `predicted` has the bins of the labels that are predicted alone, with their probabilities as they are written.
    """
    truth = scored.label_ids
    written = scored.probabilities
    before = special.expit(scored.logits.astype(np.float64))
    bins = {
        "before": reliability_bins(before.ravel(), truth.ravel()),
        "after": reliability_bins(written.ravel(), truth.ravel()),
        "predicted": reliability_bins(written[scored.predicted], truth[scored.predicted]),
    }
    return {name: [each.as_json() for each in of_name] for name, of_name in bins.items()}


def _curves(scored: ScoredLabelSets, per_label: Mapping[str, Mapping]) -> dict[str, dict[str, list[Point]]]:
    """Return the points of the precision-recall curves of the labels that are told apart the least.

    Labels of few rows, whose curves are all chance, are taken only where there are no others.
    """
    support = scored.label_ids.sum(axis=0)
    rarer = np.minimum(support, len(scored.label_ids) - support)
    defined = [label for label in range(len(scored.labels)) if rarer[label] > 0]
    frequent = [label for label in defined if rarer[label] >= ENOUGH_FOR_CURVE]
    chosen = sorted(frequent or defined, key=lambda label: per_label[scored.labels[label]]["average_precision"])
    curves = {}
    for label in chosen[:MAX_CURVES]:
        precision, recall, _ = sk.precision_recall_curve(scored.label_ids[:, label], scored.probabilities[:, label])
        curves[scored.labels[label]] = {"precision_recall": curve_points(recall[::-1], precision[::-1])}
    return curves


def labels_together(scored: ScoredLabelSets) -> list[dict[str, Any]]:
    """Return how many rows have both labels of a pair, are predicted to, and both, for the most frequent pairs."""
    counts = [_pair_counts(rows) for rows in (scored.label_ids, scored.predicted, scored.label_ids & scored.predicted)]
    in_truth, in_predictions, in_both = (each.tocsr() for each in counts)
    more = in_truth.maximum(in_predictions).tocoo()
    order = np.argsort(-more.data, kind="stable")[:MAX_PAIRS]
    return [
        {
            "labels": [scored.labels[first], scored.labels[second]],
            "true": int(in_truth[first, second]),
            "predicted": int(in_predictions[first, second]),
            "right": int(in_both[first, second]),
        }
        for first, second in zip(more.row[order].tolist(), more.col[order].tolist(), strict=True)
    ]


def _pair_counts(rows: np.ndarray) -> csr_array:
    """Return how many of the rows (N, C) have both labels, (C, C); only above the diagonal."""
    sparse = csr_array(rows.astype(np.int64))
    return csr_array(triu(sparse.T @ sparse, k=1))


def _group_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return subset accuracy with its 95% interval and micro F1 of some rows."""
    right = int((truth == predicted).all(axis=1).sum())
    interval = share_interval(right, len(truth))
    return {
        "subset_accuracy": right / len(truth),
        "low": interval.low,
        "high": interval.high,
        "micro_f1": set_f1(truth, predicted, "micro_f1"),
    }
