"""Scores of models whose rows may have several labels, or none, from their logits.

N rows, C labels, R draws of the bootstrap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from scipy.sparse import csr_array

from toolkit.base.errors import UserError
from toolkit.evaluation.intervals import (
    DRAWS,
    MAX_WEIGHTS_AT_ONCE,
    UNSEEN,
    Difference,
    Interval,
    middle,
    share_interval,
)
from toolkit.evaluation.label_set_decision import (
    EVEN,
    LabelSetDecision,
    fit_sigmoid_temperature,
    sigmoid_loss_sum,
)
from toolkit.evaluation.metrics import BINS, Ranking, calibration, confidence_bins, rank_rows
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.evaluation.texts import DIVERGED
from toolkit.evaluation.thresholds import choose_thresholds, set_f1

MAX_PAIRS = 1000  # of labels, in metrics.json
UNSEEN_ROWS = (1.0, 0.0)  # one that is right and one that is wrong
# Of two predictions: one that both have right, one that both have wrong, and one that either alone has right; of two
# that agree on all rows it is not certain that they always do.
UNSEEN_PAIRS = ((1.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class LabelSetSettings:
    """How the logits of an evaluation during training become sets of labels."""

    labels: Sequence[str]  # their names, by which thresholds are told
    threshold: float | str | None = None  # from which on a label is predicted; None: 0.5; "auto": one for each label
    metric: str = "micro_f1"  # by which they are chosen if it is macro_f1; else they are by micro_f1


def quick_label_set_scores(
    logits: np.ndarray, truth: np.ndarray, settings: LabelSetSettings, together: np.ndarray | None = None
) -> dict[str, Any]:
    """Return what an evaluation during training reports: loss, F1 in three ways, subset accuracy, Hamming loss ...

    The temperature is the one that calibrates the probabilities of these rows. There are `thresholds` by label too if
    they are chosen, and the `threshold` if one is given. UserError if logits are not finite.

    Args:
        logits: (N, C).
        truth: (N, C) bool, which labels the rows have.
        settings: how they become sets of labels.
        together: (N,), rows of one number are not parted where thresholds are chosen; None: each row is alone.
    """
    if not np.isfinite(logits).all():
        raise UserError(DIVERGED)
    temperature = fit_sigmoid_temperature(logits, truth)
    decided: dict[str, Any] = {}
    threshold = settings.threshold
    thresholds = (EVEN,) * len(settings.labels)
    if isinstance(threshold, str):  # "auto"
        metric = settings.metric if settings.metric == "macro_f1" else "micro_f1"
        thresholds = tuple(choose_thresholds(logits / temperature, truth, metric, together).tolist())
        decided["thresholds"] = dict(zip(settings.labels, thresholds, strict=True))
    elif threshold is not None:
        thresholds = (threshold,) * len(settings.labels)
        decided["threshold"] = threshold
    predicted = LabelSetDecision(thresholds, temperature).label_ids(logits)
    return {
        "loss": sigmoid_loss_sum(logits, truth) / logits.size,
        **_set_scores(truth, predicted),
        "temperature": temperature,
        **decided,
    }


def _set_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return scores of predictions (N, C) that do not depend on probabilities.

    Of sample F1, a row without a label for which none is predicted counts as right.
    """
    return {
        "micro_f1": set_f1(truth, predicted, "micro_f1"),
        "macro_f1": set_f1(truth, predicted, "macro_f1"),
        "sample_f1": float(row_f1(truth, predicted).mean()),
        "subset_accuracy": float((truth == predicted).all(axis=1).mean()),
        "hamming_loss": float((truth != predicted).mean()),
    }


