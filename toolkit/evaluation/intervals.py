"""How far a score may be from the score on all texts of this kind: intervals by the Bayesian bootstrap (Rubin 1981).

Every row gets a random weight and the score is computed with these weights, 2,000 times over; the interval holds the
middle 95% of these scores.

Shapes: N rows, C labels, R draws, K cells (the different combinations of a row's true and predicted labels).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

DRAWS = 2000  # R
MAX_WEIGHTS_AT_ONCE = 2_000_000
LEVEL = 0.95
UNSEEN = 0.5  # a row right and one wrong that nobody has seen, as in Jeffreys' prior, so that 1 is never certain
ROUNDING = 1e-12


class Interval(NamedTuple):
    """The range that a score may have."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How far one score is above another, and the interval of that."""

    difference: float
    low: float
    high: float


class Cells(NamedTuple):
    """The different combinations of a row's labels, and how much each of them weighs in the mean."""

    label_ids: np.ndarray  # (columns, K): true labels first, then the predictions
    shapes: np.ndarray  # (K,): how many rows there are, with the part of an unseen row


def share_interval(hits: int, rows: int, level: float = LEVEL) -> Interval:
    """Return the interval of a share, `hits` of `rows`: that of the bootstrap, but exactly (Jeffreys' interval)."""
    # scipy.stats takes half a second to import, and neither training nor infer.py needs it.
    from scipy.stats import beta  # noqa: PLC0415

    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = beta.ppf(tails, hits + UNSEEN, rows - hits + UNSEEN)
    return Interval(min(float(low), hits / rows), max(float(high), hits / rows))


