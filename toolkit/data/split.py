"""Divide rows into parts with the same share of each label, where rows that belong together stay in one part.

Groups with the same number of rows of each label are interchangeable, so what has to be decided is how many groups of
each such kind are taken: a million rows are a few thousand kinds at most where there are few labels. Each kind begins
with its share, drawn at random where that is not a whole number. Then groups are moved and exchanged as long as that
brings the rows of the labels nearer to what they should be, by the sum of the squared differences; where there are few
groups, all ways to take them are compared. A row may have any number of labels, as in the stratification of multi-label
data (Sechidis, Tsoumakas and Vlahavas 2011).

Shapes: N rows, G groups, K kinds of groups, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # it takes half a second to import, and most files need not be split
    from scipy.sparse import csr_array

MAX_WAYS = 2**20  # to take groups, times kinds and labels, that are all compared
MAX_MOVES = 1000  # of one group or two, after each kind has its share
MAX_PAIRED = 400  # moves that are tried two at a time, the most promising ones
MAX_PAIRS = 20  # of moves, of which the best one is taken that leaves every label a row
MAX_STARTS = 128  # draws of which the best is taken
MAX_BEGUN = 12_800  # kinds in all draws: where there are more, fewer draws
BETTER = 1e-6  # sums of squares that differ by less are the same


def label_matrix(label_ids: np.ndarray) -> "csr_array":
    """Return which labels rows have, (N, C), by the number (N,) of the one that each has, or by (N, C) bool."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - see above

    if label_ids.ndim == 2:
        return csr_array(label_ids.astype(np.int64))
    rows = len(label_ids)
    labels = int(label_ids.max()) + 1
    return csr_array((np.ones(rows, np.int64), label_ids, np.arange(rows + 1)), shape=(rows, labels))


def hold_out(labels: "csr_array", ratio: float, seed: int, together: np.ndarray | None = None) -> np.ndarray:
    """Return which rows (N,) bool to hold out: a `ratio` of each label's rows, as nearly as the groups allow.

    Of a label with several groups that is one row at least, and never all; a label in one group alone keeps it. If no
    group can be held out without the last row of a label, none is. A pure function of its arguments.

    Args:
        labels: (N, C) which labels each row has, one or several or none.
        ratio: of the rows of each label.
        seed: what is drawn.
        together: (N,) numbers or names of the groups, whose rows stay on one side; None: each row is one.
    """
    random = np.random.default_rng(seed)
    groups = _numbered(together, labels.shape[0])
    kinds = _Kinds.of(labels, groups, random)
    totals = kinds.sizes @ kinds.counts
    holders = kinds.sizes @ (kinds.counts > 0)  # (C,) groups with each label
    targets = np.clip(np.rint(totals * ratio), 1, totals - 1)
    targets = np.where(holders > 1, targets, 0)
    search = _Search(kinds, targets, leaves_some=True)
    return np.isin(groups, kinds.first_groups(search.best(ratio, random)))


def spread(labels: "csr_array", parts: int, seed: int, together: np.ndarray | None = None) -> np.ndarray:
    """Return the part (N,) of each row, from 0: the rows of each label spread as evenly as the groups allow.

    A part may have no row where there are few groups. The arguments are those of hold_out.
    """
    random = np.random.default_rng(seed)
    groups = _numbered(together, labels.shape[0])
    kinds = _Kinds.of(labels, groups, random).with_row_counts(np.bincount(groups))
    part_of_group = np.full(groups.max() + 1, parts - 1)
    for part in range(parts - 1):
        share = 1 / (parts - part)
        search = _Search(kinds, kinds.sizes @ kinds.counts * share, leaves_some=False)
        taken = search.best(share, random)
        part_of_group[kinds.first_groups(taken)] = part
        kinds = kinds.without_first(taken)
    return part_of_group[groups]


def random_parts(rows: int, parts: int, together: np.ndarray | None = None) -> np.ndarray:
    """Return the part (N,) of each of some rows, from 0, whatever their labels; always the same.

    `together` is as in hold_out.
    """
    groups = _numbered(together, rows)
    return np.random.default_rng(0).permutation(int(groups.max()) + 1)[groups] % parts


def _numbered(together: np.ndarray | None, rows: int) -> np.ndarray:
    """Return the number (N,) of each row's group, in the order of their first rows."""
    if together is None:
        return np.arange(rows)
    _, first, numbers = np.unique(together, return_index=True, return_inverse=True)
    return _ranks(first)[numbers.ravel()]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of each of some different values among them, in ascending order."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


