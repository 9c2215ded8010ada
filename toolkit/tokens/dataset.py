"""The token ids of a table's rows, as tensors with names.

Shapes: N rows, L tokens of the longest one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from toolkit.compute.processes import Processes
from toolkit.tokens.hidden_states import HiddenStates

NO_LABEL = -1  # the label_id of a row without a label


class TokenDataset(TensorDataset):
    """A TensorDataset whose tensors have names.

    Args:
        input_ids: (N, L) int32, padded on the right.
        token_type_ids: (N, L) uint8, or (N, 0) for a model without them.
        lengths: (N,) int64, tokens of each row.
        label_ids: (N,) int64, -1 where there are none.
        states: what the frozen part of a model makes of the rows, which that model is then given instead of tokens.
    """

    def __init__(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        lengths: torch.Tensor,
        label_ids: torch.Tensor,
        *,
        states: HiddenStates | None = None,
    ):
        super().__init__(input_ids, token_type_ids, lengths, label_ids)
        self.states = states

    @property
    def input_ids(self) -> torch.Tensor:
        """(N, L) int32."""
        return self.tensors[0]

    @property
    def token_type_ids(self) -> torch.Tensor:
        """(N, L) uint8, or (N, 0) for a model without them."""
        return self.tensors[1]

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int64, tokens of each row."""
        return self.tensors[2].numpy()

    @property
    def label_ids(self) -> np.ndarray:
        """(N,) int64, -1 where there are none."""
        return self.tensors[3].numpy()

    def with_states(self, states: HiddenStates | None) -> "TokenDataset":
        """Return the same rows with what the frozen part of a model makes of them, or without."""
        return TokenDataset(*self.tensors, states=states)

    def select(self, rows: np.ndarray) -> "TokenDataset":
        """Return the dataset of some rows, by their numbers."""
        return TokenDataset(*(tensor[torch.from_numpy(rows)] for tensor in self.tensors))


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
    max_length: int


def dataset_of(
    token_ids: Sequence[np.ndarray],
    token_types: Sequence[np.ndarray] | None,
    padding: int,
    label_ids: np.ndarray | None = None,
) -> TokenDataset:
    """Return the dataset of rows of token ids, each (its length,), and their types, if the model has them."""
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
    arrays = (input_ids, token_type_ids, lengths, label_ids.astype(np.int64))
    return TokenDataset(*map(torch.from_numpy, arrays))


def concatenate(first: TokenDataset, second: TokenDataset) -> TokenDataset:
    """Return the rows of two datasets as one; those of the narrower one are filled up with zeros, unseen by a model."""
    joined = []
    for tensors in zip(first.tensors, second.tensors, strict=True):
        width = max(tensor.shape[-1] for tensor in tensors)
        padded = [F.pad(tensor, (0, width - tensor.shape[1])) if tensor.ndim == 2 else tensor for tensor in tensors]
        joined.append(torch.cat(padded))
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
