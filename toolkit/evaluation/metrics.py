"""Scores of predictions, all of them scikit-learn's, and how well the probabilities are calibrated.

Shapes: N rows, C labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn import metrics as sk

from toolkit.base.errors import UserError
from toolkit.evaluation.class_bias import choose_bias
from toolkit.evaluation.decision import (
    Decision,
    best_threshold,
    cross_entropy_sum,
    fit_temperature,
    scale,
    softmax,
)
from toolkit.evaluation.intervals import score_intervals
from toolkit.evaluation.scored_set import ScoredRows, ScoredSet
from toolkit.evaluation.texts import DIVERGED

MAX_MATRIX_LABELS = 100  # of more, metrics.json has no confusion matrix, whose size grows with their square
BINS = 15  # of confidence, as in Guo et al. 2017


class Ranking(NamedTuple):
    """How well a probability ranks the rows of one label above the others; None where it is not defined."""

    roc_auc: float | None
    average_precision: float | None


def rank_rows(is_positive: np.ndarray, probability: np.ndarray) -> Ranking:
    """Return how well the probability (N,) of a label ranks the rows that have it, (N,) bool, above the others."""
    if is_positive.all() or not is_positive.any():
        return Ranking(None, None)
    return Ranking(
        roc_auc=float(sk.roc_auc_score(is_positive, probability)),
        average_precision=float(sk.average_precision_score(is_positive, probability)),
    )


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """Return the number (N,) of the bin that each confidence (N,) falls in, of BINS equally wide ones from 0 to 1."""
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def calibration_error(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the expected calibration error of probabilities (N, C) for label_ids (N,).

    That is the mean over the rows of the difference between confidence and accuracy in the row's bin (Naeini et al.
    2015, "Obtaining well calibrated probabilities using Bayesian binning").
    """
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == label_ids
    gaps = np.bincount(confidence_bins(confidence), confidence - is_right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(label_ids))