@dataclass(frozen=True)
class _Kinds:
    """Groups of rows by their kind."""

    counts: "csr_array"  # (K, C) rows of each label in a group; a last "label" may be that of all rows
    sizes: np.ndarray  # (K,) groups
    is_single: np.ndarray  # (K,) whether each group is one row with one label
    members: Sequence[np.ndarray]  # (K,) the numbers of the groups, in random order

    @classmethod
    def of(cls, labels: "csr_array", groups: np.ndarray, random: np.random.Generator) -> "_Kinds":
        """Return the kinds of the groups (N,), from 0, of rows with these labels (N, C).

        First come single rows of each label in turn, then the others in the order of their first groups.
        """
        from scipy.sparse import csr_array  # noqa: PLC0415

        rows = len(groups)
        row_counts = np.bincount(groups)
        contains = csr_array((np.ones(rows, np.int64), (groups, np.arange(rows))), shape=(len(row_counts), rows))
        counts = csr_array(contains @ labels.astype(np.int64))  # (G, C)
        counts.sort_indices()
        # Groups are of one kind if a random sum of their rows is the same, in whole numbers that wrap around.
        weights = np.random.default_rng(0).integers(2**62, size=labels.shape[1] + 1)
        sums = counts @ weights[:-1] + row_counts * weights[-1]
        _, first, kind_of = np.unique(sums, return_index=True, return_inverse=True)
        first_label = np.append(counts.indices, 0)[counts.indptr[first]]
        is_single = (row_counts[first] == 1) & (np.diff(counts.indptr)[first] == 1)
        order = np.lexsort((first, np.where(is_single, first_label, 0), ~is_single))
        kind_of = np.argsort(order)[kind_of.ravel()]
        sizes = np.bincount(kind_of)
        members = np.split(np.argsort(kind_of, kind="stable"), np.cumsum(sizes)[:-1])
        shuffled = [random.permutation(numbers) for numbers in members]
        return cls(csr_array(counts[first[order]]), sizes, is_single[order], shuffled)

    def with_row_counts(self, row_counts: np.ndarray) -> "_Kinds":
        """Return them with all rows as a last label, by the number of rows (G,) of each group."""
        from scipy.sparse import csr_array, hstack  # noqa: PLC0415

        rows = [row_counts[numbers[0]] for numbers in self.members]
        counts = csr_array(hstack([self.counts, csr_array(np.array(rows)[:, None])]))
        counts.sort_indices()
        return replace(self, counts=counts)

    def first_groups(self, taken: np.ndarray) -> np.ndarray:
        """Return the numbers of the first groups of each kind, so many (K,) of them."""
        return np.concatenate([numbers[:count] for numbers, count in zip(self.members, taken.tolist(), strict=True)])

    def without_first(self, taken: np.ndarray) -> "_Kinds":
        """Return them without the first groups of each kind, so many (K,) of them."""
        members = [numbers[count:] for numbers, count in zip(self.members, taken.tolist(), strict=True)]
        return replace(self, sizes=self.sizes - taken, members=members)


