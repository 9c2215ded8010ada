"""What the frozen lower part of a model makes of the rows of a dataset, computed once and kept in memory.

Shapes: N rows, T tokens of all of them together, B rows of a batch, L tokens of its longest row, H hidden.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

MAX_BYTES = 2 << 30  # of the hidden states of a dataset; the same everywhere, so that a resumed run does the same


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of each row: of all its tokens, or of one where the head alone is trained."""

    values: torch.Tensor  # (T, H), in the number format in which the frozen part gives them
    lengths: np.ndarray  # (N,), tokens of each row that are kept
    starts: np.ndarray  # (N,), where those of each row begin

    @classmethod
    def empty(cls, lengths: np.ndarray, width: int, dtype: torch.dtype) -> "HiddenStates | None":
        """Return room for rows of so many tokens, (N,), with H = `width`; None if it would be more than MAX_BYTES."""
        ends = lengths.cumsum()
        total = int(lengths.sum())
        if total * width * dtype.itemsize > MAX_BYTES:
            return None
        return cls(torch.zeros(total, width, dtype=dtype), lengths, ends - lengths)

    @property
    def bytes(self) -> int:
        """How much memory they take."""
        return self.values.numel() * self.values.element_size()

    def put(self, rows: np.ndarray, states: torch.Tensor) -> None:
        """Keep the states (B, L, H) of some rows."""
        for row, of_row in zip(rows, states, strict=True):
            self.of_row(row).copy_(of_row[: self.lengths[row]])

    def of_row(self, row: int) -> torch.Tensor:
        """Return the states (tokens, H) of a row, which share the memory."""
        start = self.starts[row]
        return self.values[start : start + self.lengths[row]]

    def inputs(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the inputs of a model for some rows: their states (B, L, H), and which of them are tokens (B, L)."""
        states = pad_sequence([self.of_row(row) for row in rows], batch_first=True)
        lengths = torch.from_numpy(self.lengths[rows])
        mask = (torch.arange(states.shape[1]) < lengths[:, None]).long()
        return {"inputs_embeds": states, "attention_mask": mask}
