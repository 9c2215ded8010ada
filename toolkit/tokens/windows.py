"""Long texts as overlapping windows, each of which the model takes (Pappagari et al. 2019, "Hierarchical transformers
for long document classification", section 3; windows of 200 tokens there, of which 50 are those of the one before).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.base.errors import UserError
from toolkit.tokens.texts import LENGTHS

DEFAULT_MAX_WINDOWS = 16
DEFAULT_SHARE = 4  # of a window, one part in so many is that of the one before


@dataclass(frozen=True)
class Windows:
    """How a long row becomes windows."""

    stride: int  # tokens that a window shares with the one before
    max_windows: int  # of a row

    @classmethod
    def make(cls, stride: int | None, max_windows: int | None, max_length: int, least_room: int) -> "Windows":
        """Return windows from options, None of which stands for the usual value.

        `least_room` is for how many tokens of a sliding text a window of `max_length` tokens has room at least. Raises
        UserError if that is not more than the stride, so that a window would not go on from the one before.
        """
        if stride is None:
            stride = least_room // DEFAULT_SHARE
        if stride >= least_room:
            raise UserError(LENGTHS["stride"].fill(stride=stride, max_length=max_length, room=least_room))
        return cls(stride, max_windows or DEFAULT_MAX_WINDOWS)

    def starts(self, length: int, room: int) -> list[int]:
        """Return where the windows begin in a text of so many tokens, of which each has room for `room`.

        The last one ends with the text. Of a text with more than max_windows that many are read, evenly spaced from its
        beginning to its end: they overlap less, or have gaps between them.
        """
        step = room - self.stride
        count = 1 + max(0, math.ceil((length - room) / step))
        if count <= self.max_windows:
            return [number * step for number in range(count)]
        return np.linspace(0, length - room, self.max_windows).round().astype(int).tolist()

    def capacity(self, room: int) -> int:
        """Return how many tokens of a text are read without a gap, with room for so many in a window."""
        return self.max_windows * room


def window_positions(sequence_ids: Sequence[int | None], max_length: int, windows: Windows) -> list[list[int]]:
    """Return the positions of the tokens of each window of a tokenized row that is longer than `max_length`.

    Each has the special tokens. Of a pair the longer text slides (the second of two that are equally long), and the
    other stands in each window: all of it, or its beginning if that is more than half of the room.

    Args:
        sequence_ids: for each token 0 (first text), 1 (second text) or None (special token).
        max_length: tokens of a window, special tokens included.
        windows: how the longer text slides.
    """
    special = [position for position, sequence in enumerate(sequence_ids) if sequence is None]
    first = [position for position, sequence in enumerate(sequence_ids) if sequence == 0]
    second = [position for position, sequence in enumerate(sequence_ids) if sequence == 1]
    sliding, other = (first, second) if len(first) > len(second) else (second, first)
    room = max_length - len(special)
    kept = other[: room // 2]
    room -= len(kept)
    return [sorted([*special, *kept, *sliding[start : start + room]]) for start in windows.starts(len(sliding), room)]
