"""The labels of a training file, their numbers, and the rows that are held out where there is no validation file."""

from collections.abc import Sequence

import numpy as np

from toolkit.base.errors import UserError
from toolkit.data.files import shown
from toolkit.data.rows import sort_labels
from toolkit.data.tables import Table


def learn_labels(train: Table) -> list[str]:
    """Return the labels of the training file in order; UserError if they cannot be those of a classifier."""
    labels, rows = sort_labels(train.frame["label"]), len(train.frame)
    if len(labels) < 2:
        only = shown.repr(labels[0])
        raise UserError(f"{train.path}: every row has the label {only}; a classifier needs two labels at least")
    if len(labels) > max(50, rows // 2):
        raise UserError(f"{train.path}: {len(labels):,} different labels in {rows:,} rows; is this the label column?")
    return labels


def encode_labels(table: Table, labels: Sequence[str]) -> np.ndarray:
    """Return the label numbers (N,) of a table; UserError that lists labels which the training file does not have."""
    unknown = table.frame["label"][~table.frame["label"].isin(labels)]
    if len(unknown):
        first, unit = unknown.drop_duplicates(), unknown.index.name
        listed = ", ".join(f"{shown.repr(label)} ({unit} {line})" for line, label in first.head(10).items())
        raise UserError(
            f"{table.path}: {len(unknown):,} rows have labels that the training data does not: {listed}"
            + (f" and {len(first) - 10} more" if len(first) > 10 else "")
        )
    return table.frame["label"].map({label: i for i, label in enumerate(labels)}).to_numpy(np.int64)


def stratified_sample(labels: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """Return which rows (N,) bool to hold out: a random `ratio` of each label's rows, of two rows or more at least one.

    A label with one row keeps it. A pure function of its arguments.
    """
    draw, held_out = np.random.default_rng(seed), np.zeros(len(labels), dtype=bool)
    for label in sorted(set(labels)):
        rows = draw.permutation(np.flatnonzero(labels == label))
        held_out[rows[: min(len(rows) - 1, max(1, round(len(rows) * ratio)))]] = True
    return held_out


def split_table(train: Table, ratio: float, seed: int) -> tuple[Table, Table]:
    """Return (training, validation) parts of a table, the same share of each label, both in the file's order."""
    held_out = stratified_sample(train.frame["label"].to_numpy(), ratio, seed)
    if not held_out.any():
        raise UserError(f"{train.path}: every label has one row only, so none can be held out; name a --valid_file")
    return train.part(~held_out, train.rejected), train.part(held_out, [])
