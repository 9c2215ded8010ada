"""Where a model is right and where wrong: curves, reliability, thresholds, abstention, and scores of parts of the set.

N rows, C labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn import metrics as sk

from toolkit.evaluation.abstention import answered_at, risk_coverage
from toolkit.evaluation.decision import softmax
from toolkit.evaluation.intervals import share_interval
from toolkit.evaluation.metrics import BINS, confidence_bins, macro_f1
from toolkit.evaluation.scored_set import ScoredSet

MAX_POINTS = 200  # of a curve
MAX_CURVES = 10  # of several labels, those with the least average precision
MAX_GROUPS = 20  # different values of a column
MAX_COLUMNS = 12
MIN_ANSWERED = 20  # rows, of which the accuracy is drawn
QUANTILES = 5  # parts of about the same size, by length or number

Point = list[float]  # [x, y]


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose confidence lies between two bounds."""

    low: float
    high: float
    rows: int
    confidence: float  # mean
    accuracy: float

    def as_json(self) -> dict[str, float]:
        """Return it for metrics.json."""
        return {
            "from": self.low,
            "to": self.high,
            "rows": self.rows,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True)
class ThresholdCounts:
    """True and false positives at each of some thresholds, and how many positives and negatives there are."""

    threshold: list[float]
    true_positives: list[int]
    false_positives: list[int]
    positives: int
    negatives: int


class RowGroup(NamedTuple):
    """Some of the rows of a table."""

    name: str
    rows: np.ndarray  # (N,) bool