def score_intervals(
    label_ids: np.ndarray, predicted: np.ndarray, positive_id: int, label_count: int
) -> dict[str, Interval | None]:
    """Return the 95% intervals of accuracy, macro_f1, f1 and mcc.

    That of f1 is None where no row has the positive label or is predicted to, that of mcc where all rows have one label
    or all are predicted to.

    Args:
        label_ids: (N,), of the true labels.
        predicted: (N,).
        positive_id: number of the label that f1 is for.
        label_count: C.
    """
    present = np.union1d(label_ids, predicted)

    def scores_of(weights: np.ndarray, columns: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return each score (r,) of cells with weights (r, K)."""
        true, answers = columns
        return weighted_scores(weights, true, answers, positive_id, present)

    drawn = _drawn_scores([label_ids, predicted], label_count, scores_of)
    observed = scores_of(np.ones((1, len(label_ids))), [label_ids, predicted])
    intervals: dict[str, Interval | None] = {
        name: middle(scores, float(observed[name][0])) for name, scores in drawn.items()
    }
    if positive_id not in present:
        intervals["f1"] = None
    if len(np.unique(label_ids)) == 1 or len(np.unique(predicted)) == 1:
        intervals["mcc"] = None
    return intervals


def difference_intervals(
    label_ids: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    positive_id: int,
    label_count: int,
    averaged: np.ndarray | None = None,
) -> dict[str, Difference]:
    """Return, for each score, how far that of one prediction for the same rows is above that of another.

    Both are weighted alike in each draw.

    Args:
        label_ids: (N,), of the true labels.
        ours: (N,), the one prediction.
        theirs: (N,), the other.
        positive_id: number of the label that f1 is for.
        label_count: C.
        averaged: the labels of which macro_f1 is the mean; by default those that occur in the truth or the prediction.
    """
    present_in_ours = np.union1d(label_ids, ours) if averaged is None else averaged
    present_in_theirs = np.union1d(label_ids, theirs) if averaged is None else averaged

    def differences_of(weights: np.ndarray, columns: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the difference (r,) of each score of cells with weights (r, K)."""
        true, our_answers, their_answers = columns
        our_scores = weighted_scores(weights, true, our_answers, positive_id, present_in_ours)
        their_scores = weighted_scores(weights, true, their_answers, positive_id, present_in_theirs)
        return {name: our_scores[name] - their_scores[name] for name in our_scores}

    drawn = _drawn_scores([label_ids, ours, theirs], label_count, differences_of)
    observed = differences_of(np.ones((1, len(label_ids))), [label_ids, ours, theirs])
    differences = {}
    for name, values in drawn.items():
        difference = float(observed[name][0])
        interval = middle(values, difference)
        differences[name] = Difference(difference, interval.low, interval.high)
    return differences


def weighted_scores(
    weights: np.ndarray, true: np.ndarray, predicted: np.ndarray, positive_id: int, averaged: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return accuracy, macro_f1, f1 and mcc, each (R,), as scikit-learn's with sample_weight.

    Args:
        weights: (R, K), of rows or cells.
        true: (K,), the numbers of their labels.
        predicted: (K,).
        positive_id: number of the label that f1 is for.
        averaged: the labels of which macro_f1 is the mean; by default all that occur.
    """
    present = np.union1d(true, predicted)
    hits = _sums_by_label(weights, np.where(true == predicted, true, -1), present)
    truths = _sums_by_label(weights, true, present)
    answers = _sums_by_label(weights, predicted, present)
    total = truths.sum(axis=1)
    correct = hits.sum(axis=1)
    f1 = 2 * hits / np.maximum(truths + answers, np.finfo(float).tiny)
    is_averaged = np.isin(present, present if averaged is None else averaged)
    spread = (total**2 - (truths**2).sum(axis=1)) * (total**2 - (answers**2).sum(axis=1))
    is_one_label = spread <= ROUNDING * total**4  # in the truth or in the answers: MCC is 0 by convention
    covariance = correct * total - (truths * answers).sum(axis=1)
    return {
        "accuracy": correct / total,
        "macro_f1": f1[:, is_averaged].mean(axis=1),
        "f1": f1[:, present == positive_id].sum(axis=1),
        "mcc": covariance / np.sqrt(np.where(is_one_label, np.inf, spread)),
    }


def _sums_by_label(weights: np.ndarray, label_ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (R, labels): for each of the sorted `labels` the sum of the weights (R, K) of the cells that have it."""
    order = np.argsort(label_ids, kind="stable")
    running = np.cumsum(weights[:, order], axis=1)
    running = np.concatenate([np.zeros((len(weights), 1)), running], axis=1)
    begins = np.searchsorted(label_ids[order], labels, "left")
    ends = np.searchsorted(label_ids[order], labels, "right")
    return running[:, ends] - running[:, begins]


def _drawn_scores(
    columns: Sequence[np.ndarray],
    label_count: int,
    scores_of: Callable[[np.ndarray, Sequence[np.ndarray]], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Return (R,) values of each score that `scores_of` computes from weights (r, K) and the cells of `columns`."""
    cells = _cells(columns, label_count)
    parts = [scores_of(weights, list(cells.label_ids)) for weights in _random_weights(cells.shapes)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cells(columns: Sequence[np.ndarray], label_count: int) -> Cells:
    """Return the cells of some columns (N,) of labels, true labels first, with those of unseen rows.

    The unseen rows are of the labels that occur: right, and wrong by one answer to the next label. Where two
    predictions are compared, there is also one that only the first has right, and one that only the second has: of two
    that agree on all rows it is not certain that they always do.
    """
    seen, rows = np.unique(np.stack(columns), axis=1, return_counts=True)
    present = np.unique(seen)
    next_labels = np.roll(present, -1) if len(present) > 1 else (present + 1) % label_count
    answers = [present] * (len(columns) - 1)
    unseen = [np.stack([present, *answers])]
    if label_count > 1:
        unseen.append(np.stack([next_labels, *answers]))
    if label_count > 1 and len(columns) == len(("true", "ours", "theirs")):
        unseen.append(np.stack([present, present, next_labels]))
        unseen.append(np.stack([present, next_labels, present]))
    unseen_shape = np.full(len(present), UNSEEN / len(present))
    return Cells(
        label_ids=np.concatenate([seen, *unseen], axis=1),
        shapes=np.concatenate([rows, *[unseen_shape] * len(unseen)]),
    )


def _random_weights(shapes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield weights (r, K) of cells, R draws in all: that of n rows drawn together is a gamma variable of shape n."""
    random = np.random.default_rng(0)
    size = max(1, MAX_WEIGHTS_AT_ONCE // len(shapes))
    for start in range(0, DRAWS, size):
        yield random.gamma(shapes, size=(min(size, DRAWS - start), len(shapes)))


def middle(draws: np.ndarray, observed: float) -> Interval:
    """Return the interval that holds the middle of the draws (R,), and the observed score."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(min(float(low), observed), max(float(high), observed))
