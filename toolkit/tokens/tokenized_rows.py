"""The token ids of a table's rows as its tokenizer gives them, cut to what the model takes; numpy alone.

N rows, W windows (N where no row has more than one).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from toolkit.compute.row_windows import RowWindows
from toolkit.data.row_texts import RowTexts
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.texts import TOKENIZING


@dataclass(frozen=True)
class TokenizedRows:
    """The windows of N rows, and how long these were before they were cut."""

    token_ids: Sequence[np.ndarray]  # W of (its length,) int32
    token_types: Sequence[np.ndarray] | None  # W of (its length,) uint8; None: the model has none
    row_ids: np.ndarray | None  # (W,) int64, the row of each window; None: each row is one window
    full_lengths: np.ndarray  # (N,), tokens, special ones included
    padding: int  # id of the padding token

    @cached_property
    def windows(self) -> RowWindows:
        """The windows by their numbers."""
        lengths = np.array([len(ids) for ids in self.token_ids], np.int64)
        row_ids = np.arange(len(lengths)) if self.row_ids is None else self.row_ids
        return RowWindows(lengths, row_ids)

    def batch(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a model for some windows, by their numbers (B,): each (B, L) int64, padded at the end.

        L is the length of the longest of them.
        """
        lengths = self.windows.lengths[numbers]
        inputs = {
            "input_ids": _padded(self.token_ids, numbers, self.padding),
            "attention_mask": (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64),
        }
        if self.token_types is not None:
            inputs["token_type_ids"] = _padded(self.token_types, numbers, 0)
        return inputs


def _padded(rows: Sequence[np.ndarray], numbers: np.ndarray, padding: int) -> np.ndarray:
    """Return some rows, by their numbers (B,), as (B, L) int64, filled up with `padding` to the longest."""
    chosen = [rows[number] for number in numbers]
    padded = np.full((len(chosen), max(map(len, chosen))), padding, np.int64)
    for place, row in enumerate(chosen):
        padded[place, : len(row)] = row
    return padded


def tokenize_rows(encoder: Encoder, texts: RowTexts, file: str = "", language: str = "en") -> TokenizedRows:
    """Return the tokens of texts; `file` is for messages, `language` that of the progress bar.

    Raises UserError for a row that is too long for a tokenizer that cannot cut it.
    """
    token_ids: list[np.ndarray] = []
    token_types: list[np.ndarray] = []
    full_lengths: list[int] = []
    row_ids: list[int] = []
    for start, encoded in encoder.encode_table(texts, TOKENIZING.fill(file=file), language):
        for row, ids in enumerate(encoded["input_ids"]):
            for kept in encoder.kept_positions(encoded, row, file):
                token_ids.append(np.array(ids, np.int32)[kept])
                if encoder.token_types:
                    token_types.append(np.array(encoded["token_type_ids"][row], np.uint8)[kept])
                row_ids.append(start + row)
            full_lengths.append(len(ids))
    return TokenizedRows(
        token_ids,
        token_types if encoder.token_types else None,
        None if encoder.windows is None else np.array(row_ids, np.int64),
        np.array(full_lengths),
        encoder.tokenizer.pad_token_id,
    )
