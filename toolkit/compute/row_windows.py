"""What goes through a model for a table: its rows, each at once or as several windows that follow each other.

N rows, W windows (N where no row has more than one).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class RowWindows:
    """The windows of a table's rows, by their numbers."""

    lengths: np.ndarray  # (W,) int64, tokens of each window
    row_ids: np.ndarray  # (W,) int64, ascending, the number of each window's row

    @property
    def row_count(self) -> int:
        """N."""
        return int(self.is_last.sum())

    @cached_property
    def is_last(self) -> np.ndarray:
        """(W,) bool, which windows are the last of their rows."""
        return np.append(np.diff(self.row_ids) > 0, True)[: len(self.row_ids)]

    @cached_property
    def counts(self) -> np.ndarray:
        """(N,) int64, windows of each row."""
        return np.bincount(self.row_ids, minlength=self.row_count)

    def mean_of_sums(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean over the windows of each row in fp32, by their sums; both (N, C)."""
        return (sums / self.counts[:, None]).astype(np.float32)
