"""The prediction loop, the only one: whatever computes the logits of a batch, torch or onnxruntime.

N rows, W windows, B windows of a batch, C labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolkit.base.process import Process
from toolkit.compute.batches import prediction_batches
from toolkit.compute.memory import RowLimit
from toolkit.compute.row_windows import RowWindows


@dataclass(frozen=True)
class PredictionPortions:
    """In what portions a model predicts: `batch_size` rows, or as many as the `limit` of each of `devices` allows.

    Of several processes `process` says which takes which batches.
    """

    batch_size: int
    limit: RowLimit
    devices: int = 1
    process: Process = Process()


def sum_logits(
    windows: RowWindows,
    forward: Callable[[np.ndarray], np.ndarray],
    width: int,
    portions: PredictionPortions,
    on_batch: Callable[[int], object],
) -> np.ndarray:
    """Return the sums (N, C) over the windows of each row of what `forward` gives, those of this process's batches.

    They are in fp64, in which a sum of fp32 does not depend on the order. `forward` returns the logits (B, C) of
    windows by their numbers (B,), `width` is C, and `on_batch` gets the rows that each batch finishes. A batch that
    does not fit the memory is cut up. The batches do not depend on how many processes there are.
    """
    process = portions.process
    sums = np.zeros((windows.row_count, width))
    batches = prediction_batches(windows.lengths, portions.batch_size, portions.limit.equal_lengths)
    for number, batch in enumerate(batches):
        if number % process.size == process.rank:
            np.add.at(sums, windows.row_ids[batch], _within_memory(batch, forward, portions))
        on_batch(int(windows.is_last[batch].sum()))
    return sums


def _within_memory(
    batch: np.ndarray, forward: Callable[[np.ndarray], np.ndarray], portions: PredictionPortions
) -> np.ndarray:
    """Return the logits (B, C) of a batch, which is cut into smaller pieces when the memory runs out."""
    logits: list[np.ndarray] = []
    for attempt in portions.limit.attempts(-(-len(batch) // portions.devices)):
        logits = []
        with attempt:
            for piece in portions.limit.cut(batch, portions.devices):
                logits.append(forward(piece))
    return np.concatenate(logits)
