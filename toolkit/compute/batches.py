"""Which rows are used together: batches of rows of like length, and what one process has of a batch."""

from dataclasses import dataclass

import numpy as np

BATCHES_SORTED_TOGETHER = 50  # whose rows are sorted by length when training
WINDOW = 4096  # rows of a file that are sorted by length together when predicting


def training_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the global batches of an epoch, each an array of row numbers.

    A pure function of its arguments: rows are shuffled, sorted by length within pools of 50 batches, cut into batches
    and those shuffled. Every row occurs once; one batch is short where `batch_size` does not divide the rows.

    Args:
        lengths: tokens of each row, (N,).
        batch_size: rows of a batch.
        seed: of the run.
        epoch: number of the epoch.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool_size = BATCHES_SORTED_TOGETHER * batch_size
    pools = [order[start : start + pool_size] for start in range(0, len(order), pool_size)]
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


@dataclass(frozen=True)
class MicroBatch:
    """Rows of a global batch that go through the model at once, in one process."""

    rows: np.ndarray  # row numbers, (B,)
    weight: float  # what the sum of their losses is multiplied by


def micro_batches(
    rows: np.ndarray,
    rank: int,
    size: int,
    limit: int | None,
    lengths: np.ndarray | None = None,
    total_weight: float | None = None,
) -> list[MicroBatch]:
    """Cut what one of `size` processes has of a global batch into micro-batches that fit the memory.

    Their weights are such that the mean over the processes of the weighted sums of the losses is the mean loss of the
    global batch. All processes get the same number of micro-batches; one that has no row for one of them is given some
    row of weight 0, since its backward pass is awaited by the others.

    Args:
        rows: row numbers of the global batch, (B,).
        rank: number of the process.
        size: how many there are.
        limit: most rows of a micro-batch (None: any number).
        lengths: tokens of each row of the table, (N,), if the rows of a micro-batch must have equally many (None: any).
        total_weight: what the sum of the losses of the global batch is divided by (None: the number of its rows).
    """
    weight = size / (len(rows) if total_weight is None else total_weight)
    if lengths is None:
        rows_of_first = len(rows[::size])  # no process has more
        count = 1 if limit is None else -(-rows_of_first // limit)
        parts = np.array_split(rows[rank::size], count)
    else:
        ordered = rows[np.argsort(lengths[rows], kind="stable")]
        parts_of_each = [of_equal_length(ordered[each::size], lengths, limit) for each in range(size)]
        count = max(len(of_one) for of_one in parts_of_each)
        parts = parts_of_each[rank] + [rows[:0]] * (count - len(parts_of_each[rank]))
    return [MicroBatch(part, weight) if len(part) else MicroBatch(rows[:1], 0.0) for part in parts]


def of_equal_length(rows: np.ndarray, lengths: np.ndarray, limit: int | None) -> list[np.ndarray]:
    """Cut rows that are in order of their lengths into parts of one length each, of at most `limit` rows (None: any).

    `lengths` are those of all rows, (N,); no row gives no part.
    """
    if not len(rows):
        return []
    changes = np.flatnonzero(np.diff(lengths[rows])) + 1
    parts: list[np.ndarray] = []
    for part in np.split(rows, changes):
        size = limit or len(part)
        parts += [part[start : start + size] for start in range(0, len(part), size)]
    return parts


def prediction_batches(lengths: np.ndarray, batch_size: int, equal_lengths: bool = False) -> list[np.ndarray]:
    """Return batches for prediction: the rows sorted by length, longest first, within windows of 4,096 rows.

    Longest first, because a batch that does not fit the memory then fails at once. `lengths` is (N,), in tokens; with
    `equal_lengths` the rows of a batch have equally many.
    """
    batches: list[np.ndarray] = []
    for window_start in range(0, len(lengths), WINDOW):
        order = window_start + np.argsort(-lengths[window_start : window_start + WINDOW], kind="stable")
        if equal_lengths:
            batches += of_equal_length(order, lengths, batch_size)
        else:
            batches += [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return batches


def padding_share(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """Return the share of the batches' token slots that hold padding."""
    slots = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    tokens = sum(int(lengths[batch].sum()) for batch in batches)
    return 1 - tokens / max(slots, 1)
