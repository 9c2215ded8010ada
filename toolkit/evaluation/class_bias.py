"""A bias for each of more than two labels, added to its logit before the largest is taken, for labels that are skewed.

A model that has seen few rows of a label predicts it too seldom for macro F1. The bias is chosen on the validation rows
in two steps. First each label gets -tau times the logarithm of its share of the rows (logit adjustment, Menon et al.
2021, "Long-tail learning via logit adjustment", section 4.1), with the tau that is best. Then the bias of one label
after the other is moved to where the metric is best (as Pillai et al. 2013, "Threshold optimisation for multi-label
classifiers", section 3, do with thresholds), and shrunk back towards the first step: most for labels of few rows.

How much it is shrunk is chosen by cross-validation, and the bias is kept only if the predictions for the held-out folds
are better with it than without it by more than chance: else it would fit noise. Macro F1 is here the mean over the
labels that have rows.

Shapes: N rows, C labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from toolkit.data.split import label_matrix, spread
from toolkit.evaluation.decision import SAME_VALUE
from toolkit.evaluation.intervals import Difference, difference_intervals, weighted_scores
from toolkit.evaluation.texts import BIAS
from toolkit.runs.texts import SCORES

FOLDS = 5
TAUS = np.linspace(0, 1.5, 16)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the second step
PRIOR_ROWS = 10  # a label of so many rows goes half the way of the second step
MARGIN = 0.1  # that a bias keeps from the next row's lead, if there is room; it goes no further than it must
MIN_CHANGED = 10  # predictions; fewer may all have been for the better by chance, and then the interval is above 0


@dataclass(frozen=True)
class BiasChoice:
    """The bias of each label, None if none is kept, and how much better the predictions for held-out folds are."""

    bias: tuple[float, ...] | None
    gain: Difference

    def as_scores(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return what an evaluation reports: bias_gain and, if it is kept, the bias by label."""
        scores: dict[str, Any] = {"bias_gain": asdict(self.gain)}
        if self.bias is not None:
            scores["bias"] = dict(zip(labels, self.bias, strict=True))
        return scores


@dataclass(frozen=True)
class _Rows:
    """Rows whose predictions are to be scored: their scaled logits (N, C), their labels (N,), and by which metric."""

    logits: np.ndarray
    label_ids: np.ndarray
    metric: str  # accuracy, macro_f1, f1 or mcc
    positive_id: int  # of f1

    @property
    def counts(self) -> np.ndarray:
        """How many rows each label has, (C,)."""
        return np.bincount(self.label_ids, minlength=self.logits.shape[1])

    @property
    def averaged(self) -> np.ndarray:
        """The labels of which macro F1 is the mean: those that have rows.

        Others would count as 0 as soon as they are predicted, and so never would be.
        """
        return np.flatnonzero(self.counts)

    def select(self, chosen: np.ndarray) -> "_Rows":
        """Return some of the rows, by a mask (N,)."""
        return _Rows(self.logits[chosen], self.label_ids[chosen], self.metric, self.positive_id)

    def score(self, predicted: np.ndarray) -> float:
        """Return the metric of predictions (N,)."""
        weights = np.ones((1, len(predicted)))
        scores = weighted_scores(weights, self.label_ids, predicted, self.positive_id, self.averaged)
        return float(scores[self.metric][0])


def choose_bias(
    logits: np.ndarray, label_ids: np.ndarray, metric: str, positive_id: int, together: np.ndarray | None = None
) -> BiasChoice:
    """Return the bias that is best for a metric, if it is better than none by more than chance.

    Args:
        logits: (N, C), divided by the temperature.
        label_ids: (N,), of the true labels.
        metric: accuracy, macro_f1, f1 or mcc.
        positive_id: number of the label that f1 is for.
        together: (N,), rows of one number are in one fold; None: each row is alone.
    """
    rows = _Rows(logits, label_ids, metric, positive_id)
    plain = logits.argmax(axis=1)
    if len(label_ids) < 2 * FOLDS:
        return BiasChoice(None, Difference(0.0, 0.0, 0.0))
    held_out = _held_out_predictions(rows, _folds(label_ids, together))
    best = int(np.argmax([rows.score(predicted) for predicted in held_out]))
    label_count = logits.shape[1]
    gain = difference_intervals(label_ids, held_out[best], plain, positive_id, label_count, rows.averaged)[metric]
    changed_rows = int((held_out[best] != plain).sum())
    if gain.low <= 0 or changed_rows < MIN_CHANGED:
        return BiasChoice(None, gain)
    [bias] = _fit(rows, [STRENGTHS[best]])
    return BiasChoice(tuple(bias.tolist()), gain)