class _Search:
    """The search for how many groups of each kind to take, so that about so many rows of each label are taken.

    If it `leaves_some`, of each label at least one row is not taken, and some group is, if that can be.
    A move is the number of a kind of which one more group is taken, or of which, K higher, one fewer is.
    """

    def __init__(self, kinds: _Kinds, targets: np.ndarray, leaves_some: bool):
        self.kinds = kinds
        self.targets = targets  # (C,)
        self.leaves_some = leaves_some
        self.counts = kinds.counts.astype(float)  # (K, C)
        self.squares = (self.counts * self.counts).sum(axis=1)  # (K,)
        self.totals = kinds.sizes @ kinds.counts  # (C,)
        self.least = float(np.square(targets - np.rint(targets)).sum())  # distance that there can be at all

    def best(self, share: float, random: np.random.Generator) -> np.ndarray:
        """Return how many groups (K,) to take of each kind; of those that are alike about a share."""
        taken = self.improved(self.begun(share, random))
        if self.distance(taken) > self.least + BETTER and not self.kinds.is_single.all():
            ways = np.log2(self.kinds.sizes + 1.0).sum()
            if ways + np.log2(sum(self.counts.shape)) <= np.log2(MAX_WAYS):
                return self.best_of_all(random)
            others = range(1, min(MAX_STARTS, MAX_BEGUN // len(taken)))
            taken = min([taken, *(self.improved(self.begun(share, random)) for _ in others)], key=self.distance)
        return taken

    def best_of_all(self, random: np.random.Generator) -> np.ndarray:
        """Return how many groups (K,) to take of each kind, after a look at all ways to take them."""
        shape = self.kinds.sizes + 1
        ways = np.stack(np.unravel_index(np.arange(shape.prod()), shape), axis=1)
        allowed = random.permutation(ways[self.is_allowed(ways)])
        if not len(allowed):
            return np.zeros_like(self.kinds.sizes)
        return allowed[np.square(self.gap(allowed)).sum(axis=1).argmin()]

    def gap(self, taken: np.ndarray) -> np.ndarray:
        """Return how many rows of each label (..., C) are too many where so many groups (..., K) are taken."""
        return taken @ self.counts - self.targets

    def distance(self, taken: np.ndarray) -> float:
        """Return the sum of the squared differences to the targets."""
        return float(np.square(self.gap(taken)).sum())

    def is_allowed(self, taken: np.ndarray) -> np.ndarray:
        """Return whether so many groups (..., K) may be taken."""
        if not self.leaves_some:
            return np.ones(taken.shape[:-1], bool)
        rows = taken @ self.kinds.counts
        return ((rows < self.totals) | (self.totals == 0)).all(axis=-1) & taken.any(axis=-1)

    def begun(self, share: float, random: np.random.Generator) -> np.ndarray:
        """Return a share of the groups of each kind (K,), and as many single rows as are then missing of each label."""
        kinds = self.kinds
        taken = np.floor(kinds.sizes * share + random.random(len(kinds.sizes))).astype(np.int64)
        taken[kinds.is_single] = 0
        if self.leaves_some:
            self.give_back(taken)
        missing = np.rint(-self.gap(taken)).astype(np.int64)  # (C,)
        label = kinds.counts.indices[kinds.counts.indptr[:-1][kinds.is_single]]
        taken[kinds.is_single] = np.clip(missing[label], 0, kinds.sizes[kinds.is_single])
        return taken

    def give_back(self, taken: np.ndarray) -> None:
        """Take no longer what has the last row of a label."""
        columns = self.kinds.counts.tocsc()
        for label in np.flatnonzero((taken @ self.kinds.counts == self.totals) & (self.totals > 0)).tolist():
            holders = columns.indices[columns.indptr[label] : columns.indptr[label + 1]]
            if (taken[holders] == self.kinds.sizes[holders]).all():
                taken[holders[0]] -= 1

    def improved(self, taken: np.ndarray) -> np.ndarray:
        """Return how many groups (K,) are taken after all moves that bring the labels nearer to the targets."""
        taken = taken.copy()
        for _ in range(MAX_MOVES):
            changes = self.changes(taken)
            alone = np.where(self.are_allowed(taken), changes, np.inf)
            move = int(alone.argmin())
            is_needed = self.leaves_some and not taken.any() and np.isfinite(alone[move])
            moves = (move,) if alone[move] < -BETTER or is_needed else self.best_pair(taken, changes)
            if not moves:
                break
            self.make(taken, moves)
        return taken

    def make(self, taken: np.ndarray, moves: Sequence[int]) -> None:
        """Change how many groups (K,) are taken by some moves."""
        for move in moves:
            taken[move % len(taken)] += 1 if move < len(taken) else -1

    def changes(self, taken: np.ndarray) -> np.ndarray:
        """Return by how much each move (2 K,) changes the distance; infinity if there is no such group."""
        products = 2 * (self.counts @ self.gap(taken))  # (K,)
        more = np.where(taken < self.kinds.sizes, self.squares + products, np.inf)
        fewer = np.where(taken > 0, self.squares - products, np.inf)
        return np.concatenate([more, fewer])

    def are_allowed(self, taken: np.ndarray) -> np.ndarray:
        """Return whether each move (2 K,) may be made alone."""
        from scipy.sparse import csr_array  # noqa: PLC0415

        more = np.ones(len(taken), bool)
        fewer = np.ones(len(taken), bool)
        if self.leaves_some:
            counts = self.kinds.counts
            left = self.totals - taken @ counts  # (C,)
            takes_last = csr_array((counts.data >= left[counts.indices], counts.indices, counts.indptr), counts.shape)
            more = takes_last.sum(axis=1) == 0
            fewer[:] = taken.sum() > 1
        return np.concatenate([more, fewer])

    def best_pair(self, taken: np.ndarray, changes: np.ndarray) -> Sequence[int]:
        """Return the two moves that together lower the distance most, or none; `changes` (2 K,) are of each alone."""
        moves = np.flatnonzero(np.isfinite(changes))
        moves = moves[np.argsort(changes[moves], kind="stable")[:MAX_PAIRED]]
        kinds = moves % len(taken)
        is_more = moves < len(taken)
        rows = self.counts[kinds].toarray() * np.where(is_more, 1, -1)[:, None]  # (moves, C)
        together = changes[moves, None] + changes[moves] + 2 * rows @ rows.T
        available = np.where(is_more, self.kinds.sizes[kinds] - taken[kinds], taken[kinds])
        together[np.diag_indices(len(moves))] += np.where(available > 1, 0, np.inf)
        flat = np.triu(together).ravel()  # each pair once, and 0 for the others
        best = np.argpartition(flat, min(MAX_PAIRS, len(flat) - 1))[:MAX_PAIRS]
        for pair in best[np.argsort(flat[best], kind="stable")]:
            if flat[pair] >= -BETTER:
                break
            both = [int(moves[number]) for number in divmod(pair, len(moves))]
            after = taken.copy()
            self.make(after, both)
            if self.is_allowed(after):
                return both
        return ()
