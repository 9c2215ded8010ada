"""How logits become probabilities and predictions: by the temperature and the threshold of a run.

Probabilities should mean what they say: of rows predicted with 0.8, eight of ten should be right. So logits are divided
by the temperature that makes the validation rows most likely (Guo et al. 2017, section 4.2), which leaves the order of
the labels as it is. The threshold is one of the calibrated probability of the positive label, also where the
probabilities that are written are not calibrated; without one the most probable label is predicted. N rows, C labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from toolkit.base.errors import UserError

SPREAD = 0.5  # standard deviation of log temperature before any row is seen, so that few rows change little
LONGEST = math.log(20)  # log temperature


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities (N, C) in float64 of logits (N, C) that are divided by a temperature.

    Rows of one difference, of which there are many in bf16, get one probability: differences are taken before the
    division, which rounds.
    """
    differences = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return special.softmax(differences / temperature, axis=1)


def cross_entropy_sum(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the sum over the rows of the negative log-likelihood of their labels; logits (N, C), label_ids (N,)."""
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    return 0.0 - float(log_probabilities[np.arange(len(label_ids)), label_ids].sum())  # not -0.0 where all is certain


def fit_temperature(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the most likely temperature for logits (N, C) of rows with label_ids (N,), 1 if there are none."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - takes a third of a second that infer.py need not wait

    logits = logits.astype(np.float64)

    def unlikelihood(log_temperature: float) -> float:
        """Return the negative log-likelihood of the labels, and of the temperature before they are seen."""
        of_temperature = 0.5 * (log_temperature / SPREAD) ** 2
        return cross_entropy_sum(logits * math.exp(-log_temperature), label_ids) + of_temperature

    return math.exp(minimize_scalar(unlikelihood, bounds=(-LONGEST, LONGEST), method="bounded").x)


def temperature_of(run: dict) -> float:
    """Return the temperature in a run.json, 1 if it has none; UserError for one that is no positive number."""
    found = run.get("metrics", {}).get("temperature", 1.0)
    if type(found) not in (int, float) or not 0 < found < math.inf:
        raise UserError(f"run.json: its temperature is {found!r}, not a positive number")
    return float(found)


def label_ids_at(probabilities: np.ndarray, positive: int, threshold: float | None) -> np.ndarray:
    """Return the predicted labels (N,) of probabilities (N, C), of which C is 2 where there is a threshold."""
    if threshold is None:
        return probabilities.argmax(axis=1)
    return np.where(probabilities[:, positive] >= threshold, positive, 1 - positive)


@dataclass(frozen=True)
class Decision:
    """What a run makes of logits; `written` is the temperature of the probabilities that are written."""

    temperature: float = 1.0
    written: float = 1.0
    positive: int = 1
    threshold: float | None = None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, C) that are written for logits (N, C)."""
        return softmax(logits, self.written)

    def label_ids(self, logits: np.ndarray) -> np.ndarray:
        """Return the predicted labels (N,) for logits (N, C)."""
        if self.threshold is None:
            return logits.argmax(axis=1)
        return label_ids_at(softmax(logits, self.temperature), self.positive, self.threshold)


def decision_of(run: dict, calibrated: bool = True, threshold: float | None = None) -> Decision:
    """Return the Decision of a run.json, with another `threshold` if one is given.

    Raises UserError for a temperature or threshold in it that is none, and for a threshold where there are more than
    two labels.
    """
    temperature, labels = temperature_of(run), run["labels"]
    if threshold is None:
        threshold = run.get("metrics", {}).get("threshold")
    need_two(labels, threshold)
    if threshold is not None and (type(threshold) not in (int, float) or not 0 <= threshold <= 1):
        raise UserError(f"run.json: its threshold is {threshold!r}, not a probability")
    positive = labels.index(run["positive_label"])
    return Decision(temperature, temperature if calibrated else 1.0, positive, threshold)


def need_two(labels: Sequence[str], threshold: float | str | None) -> None:
    """Raise UserError if there is a threshold and there are not two labels."""
    if threshold is not None and len(labels) != 2:
        raise UserError(f"--threshold is for two labels; there are {len(labels)}")


def best_threshold(probability: np.ndarray, is_positive: np.ndarray, metric: str) -> float:
    """Return the threshold at which `metric` is highest for rows with this `probability` (N,) of the positive label.

    Candidates lie in the middle between the probabilities that occur; of several that are as good it is the one
    nearest to 0.5. `metric` is accuracy, f1, macro_f1 or mcc.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, truth = probability[order], is_positive[order].astype(float)
    cut = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1  # rows at or above each candidate
    cut = np.insert(cut, 0, 0)
    edges = np.concatenate([[1.0], ranked, [0.0]])
    candidates = (edges[cut] + edges[cut + 1]) / 2
    hits = np.insert(np.cumsum(truth), 0, 0.0)[cut]
    values = _scores_of_counts(hits, cut - hits, truth.sum() - hits, len(truth) - cut - truth.sum() + hits)[metric]
    best = np.flatnonzero(values >= values.max() - 1e-12)
    return float(candidates[best[np.abs(candidates[best] - 0.5).argmin()]])


def _scores_of_counts(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of numbers of true and false positives and negatives, each (K,); 0 where not defined."""

    def share(of: np.ndarray, among: np.ndarray) -> np.ndarray:
        return np.divide(of, among, out=np.zeros_like(of, float), where=among > 0)

    f1 = share(2 * tp, 2 * tp + fp + fn)
    product = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "accuracy": share(tp + tn, tp + fp + fn + tn),
        "f1": f1,
        "macro_f1": (f1 + share(2 * tn, 2 * tn + fn + fp)) / 2,
        "mcc": share(tp * tn - fp * fn, product),
    }
