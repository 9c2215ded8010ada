"""Scores of predictions, all of them scikit-learn's, and which way each of them is better."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from toolkit.base.errors import UserError
from toolkit.evaluation.decision import Decision, best_threshold, cross_entropy_sum, fit_temperature, need_two, softmax
from toolkit.evaluation.intervals import score_intervals

BINS = 15  # of confidence, as in Guo et al. 2017


@dataclass(frozen=True)
class ScoredSet:
    """A scored table of N rows and C labels: what was predicted of it, and the scores, in the form of metrics.json."""

    logits: np.ndarray  # (N, C)
    label_ids: np.ndarray  # (N,)
    tokens: np.ndarray  # (N,), how many a row has before it is truncated
    labels: list[str]
    decision: Decision

    @cached_property
    def scores(self) -> dict:
        """Every score, in the form of metrics.json."""
        return full_scores(self.logits, self.label_ids, self.labels, self.decision)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The probabilities (N, C) as they are written."""
        return self.decision.probabilities(self.logits)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The numbers (N,) of the labels that are predicted."""
        return self.decision.label_ids(self.logits)

    @cached_property
    def right(self) -> np.ndarray:
        """Which rows are predicted right (N,)."""
        return self.predicted == self.label_ids

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the label that is predicted (N,)."""
        return self.probabilities[np.arange(len(self.predicted)), self.predicted]


def calibration_error(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the expected calibration error of probabilities (N, C) for label_ids (N,).

    The mean over the rows of the difference of confidence and accuracy in the row's bin, of 15 of one width (Naeini et
    al. 2015).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label_ids
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(label_ids))


def brier_score(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the mean over the rows of the squared distance of probabilities (N, C) from the truth (Brier 1950)."""
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(label_ids)), label_ids] = 1.0
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def quick_scores(
    logits: np.ndarray,
    label_ids: np.ndarray,
    positive: int,
    threshold: float | str | None = None,
    metric: str = "accuracy",
) -> dict[str, float]:
    """Return what an evaluation during training reports: loss, accuracy, macro_f1, f1 (of label `positive`), mcc.

    And the temperature that calibrates the probabilities of these rows, and the threshold, if there is one; "auto" is
    the one at which `metric` is highest.
    """
    from sklearn import metrics as sk  # here and below, since importing it takes a second that infer.py need not wait

    if not np.isfinite(logits).all():
        raise UserError("training diverged: the outputs of the model are no longer numbers; lower --learning_rate")
    temperature = fit_temperature(logits, label_ids)
    if threshold == "auto":
        threshold = best_threshold(softmax(logits, temperature)[:, positive], label_ids == positive, metric)
    predicted = Decision(temperature, temperature, positive, threshold).label_ids(logits)
    return {
        "loss": cross_entropy_sum(logits, label_ids) / len(label_ids),
        "accuracy": float(sk.accuracy_score(label_ids, predicted)),
        "macro_f1": float(sk.f1_score(label_ids, predicted, average="macro", zero_division=0)),
        "f1": float(sk.f1_score(label_ids, predicted, labels=[positive], average="macro", zero_division=0)),
        "mcc": _mcc(label_ids, predicted),
        "temperature": temperature,
    } | ({} if threshold is None else {"threshold": threshold})


def positive_id(labels: list[str], given: str | None, metric: str, threshold: float | str | None = None) -> int:
    """Return the number of the label that f1, ROC curves and a threshold are about: the `given` one, else the second.

    Raises UserError for a label that is not there, where more than two labels leave `metric` f1 or a threshold
    ambiguous, and for one that is to be chosen by the loss.
    """
    need_two(labels, threshold)
    if threshold == "auto" and metric == "loss":
        raise UserError("--threshold auto is the one that is best in --metric; the loss does not depend on it")
    if given is not None and given not in labels:
        raise UserError(f"--positive_label {given}: the labels are {', '.join(labels)}")
    if given is None and metric == "f1" and len(labels) > 2:
        raise UserError("--metric f1 is that of one label; name it with --positive_label (macro_f1 is the mean of all)")
    return 1 if given is None else labels.index(given)


def full_scores(logits: np.ndarray, label_ids: np.ndarray, labels: list[str], decision: Decision) -> dict:
    """Return every score of a labelled set, in the form of metrics.json.

    Averages are over the labels that occur in the truth or in the predictions, as in scikit-learn. ROC-AUC and average
    precision are those of `positive` for two labels, else means over one-against-rest; null where a class lacks either
    positive or negative rows.

    Args:
        logits: (N, C).
        label_ids: (N,).
        labels: names of the C labels.
        decision: by which probabilities and predictions are made; the loss is that of the logits as they are.
    """
    from sklearn import metrics as sk

    predicted, probabilities = decision.label_ids(logits), decision.probabilities(logits)
    every, positive = range(len(labels)), decision.positive
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
        "mcc": _mcc(label_ids, predicted),
        "loss": cross_entropy_sum(logits, label_ids) / len(label_ids),
        "intervals": _intervals(label_ids, predicted, positive, len(labels)),
        "threshold": decision.threshold,
        "calibration": _calibration(logits, label_ids, decision.written),
        "roc_auc": _mean([auc for auc, _ in overall]),
        "average_precision": _mean([precision for _, precision in overall]),
        "positive_label": labels[positive] if len(labels) == 2 else None,
        "per_class": per_class,
        "labels": labels,
        "confusion_matrix": sk.confusion_matrix(label_ids, predicted, labels=every).tolist(),
    }


def _mcc(label_ids: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn import metrics as sk

    if len(np.union1d(label_ids, predicted)) == 1:  # of which scikit-learn would warn on the screen
        return 0.0
    return float(sk.matthews_corrcoef(label_ids, predicted))


def _intervals(label_ids: np.ndarray, predicted: np.ndarray, positive: int, count: int) -> dict:
    """Return [low, high] of the 95% interval of each score, None where it is not defined."""
    found = score_intervals(label_ids, predicted, positive, count)
    return {name: ends and list(ends) for name, ends in found.items()}


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
