"""The labels of a training file, their numbers, and the rows that are held out where there is no validation file."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from toolkit.base.errors import UserError
from toolkit.base.languages import counted
from toolkit.data.files import short_repr
from toolkit.data.tables import Table

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,99}")
MAX_LISTED_LABELS = 10  # in an error
USUAL_LABELS = 50  # more than these, and more than half the rows, are hardly those of a label column


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return the distinct labels in order: as numbers if all of them are integers, else as strings."""
    distinct = set(labels)
    if all(INTEGER.fullmatch(label) for label in distinct):
        return sorted(distinct, key=int)
    return sorted(distinct)


def learn_labels(train: Table) -> list[str]:
    """Return the labels of the training file in order; UserError if they cannot be those of a classifier."""
    labels = sort_labels(train.frame["label"])
    rows = len(train.frame)
    if len(labels) < 2:
        label = short_repr(labels[0])
        raise UserError(f"{train.path}: every row has the label {label}; a classifier needs at least two labels")
    if len(labels) > max(USUAL_LABELS, rows // 2):
        raise UserError(f"{train.path}: {len(labels):,} different labels in {rows:,} rows; is this the label column?")
    return labels


def encode_labels(table: Table, labels: Sequence[str]) -> np.ndarray:
    """Return the label numbers (N,) of a table; UserError that lists labels which the training file does not have."""
    column = table.frame["label"]
    unknown = column[~column.isin(labels)]
    if len(unknown):
        raise UserError(
            f"{table.path}: {counted(len(unknown), 'row')} with labels that the training data does not have: "
            f"{_listed(unknown)}"
        )
    label2id = {label: number for number, label in enumerate(labels)}
    return column.map(label2id).to_numpy(np.int64)


def _listed(labels: pd.Series) -> str:
    """Return the different ones of some rows' labels, with the line where each first stands."""
    first = labels.drop_duplicates()
    unit = labels.index.name
    listed = ", ".join(f"{short_repr(label)} ({unit} {line})" for line, label in first.head(MAX_LISTED_LABELS).items())
    if len(first) > MAX_LISTED_LABELS:
        listed += f" and {len(first) - MAX_LISTED_LABELS} more"
    return listed


def stratified_sample(labels: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """Return which rows (N,) bool to hold out: a random `ratio` of each label's rows, of two rows or more at least one.

    A label with one row keeps it. A pure function of its arguments.
    """
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for label in sorted(set(labels)):
        rows = random.permutation(np.flatnonzero(labels == label))
        count = max(1, round(len(rows) * ratio))
        held_out[rows[: min(count, len(rows) - 1)]] = True
    return held_out


def split_table(train: Table, ratio: float, seed: int) -> tuple[Table, Table]:
    """Return (training, validation) parts of a table, the same share of each label, both in the file's order."""
    held_out = stratified_sample(train.frame["label"].to_numpy(), ratio, seed)
    if not held_out.any():
        raise UserError(f"{train.path}: every label has only one row, so none can be held out; give a --valid_file")
    return train.part(~held_out, train.rejected), train.part(held_out, [])
