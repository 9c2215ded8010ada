"""Attention of rows whose tokens follow each other without padding.

T tokens of B rows, H values of each in `heads` parts of D; a Group is some rows of like length, N in number.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from toolkit.models.cheap_dropout import drop, keep_factors, random_bits

LIKE = 0.8  # rows that are at least this share of the longest one's length are of like length
MANY = 4  # rows on average that are enough for a group of one length


@dataclass(frozen=True)
class Group:
    """Rows that are attended to together, whose tokens follow each other; padded to the longest if they differ."""

    rows: int
    longest: int  # tokens
    slots: torch.Tensor | None = None  # where each token lies among rows * longest (None: there is no padding)
    mask: torch.Tensor | None = None  # (rows, 1, 1, longest), 0 where there is a token and -inf where there is none

    @property
    def tokens(self) -> int:
        """Return how many tokens it has."""
        return self.rows * self.longest if self.slots is None else len(self.slots)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Return (rows, longest, H) for values (tokens, H), 0 where there is padding."""
        if self.slots is not None:
            empty = values.new_zeros(self.rows * self.longest, values.shape[1])
            values = empty.index_copy(0, self.slots, values)
        return values.view(self.rows, self.longest, -1)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return (tokens, H) for values (rows, longest, H)."""
        values = values.flatten(0, 1)
        return values if self.slots is None else values[self.slots]


def group_rows(lengths: list[int]) -> list[Group]:
    """Return the groups of rows of these lengths, which are in order, the longest first.

    Rows of one length need no padding; there it is worth it to have more groups, but not one for every few rows.
    """
    groups, start = [], 0
    like = 1.0 if len(set(lengths)) * MANY <= len(lengths) else LIKE
    while start < len(lengths):
        longest = lengths[start]
        end = next((i for i in range(start, len(lengths)) if lengths[i] < like * longest), len(lengths))
        if lengths[end - 1] == longest:
            groups.append(Group(end - start, longest))
        else:
            there = torch.arange(longest) < torch.tensor(lengths[start:end])[:, None]
            mask = torch.zeros(there.shape).masked_fill(~there, -torch.inf)[:, None, None]
            groups.append(Group(end - start, longest, there.flatten().nonzero()[:, 0], mask))
        start = end
    return groups


class _DroppedAttention(torch.autograd.Function):
    """Scaled dot-product attention with dropout of its probabilities (Vaswani et al. 2017), on the CPU.

    Of the probabilities one copy is kept for the backward pass, and the random bits from which what is dropped follows.
    """

    @staticmethod
    def forward(ctx, query, key, value, mask, p):
        """Return (N, heads, L, D) for a query of that shape, key and value of K tokens, and a mask or None."""
        query = query * query.shape[-1] ** -0.5
        scores = query @ key.transpose(2, 3)
        scores = scores if mask is None else scores + mask
        probabilities = torch.softmax(scores, -1, dtype=torch.float32)
        bits = random_bits(probabilities.shape)
        ctx.save_for_backward(query, key, value, probabilities, bits)
        ctx.p = p
        return keep_factors(bits, p).mul_(probabilities).to(value.dtype) @ value

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients of query, key and value."""
        query, key, value, probabilities, bits = ctx.saved_tensors
        factors = keep_factors(bits, ctx.p)
        dropped = (factors * probabilities).to(value.dtype)
        of_value = dropped.transpose(2, 3) @ gradient
        of_kept = factors.mul_(gradient @ value.transpose(2, 3))
        of_scores = torch._softmax_backward_data(of_kept, probabilities, -1, torch.float32).to(query.dtype)
        of_query = (of_scores @ key).mul_(query.shape[-1] ** -0.5)
        return of_query, of_scores.transpose(2, 3) @ query, of_value, None, None


def attend(query, key, value, groups: list[Group], heads: int, p: float) -> torch.Tensor:
    """Return what each token gets from the tokens of its row, (T, H), for query, key and value (T, H).

    `p` is the share of the attention probabilities that is dropped.
    """
    sizes = [group.tokens for group in groups]
    found = []
    for group, *parts in zip(groups, *(states.split(sizes) for states in (query, key, value)), strict=True):
        # each (N, heads, L, D)
        parts = [group.spread(states).unflatten(2, (heads, -1)).transpose(1, 2) for states in parts]
        if p and query.device.type == "cpu":
            context = _DroppedAttention.apply(*parts, group.mask, p)
        else:
            mask = None if group.mask is None else group.mask.to(query.dtype)
            context = F.scaled_dot_product_attention(*parts, attn_mask=mask, dropout_p=p)
        found.append(group.gather(context.transpose(1, 2).flatten(2)))
    return found[0] if len(found) == 1 else torch.cat(found)


def attend_once(query, hidden, key: torch.nn.Linear, value: torch.nn.Linear, groups, heads: int, p) -> torch.Tensor:
    """Return what one query of each row, (B, H), gets from the tokens of its row, (B, H), for their `hidden` (T, H).

    With one query a row it is cheaper to take it back through the key's weights than to compute the keys, and to take
    the mean of the hidden states through the value's weights than to compute the values: (q K) h = q (K h). `p` as in
    attend.
    """
    rows, width = query.shape
    by_head = query.view(rows, heads, -1).transpose(0, 1) * (width // heads) ** -0.5  # (heads, B, D)
    asked = (by_head @ key.weight.view(heads, -1, width)).transpose(0, 1)  # (B, heads, H)
    offset = (by_head @ key.bias.view(heads, -1, 1)).transpose(0, 1)  # (B, heads, 1)
    means, totals = [], []
    rows, tokens = [group.rows for group in groups], [group.tokens for group in groups]
    for group, states, *parts in zip(groups, hidden.split(tokens), asked.split(rows), offset.split(rows), strict=True):
        states = group.spread(states)  # (N, L, H)
        scores = (parts[0] @ states.transpose(1, 2)).float() + parts[1].float()  # (N, heads, L)
        scores = scores if group.mask is None else scores + group.mask[:, 0]
        probabilities = torch.softmax(scores, -1)
        probabilities = drop(probabilities, p)
        means.append(probabilities.to(states.dtype) @ states)  # (N, heads, H)
        totals.append(probabilities.sum(-1))  # (N, heads), 1 where nothing is dropped
    mean, total = torch.cat(means).transpose(0, 1), torch.cat(totals).transpose(0, 1)  # (heads, B, H), (heads, B)
    found = mean @ value.weight.view(heads, -1, width).transpose(1, 2)  # (heads, B, D)
    bias = total[..., None] * value.bias.view(heads, 1, -1)
    return (found + bias).transpose(0, 1).flatten(1)
