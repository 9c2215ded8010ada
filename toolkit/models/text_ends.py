"""Encoder-decoders (BART, T5) that take texts with any number of end tokens in them.

Their classifiers read a text at its last end token, and fail on a batch of which some rows have more end tokens than
others: a text may hold the characters </s>. Here rows with equally many go through the model together.
"""

from typing import Any

import torch
from transformers.modeling_outputs import SequenceClassifierOutput


class GroupedByEnds:
    """Mixed into the class of such a classifier."""

    config: Any

    def forward(self, input_ids: torch.Tensor, **inputs: torch.Tensor) -> Any:
        """Return the scores (B, C) of rows input_ids (B, L); each of the other inputs has as many rows."""
        score: Any = super().forward  # type: ignore[misc]
        ends = (input_ids == self.config.eos_token_id).sum(1)  # (B,)
        if not len(ends) or bool((ends == ends[0]).all()):
            return score(input_ids=input_ids, **inputs)
        groups = [(ends == count).nonzero()[:, 0] for count in ends.unique()]
        parts = [
            score(input_ids=input_ids[rows], **{name: value[rows] for name, value in inputs.items()}).logits
            for rows in groups
        ]
        return SequenceClassifierOutput(logits=torch.cat(parts)[torch.cat(groups).argsort()])


def group_by_ends(model: Any) -> None:
    """Make a classifier that is an encoder-decoder take texts with any number of end tokens; the name stays."""
    plain = type(model)
    model.__class__ = type(plain.__name__, (GroupedByEnds, plain), {"__module__": plain.__module__})
