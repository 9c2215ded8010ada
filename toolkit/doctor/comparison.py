"""Which texts of a run's tables are nearly equal, found once for all that needs it: the split and the findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from toolkit.data.tables import Table
from toolkit.doctor.duplicates import NearPair, most_similar, near_pairs
from toolkit.doctor.labelled_rows import TRAIN, LabelledRows, normalized_texts, number_rows

MAX_COMPARED_TEXTS = 100_000  # among which nearly equal ones are looked for; of more, training texts evenly spaced


class NearTexts(NamedTuple):
    """Two normalized texts that are nearly equal, and how similar they are."""

    text: str
    earlier: str
    similarity: float


@dataclass(frozen=True)
class Comparison:
    """The normalized texts of some tables, and which of them are nearly equal.

    It does not say in which rows they stand, so it holds for the tables when some of their rows are taken out too.
    """

    normalized: dict[str, str]  # by what they are in the files
    near: list[NearTexts]

    def number(self, tables: Mapping[str, Table]) -> LabelledRows:
        """Return the rows of these tables or of parts of them, "train" first."""
        return number_rows(tables, self.normalized)


def compare_texts(tables: Mapping[str, Table]) -> Comparison:
    """Return which texts of tables by name, "train" first, are nearly equal."""
    normalized = normalized_texts(tables)
    rows = number_rows(tables, normalized)
    first_rows = _first_rows(rows)
    distinct = np.array(list(first_rows.values()), int)  # (D,) row numbers, ascending
    is_train = rows.table_of[distinct] == TRAIN
    training_texts = int(is_train.sum())
    room = max(MAX_COMPARED_TEXTS - (len(distinct) - training_texts), 1)
    step = max(1, -(-training_texts // room))
    compared = distinct[~is_train | (np.arange(len(distinct)) % step == 0)]
    texts = [rows.normalized[row] for row in compared]
    pairs = near_pairs(texts, rows.table_of[compared].tolist())
    return Comparison(
        normalized, [NearTexts(texts[pair.number], texts[pair.earlier], pair.similarity) for pair in pairs]
    )


def nearly_equal_rows(rows: LabelledRows, comparison: Comparison) -> list[tuple[int, int]]:
    """Return (row, an earlier row) for texts that are nearly equal; of equal texts the first one stands for all."""
    return most_similar(_pairs_of_rows(rows, comparison), rows.table_of.tolist())


def _pairs_of_rows(rows: LabelledRows, comparison: Comparison) -> Iterator[NearPair]:
    """Yield the first rows of two texts that are nearly equal, where both are there."""
    first_rows = _first_rows(rows)
    for text, earlier_text, similarity in comparison.near:
        if text in first_rows and earlier_text in first_rows:
            earlier, later = sorted((first_rows[text], first_rows[earlier_text]))
            yield NearPair(later, earlier, similarity)


def _first_rows(rows: LabelledRows) -> dict[str, int]:
    """Return the first row of each normalized text."""
    first: dict[str, int] = {}
    for row, text in enumerate(rows.normalized):
        first.setdefault(text, row)
    return first