def brier_score(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the mean over the rows of the squared distance of probabilities (N, C) from the truth (Brier 1950)."""
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(label_ids)), label_ids] = 1.0
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean of F1 over the labels that occur in the truth (N,) or in the predictions (N,)."""
    return float(sk.f1_score(truth, predicted, average="macro", zero_division=0))


@dataclass(frozen=True)
class DecisionSettings:
    """How the logits of an evaluation during training become labels.

    Above the threshold the label `positive_id` is predicted, which f1 is for too; "auto" is that at which `metric` is
    highest, or of more than two labels a bias, which is told by `labels`; None: the most probable label.
    """

    positive_id: int
    threshold: float | str | None = None
    metric: str = "accuracy"
    labels: Sequence[str] = ()


def quick_scores(
    logits: np.ndarray, label_ids: np.ndarray, settings: DecisionSettings, together: np.ndarray | None = None
) -> dict[str, Any]:
    """Return what an evaluation during training reports: loss, accuracy, macro_f1, f1, mcc, temperature[, threshold].

    The temperature is the one that calibrates the probabilities of these rows. With an "auto" threshold of more than
    two labels there is bias_gain too, and the bias of each label if it is kept. UserError if logits are not finite.

    Args:
        logits: (N, C).
        label_ids: (N,).
        settings: how they become labels.
        together: (N,), rows of one number are not parted where a bias is chosen; None: each row is alone.
    """
    if not np.isfinite(logits).all():
        raise UserError(DIVERGED)
    temperature = fit_temperature(logits, label_ids)
    positive_id = settings.positive_id
    threshold = settings.threshold
    decided: dict[str, Any] = {}
    bias = None
    if isinstance(threshold, str) and logits.shape[1] > 2:  # "auto"
        choice = choose_bias(scale(logits, temperature), label_ids, settings.metric, positive_id, together)
        decided = choice.as_scores(settings.labels)
        bias = choice.bias
        threshold = None
    elif isinstance(threshold, str):
        threshold = best_threshold(
            softmax(logits, temperature)[:, positive_id], label_ids == positive_id, settings.metric
        )
    if threshold is not None:
        decided["threshold"] = threshold
    predicted = Decision(temperature, temperature, positive_id, threshold, bias).label_ids(logits)
    return {
        "loss": cross_entropy_sum(logits, label_ids) / len(label_ids),
        "accuracy": float(sk.accuracy_score(label_ids, predicted)),
        "macro_f1": macro_f1(label_ids, predicted),
        "f1": float(sk.f1_score(label_ids, predicted, labels=[positive_id], average="macro", zero_division=0)),
        "mcc": _mcc(label_ids, predicted),
        "temperature": temperature,
        **decided,
    }


def full_scores(scored: ScoredSet) -> dict:
    """Return every score of a labelled set, in the form of metrics.json.

    Averages are over the labels that occur in the truth or in the predictions, as in scikit-learn. ROC-AUC and average
    precision are those of the positive one of two labels, else means over each label against the rest; None where a
    label has no rows, or has all of them. The loss is that of the logits as they are, before any temperature.
    """
    label_ids = scored.label_ids
    predicted = scored.predicted
    label_count = len(scored.labels)
    positive_id = scored.decision.positive_id
    rankings = [rank_rows(label_ids == i, scored.probabilities[:, i]) for i in range(label_count)]
    overall = [rankings[positive_id]] if label_count == 2 else rankings
    return {
        "rows": len(label_ids),
        "accuracy": float(sk.accuracy_score(label_ids, predicted)),
        **_averages(label_ids, predicted),
        "mcc": _mcc(label_ids, predicted),
        "loss": cross_entropy_sum(scored.logits, label_ids) / len(label_ids),
        "intervals": _intervals(scored),
        "threshold": scored.decision.threshold,
        "bias": _bias(scored),
        "calibration": calibration(scored, _calibration_at),
        "roc_auc": _mean_if_defined([ranking.roc_auc for ranking in overall]),
        "average_precision": _mean_if_defined([ranking.average_precision for ranking in overall]),
        "positive_label": scored.labels[positive_id] if label_count == 2 else None,
        "per_class": _per_class(scored, rankings),
        "labels": scored.labels,
        "confusions": _confusions(scored),
        "confusion_matrix": _confusion_matrix(scored) if label_count <= MAX_MATRIX_LABELS else None,
    }


def _bias(scored: ScoredSet) -> dict[str, float] | None:
    """Return the bias by label, None if there is none."""
    bias = scored.decision.bias
    return None if bias is None else dict(zip(scored.labels, bias, strict=True))


def _confusions(scored: ScoredSet) -> list[dict[str, Any]]:
    """Return how many rows of one label are taken for another, for each pair of labels that has any, most first."""
    wrong_pairs = np.stack([scored.label_ids, scored.predicted], axis=1)[~scored.right]
    pairs, row_counts = np.unique(wrong_pairs, axis=0, return_counts=True)
    order = np.argsort(-row_counts, kind="stable")
    return [
        {"true": scored.labels[true], "predicted": scored.labels[predicted], "rows": rows}
        for (true, predicted), rows in zip(pairs[order].tolist(), row_counts[order].tolist(), strict=True)
    ]


def _confusion_matrix(scored: ScoredSet) -> list[list[int]]:
    """Return the confusion matrix (C, C); its rows are the true labels."""
    return sk.confusion_matrix(scored.label_ids, scored.predicted, labels=range(len(scored.labels))).tolist()


def _averages(label_ids: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the plain and the weighted means over the labels of precision, recall and F1."""
    averages = {}
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            label_ids, predicted, average=average, zero_division=0
        )
        averages[f"{average}_precision"] = float(precision)
        averages[f"{average}_recall"] = float(recall)
        averages[f"{average}_f1"] = float(f1)
    return averages


def _per_class(scored: ScoredSet, rankings: Sequence[Ranking]) -> dict[str, dict[str, float | None]]:
    """Return the scores of each label."""
    label_numbers = range(len(scored.labels))
    precision, recall, f1, support = (
        column.tolist()
        for column in sk.precision_recall_fscore_support(
            scored.label_ids, scored.predicted, labels=label_numbers, zero_division=0
        )
    )
    return {
        label: {
            "precision": precision[i],
            "recall": recall[i],
            "f1": f1[i],
            "support": int(support[i]),
            "roc_auc": rankings[i].roc_auc,
            "average_precision": rankings[i].average_precision,
        }
        for i, label in enumerate(scored.labels)
    }


def _mcc(label_ids: np.ndarray, predicted: np.ndarray) -> float:
    if len(np.union1d(label_ids, predicted)) == 1:  # of which scikit-learn would warn on the screen
        return 0.0
    return float(sk.matthews_corrcoef(label_ids, predicted))


def _intervals(scored: ScoredSet) -> dict[str, list[float] | None]:
    """Return [low, high] of the 95% interval of each score, None where it is not defined."""
    intervals = score_intervals(scored.label_ids, scored.predicted, scored.decision.positive_id, len(scored.labels))
    return {name: None if interval is None else list(interval) for name, interval in intervals.items()}


def calibration(
    scored: ScoredRows, measured_at: Callable[[float, np.ndarray, np.ndarray], dict[str, float]]
) -> dict[str, Any]:
    """Return the temperature, and how well the probabilities are calibrated before and after it is used.

    `measured_at` measures that at a temperature, for logits and true labels.
    """
    temperature = scored.decision.written_temperature
    return {
        "temperature": temperature,
        "before": measured_at(1.0, scored.logits, scored.label_ids),
        "after": measured_at(temperature, scored.logits, scored.label_ids),
    }


def _calibration_at(temperature: float, logits: np.ndarray, label_ids: np.ndarray) -> dict[str, float]:
    probabilities = softmax(logits, temperature)
    return {
        "calibration_error": calibration_error(probabilities, label_ids),
        "brier_score": brier_score(probabilities, label_ids),
        "loss": cross_entropy_sum(logits / temperature, label_ids) / len(label_ids),
    }


def _mean_if_defined(values: Sequence[float | None]) -> float | None:
    """Return the mean of some values, None if one of them is None."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None