def bias_lines(scores: Mapping[str, Any], metric: str, language: str = "en") -> list[str]:
    """Return what became of the bias as a line to read; none where no bias was looked for.

    `scores` are those of the best evaluation.
    """
    if "bias_gain" not in scores:
        return []
    gain = Difference(**scores["bias_gain"])
    measured = BIAS["measured"].fill(metric=SCORES[metric], **asdict(gain))
    return [BIAS["kept" if "bias" in scores else "not_kept"].fill(measured=measured)[language]]


def _held_out_predictions(rows: _Rows, fold_of_row: np.ndarray) -> list[np.ndarray]:
    """Return for each of STRENGTHS the predictions (N,) for the rows of each fold by a bias that the others give."""
    predictions = [np.zeros(len(rows.label_ids), int) for _ in STRENGTHS]
    for fold in range(FOLDS):
        is_held_out = fold_of_row == fold
        biases = _fit(rows.select(~is_held_out), STRENGTHS)
        for predicted, bias in zip(predictions, biases, strict=True):
            predicted[is_held_out] = (rows.logits[is_held_out] + bias).argmax(axis=1)
    return predictions


def _folds(label_ids: np.ndarray, together: np.ndarray | None) -> np.ndarray:
    """Return the fold (N,) of each row, such that the rows of each label are spread evenly over the folds."""
    if together is not None and len(np.unique(together)) < len(together):
        return spread(label_matrix(label_ids), FOLDS, 0, together)
    shuffled = np.random.default_rng(0).permutation(len(label_ids))
    by_label = shuffled[np.argsort(label_ids[shuffled], kind="stable")]
    folds = np.empty(len(label_ids), int)
    folds[by_label] = np.arange(len(label_ids)) % FOLDS
    return folds


def _fit(rows: _Rows, strengths: Sequence[float]) -> list[np.ndarray]:
    """Return the bias (C,) that is best for some rows, at each strength of the second step."""
    adjusted = _adjust_for_shares(rows)
    moved = _move_one_by_one(rows, adjusted)
    trust = rows.counts / (rows.counts + PRIOR_ROWS)  # (C,)
    return [adjusted + strength * trust * (moved - adjusted) for strength in strengths]


def _adjust_for_shares(rows: _Rows) -> np.ndarray:
    """Return -tau times the logarithm of each label's share of the rows, (C,), with the best tau of TAUS."""
    counts = rows.counts
    direction = -np.log((counts + 1) / (counts + 1).sum())  # as if each label had one row more
    scores = [rows.score((rows.logits + tau * direction).argmax(axis=1)) for tau in TAUS]
    return TAUS[int(np.argmax(scores))] * direction


def _move_one_by_one(rows: _Rows, start: np.ndarray) -> np.ndarray:
    """Return a bias (C,) in which that of each label in turn, the most frequent first, is where the metric is best.

    Labels without rows keep that of `start`.
    """
    bias = start.copy()
    shifted = rows.logits + bias
    counts = rows.counts
    for label in np.argsort(-counts, kind="stable").tolist():
        if not counts[label]:
            continue
        bias[label] = _best_bias(rows, shifted, label, float(bias[label]))
        shifted[:, label] = rows.logits[:, label] + bias[label]
    return bias


