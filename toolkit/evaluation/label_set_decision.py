"""How logits become probabilities and predictions where a row may have several labels: a sigmoid and thresholds.

The logits are divided by the temperature that makes the labels of the validation rows most likely, as where a row has
one label (toolkit/evaluation/decision.py). A label is predicted where its calibrated probability is at least its
threshold, even where the probabilities that are written are not calibrated.

Shapes: N rows, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.evaluation.decision import AverageDecision, most_likely_temperature, temperature_of
from toolkit.evaluation.exponentials import log_sigmoid, sigmoid
from toolkit.evaluation.texts import RUN_JSON
from toolkit.runs.run_json import RunFacts

OWN_THRESHOLDS_DIFFER = Text(
    "the models' own thresholds differ and are not used: a label is predicted from a mean probability of 0.5 on",
    "各模型自己的阈值不同，不使用：平均概率不低于 0.5 的标签即为预测",
)
EVEN = 0.5  # the threshold of a label where none is chosen


def sigmoid_loss_sum(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the sum over rows and labels of the negative log-likelihood of truth (N, C), given logits (N, C)."""
    signed = np.where(truth, logits, -logits.astype(np.float64))
    return 0.0 - float(log_sigmoid(signed).sum())


def fit_sigmoid_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the most likely temperature for logits (N, C) of rows with the labels truth (N, C); 1 without rows."""
    logits = logits.astype(np.float64)
    return most_likely_temperature(lambda inverse: sigmoid_loss_sum(logits * inverse, truth))


@dataclass(frozen=True)
class LabelSetDecision:
    """How a run turns logits into probabilities and sets of labels."""

    thresholds: tuple[float, ...]  # (C,), probabilities
    temperature: float = 1.0  # of calibrated probabilities
    written_temperature: float = 1.0  # of the probabilities that are written

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, C) that are written for logits (N, C)."""
        return sigmoid(logits.astype(np.float64) / self.written_temperature)

    def label_ids(self, logits: np.ndarray) -> np.ndarray:
        """Return which labels are predicted, (N, C) bool, for logits (N, C)."""
        return sigmoid(logits.astype(np.float64) / self.temperature) >= np.array(self.thresholds)

    def confidence(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probability (N,) of the set that is predicted, as if no label depended on another."""
        probability = sigmoid(logits.astype(np.float64) / self.temperature)
        return np.where(self.label_ids(logits), probability, 1 - probability).prod(axis=1)

    def margins(self, logits: np.ndarray) -> np.ndarray:
        """Return how sure of each row the model is, (N,), by its confidence.

        That tells better than distances to thresholds which rows are wrong (benchmarks/several_labels.py).
        """
        return self.confidence(logits)


def label_set_decision_of(run: RunFacts, calibrated: bool = True, threshold: float | None = None) -> LabelSetDecision:
    """Return the decision of a run.json; a `threshold` that is given replaces the run's, for every label.

    Raises UserError for a temperature or thresholds in run.json that make no sense.
    """
    temperature = temperature_of(run)
    return LabelSetDecision(
        thresholds=thresholds_of(run) if threshold is None else (threshold,) * len(run.labels),
        temperature=temperature,
        written_temperature=temperature if calibrated else 1.0,
    )


def thresholds_of(run: RunFacts) -> tuple[float, ...]:
    """Return the threshold of each label in a run.json; UserError for one that is no probability."""
    kept = run.metrics.get("thresholds")
    if kept is None:
        kept = dict.fromkeys(run.labels, run.metrics.get("threshold", EVEN))
    if not isinstance(kept, dict) or set(kept) != set(run.labels):
        raise UserError(RUN_JSON["thresholds"])
    values = tuple(kept[label] for label in run.labels)
    if any(type(value) not in (int, float) or not 0 <= value <= 1 for value in values):
        raise UserError(RUN_JSON["thresholds"])
    return values


def mean_sigmoid_logits(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Return logits (N, C) whose sigmoid is the mean of some probabilities, each (N, C)."""
    mean = np.mean(probabilities, axis=0)
    tiny = np.finfo(mean.dtype).tiny
    return np.log(np.maximum(mean, tiny)) - np.log(np.maximum(1 - mean, tiny))


def average_label_set_decision(runs: Sequence[RunFacts], threshold: float | None = None) -> AverageDecision:
    """Return the decision for the mean probabilities of some runs with the same labels, in the order of the first.

    A `threshold` that is given counts for every label; else the thresholds of the runs, if all have the same ones; else
    0.5, which is said. Raises UserError for what makes no sense in a run.json.
    """
    labels = runs[0].labels
    if threshold is not None:
        return AverageDecision(LabelSetDecision((threshold,) * len(labels)), None)
    own = [dict(zip(run.labels, thresholds_of(run), strict=True)) for run in runs]
    if all(thresholds == own[0] for thresholds in own):
        return AverageDecision(LabelSetDecision(thresholds_of(runs[0])), None)
    return AverageDecision(LabelSetDecision((EVEN,) * len(labels)), OWN_THRESHOLDS_DIFFER)
