"""In which order a person should label rows: the least sure ones first, and what is labelled or alike already last.

How sure a model is of a row is the margin between its two likeliest labels (Scheffer et al. 2001, "Active hidden
Markov models for information extraction"). A text that nearly equals one before it teaches little, so it goes to the
end, and so does one that the labelled rows have already.

N rows.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from toolkit.doctor.duplicates import near_pairs, normalize

CHECKED_ROWS = 10_000  # that are least sure, among which near duplicates are looked for: more than a person labels


def least_sure(margins: np.ndarray) -> np.ndarray:
    """Return the numbers (N,) of rows in the order of their margins (N,), of equal ones as in their file."""
    return np.argsort(margins, kind="stable")


class LabellingOrder(NamedTuple):
    """The numbers (N,) of rows in the order in which they should be labelled; the last `repeats` are put behind."""

    numbers: np.ndarray
    repeats: int


def labelling_order(margins: np.ndarray, texts: Sequence[str], labelled: Iterable[str] = ()) -> LabellingOrder:
    """Return in which order rows should be labelled.

    Args:
        margins: (N,), between the two likeliest labels.
        texts: those of the first CHECKED_ROWS of least_sure, or of all if there are fewer, in that order.
        labelled: texts that have a label already.
    """
    order = least_sure(margins)
    first = order[: len(texts)]
    repeats = _repeats([normalize(text) for text in texts], {normalize(text) for text in labelled})
    numbers = np.concatenate([first[~repeats], order[len(texts) :], first[repeats]])
    return LabellingOrder(numbers, int(repeats.sum()))


def _repeats(normalized: Sequence[str], labelled: set[str]) -> np.ndarray:
    """Return which normalized texts (N,) bool are labelled, or equal or nearly equal to an earlier one that is not."""
    repeats = np.ones(len(normalized), bool)
    first_rows: dict[str, int] = {}
    for number, text in enumerate(normalized):
        if text not in labelled:
            first_rows.setdefault(text, number)
    distinct = list(first_rows)
    numbers = np.array(list(first_rows.values()), int)
    repeats[numbers] = False
    for pair in near_pairs(distinct, [0] * len(distinct)):
        if not repeats[numbers[pair.earlier]]:
            repeats[numbers[pair.number]] = True
    return repeats
