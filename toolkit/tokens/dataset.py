"""The token ids of a table's rows, as tensors with names.

A row that is longer than the model takes may be several windows, which follow each other. What goes through a model is
numbered by window. Shapes: N rows, W windows (N where no row has more than one), L tokens of the longest one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from toolkit.compute.processes import Processes
from toolkit.compute.row_windows import RowWindows
from toolkit.tokens.hidden_states import HiddenStates

NO_LABEL = -1  # the label_id of a row without a label


class TokenDataset(TensorDataset):
    """A TensorDataset whose tensors have names.

    Args:
        input_ids: (W, L) int32, padded on the right.
        token_type_ids: (W, L) uint8, or (W, 0) for a model without them.
        lengths: (W,) int64, tokens of each window.
        label_ids: (W,) int64, those of their rows, -1 where there are none; where rows may have several labels (W, C)
            uint8, 1 for those that they have.
        row_ids: (W,) int64, ascending, the number of each window's row; None where each row is one window.
        states: what the frozen part of a model makes of the windows, which that model is then given instead of tokens.

    After with_targets its `targets` are (N, C) fp32, the probabilities that a model learns to give the rows; else they
    are None, and it learns their labels.
    """

    def __init__(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        lengths: torch.Tensor,
        label_ids: torch.Tensor,
        row_ids: torch.Tensor | None = None,
        *,
        states: HiddenStates | None = None,
    ):
        super().__init__(input_ids, token_type_ids, lengths, label_ids, *([] if row_ids is None else [row_ids]))
        self.states = states
        self.targets: torch.Tensor | None = None

    @property
    def input_ids(self) -> torch.Tensor:
        """(W, L) int32."""
        return self.tensors[0]

    @property
    def token_type_ids(self) -> torch.Tensor:
        """(W, L) uint8, or (W, 0) for a model without them."""
        return self.tensors[1]

    @property
    def lengths(self) -> np.ndarray:
        """(W,) int64, tokens of each window."""
        return self.tensors[2].numpy()

    @cached_property
    def label_ids(self) -> np.ndarray:
        """(N,) int64, of the rows; -1 where there are none; where rows may have several labels (N, C) bool."""
        of_windows = self.tensors[3].numpy()
        if of_windows.ndim == 2:
            of_windows = of_windows.astype(bool)
        return of_windows[self.is_last_window] if self.has_windows else of_windows

    # -- rows and their windows ------------------------------------------------------------------------------------

    @property
    def has_windows(self) -> bool:
        """Whether a row may have several windows."""
        return len(self.tensors) == 5

    @cached_property
    def row_ids(self) -> np.ndarray:
        """(W,) int64, the number of each window's row."""
        return self.tensors[4].numpy() if self.has_windows else np.arange(len(self))

    @cached_property
    def windows(self) -> RowWindows:
        """The windows by their numbers."""
        return RowWindows(self.lengths, self.row_ids)

    @property
    def row_count(self) -> int:
        """N."""
        return self.windows.row_count

    @property
    def is_last_window(self) -> np.ndarray:
        """(W,) bool, which windows are the last of their rows."""
        return self.windows.is_last

    @property
    def window_counts(self) -> np.ndarray:
        """(N,) int64, windows of each row."""
        return self.windows.counts

    @property
    def row_lengths(self) -> np.ndarray:
        """(N,) int64, tokens of each row in all its windows together."""
        return self.sum_by_row(self.lengths) if self.has_windows else self.lengths

    def windows_by_length(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of the windows of some rows, the shortest first; rows of one window each as they are."""
        if not self.has_windows:
            return rows
        windows = self.windows_of(rows)
        return windows[np.argsort(self.lengths[windows], kind="stable")]

    def shares(self, windows: np.ndarray) -> torch.Tensor | None:
        """Return which part of its row each of some windows is, (B,): one of so many; None if all rows are one window.

        With these weights each row counts once, however long it is.
        """
        if not self.has_windows:
            return None
        return torch.from_numpy(1 / self.window_counts[self.row_ids[windows]]).float()

    def sum_by_row(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (N,) over the windows of each row of whole numbers (W,)."""
        return np.bincount(self.row_ids, values, minlength=self.row_count).astype(np.int64)

    def windows_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of the windows of some rows; of each row in turn."""
        if not self.has_windows:
            return rows
        counts = self.window_counts
        ends = counts.cumsum()
        starts = np.repeat(ends[rows] - counts[rows], counts[rows])
        before = np.repeat(counts[rows].cumsum() - counts[rows], counts[rows])
        return starts + np.arange(len(starts)) - before

    def with_states(self, states: HiddenStates | None) -> "TokenDataset":
        """Return the same rows with what the frozen part of a model makes of them, or without."""
        return TokenDataset(*self.tensors, states=states).with_targets(self.targets)

    def with_targets(self, targets: torch.Tensor | None) -> "TokenDataset":
        """Return the same rows with the probabilities (N, C) that a model learns to give them, or without."""
        dataset = TokenDataset(*self.tensors, states=self.states)
        dataset.targets = targets
        return dataset

    def with_ids(self, new_ids: np.ndarray) -> "TokenDataset":
        """Return the same rows with other ids of their tokens: new_ids (V,) has them by the ids that they have now."""
        input_ids = torch.from_numpy(new_ids.astype(np.int32))[self.input_ids.long()]
        return TokenDataset(input_ids, *self.tensors[1:], states=self.states).with_targets(self.targets)

    def targets_of(self, windows: np.ndarray) -> torch.Tensor | None:
        """Return the targets (B, C) of some windows, those of their rows; None if labels are learned."""
        if self.targets is None:
            return None
        return self.targets[torch.from_numpy(self.row_ids[windows])]

    def select(self, rows: np.ndarray) -> "TokenDataset":
        """Return the dataset of some rows, by their numbers."""
        windows = torch.from_numpy(self.windows_of(rows))
        tensors = [tensor[windows] for tensor in self.tensors]
        if self.has_windows:
            tensors[4] = torch.from_numpy(np.repeat(np.arange(len(rows)), self.window_counts[rows]))
        targets = None if self.targets is None else self.targets[torch.from_numpy(rows)]
        return TokenDataset(*tensors).with_targets(targets)


@dataclass(frozen=True)
class TokenizedTable:
    """The dataset of a table of N rows, and how long these were before they were cut to what the model takes."""

    dataset: TokenDataset
    full_lengths: np.ndarray  # (N,), tokens, special ones included


@dataclass(frozen=True)
class TokenFacts:
    """What the tokenizer made of a table of N rows."""

    counts: np.ndarray  # (N,), before truncation, special tokens included
    known: np.ndarray  # (N,), how many tokens, special ones aside, are not the unknown token
    unknown_share: float  # of the characters
    max_length: int  # tokens of a row that are all read

    @property
    def truncated_share(self) -> float:
        """Share of the rows that are too long."""
        return float((self.counts > self.max_length).mean())


def dataset_of(
    token_ids: Sequence[np.ndarray],
    token_types: Sequence[np.ndarray] | None,
    padding: int,
    label_ids: np.ndarray | None = None,
    row_ids: np.ndarray | None = None,
) -> TokenDataset:
    """Return the dataset of windows of token ids, each (its length,), and their types, if the model has them.

    label_ids, (N,) or (N, C) bool, are those of the rows, and row_ids (W,) say of which row each window is; None: each
    is a row.
    """
    lengths = np.array([len(row) for row in token_ids], np.int64)
    longest = lengths.max(initial=0)
    input_ids = np.full((len(lengths), longest), padding, np.int32)
    token_type_ids = np.zeros((len(lengths), longest if token_types is not None else 0), np.uint8)
    for number, row in enumerate(token_ids):
        input_ids[number, : len(row)] = row
    for number, row in enumerate(token_types or ()):
        token_type_ids[number, : len(row)] = row
    if label_ids is None:
        label_ids = np.full(len(lengths), NO_LABEL)
    elif row_ids is not None:
        label_ids = label_ids[row_ids]
    label_ids = label_ids.astype(np.int64 if label_ids.ndim == 1 else np.uint8)
    arrays = [input_ids, token_type_ids, lengths, label_ids]
    if row_ids is not None:
        arrays.append(row_ids)
    return TokenDataset(*map(torch.from_numpy, arrays))


def concatenate(first: TokenDataset, second: TokenDataset) -> TokenDataset:
    """Return the rows of two datasets as one; those of the narrower one are filled up with zeros, unseen by a model.

    Either both have windows or neither has; states and targets are left out.
    """
    joined = []
    for tensors in zip(first.tensors, second.tensors, strict=True):
        width = max(tensor.shape[-1] for tensor in tensors)
        padded = [F.pad(tensor, (0, width - tensor.shape[1])) if tensor.ndim == 2 else tensor for tensor in tensors]
        joined.append(torch.cat(padded))
    if first.has_windows:
        joined[4][len(first) :] += first.row_count
    return TokenDataset(*joined)


def broadcast_dataset(processes: Processes, dataset: TokenDataset | None = None) -> TokenDataset | None:
    """Return, in every process, the dataset that the main one gives, or the None that it gives."""
    named = None
    if dataset is not None:
        named = {str(number): tensor for number, tensor in enumerate(dataset.tensors)}
    tensors = processes.broadcast_tensors(named)
    return None if tensors is None else TokenDataset(*tensors.values())


def share_dataset(processes: Processes, dataset: TokenDataset | None) -> TokenDataset:
    """Return, in every process, the dataset that the main one gives; it has to give one."""
    shared = broadcast_dataset(processes, dataset)
    if shared is None:
        raise ValueError("the main process gave no dataset")
    return shared