@dataclass(frozen=True)
class RowSlice:
    """The rows of a table in groups: by their tokens, by whether they are truncated, or by the values of a column."""

    by: str  # tokens, truncated or column
    groups: list[RowGroup]
    column: str | None = None

    def as_json(self, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return it for metrics.json with the scores of each group."""
        column = {} if self.column is None else {"column": self.column}
        groups = [
            {"name": group.name, "rows": int(group.rows.sum()), **of_group}
            for group, of_group in zip(self.groups, scores, strict=True)
        ]
        return {"by": self.by, **column, "groups": groups}


class Part(NamedTuple):
    """Rows with a number between two bounds."""

    low: float
    high: float
    rows: np.ndarray  # (N,) bool


def diagnose(scored: ScoredSet, scores: Mapping, records: Sequence[dict], used: Sequence[str], max_length: int) -> dict:
    """Return reliability, curves, what is answered, slices and, for two labels, thresholds, as metrics.json has them.

    Args:
        scored: what was predicted.
        scores: those of full_scores.
        records: the N rows as they stand in the file.
        used: names of the columns of text and label, which make no slices.
        max_length: the number of tokens above which a part of a row is not read.
    """
    probabilities = {"before": softmax(scored.logits), "after": scored.probabilities}
    diagnosis = {
        "reliability": {
            name: [each.as_json() for each in reliability(values, scored.label_ids)]
            for name, values in probabilities.items()
        },
        "curves": _curves(scored, scores["per_class"]),
        "answered": answered(scored.calibrated_confidence, scored.right),
        "slices": [
            part.as_json(
                [_group_scores(scored.label_ids[group.rows], scored.predicted[group.rows]) for group in part.groups]
            )
            for part in row_slices(scored.token_counts, records, used, max_length)
        ],
    }
    if len(scored.labels) == 2:
        probability = scored.decision.positive_probability(scored.logits)
        is_positive = scored.label_ids == scored.decision.positive_id
        diagnosis["thresholds"] = asdict(threshold_counts(probability, is_positive))
    return diagnosis


def reliability(probabilities: np.ndarray, label_ids: np.ndarray) -> list[ReliabilityBin]:
    """Return the bins of confidence that have rows, of probabilities (N, C) for label_ids (N,)."""
    return reliability_bins(probabilities.max(axis=1), probabilities.argmax(axis=1) == label_ids)


def reliability_bins(confidence: np.ndarray, is_right: np.ndarray) -> list[ReliabilityBin]:
    """Return the bins of confidence that have answers, of right and wrong answers with a confidence (N,)."""
    bins = confidence_bins(confidence)
    return [
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            rows=int((bins == number).sum()),
            confidence=float(confidence[bins == number].mean()),
            accuracy=float(is_right[bins == number].mean()),
        )
        for number in np.unique(bins).tolist()
    ]


def threshold_counts(probability: np.ndarray, is_positive: np.ndarray) -> ThresholdCounts:
    """Return the counts at the thresholds 0, 0.01, ... 1 of the positive label's probability (N,)."""
    thresholds = [number / 100 for number in range(101)]
    of_positives = np.sort(probability[is_positive])
    of_negatives = np.sort(probability[~is_positive])
    return ThresholdCounts(
        threshold=thresholds,
        true_positives=(len(of_positives) - np.searchsorted(of_positives, thresholds)).tolist(),
        false_positives=(len(of_negatives) - np.searchsorted(of_negatives, thresholds)).tolist(),
        positives=len(of_positives),
        negatives=len(of_negatives),
    )


def answered(probability: np.ndarray, right: np.ndarray) -> dict[str, list]:
    """Return how accurate the answered rows are where unsure ones are not answered: a curve, and at some thresholds.

    Args:
        probability: (N,), calibrated, of what is predicted.
        right: (N,), whether, or to what share, a row is right.
    """
    shares, accuracies = risk_coverage(probability, right)
    is_drawn = shares * len(right) >= min(MIN_ANSWERED, len(right))
    return {
        "curve": curve_points(shares[is_drawn], accuracies[is_drawn]),
        "thresholds": answered_at(probability, right),
    }


def _curves(scored: ScoredSet, per_class: Mapping[str, Mapping]) -> dict[str, dict[str, list[Point]]]:
    """Return the points of both curves of the positive one of two labels, or of the labels told apart the least."""
    curves = {}
    for name in _labels_with_curves(scored, per_class):
        label_id = scored.labels.index(name)
        truth = scored.label_ids == label_id
        probability = scored.probabilities[:, label_id]
        false_rate, true_rate, _ = sk.roc_curve(truth, probability)
        precision, recall, _ = sk.precision_recall_curve(truth, probability)
        curves[name] = {
            "roc": curve_points(false_rate, true_rate),
            "precision_recall": curve_points(recall[::-1], precision[::-1]),
        }
    return curves


def _labels_with_curves(scored: ScoredSet, per_class: Mapping[str, Mapping]) -> list[str]:
    """Return the labels of which curves are drawn; none where a curve is not defined."""
    precision = {name: scores["average_precision"] for name, scores in per_class.items()}
    defined = [name for name, value in precision.items() if value is not None]
    if len(scored.labels) == 2:
        positive_label = scored.labels[scored.decision.positive_id]
        return [positive_label] if positive_label in defined else []
    return sorted(defined, key=lambda name: precision[name])[:MAX_CURVES]


def curve_points(x: np.ndarray, y: np.ndarray) -> list[Point]:
    """Return the points of a curve with rising x; of too many, those nearest to evenly spaced values of x and of y."""
    if len(x) > MAX_POINTS:
        rising_y = y if y[-1] >= y[0] else -y
        chosen = [0, len(x) - 1]
        for values in (x, rising_y):
            grid = np.linspace(values.min(), values.max(), MAX_POINTS // 2 - 1)
            chosen += np.searchsorted(np.maximum.accumulate(values), grid).clip(0, len(x) - 1).tolist()
        x = x[np.unique(chosen)]
        y = y[np.unique(chosen)]
    return np.stack([x, y], axis=1).round(6).tolist()


def row_slices(
    token_counts: np.ndarray, records: Sequence[dict], used: Sequence[str], max_length: int
) -> list[RowSlice]:
    """Return the slices of N rows by length in tokens, by truncation and by the file's other columns.

    Args:
        token_counts: (N,), before a row is truncated.
        records: the N rows as they stand in the file.
        used: names of the columns of text and label, which make no slices.
        max_length: the number of tokens above which a part of a row is not read.
    """
    return [*_slices_by_length(token_counts, max_length), *_slices_by_column(records, used)]


def _slices_by_length(token_counts: np.ndarray, max_length: int) -> Iterator[RowSlice]:
    """Yield the slice by length in tokens, and that by truncation if some rows are truncated and some are not."""
    groups = [RowGroup(f"{part.low}–{part.high}", part.rows) for part in _quantiles(token_counts)]
    if len(groups) > 1:
        yield RowSlice("tokens", groups)
    is_truncated = token_counts > max_length
    if is_truncated.any() and not is_truncated.all():
        yield RowSlice("truncated", [RowGroup("no", ~is_truncated), RowGroup("yes", is_truncated)])


def _slices_by_column(records: Sequence[dict], used: Sequence[str]) -> Iterator[RowSlice]:
    """Yield the slices by the file's other columns, of which the first MAX_COLUMNS that can be sliced are taken."""
    names = dict.fromkeys(name for record in records for name in record if name not in used)
    slices = 0
    for name in names:
        if slices == MAX_COLUMNS:
            return
        values = ["" if record.get(name) is None else str(record[name]) for record in records]
        groups = _column_groups(values)
        if len(groups) > 1:
            slices += 1
            yield RowSlice("column", groups, name)


def _column_groups(values: Sequence[str]) -> list[RowGroup]:
    """Return the groups of a column's values (N,): by value where there are few, by size where they are numbers."""
    different = set(values)
    numbers = _numbers(values)
    if 1 < len(different) <= min(MAX_GROUPS, max(2, len(values) // 2)):
        column = np.array(values, object)
        order = sorted(different) if numbers is None else sorted(different, key=float)
        return [RowGroup(value, column == value) for value in order]
    if numbers is not None and not _are_ids(numbers):
        return [RowGroup(f"{part.low:.15g}–{part.high:.15g}", part.rows) for part in _quantiles(numbers)]
    return []


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    """Return values (N,) as numbers, None if one of them is not a finite number."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _are_ids(numbers: np.ndarray) -> bool:
    """Say whether these are whole numbers of which none occurs twice, as an id is."""
    return len(np.unique(numbers)) == len(numbers) and bool((numbers == np.floor(numbers)).all())


def _quantiles(numbers: np.ndarray) -> list[Part]:
    """Return up to QUANTILES parts of numbers (N,) of about the same size, with the least and largest of each."""
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, QUANTILES + 1)[1:], method="lower"))
    part_of_row = np.searchsorted(edges, numbers)
    masks = [part_of_row == number for number in range(len(edges))]
    return [Part(numbers[rows].min(), numbers[rows].max(), rows) for rows in masks if rows.any()]


def _group_scores(label_ids: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return accuracy with its 95% interval and macro_f1 of some rows."""
    is_right = label_ids == predicted
    interval = share_interval(int(is_right.sum()), len(label_ids))
    return {
        "accuracy": float(is_right.mean()),
        "low": interval.low,
        "high": interval.high,
        "macro_f1": macro_f1(label_ids, predicted),
    }