def _best_bias(rows: _Rows, shifted: np.ndarray, label: int, now: float) -> float:
    """Return the bias of a label at which the metric is best, given the logits plus bias (N, C) of the others.

    A row is predicted to have the label if the bias is above its lead: how far the best other label is ahead. So there
    is a candidate between any two neighbouring leads; of several that are equally good, the one nearest to `now` is
    chosen, which is the bias that the label has.
    """
    shifted[:, label] = -np.inf
    rivals = shifted.argmax(axis=1)
    leads = shifted[np.arange(len(rivals)), rivals] - rows.logits[:, label]
    order = np.argsort(leads, kind="stable")
    leads = leads[order]
    values = _values_of_taking(rows, rivals[order], rows.label_ids[order], label)  # (N + 1,)
    value_now = values[np.searchsorted(leads, now)]
    edges = np.concatenate([[leads[0] - 2 * MARGIN], leads, [leads[-1] + 2 * MARGIN]])
    margins = np.minimum(MARGIN, np.diff(edges) / 2)
    candidates = np.clip(now, edges[:-1] + margins, edges[1:] - margins)  # (N + 1,)
    values = np.where(margins > 0, values, -np.inf)  # there is nothing between two equal leads
    if values.max() <= value_now + SAME_VALUE:
        return now
    best = candidates[values >= values.max() - SAME_VALUE]
    return float(best[np.abs(best - now).argmin()])


def _values_of_taking(rows: _Rows, rivals: np.ndarray, label_ids: np.ndarray, label: int) -> np.ndarray:
    """Return the metric (N + 1,) when the first 0, 1, ... N rows are predicted to have a label.

    The others are predicted as without it: as `rivals` (N,). `label_ids` (N,) are the true ones. Accuracy is counted in
    rows, macro_f1 is a sum, and of F1 it is told by how much it changes: for choosing among the values this is enough.
    """
    taken = np.arange(len(rivals) + 1)
    hits = _running(label_ids == label)  # of the label, (N + 1,)
    lost = _running(label_ids == rivals)  # hits of its rivals that it has taken
    if rows.metric in ("macro_f1", "f1"):
        weights = rows.counts > 0
        if rows.metric == "f1":
            weights = np.arange(len(rows.counts)) == rows.positive_id
        own = 2 * hits / (rows.counts[label] + taken)
        return weights[label] * own + _running(_f1_changes(rows.counts, rivals, label_ids) * weights[rivals])
    right = hits - lost + (label_ids == rivals).sum()
    if rows.metric == "accuracy":
        return right
    predicted = np.bincount(rivals, minlength=len(rows.counts))  # (C,), before any row is taken
    left = predicted[rivals] - _sums_before(rivals, np.ones(len(rivals), int))  # of its rival, as a row's turn comes
    truths = rows.counts
    products = (truths * predicted).sum() + taken * truths[label] - _running(truths[rivals])
    squares = (predicted**2).sum() + taken**2 - _running(2 * left - 1)
    total = len(rivals)
    spread = (total**2 - squares) * float(total**2 - (truths**2).sum())
    return (right * total - products) / np.sqrt(np.where(spread > 0, spread, np.inf))


def _running(values: np.ndarray) -> np.ndarray:
    """Return the sums (N + 1,) of the first 0, 1, ... N of some values (N,)."""
    return np.concatenate([[0], np.cumsum(values)])


def _sums_before(rivals: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return for each row (N,) the sum of the values (N,) of the rows before it that have the same rival."""
    order = np.argsort(rivals, kind="stable")
    running = _running(values[order])[:-1]
    first = np.searchsorted(rivals[order], rivals[order], "left")
    sums = np.empty_like(running)
    sums[order] = running - running[first]
    return sums


def _f1_changes(counts: np.ndarray, rivals: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Return by how much F1 of a row's rival changes when the row is taken from it, after all rows before it, (N,).

    `counts` (C,) are the rows of each label in truth.
    """
    is_hit = label_ids == rivals
    hits = np.bincount(rivals[is_hit], minlength=len(counts))[rivals] - _sums_before(rivals, is_hit)
    predicted = np.bincount(rivals, minlength=len(counts))[rivals] - _sums_before(rivals, np.ones(len(rivals), int))
    size = counts[rivals] + predicted
    return 2 * (hits - is_hit) / np.maximum(size - 1, 1) - 2 * hits / size
