"""How far a score may be from the score on all texts of this kind: intervals by the Bayesian bootstrap (Rubin 1981).

Every row gets a random weight, the score is computed with these weights, and so on 2,000 times; the interval holds the
middle 95% of the scores. N rows, C labels, R draws, K cells: the different combinations of true and predicted label.
"""

from collections.abc import Iterator

import numpy as np

DRAWS = 2000  # R
AT_ONCE = 2_000_000  # weights
LEVEL = 0.95
UNSEEN = 0.5  # a row right and one wrong that nobody has seen, as in Jeffreys' prior, so that 1 is never certain

Interval = tuple[float, float]


def share_interval(hits: int, rows: int, level: float = LEVEL) -> Interval:
    """Return the interval of a share, hits of rows: the same one, computed exactly (Jeffreys' interval)."""
    from scipy.stats import beta  # here, since importing it takes a second

    outside = [(1 - level) / 2, (1 + level) / 2]
    low, high = beta.ppf(outside, hits + UNSEEN, rows - hits + UNSEEN)
    return min(float(low), hits / rows), max(float(high), hits / rows)


def score_intervals(
    label_ids: np.ndarray, predicted: np.ndarray, positive: int, count: int
) -> dict[str, Interval | None]:
    """Return the 95% intervals of accuracy, macro_f1, f1 (of label `positive`) and mcc of N rows with `count` labels.

    label_ids and predicted are (N,). It is None for f1 where no row is positive or taken for it, and for mcc where all
    rows have one label or are given one.
    """
    draws: dict[str, list] = {}
    present = np.union1d(label_ids, predicted)
    for weights, (true, answers) in _draws([label_ids, predicted], count):
        for name, values in weighted_scores(weights, true, answers, positive, present).items():
            draws.setdefault(name, []).append(values)
    ones = np.ones((1, len(label_ids)))
    found = {name: float(values[0]) for name, values in weighted_scores(ones, label_ids, predicted, positive).items()}
    result = {name: _middle(np.concatenate(values), found[name]) for name, values in draws.items()}
    one_only = min(len(np.unique(label_ids)), len(np.unique(predicted))) == 1
    return result | ({} if positive in present else {"f1": None}) | ({"mcc": None} if one_only else {})


def difference_intervals(
    label_ids: np.ndarray, ours: np.ndarray, theirs: np.ndarray, positive: int, count: int
) -> dict:
    """Return for each score {difference, low, high} of two predictions (N,) of the same rows, weighted alike."""
    present = [np.union1d(label_ids, answers) for answers in (ours, theirs)]

    def differences(weights: np.ndarray, true: np.ndarray, *answers: np.ndarray) -> dict[str, np.ndarray]:
        first, second = (
            weighted_scores(weights, true, each, positive, labels)
            for each, labels in zip(answers, present, strict=True)
        )
        return {name: first[name] - second[name] for name in first}

    draws: dict[str, list] = {}
    for weights, cells in _draws([label_ids, ours, theirs], count):
        for name, values in differences(weights, *cells).items():
            draws.setdefault(name, []).append(values)
    result = {}
    for name, (found,) in differences(np.ones((1, len(label_ids))), label_ids, ours, theirs).items():
        low, high = _middle(np.concatenate(draws[name]), float(found))
        result[name] = {"difference": float(found), "low": low, "high": high}
    return result


def weighted_scores(
    weights: np.ndarray, true: np.ndarray, predicted: np.ndarray, positive: int, averaged: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return accuracy, macro_f1, f1 and mcc, each (R,), of rows or cells with weights (R, K) and labels (K,).

    They are scikit-learn's with sample_weight; the mean of F1 is over the labels `averaged`, by default all that occur.
    """
    present = np.union1d(true, predicted)
    right = np.where(true == predicted, true, -1)
    hits, truths, answers = (_sums(weights, ids, present) for ids in (right, true, predicted))
    total, correct = truths.sum(axis=1), hits.sum(axis=1)
    f1 = 2 * hits / np.maximum(truths + answers, np.finfo(float).tiny)
    spread = (total**2 - (truths**2).sum(axis=1)) * (total**2 - (answers**2).sum(axis=1))
    certain = spread <= 1e-12 * total**4  # one label only in the truth or in the answers: MCC is 0 by convention
    mcc = (correct * total - (truths * answers).sum(axis=1)) / np.sqrt(np.where(certain, np.inf, spread))
    counted = np.isin(present, present if averaged is None else averaged)
    of_positive = f1[:, present == positive].sum(axis=1)
    return {"accuracy": correct / total, "macro_f1": f1[:, counted].mean(axis=1), "f1": of_positive, "mcc": mcc}


def _sums(weights: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (R, labels): for each of the sorted `labels` the sum of the weights (R, K) of the cells with that id."""
    order = np.argsort(ids, kind="stable")
    running = np.cumsum(weights[:, order], axis=1)
    running = np.concatenate([np.zeros((len(weights), 1)), running], axis=1)
    ends = [np.searchsorted(ids[order], labels, side) for side in ("right", "left")]
    return running[:, ends[0]] - running[:, ends[1]]


def _draws(columns: list[np.ndarray], count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield random weights (r, K) for the K different combinations in `columns`, which come with them, R draws in all.

    The weight of n rows that are drawn together is a gamma variable of shape n. The unseen rows are of the labels that
    occur: right, and wrong by one answer to the next label.
    """
    cells, rows = np.unique(np.stack(columns), axis=1, return_counts=True)
    present = np.unique(cells)
    others = np.roll(present, -1) if len(present) > 1 else (present + 1) % count
    same = [present] * (len(columns) - 1)
    shape = np.full(len(present), UNSEEN / len(present))
    unseen = [np.stack([present, *same]), np.stack([others, *same])][: 1 + (count > 1)]
    cells, shapes = np.concatenate([cells, *unseen], axis=1), np.concatenate([rows, *[shape] * len(unseen)])
    random, size = np.random.default_rng(0), max(1, AT_ONCE // len(shapes))
    for start in range(0, DRAWS, size):
        yield random.gamma(shapes, size=(min(size, DRAWS - start), len(shapes))), cells


def _middle(draws: np.ndarray, found: float) -> Interval:
    """Return the interval that holds the middle of the draws, and what was found."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return min(float(low), found), max(float(high), found)
