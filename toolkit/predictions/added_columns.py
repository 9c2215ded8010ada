"""The columns that a prediction adds to a row: its label, and the probabilities of all labels or the likeliest ones.

N rows, C labels.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from toolkit.base.errors import UserError
from toolkit.predictions.texts import OUTPUT

MANY_LABELS = 100  # of more, the output has the likeliest ones alone, or its size would grow with rows times labels
LIKELIEST = 10  # labels of that many
UNCERTAIN = "uncertain"
CORRECT = "correct"
LINE = "line"  # both of predictions.csv, beside the predictions of rows whose labels are known


def likeliest_count(top_k: int | None, label_count: int) -> int | None:
    """Return how many of the likeliest labels the output has, None for a column for each label.

    `top_k` is what the user asked for: a number of labels, 0 for all, None for what is usual with `label_count` labels.
    """
    if top_k is None:
        return LIKELIEST if label_count > MANY_LABELS else None
    return min(top_k, label_count) or None


@dataclass(frozen=True)
class PredictedRows:
    """What is predicted of N rows: the probability of each label, and the number of the one that is predicted."""

    probabilities: np.ndarray  # (N, C)
    label_ids: np.ndarray  # (N,)
    uncertain: np.ndarray | None = None  # (N,) bool, rows whose prediction is left empty; None: of none
    margins: np.ndarray | None = None  # (N,), between the two likeliest labels; None: not asked for

    @classmethod
    def nothing(cls, label_count: int) -> "PredictedRows":
        """Return what is predicted of no row."""
        return cls(np.zeros((0, label_count)), np.zeros(0, int), margins=np.zeros(0))

    def select(self, chosen: np.ndarray | slice) -> "PredictedRows":
        """Return what is predicted of some of the rows."""
        columns: dict[str, Any] = {name: None if value is None else value[chosen] for name, value in vars(self).items()}
        return replace(self, **columns)

    @classmethod
    def join(cls, pieces: Sequence["PredictedRows"]) -> "PredictedRows":
        """Return what is predicted of the rows of some pieces, at least one, as one."""
        filled = [piece for piece in pieces if len(piece.label_ids)] or pieces[:1]
        columns = {name: [vars(piece)[name] for piece in filled] for name in vars(filled[0])}
        joined: dict[str, Any] = {
            name: None if values[0] is None else np.concatenate(values) for name, values in columns.items()
        }
        return replace(filled[0], **joined)


@dataclass(frozen=True)
class AddedColumns:
    """The columns that are added for a model of C labels.

    They are `prediction`, where it may be left empty `uncertain`, and then, for each label, `prob_<label>`; or, with
    `likeliest` K, `top1_label`, `top1_prob` to `topK_label`, `topK_prob`. All of these names begin with `prefix`. Where
    a row may have several labels, `prediction` is those with the `separator` between them, or `as_list` a list.
    """

    labels: Sequence[str]
    likeliest: int | None = None
    prefix: str = ""
    label_column: str = "prediction"
    may_abstain: bool = False
    separator: str | None = None  # None: a row has one label
    as_list: bool = False

    @cached_property
    def label_names(self) -> list[str]:
        """The names of those that hold labels."""
        tops = [f"{self.prefix}top{place}_label" for place in self._places]
        return [self.prefix + self.label_column, *tops]

    @cached_property
    def truth_names(self) -> list[str]:
        """The names of those that hold true or false."""
        return [self.prefix + UNCERTAIN] if self.may_abstain else []

    @cached_property
    def names(self) -> list[str]:
        """The names of all, in order."""
        first = [self.prefix + self.label_column, *self.truth_names]
        if self.likeliest is None:
            return [*first, *(f"{self.prefix}prob_{label}" for label in self.labels)]
        pairs = ((f"{self.prefix}top{place}_label", f"{self.prefix}top{place}_prob") for place in self._places)
        return [*first, *(name for pair in pairs for name in pair)]

    @property
    def _places(self) -> range:
        return range(1, (self.likeliest or 0) + 1)

    def check(self, taken: Iterable[str], more: Iterable[str] = ()) -> None:
        """Raise UserError if one of the names, or of `more` names, is among those that are `taken`."""
        clashes = sorted({*self.names, *more} & {*taken})
        if clashes:
            raise UserError(OUTPUT["column"].fill(name=repr(clashes[0])))

    def in_the_way(self, columns: Sequence[str]) -> list[str]:
        """Return which columns of an input are called as those that are added, in the input's order.

        Behind a column of predictions the probabilities of other labels are too, which another model has added.
        """
        taken = {*columns} & {*self.names}
        prediction = self.prefix + self.label_column
        if prediction in taken:
            behind = columns[list(columns).index(prediction) + 1 :]
            of_another_model = re.compile(
                re.escape(self.prefix) + rf"({UNCERTAIN}|prob_.*|top\d+_(label|prob))", re.DOTALL
            )
            taken.update(takewhile(of_another_model.fullmatch, behind))
        return [column for column in columns if column in taken]

    def fill(self, rows: Sequence[dict], predicted: PredictedRows) -> list[dict]:
        """Return N rows, as they stand in their file, with what is predicted added; nine digits are kept."""
        self.check({name for row in rows for name in row})
        probabilities = predicted.probabilities
        values = self._all_labels(probabilities) if self.likeliest is None else self._likeliest_labels(probabilities)
        labels = self._labels(predicted)
        return [
            {**row, **dict(zip(self.names, [*row_labels, *row_values], strict=True))}
            for row, row_labels, row_values in zip(rows, labels, values, strict=True)
        ]

    def _labels(self, predicted: PredictedRows) -> list[list[Any]]:
        """Return the prediction of each row and, where it may be left empty, whether it is."""
        predictions = self._predictions(predicted.label_ids)
        if not self.may_abstain:
            return [[prediction] for prediction in predictions]
        uncertain = predicted.uncertain
        if uncertain is None:
            uncertain = np.zeros(len(predicted.label_ids), bool)
        return [
            [None if is_uncertain else prediction, is_uncertain]
            for prediction, is_uncertain in zip(predictions, uncertain.tolist(), strict=True)
        ]

    def _predictions(self, label_ids: np.ndarray) -> list[str | list[str]]:
        """Return the prediction of each row as it is written."""
        if self.separator is None:
            return [self.labels[label_id] for label_id in label_ids.tolist()]
        sets = [[self.labels[number] for number in np.flatnonzero(row).tolist()] for row in label_ids]
        return [*sets] if self.as_list else [self.separator.join(names) for names in sets]

    def _all_labels(self, probabilities: np.ndarray) -> list[list[str | float]]:
        """Return the probability of each label, for each row."""
        return [[nine_digits(chance) for chance in chances] for chances in probabilities.tolist()]

    def _likeliest_labels(self, probabilities: np.ndarray) -> list[list[str | float]]:
        """Return the likeliest labels, each with its probability, for each row; of equal ones the first comes first."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.likeliest]  # (N, K)
        chances = np.take_along_axis(probabilities, order, axis=1)
        rows: list[list[str | float]] = []
        for label_ids, row_chances in zip(order.tolist(), chances.tolist(), strict=True):
            values: list[str | float] = []
            for label_id, chance in zip(label_ids, row_chances, strict=True):
                values += [self.labels[label_id], nine_digits(chance)]
            rows.append(values)
        return rows

    def leave_empty(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cells of a row that cannot be used, with nothing in the columns of its prediction."""
        self.check(cells)
        return {**cells, **dict.fromkeys(self.names)}


def nine_digits(value: float) -> float:
    """Return a number rounded to nine significant digits, more than fp32 has."""
    return float(f"{value:.9g}")


@dataclass(frozen=True)
class ScoredColumns:
    """The columns of a scored file's predictions.csv: the file's own, and those that are added to them."""

    own: list[str]
    added: AddedColumns

    @property
    def names(self) -> list[str]:
        """The names of all, in order."""
        return [*self.own, *self.added.names, CORRECT, LINE]


def scored_columns(
    records: Sequence[Mapping[str, Any]], labels: Sequence[str], separator: str | None = None
) -> ScoredColumns:
    """Return the columns that scored rows have; UserError if an added one is the file's own too.

    Where a row may have several labels, the `separator` stands between them.
    """
    columns = ScoredColumns(
        own=list(dict.fromkeys(name for record in records for name in record)),
        added=AddedColumns(labels, likeliest_count(None, len(labels)), separator=separator),
    )
    columns.added.check(columns.own, (CORRECT, LINE))
    return columns
