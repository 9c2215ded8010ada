"""Scores of predictions, all of them scikit-learn's, and which way each of them is better."""

from typing import NamedTuple

import numpy as np

from toolkit.calibration import brier_score, calibration_error, fit_temperature
from toolkit.errors import UserError


class Scored(NamedTuple):
    """A scored table of N rows and C labels: the content of metrics.json, label_ids (N,), probabilities (N, C)."""

    scores: dict
    label_ids: np.ndarray
    probabilities: np.ndarray


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities (N, C) in float64 of logits (N, C) that are divided by a temperature."""
    shifted = np.exp((logits.astype(np.float64) - logits.max(axis=1, keepdims=True)) / temperature)
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy_sum(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the sum over the rows of the negative log-likelihood of their labels; logits (N, C), label_ids (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sum - shifted[np.arange(len(label_ids)), label_ids]).sum())


def quick_scores(logits: np.ndarray, label_ids: np.ndarray, positive: int) -> dict[str, float]:
    """Return what an evaluation during training reports: loss, accuracy, macro_f1, f1 (of label `positive`), mcc.

    And the temperature that calibrates the probabilities of these rows.
    """
    from sklearn import metrics as sk  # here and below, since importing it takes a second that infer.py need not wait

    if not np.isfinite(logits).all():
        raise UserError("training diverged: the outputs of the model are no longer numbers; lower --learning_rate")
    predicted = logits.argmax(axis=1)
    return {
        "loss": cross_entropy_sum(logits, label_ids) / len(label_ids),
        "accuracy": float(sk.accuracy_score(label_ids, predicted)),
        "macro_f1": float(sk.f1_score(label_ids, predicted, average="macro", zero_division=0)),
        "f1": float(sk.f1_score(label_ids, predicted, labels=[positive], average="macro", zero_division=0)),
        "mcc": float(sk.matthews_corrcoef(label_ids, predicted)),
        "temperature": fit_temperature(logits, label_ids),
    }


def positive_id(labels: list[str], given: str | None, metric: str) -> int:
    """Return the number of the label that f1 and ROC curves are about: the `given` one, else the second.

    Raises UserError for a label that is not there, and where more than two labels leave `metric` f1 ambiguous.
    """
    if given is not None and given not in labels:
        raise UserError(f"--positive_label {given}: the labels are {', '.join(labels)}")
    if given is None and metric == "f1" and len(labels) > 2:
        raise UserError("--metric f1 is that of one label; name it with --positive_label (macro_f1 is the mean of all)")
    return 1 if given is None else labels.index(given)


def full_scores(
    logits: np.ndarray, label_ids: np.ndarray, labels: list[str], positive: int, temperature: float = 1.0
) -> dict:
    """Return every score of a labelled set, in the form of metrics.json.

    Averages are over the labels that occur in the truth or in the predictions, as in scikit-learn. ROC-AUC and average
    precision are those of `positive` for two labels, else means over one-against-rest; null where a class lacks either
    positive or negative rows.

    Args:
        logits: (N, C).
        label_ids: (N,).
        labels: names of the C labels.
        positive: number of the positive label.
        temperature: that probabilities are calibrated by; the loss is that of the logits as they are.
    """
    from sklearn import metrics as sk

    predicted, probabilities = logits.argmax(axis=1), softmax(logits, temperature)
    every = range(len(labels))
    columns = sk.precision_recall_fscore_support(label_ids, predicted, labels=every, zero_division=0)
    rows = zip(labels, *(column.tolist() for column in columns[:3]), map(int, columns[3]), strict=True)
    names = ("precision", "recall", "f1", "support")
    averages = {}
    for average in ("macro", "weighted"):
        values = sk.precision_recall_fscore_support(label_ids, predicted, average=average, zero_division=0)
        averages |= {f"{average}_{name}": float(value) for name, value in zip(names[:3], values[:3], strict=True)}
    ranked = [_ranking(label_ids == i, probabilities[:, i]) for i in every]
    per_class = {
        label: dict(zip(names, values, strict=True)) | {"roc_auc": ranked[i][0], "average_precision": ranked[i][1]}
        for i, (label, *values) in enumerate(rows)
    }
    overall = [ranked[positive]] if len(labels) == 2 else ranked
    return {
        "rows": len(label_ids),
        "accuracy": float(sk.accuracy_score(label_ids, predicted)),
        **averages,
        "mcc": float(sk.matthews_corrcoef(label_ids, predicted)),
        "loss": cross_entropy_sum(logits, label_ids) / len(label_ids),
        "calibration": _calibration(logits, label_ids, temperature),
        "roc_auc": _mean([auc for auc, _ in overall]),
        "average_precision": _mean([precision for _, precision in overall]),
        "positive_label": labels[positive] if len(labels) == 2 else None,
        "per_class": per_class,
        "labels": labels,
        "confusion_matrix": sk.confusion_matrix(label_ids, predicted, labels=every).tolist(),
    }


def _calibration(logits: np.ndarray, label_ids: np.ndarray, temperature: float) -> dict:
    """Return the temperature, and how well calibrated the probabilities are before and after it is used."""
    found = {"temperature": temperature}
    for name, by in (("before", 1.0), ("after", temperature)):
        probabilities = softmax(logits, by)
        found[name] = {
            "calibration_error": calibration_error(probabilities, label_ids),
            "brier_score": brier_score(probabilities, label_ids),
            "loss": cross_entropy_sum(logits / by, label_ids) / len(label_ids),
        }
    return found


def _ranking(is_positive: np.ndarray, probability: np.ndarray) -> tuple[float | None, float | None]:
    """Return ROC-AUC and average precision of one label against the rest, None where they are not defined."""
    if is_positive.all() or not is_positive.any():
        return None, None
    from sklearn import metrics as sk

    area = sk.roc_auc_score(is_positive, probability)
    return float(area), float(sk.average_precision_score(is_positive, probability))


def _mean(values: list[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))
