"""What a model predicts for a labelled table: all that scores, diagnostics and the report are computed from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from toolkit.evaluation.decision import Decision
from toolkit.evaluation.label_set_decision import LabelSetDecision

Kind = TypeVar("Kind", Decision, LabelSetDecision)


@dataclass(frozen=True)
class ScoredRows(Generic[Kind]):
    """The predictions for a labelled table of N rows, with C labels."""

    logits: np.ndarray  # (N, C)
    label_ids: np.ndarray  # of the true labels: their numbers (N,), or which of them each row has, (N, C) bool
    token_counts: np.ndarray  # (N,), of each row before it is truncated
    labels: list[str]
    decision: Kind
    longest_read: int | None = None  # tokens of a row that are all read; None: max_length of the run

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The probabilities (N, C) as they are written."""
        return self.decision.probabilities(self.logits)

    @cached_property
    def predicted(self) -> np.ndarray:
        """What is predicted, in the form of `label_ids`."""
        return self.decision.label_ids(self.logits)

    @cached_property
    def calibrated_confidence(self) -> np.ndarray:
        """The calibrated probability (N,) of what is predicted, whatever probabilities are written."""
        return self.decision.confidence(self.logits)


@dataclass(frozen=True)
class ScoredSet(ScoredRows[Decision]):
    """The predictions for a labelled table of which each row has one label."""

    @cached_property
    def right(self) -> np.ndarray:
        """Which rows (N,) bool are predicted right."""
        return self.predicted == self.label_ids

    @property
    def contrasts(self) -> np.ndarray:
        """How much each logit (N, C) counts where an error is explained: the predicted label against the true one."""
        numbers = np.arange(len(self.labels))
        return (self.predicted[:, None] == numbers).astype(np.int8) - (self.label_ids[:, None] == numbers)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability (N,) of the label that is predicted."""
        return self.probabilities[np.arange(len(self.predicted)), self.predicted]


@dataclass(frozen=True)
class ScoredLabelSets(ScoredRows[LabelSetDecision]):
    """The predictions for a labelled table of which each row may have several labels, or none."""

    @cached_property
    def right(self) -> np.ndarray:
        """Of which rows (N,) bool all labels are predicted right."""
        return (self.predicted == self.label_ids).all(axis=1)

    @cached_property
    def missed(self) -> np.ndarray:
        """Which labels (N, C) bool the rows have that are not predicted."""
        return self.label_ids & ~self.predicted

    @cached_property
    def added(self) -> np.ndarray:
        """Which labels (N, C) bool are predicted that the rows do not have."""
        return self.predicted & ~self.label_ids

    @property
    def contrasts(self) -> np.ndarray:
        """How much each logit (N, C) counts where an error is explained: added labels against missed ones."""
        return self.added.astype(np.int8) - self.missed

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability (N,) of the set that is predicted, as if no label depended on another."""
        likelihood = np.where(self.predicted, self.probabilities, 1 - self.probabilities)
        return likelihood.prod(axis=1)
