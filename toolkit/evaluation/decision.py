"""How logits become probabilities and predictions: by the temperature and the threshold of a run.

Probabilities should mean what they say: of rows predicted with 0.8, eight of ten should be right. So the logits are
divided by the temperature that makes the labels of the validation rows most likely (Guo et al. 2017, "On calibration of
modern neural networks", section 4.2). That leaves the order of the labels as it is.

A threshold is compared with the calibrated probability of the positive label, even where the probabilities that are
written are not calibrated. Of more than two labels each may have a bias, which is added to the calibrated logarithm of
its probability before the largest is taken. Without either the most probable label is predicted.

Shapes: N rows, C labels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, Text, joined
from toolkit.evaluation import exponentials
from toolkit.evaluation.texts import AND, CHOICES, RUN_JSON
from toolkit.runs.run_json import RunFacts

PRIOR_SPREAD = 0.5  # standard deviation of log temperature before any row is seen, so that few rows change little
MAX_LOG_TEMPERATURE = math.log(20)
OWN_THRESHOLDS_DIFFER = Text(
    "the models' own thresholds or biases differ and are not used: the highest mean probability decides",
    "各模型自己的阈值或偏置不同，不使用：取平均概率最高的标签",
)
LEAST_THRESHOLD = 1e-9  # of which, and of 1 less that, a logarithm is taken
SAME_VALUE = 1e-12  # two values of a metric that differ by less are equal but for rounding


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities (N, C) in float64 of logits (N, C) that are divided by a temperature.

    Rows whose logits differ alike, of which bf16 gives many, have equal probabilities.
    """
    return exponentials.softmax(scale(logits, temperature))


