"""Which rows are used together: batches of rows of like length, and rows held out for validation."""

import numpy as np

POOL = 50  # batches' worth of rows that are sorted by length together
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
    size = POOL * batch_size
    pools = [order[i : i + size] for i in range(0, len(order), size)]
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def shares(rows: np.ndarray, rank: int, size: int, micro_batch_size: int | None) -> list[tuple[np.ndarray, float]]:
    """Cut the share of one of `size` processes in a global batch into pieces that fit the memory.

    Each piece has its weight: what its sum of losses is multiplied by, so that the mean of that over the processes is
    the mean loss of the batch. All processes get the same number of pieces; one that has no row for a piece is given
    some row of weight 0, since its backward pass is awaited by the others.

    Args:
        rows: row numbers of the global batch, (B,).
        rank: number of the process.
        size: how many there are.
        micro_batch_size: most rows of a piece (None: any number).
    """
    count = -(-len(rows[::size]) // micro_batch_size) if micro_batch_size else 1
    pieces = np.array_split(rows[rank::size], count)
    return [(piece, size / len(rows)) if len(piece) else (rows[:1], 0.0) for piece in pieces]


def prediction_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return batches for prediction: the rows sorted by length, longest first, within windows of 4,096 rows.

    Longest first, because a batch that does not fit the memory then fails at once. `lengths` is (N,), in tokens.
    """
    batches = []
    for start in range(0, len(lengths), WINDOW):
        order = start + np.argsort(-lengths[start : start + WINDOW], kind="stable")
        batches += [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return batches


def padding_share(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """Return the share of the batches' token slots that hold padding."""
    slots = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return 1 - sum(int(lengths[batch].sum()) for batch in batches) / max(slots, 1)
