"""Where a model is right and where it is wrong: curves, reliability, thresholds, and scores of parts of the test set.

N rows, C labels. Everything is in the form of metrics.json.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from toolkit.evaluation.decision import softmax
from toolkit.evaluation.intervals import share_interval
from toolkit.evaluation.metrics import BINS, ScoredSet

MOST_POINTS = 200  # of a curve
MOST_CURVES = 10  # of several labels those with the least average precision
MOST_GROUPS = 20  # different values of a column
MOST_COLUMNS = 12
QUANTILES = 5  # parts of about the same size, by length or number


def diagnose(found: ScoredSet, records: Sequence[dict], used: Sequence[str | None], max_length: int) -> dict:
    """Return reliability, curves, thresholds (of two labels) and slices of a scored table.

    Args:
        found: what was predicted.
        records: the N rows as they stand in the file.
        used: names of the columns of text and label, which make no slices.
        max_length: in tokens, at which rows are truncated.
    """
    decision = found.decision
    result = {
        "reliability": {
            "before": reliability(softmax(found.logits), found.label_ids),
            "after": reliability(found.probabilities, found.label_ids),
        },
        "curves": _curves(found),
        "slices": [*_by_length(found, max_length), *_by_column(found, records, used)],
    }
    if len(found.labels) == 2:
        calibrated = softmax(found.logits, decision.temperature)[:, decision.positive]
        result["thresholds"] = thresholds(calibrated, found.label_ids == decision.positive)
    return result


def reliability(probabilities: np.ndarray, label_ids: np.ndarray) -> list[dict]:
    """Return for each bin of confidence that has rows its bounds, rows, mean confidence and accuracy."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label_ids
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "rows": int((bins == number).sum()),
            "confidence": float(confidence[bins == number].mean()),
            "accuracy": float(right[bins == number].mean()),
        }
        for number in np.unique(bins).tolist()
    ]


def thresholds(probability: np.ndarray, is_positive: np.ndarray) -> dict[str, list]:
    """Return true and false positives at the thresholds 0, 0.01, ... 1, and the numbers of positives and negatives."""
    at = [number / 100 for number in range(101)]
    counts = [np.sort(probability[is_positive]), np.sort(probability[~is_positive])]
    true, false = ((len(each) - np.searchsorted(each, at)).tolist() for each in counts)
    totals = {"positives": len(counts[0]), "negatives": len(counts[1])}
    return {"threshold": at, "true_positives": true, "false_positives": false, **totals}


def _curves(found: ScoredSet) -> dict[str, dict[str, list]]:
    """Return for the positive of two labels, or the labels told apart the least, the points of its two curves."""
    from sklearn import metrics as sk  # here, since importing it takes a second

    defined = {name: of["average_precision"] for name, of in found.scores["per_class"].items()}
    names = sorted((name for name, value in defined.items() if value is not None), key=defined.get)
    names = [found.labels[found.decision.positive]] if len(found.labels) == 2 and names else names
    curves = {}
    for name in [name for name in names if defined[name] is not None][:MOST_CURVES]:
        label = found.labels.index(name)
        truth, probability = found.label_ids == label, found.probabilities[:, label]
        false, true, _ = sk.roc_curve(truth, probability)
        precision, recall, _ = sk.precision_recall_curve(truth, probability)
        curves[name] = {"roc": _points(false, true), "precision_recall": _points(recall[::-1], precision[::-1])}
    return curves


def _points(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """Return the points of a curve with rising x; where there are too many, those nearest to evenly spaced x and y."""
    if len(x) > MOST_POINTS:
        chosen = [0, len(x) - 1]
        for values in (x, y if y[-1] >= y[0] else -y):
            grid = np.linspace(values.min(), values.max(), MOST_POINTS // 2 - 1)
            chosen += np.searchsorted(np.maximum.accumulate(values), grid).clip(0, len(x) - 1).tolist()
        x, y = x[np.unique(chosen)], y[np.unique(chosen)]
    return np.stack([x, y], axis=1).round(6).tolist()


def _by_length(found: ScoredSet, max_length: int) -> Iterator[dict]:
    """Yield the slices by length in tokens, and by whether rows are truncated if some are and some are not."""
    groups = [(f"{low}–{high}", rows) for low, high, rows in _quantiles(found.tokens)]
    if len(groups) > 1:
        yield {"by": "tokens", "groups": _scored(found, groups)}
    cut = found.tokens > max_length
    if cut.any() and not cut.all():
        yield {"by": "truncated", "groups": _scored(found, [("no", ~cut), ("yes", cut)])}


def _by_column(found: ScoredSet, records: Sequence[dict], used: Sequence[str | None]) -> Iterator[dict]:
    """Yield the slices by the file's other columns: by value where there are few, by size where they are numbers."""
    names = [name for name in dict.fromkeys(name for record in records for name in record) if name not in used]
    made = 0
    for name in names:
        if made == MOST_COLUMNS:
            return
        values = ["" if record.get(name) is None else str(record[name]) for record in records]
        numbers = _numbers(values)
        if 1 < len(set(values)) <= min(MOST_GROUPS, max(2, len(values) // 2)):
            column = np.array(values, object)
            order = sorted(set(values)) if numbers is None else sorted(set(values), key=float)
            groups = [(value, column == value) for value in order]
        elif numbers is not None and not _counts_rows(numbers):
            groups = [(f"{low:.15g}–{high:.15g}", rows) for low, high, rows in _quantiles(numbers)]
        else:
            continue
        if len(groups) > 1:
            made += 1
            yield {"by": "column", "column": name, "groups": _scored(found, groups)}


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    """Return values (N,) as numbers, None if one of them is none."""
    try:
        numbers = np.array(list(map(float, values)))
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _counts_rows(numbers: np.ndarray) -> bool:
    """Say whether these are whole numbers of which none occurs twice, as an id is."""
    return len(np.unique(numbers)) == len(numbers) and bool((numbers == np.floor(numbers)).all())


def _quantiles(numbers: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """Return (least, largest, which rows) of up to five parts of about the same size."""
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, QUANTILES + 1)[1:], method="lower"))
    part = np.searchsorted(edges, numbers)
    masks = [part == number for number in range(len(edges))]
    return [(numbers[rows].min(), numbers[rows].max(), rows) for rows in masks if rows.any()]


def _scored(found: ScoredSet, groups: Sequence[tuple[str, np.ndarray]]) -> list[dict]:
    """Return accuracy, its 95% interval and macro_f1 of each group of rows."""
    result = []
    for name, rows in groups:
        true, predicted = found.label_ids[rows], found.predicted[rows]
        low, high = share_interval(int((true == predicted).sum()), len(true))
        facts = {"name": name, "rows": len(true), "accuracy": float((true == predicted).mean())}
        result.append(facts | {"low": low, "high": high, "macro_f1": _macro_f1(true, predicted)})
    return result


def _macro_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(true, predicted, average="macro", zero_division=0))
