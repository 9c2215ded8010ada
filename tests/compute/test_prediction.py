"""The prediction loop, against a loop over the rows."""

import numpy as np
import pytest

from toolkit.base.process import Process
from toolkit.compute.memory import RowLimit
from toolkit.compute.prediction import PredictionPortions, sum_logits
from toolkit.compute.row_windows import RowWindows

WINDOWS = RowWindows(np.array([3, 9, 9, 4, 1, 9, 2]), np.array([0, 1, 1, 1, 2, 3, 3]))
WINDOWS_OF_ROWS = ([0], [1, 2, 3], [4], [5, 6])
LOGITS = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)


def test_the_logits_of_a_row_are_the_mean_of_its_windows_whatever_the_batches_and_the_processes():
    expected = [LOGITS[numbers].mean(axis=0) for numbers in WINDOWS_OF_ROWS]
    for batch_size in (1, 2, 3, 100):
        for size in (1, 3):
            done: list[int] = []
            sums = np.zeros((4, 2))
            for rank in range(size):
                portions = PredictionPortions(batch_size, RowLimit(), process=Process(rank, size))
                sums += sum_logits(WINDOWS, lambda numbers: LOGITS[numbers], 2, portions, done.append)
            assert WINDOWS.mean_of_sums(sums) == pytest.approx(np.array(expected), rel=1e-6)
            assert sum(done) == 4 * size


def test_a_batch_that_does_not_fit_the_memory_is_cut_up():
    sizes = []

    def greedy(numbers: np.ndarray) -> np.ndarray:
        sizes.append(len(numbers))
        if len(numbers) > 2:
            raise MemoryError
        return LOGITS[numbers]

    limit = RowLimit()
    sums = sum_logits(WINDOWS, greedy, 2, PredictionPortions(7, limit), lambda rows: None)
    assert sums[0] == pytest.approx(LOGITS[0])
    assert sizes == [7, 4, 2, 2, 2, 1]
    assert limit.rows == 2


def test_a_table_without_rows_has_no_logits():
    nothing = RowWindows(np.zeros(0, np.int64), np.zeros(0, np.int64))
    portions = PredictionPortions(4, RowLimit())
    assert nothing.mean_of_sums(sum_logits(nothing, lambda numbers: LOGITS[numbers], 2, portions, print)).shape == (
        0,
        2,
    )