def scale(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return logits (N, C) in float64, divided by a temperature, such that the largest of each row is 0.

    It is subtracted before the division, which rounds.
    """
    differences = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return differences / temperature


def cross_entropy_sum(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the sum over the rows of the negative log-likelihood of label_ids (N,), given logits (N, C)."""
    log_probabilities = exponentials.log_softmax(logits.astype(np.float64))
    log_likelihood = log_probabilities[np.arange(len(label_ids)), label_ids].sum()
    return 0.0 - float(log_likelihood)  # and not -0.0 where every label is certain


def fit_temperature(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the most likely temperature for logits (N, C) of rows with label_ids (N,); 1 if there are no rows."""
    logits = logits.astype(np.float64)
    return most_likely_temperature(lambda inverse: cross_entropy_sum(logits * inverse, label_ids))


def most_likely_temperature(loss_sum: Callable[[float], float]) -> float:
    """Return the most likely temperature; `loss_sum` returns how unlikely the labels are, given its inverse."""
    # scipy.optimize takes a third of a second to import, and infer.py does not fit a temperature.
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    def negative_log_posterior(log_temperature: float) -> float:
        """Return how unlikely the labels are at a temperature, and the temperature before any row is seen."""
        of_labels = loss_sum(math.exp(-log_temperature))
        of_temperature = 0.5 * (log_temperature / PRIOR_SPREAD) ** 2
        return of_labels + of_temperature

    bounds = (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)
    return math.exp(minimize_scalar(negative_log_posterior, bounds=bounds, method="bounded").x)


def temperature_of(run: RunFacts) -> float:
    """Return the temperature in a run.json, 1 if it has none; UserError for a value that is no positive number."""
    temperature = run.metrics.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
        raise UserError(RUN_JSON["temperature"].fill(value=repr(temperature)))
    return float(temperature)


@dataclass(frozen=True)
class Decision:
    """How a run turns logits into probabilities and predictions."""

    temperature: float = 1.0  # of calibrated probabilities
    written_temperature: float = 1.0  # of the probabilities that are written
    positive_id: int = 1  # number of the label that the threshold is for
    threshold: float | None = None  # of two labels; None: the most probable label is predicted
    bias: tuple[float, ...] | None = None  # of each of more labels; None: of none

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, C) that are written for logits (N, C)."""
        return softmax(logits, self.written_temperature)

    def label_ids(self, logits: np.ndarray) -> np.ndarray:
        """Return the predicted labels (N,) for logits (N, C); C is 2 where there is a threshold."""
        if self.bias is not None:
            return (scale(logits, self.temperature) + self.bias).argmax(axis=1)
        if self.threshold is None:
            return logits.argmax(axis=1)
        is_positive = self.positive_probability(logits) >= self.threshold
        return np.where(is_positive, self.positive_id, 1 - self.positive_id)

    def confidence(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probability (N,) of the label that is predicted for logits (N, C)."""
        return softmax(logits, self.temperature)[np.arange(len(logits)), self.label_ids(logits)]

    def margins(self, logits: np.ndarray) -> np.ndarray:
        """Return how far the predicted label is ahead of the next one, (N,) from 0 to 1, for logits (N, C).

        That is the difference of their calibrated probabilities, with the bias, or shifted by the threshold, so that 0
        is where the prediction would change.
        """
        scores = scale(logits, self.temperature)
        if self.bias is not None:
            scores = scores + self.bias
        if self.threshold is not None:
            threshold = min(max(self.threshold, LEAST_THRESHOLD), 1 - LEAST_THRESHOLD)
            scores[:, self.positive_id] += math.log((1 - threshold) / threshold)
        if scores.shape[1] == 1:
            return np.ones(len(scores))
        largest = np.partition(exponentials.softmax(scores), -2, axis=1)[:, -2:]
        return largest[:, 1] - largest[:, 0]

    def positive_probability(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probability (N,) of the positive label for logits (N, C)."""
        return softmax(logits, self.temperature)[:, self.positive_id]


def decision_of(run: RunFacts, calibrated: bool = True, threshold: float | None = None) -> Decision:
    """Return the Decision of a run.json; a `threshold` that is given replaces the run's.

    Raises UserError for a temperature, a threshold or a bias in run.json that makes no sense, and for a threshold where
    there are more than two labels.
    """
    temperature = temperature_of(run)
    labels = run.labels
    if threshold is None:
        threshold = run.metrics.get("threshold")
    require_two_labels(labels, threshold)
    if threshold is not None and (type(threshold) not in (int, float) or not 0 <= threshold <= 1):
        raise UserError(RUN_JSON["threshold"].fill(value=repr(threshold)))
    return Decision(
        temperature=temperature,
        written_temperature=temperature if calibrated else 1.0,
        positive_id=labels.index(run.positive_label),
        threshold=threshold,
        bias=None if threshold is not None else bias_of(run),
    )


def mean_logits(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Return logits (N, C) whose softmax is the mean of some probabilities, each (N, C)."""
    mean = np.mean(probabilities, axis=0)
    return np.log(np.maximum(mean, np.finfo(mean.dtype).tiny))


class AverageDecision(NamedTuple):
    """How mean probabilities become predictions, and what has to be said of it, None for nothing."""

    decision: Any  # a Decision, or a LabelSetDecision where rows may have several labels
    note: Text | None


def decision_of_average(runs: Sequence[RunFacts], threshold: float | None = None) -> AverageDecision:
    """Return the Decision for the mean probabilities of some runs with the same labels, in the order of the first.

    A `threshold` that is given counts; else the threshold or the bias of the runs, if all have the same one; else the
    label with the highest mean is predicted. Raises UserError for what makes no sense in a run.json, and for a
    threshold where there are not two labels or the runs differ in which is the positive one.
    """
    labels = runs[0].labels
    positive_id = labels.index(runs[0].positive_label)
    own = [decision_of(run) for run in runs]
    if threshold is not None:
        require_two_labels(labels, threshold)
        positives = list(dict.fromkeys(run.positive_label for run in runs))
        if len(positives) > 1:
            listed = joined(map(repr, positives), AND)
            raise UserError(CHOICES["positive_labels_differ"].fill(threshold=threshold, listed=listed))
        return AverageDecision(Decision(positive_id=positive_id, threshold=threshold), None)
    if all(_rule(run) == _rule(runs[0]) for run in runs):
        return AverageDecision(Decision(positive_id=positive_id, threshold=own[0].threshold, bias=own[0].bias), None)
    note = None
    if any(each.threshold is not None or each.bias is not None for each in own):
        note = OWN_THRESHOLDS_DIFFER
    return AverageDecision(Decision(positive_id=positive_id), note)


def _rule(run: RunFacts) -> tuple[object, ...]:
    """Return what a run predicts by, besides its probabilities: its threshold, of which label, and its biases."""
    return run.metrics.get("threshold"), run.positive_label, run.metrics.get("bias")


def bias_of(run: RunFacts) -> tuple[float, ...] | None:
    """Return the bias of each label in a run.json, None if it has none; UserError for one that makes no sense."""
    bias = run.metrics.get("bias")
    if bias is None:
        return None
    if not isinstance(bias, dict) or set(bias) != set(run.labels):
        raise UserError(RUN_JSON["bias"])
    values = tuple(bias[label] for label in run.labels)
    if any(type(value) not in (int, float) or not math.isfinite(value) for value in values):
        raise UserError(RUN_JSON["bias"])
    return values


def require_two_labels(labels: Sequence[str], threshold: float | str | None) -> None:
    """Raise UserError if the threshold is a number but there are not two labels."""
    if threshold not in (None, "auto") and len(labels) != 2:
        raise UserError(CHOICES["two_labels"].fill(threshold=threshold, count=len(labels)))


def find_positive_id(
    labels: Sequence[str], positive_label: str | None, metric: str, threshold: float | str | None = None
) -> int:
    """Return the number of the label that f1, ROC curves and a threshold are for: `positive_label`, else the second.

    Raises UserError for a label that does not exist, where more than two labels leave it open which of them f1 as the
    `metric` or a threshold is for, and for a threshold that would have to be chosen by the loss.
    """
    require_two_labels(labels, threshold)
    if threshold == "auto" and metric == "loss":
        raise UserError(CHOICES["threshold_by_loss"])
    if positive_label is not None and positive_label not in labels:
        raise UserError(CHOICES["positive_label"].fill(label=positive_label, labels=joined(labels, LIST_COMMA)))
    if positive_label is None and metric == "f1" and len(labels) > 2:
        raise UserError(CHOICES["f1"])
    return 1 if positive_label is None else labels.index(positive_label)


def best_threshold(probability: np.ndarray, is_positive: np.ndarray, metric: str) -> float:
    """Return the threshold at which `metric` is highest.

    Candidates lie midway between neighbouring probabilities, and between these and 0 and 1. Of several that are equally
    good, the one nearest to 0.5 is chosen.

    Args:
        probability: (N,), of the positive label.
        is_positive: (N,) bool, which rows have that label.
        metric: accuracy, f1, macro_f1 or mcc.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    is_last_of_value = np.append(ranked[1:] != ranked[:-1], True)
    predicted_positives = np.insert(np.flatnonzero(is_last_of_value) + 1, 0, 0)  # (K,), of each candidate
    edges = np.concatenate([[1.0], ranked, [0.0]])
    candidates = (edges[predicted_positives] + edges[predicted_positives + 1]) / 2
    positives_up_to = np.insert(np.cumsum(is_positive[order].astype(float)), 0, 0.0)  # (N + 1,)
    true_positives = positives_up_to[predicted_positives]
    false_positives = predicted_positives - true_positives
    false_negatives = positives_up_to[-1] - true_positives
    true_negatives = len(ranked) - predicted_positives - false_negatives
    values = _metrics_of_counts(true_positives, false_positives, false_negatives, true_negatives)[metric]
    best = candidates[values >= values.max() - SAME_VALUE]
    return float(best[np.abs(best - 0.5).argmin()])


def _metrics_of_counts(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric (K,) of K numbers of true and false positives and negatives, each (K,); 0 if undefined."""

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        """Return a fraction (K,), 0 where the denominator is 0."""
        return np.divide(numerator, denominator, out=np.zeros_like(numerator, float), where=denominator > 0)

    f1 = ratio(2 * tp, 2 * tp + fp + fn)
    f1_of_negatives = ratio(2 * tn, 2 * tn + fn + fp)
    return {
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "f1": f1,
        "macro_f1": (f1 + f1_of_negatives) / 2,
        "mcc": ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
    }
