"""A threshold for each of several labels that a row may have, chosen on the validation rows.

First one threshold for all labels is chosen, where the metric is best. Then each label's own is moved to where it is
best (for macro F1 the F1 of the label; for micro F1 that of all labels, the others at the common threshold), and shrunk
back towards the common one: most for labels of few rows, which would fit noise (Pillai et al. 2013, "Threshold
optimisation for multi-label classifiers", section 3, has the first half). How much it is shrunk on the whole is chosen
by cross-validation, and may be all the way.

Thresholds are moved and shrunk as log-odds. Shapes: N rows, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from toolkit.data.split import random_parts
from toolkit.evaluation.decision import SAME_VALUE

FOLDS = 5
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way to each label's own threshold
PRIOR_ROWS = 10  # a label of so many rows goes half the way at most
COMMON = special.logit(np.linspace(0.02, 0.98, 49))  # log-odds that are tried for all labels, for macro F1
FARTHEST = 12.0  # log-odds of a threshold at most


@dataclass(frozen=True)
class _Rows:
    """Rows whose predictions are to be scored: the log-odds (N, C) of their labels, and which they have, (N, C)."""

    log_odds: np.ndarray
    truth: np.ndarray
    metric: str  # micro_f1 or macro_f1

    @property
    def trust(self) -> np.ndarray:
        """How far each label may go by itself, (C,), by how many rows have it."""
        counts = self.truth.sum(axis=0)
        return counts / (counts + PRIOR_ROWS)

    def select(self, chosen: np.ndarray) -> "_Rows":
        """Return some of the rows, by a mask (N,)."""
        return _Rows(self.log_odds[chosen], self.truth[chosen], self.metric)

    def score(self, predicted: np.ndarray) -> float:
        """Return the metric of predictions (N, C)."""
        return set_f1(self.truth, predicted, self.metric)


def choose_thresholds(
    log_odds: np.ndarray, truth: np.ndarray, metric: str, together: np.ndarray | None = None
) -> np.ndarray:
    """Return the probability (C,) from which on each label is predicted.

    Args:
        log_odds: (N, C), calibrated.
        truth: (N, C) bool, which labels the rows have.
        metric: micro_f1 or macro_f1.
        together: (N,), rows of one number stand in one fold; None: each row is alone.
    """
    rows = _Rows(log_odds.astype(np.float64), truth, metric)
    strength = 0.0
    if len(truth) >= 2 * FOLDS:
        held_out = _held_out_predictions(rows, np.arange(len(truth)) if together is None else together)
        scores = np.array([rows.score(predicted) for predicted in held_out])
        strength = STRENGTHS[int(np.flatnonzero(scores >= scores.max() - SAME_VALUE)[0])]
    [chosen] = _fit(rows, [strength])
    return special.expit(chosen)


def _held_out_predictions(rows: _Rows, together: np.ndarray) -> list[np.ndarray]:
    """Return for each of STRENGTHS the predictions (N, C) for the rows of each fold by thresholds of the others."""
    fold_of_row = random_parts(len(rows.truth), FOLDS, together)
    predictions = [np.zeros(rows.truth.shape, bool) for _ in STRENGTHS]
    for fold in range(FOLDS):
        is_held_out = fold_of_row == fold
        chosen = _fit(rows.select(~is_held_out), STRENGTHS)
        for predicted, thresholds in zip(predictions, chosen, strict=True):
            predicted[is_held_out] = rows.log_odds[is_held_out] >= thresholds
    return predictions


def _fit(rows: _Rows, strengths: Sequence[float]) -> list[np.ndarray]:
    """Return the log-odds (C,) that are best for some rows, at each strength of the second step."""
    common = _common(rows)
    if not any(strengths):
        return [np.full(rows.truth.shape[1], common) for _ in strengths]
    own = _own(rows, common)
    return [common + strength * rows.trust * (own - common) for strength in strengths]


def _common(rows: _Rows) -> float:
    """Return the log-odds that are best for all labels together, nearer to 0 the fewer rows have labels."""
    if rows.metric == "micro_f1":
        best = _best(rows.log_odds.ravel(), rows.truth.ravel(), _Others(0, 0), 0.0)
    else:
        scores = np.array([rows.score(rows.log_odds >= candidate) for candidate in COMMON])
        equals = COMMON[scores >= scores.max() - SAME_VALUE]
        best = float(equals[np.abs(equals).argmin()])
    count = rows.truth.sum()
    return best * count / (count + PRIOR_ROWS)


@dataclass(frozen=True)
class _Others:
    """What the other labels bring into an F1 that is of all: true positives, and false ones of either kind."""

    true_positives: int
    errors: int


def _own(rows: _Rows, common: float) -> np.ndarray:
    """Return the log-odds (C,) that are best for each label; for micro F1 while the other labels have the common."""
    predicted = rows.log_odds >= common
    true_positives = (predicted & rows.truth).sum(axis=0)
    errors = (predicted ^ rows.truth).sum(axis=0)
    own = np.full(rows.truth.shape[1], common)
    for label in range(len(own)):
        others = _Others(0, 0)
        if rows.metric == "micro_f1":
            others = _Others(int(true_positives.sum() - true_positives[label]), int(errors.sum() - errors[label]))
        own[label] = _best(rows.log_odds[:, label], rows.truth[:, label], others, common)
    return own


def _best(log_odds: np.ndarray, truth: np.ndarray, others: _Others, usual: float) -> float:
    """Return the log-odds at which F1 is highest, midway between neighbours; of equals the nearest to the usual ones.

    Without a row that has the label the usual ones.
    """
    if not truth.any():
        return usual
    order = np.argsort(-log_odds, kind="stable")
    ranked = np.clip(log_odds[order], -FARTHEST, FARTHEST)
    is_last_of_value = np.append(ranked[1:] != ranked[:-1], True)
    predicted = np.insert(np.flatnonzero(is_last_of_value) + 1, 0, 0)  # (K,), of each candidate
    edges = np.concatenate([[FARTHEST], ranked, [-FARTHEST]])
    candidates = (edges[predicted] + edges[predicted + 1]) / 2
    hits = np.insert(np.cumsum(truth[order]), 0, 0)[predicted]
    errors = predicted - hits + (truth.sum() - hits)
    hits = hits + others.true_positives
    scores = 2 * hits / np.maximum(2 * hits + errors + others.errors, 1)
    equals = candidates[scores >= scores.max() - SAME_VALUE]
    return float(equals[np.abs(equals - usual).argmin()])


def set_f1(truth: np.ndarray, predicted: np.ndarray, metric: str) -> float:
    """Return micro or macro F1 as scikit-learn's; a label that is nowhere counts as 0 in the mean."""
    hits = (truth & predicted).sum(axis=0)
    either = truth.sum(axis=0) + predicted.sum(axis=0)
    if metric == "micro_f1":
        return float(2 * hits.sum() / max(either.sum(), 1))
    return float((2 * hits / np.maximum(either, 1)).mean())