def row_f1(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the F1 (N,) of the labels that are predicted for each row; 1 where there is none and none is predicted."""
    hits = (truth & predicted).sum(axis=1)
    either = truth.sum(axis=1) + predicted.sum(axis=1)
    return np.where(either == 0, 1.0, 2 * hits / np.maximum(either, 1))


def full_label_set_scores(scored: ScoredLabelSets) -> dict[str, Any]:
    """Return every score of a labelled set whose rows may have several labels, in the form of metrics.json.

    Means over the labels are over all of them, as in scikit-learn; those of ROC-AUC and average precision over the
    labels that some rows have and some have not, since they are not defined for others. The loss is that of the logits
    as they are, before any temperature.
    """
    truth = scored.label_ids
    predicted = scored.predicted
    rankings = [rank_rows(truth[:, i], scored.probabilities[:, i]) for i in range(len(scored.labels))]
    return {
        "rows": len(truth),
        **_set_scores(truth, predicted),
        **_precision_and_recall(truth, predicted),
        "mean_average_precision": _mean_of_defined([ranking.average_precision for ranking in rankings]),
        "macro_roc_auc": _mean_of_defined([ranking.roc_auc for ranking in rankings]),
        "loss": sigmoid_loss_sum(scored.logits, truth) / truth.size,
        "intervals": _intervals(truth, predicted),
        "calibration": calibration(scored, _calibration_at),
        "labels_a_row": {"true": float(truth.sum(axis=1).mean()), "predicted": float(predicted.sum(axis=1).mean())},
        "per_label": _per_label(scored, rankings),
        "labels": scored.labels,
        "instead": _instead(scored),
    }


def _intervals(truth: np.ndarray, predicted: np.ndarray) -> dict[str, list[float] | None]:
    """Return [low, high] of the 95% interval of each score, None where it is not defined."""
    intervals = set_intervals(truth, predicted)
    return {name: None if interval is None else list(interval) for name, interval in intervals.items()}


def _precision_and_recall(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the micro and macro means of precision and recall, as scikit-learn's; 0 where they are not defined."""
    hits = (truth & predicted).sum(axis=0)
    answers = predicted.sum(axis=0)
    support = truth.sum(axis=0)
    return {
        "micro_precision": float(hits.sum() / max(answers.sum(), 1)),
        "micro_recall": float(hits.sum() / max(support.sum(), 1)),
        "macro_precision": float((hits / np.maximum(answers, 1)).mean()),
        "macro_recall": float((hits / np.maximum(support, 1)).mean()),
    }


def _mean_of_defined(values: Sequence[float | None]) -> float | None:
    """Return the mean of those values that are defined, None if there are none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _per_label(scored: ScoredLabelSets, rankings: Sequence[Ranking]) -> dict[str, dict[str, Any]]:
    """Return the scores of each label, how many rows have it and are predicted to, and its threshold."""
    truth = scored.label_ids
    predicted = scored.predicted
    hits = (truth & predicted).sum(axis=0)
    support = truth.sum(axis=0)
    answers = predicted.sum(axis=0)
    scores = {}
    for i, label in enumerate(scored.labels):
        scores[label] = {
            "precision": float(hits[i] / max(answers[i], 1)),
            "recall": float(hits[i] / max(support[i], 1)),
            "f1": float(2 * hits[i] / max(support[i] + answers[i], 1)),
            "interval": _f1_interval(int(hits[i]), int(support[i] + answers[i] - 2 * hits[i])),
            "support": int(support[i]),
            "predicted": int(answers[i]),
            "threshold": scored.decision.thresholds[i],
            "roc_auc": rankings[i].roc_auc,
            "average_precision": rankings[i].average_precision,
        }
    return scores


def _f1_interval(hits: int, errors: int) -> list[float] | None:
    """Return [low, high] of the 95% interval of a label's F1, None where no row has it or is predicted to.

    That is the Bayesian bootstrap of the rows that count for the label, without drawing: F1 is 2J / (1 + J) of the
    share J of these rows that are right, and rises with it.
    """
    if hits + errors == 0:
        return None
    return [2 * share / (1 + share) for share in share_interval(hits, hits + errors)]


def _instead(scored: ScoredLabelSets) -> list[dict[str, Any]]:
    """Return in how many rows a label is missed while another is added, for such pairs of labels, most first."""
    missed = csr_array(scored.missed.astype(np.int64))
    added = csr_array(scored.added.astype(np.int64))
    pairs = (missed.T @ added).tocoo()
    order = np.argsort(-pairs.data, kind="stable")[:MAX_PAIRS]
    return [
        {"missed": scored.labels[pairs.row[i]], "added": scored.labels[pairs.col[i]], "rows": int(pairs.data[i])}
        for i in order
    ]


# -- calibration ------------------------------------------------------------------------------------------------------


def _calibration_at(temperature: float, logits: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the calibration error and the Brier score over rows times labels, and the loss."""
    probability = special.expit(logits.astype(np.float64) / temperature).ravel()
    gaps = np.bincount(confidence_bins(probability), probability - truth.ravel(), minlength=BINS)
    return {
        "calibration_error": float(np.abs(gaps).sum() / truth.size),
        "brier_score": float(((probability - truth.ravel()) ** 2).mean()),
        "loss": sigmoid_loss_sum(logits / temperature, truth) / truth.size,
    }


# -- intervals --------------------------------------------------------------------------------------------------------


def set_intervals(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Interval | None]:
    """Return the 95% intervals of micro, macro and sample F1 and of subset accuracy of predictions (N, C).

    Those of F1 are by the Bayesian bootstrap over rows (toolkit/evaluation/intervals.py), None where no row has a label
    or is predicted to; that of subset accuracy is Jeffreys' of a share.
    """
    scores_of = _weighted_scores_of(truth, predicted, UNSEEN_ROWS)
    observed = scores_of(_seen_once(len(truth), UNSEEN_ROWS))
    right = int((truth == predicted).all(axis=1).sum())
    intervals: dict[str, Interval | None] = {"subset_accuracy": share_interval(right, len(truth))}
    is_empty = not truth.any() and not predicted.any()
    for name, draws in _drawn(scores_of, len(truth), UNSEEN_ROWS).items():
        intervals[name] = None if is_empty else middle(draws, float(observed[name][0]))
    return intervals


def set_difference_intervals(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Difference]:
    """Return how far micro, macro and sample F1 of one prediction (N, C) are above those of another, same rows."""
    our_scores_of = _weighted_scores_of(truth, ours, UNSEEN_PAIRS[0])
    their_scores_of = _weighted_scores_of(truth, theirs, UNSEEN_PAIRS[1])

    def differences_of(weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the difference (r,) of each score of rows with weights (r, N + 4)."""
        their_scores = their_scores_of(weights)
        return {name: scores - their_scores[name] for name, scores in our_scores_of(weights).items()}

    observed = differences_of(_seen_once(len(truth), UNSEEN_PAIRS[0]))
    differences = {}
    for name, draws in _drawn(differences_of, len(truth), UNSEEN_PAIRS[0]).items():
        difference = float(observed[name][0])
        interval = middle(draws, difference)
        differences[name] = Difference(difference, interval.low, interval.high)
    return differences


def _weighted_scores_of(
    truth: np.ndarray, predicted: np.ndarray, unseen: Sequence[float]
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return what computes scores (r,) of predictions (N, C) from weights (r, N + U) of the rows.

    The last of them are U rows that nobody has seen, by `unseen` right (1) or wrong (0), so that 1 is never certain.
    """
    usual = (truth.mean(axis=0) + predicted.mean(axis=0))[None] / 2  # (1, C), labels of an unseen row
    is_right = np.array(unseen)[:, None]
    hits = csr_array(np.concatenate([truth & predicted, is_right * usual]))
    either = csr_array(np.concatenate([truth.astype(float) + predicted, np.repeat(2 * usual, len(is_right), axis=0)]))
    of_rows = np.concatenate([row_f1(truth, predicted), unseen])

    def scores_of(weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores (r,) of rows with weights (r, N + U)."""
        weighted_hits = (hits.T @ weights.T).T  # (r, C)
        weighted_either = (either.T @ weights.T).T
        tiny = np.finfo(float).tiny
        return {
            "micro_f1": 2 * weighted_hits.sum(axis=1) / np.maximum(weighted_either.sum(axis=1), tiny),
            "macro_f1": (2 * weighted_hits / np.maximum(weighted_either, tiny)).mean(axis=1),
            "sample_f1": weights @ of_rows / weights.sum(axis=1),
        }

    return scores_of


def _seen_once(rows: int, unseen: Sequence[float]) -> np.ndarray:
    """Return the weights (1, N + U) with which each row counts once, and those that nobody has seen do not."""
    return np.append(np.ones(rows), np.zeros(len(unseen)))[None]


def _drawn(
    scores_of: Callable[[np.ndarray], dict[str, np.ndarray]], rows: int, unseen: Sequence[float]
) -> dict[str, np.ndarray]:
    """Return (R,) values of each score of `rows` rows with random weights, those of unseen rows smaller."""
    random = np.random.default_rng(0)
    size = max(1, MAX_WEIGHTS_AT_ONCE // rows)
    shapes = np.append(np.ones(rows), np.full(len(unseen), UNSEEN))
    parts = []
    for start in range(0, DRAWS, size):
        parts.append(scores_of(random.gamma(shapes, size=(min(size, DRAWS - start), len(shapes)))))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
