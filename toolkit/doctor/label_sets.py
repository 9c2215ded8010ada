"""Labels of training rows that may have several, or look as if: those that say nothing or the same, or are joined.

N rows, C labels.
"""

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from toolkit.cli.console import shown_label
from toolkit.data.joined_labels import find_joined
from toolkit.data.labels import encode_labels, sort_labels
from toolkit.data.tables import Table
from toolkit.doctor.findings import Finding, excerpt
from toolkit.doctor.oddities import MIN_LABEL_ROWS, listed, rare_labels

MAX_LABELS = 2000  # of more, it is not looked for those that come together, whose pairs grow with their square


def strange_label_sets(train: Table) -> Iterator[Finding]:
    """Yield labels that few rows have, all, or none, those that always come together, and that most rows have none."""
    names = train.each_label.tolist()
    labels = sort_labels(names)
    matrix = encode_labels(train, labels)
    yield from rare_labels(names)
    yield from joined_labels(names)
    never = [name for name in train.columns.label_columns if name not in set(labels)]
    if never:
        yield Finding("never_set", len(never), {"listed": _shown(never)})
    always = [label for label, count in zip(labels, matrix.sum(axis=0), strict=True) if count == len(matrix)]
    if always:
        yield Finding("always_set", len(always), {"listed": _shown(always)})
    yield from labels_together(matrix, labels)
    without = int((~matrix.any(axis=1)).sum())
    if 2 * without > len(matrix):
        yield Finding("no_label", without, {"rows": len(matrix)})


def joined_labels(labels: Sequence[str]) -> Iterator[Finding]:
    """Yield that labels look like several with a separator between them."""
    joined = find_joined(labels)
    if joined is not None:
        rows = sum(joined.separator in label for label in labels)
        facts = {
            "rows": len(labels),
            "example": excerpt(joined.example),
            "separator": shlex.quote(joined.separator),
        }
        yield Finding("joined", rows, facts)


def labels_together(matrix: np.ndarray, labels: Sequence[str]) -> Iterator[Finding]:
    """Yield pairs of labels of which every row has both or neither, (N, C) bool, as may be two names of one."""
    if len(labels) > MAX_LABELS:
        return
    counts = matrix.sum(axis=0)
    both = matrix.T.astype(np.float32) @ matrix.astype(np.float32)  # (C, C)
    is_same = (both == counts) & (both == counts[:, None]) & (counts >= MIN_LABEL_ROWS) & (counts < len(matrix))
    pairs = [(labels[first], labels[second]) for first, second in zip(*np.nonzero(np.triu(is_same, 1)), strict=True)]
    if pairs:
        names = [f"{shown_label(first)} = {shown_label(second)}" for first, second in pairs]
        yield Finding("together", len(pairs), {"listed": listed(names)})


def _shown(labels: Sequence[str]) -> str:
    return listed([shown_label(label) for label in labels])
