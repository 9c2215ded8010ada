"""Attention of rows whose tokens follow each other without padding.

T tokens of B rows; H values of a token, of which each head has D; a Group is N rows of similar length, the longest of
which has L tokens.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from toolkit.layers.cheap_dropout import drop, keep_factors, random_bits

SIMILAR_LENGTH = 0.8  # share of the longest row's length that a row of its group has at least
MIN_ROWS_OF_LENGTH = 4  # rows of each length, on average, from which on every length has a group of its own


@dataclass(frozen=True)
class AttentionSettings:
    """How many heads attend, and the share of the attention probabilities that is dropped."""

    heads: int
    dropout: float


@dataclass(frozen=True)
class Group:
    """Rows that are attended to together and whose tokens follow each other; padded if their lengths differ."""

    rows: int
    longest: int  # tokens of the longest row
    slots: torch.Tensor | None = None  # (tokens,), where each lies among rows * longest (None: in every slot)
    mask: torch.Tensor | None = None  # (rows, 1, 1, longest), 0 for a token and -inf for padding (None: there is none)

    @property
    def tokens(self) -> int:
        """How many tokens its rows have together."""
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

    Rows of one length need no padding, so each length gets a group of its own, unless there would be one for every few
    rows.
    """
    has_many_of_each = len(set(lengths)) * MIN_ROWS_OF_LENGTH <= len(lengths)
    similar = 1.0 if has_many_of_each else SIMILAR_LENGTH
    groups = []
    start = 0
    while start < len(lengths):
        shortest = similar * lengths[start]
        end = start
        while end < len(lengths) and lengths[end] >= shortest:
            end += 1
        groups.append(_group(lengths[start:end]))
        start = end
    return groups


def _group(lengths: list[int]) -> Group:
    """Return the group of rows of these lengths, the longest first."""
    rows = len(lengths)
    longest = lengths[0]
    if lengths[-1] == longest:
        return Group(rows, longest)
    is_token = torch.arange(longest) < torch.tensor(lengths)[:, None]  # (rows, longest)
    mask = torch.zeros(is_token.shape).masked_fill(~is_token, -torch.inf)[:, None, None]
    return Group(rows, longest, is_token.flatten().nonzero()[:, 0], mask)


class _DroppedAttention(torch.autograd.Function):
    """Scaled dot-product attention with dropout of its probabilities (Vaswani et al. 2017), on the CPU.

    For the backward pass it keeps one copy of the probabilities, and the random bits that say which were dropped.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, p: float
    ) -> torch.Tensor:
        """Return (N, heads, L, D) for query, key and value of that shape, and the mask of the group."""
        query = query * query.shape[-1] ** -0.5
        scores = query @ key.transpose(2, 3)  # (N, heads, L, L)
        scores = scores if mask is None else scores + mask
        probabilities = torch.softmax(scores, -1, dtype=torch.float32)
        bits = random_bits(probabilities.shape)
        ctx.save_for_backward(query, key, value, probabilities, bits)
        ctx.p = p
        return keep_factors(bits, p).mul_(probabilities).to(value.dtype) @ value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None, None]:
        """Return the gradients of query, key and value for that (N, heads, L, D) of the output."""
        query, key, value, probabilities, bits = ctx.saved_tensors
        factors = keep_factors(bits, ctx.p)
        dropped = (factors * probabilities).to(value.dtype)
        of_value = dropped.transpose(2, 3) @ gradient
        of_kept = factors.mul_(gradient @ value.transpose(2, 3))
        of_scores = torch._softmax_backward_data(of_kept, probabilities, -1, torch.float32).to(query.dtype)
        of_query = (of_scores @ key).mul_(query.shape[-1] ** -0.5)
        return of_query, of_scores.transpose(2, 3) @ query, of_value, None, None


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, groups: list[Group], settings: AttentionSettings
) -> torch.Tensor:
    """Return what each token gets from the tokens of its row, (T, H), for query, key and value (T, H)."""
    sizes = [group.tokens for group in groups]
    parts = zip(groups, query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
    contexts = [_attend_in_group(group, q, k, v, settings) for group, q, k, v in parts]
    return contexts[0] if len(contexts) == 1 else torch.cat(contexts)


def _attend_in_group(
    group: Group, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, settings: AttentionSettings
) -> torch.Tensor:
    """Return what attend returns, (tokens, H), for the tokens of one group, (tokens, H)."""
    return group.gather(_attended(group, group.spread(query), group.spread(key), group.spread(value), settings))


def _attended(
    group: Group, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, settings: AttentionSettings
) -> torch.Tensor:
    """Return what the queries of each row, (N, Q, H), get from its tokens, (N, Q, H), for keys and values (N, L, H)."""
    query = _split_heads(query, settings.heads)
    key = _split_heads(key, settings.heads)
    value = _split_heads(value, settings.heads)
    p = settings.dropout
    if p and query.device.type == "cpu":
        context = _DroppedAttention.apply(query, key, value, group.mask, p)  # (N, heads, Q, D)
    else:
        mask = None if group.mask is None else group.mask.to(query.dtype)
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=p)
    return context.transpose(1, 2).flatten(2)


def attend_first(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, groups: list[Group], settings: AttentionSettings
) -> torch.Tensor:
    """Return what one query of each row, (B, H), gets from the tokens of its row, (B, H), for key and value (T, H)."""
    rows = [group.rows for group in groups]
    tokens = [group.tokens for group in groups]
    parts = zip(groups, query.split(rows), key.split(tokens), value.split(tokens), strict=True)
    contexts = [_attended(group, q[:, None], group.spread(k), group.spread(v), settings) for group, q, k, v in parts]
    return torch.cat(contexts).flatten(1)


def _split_heads(states: torch.Tensor, heads: int) -> torch.Tensor:
    """Return (N, heads, L, D) for (N, L, H)."""
    return states.unflatten(2, (heads, -1)).transpose(1, 2)


def attend_once(
    query: torch.Tensor,
    hidden: torch.Tensor,
    key: torch.nn.Linear,
    value: torch.nn.Linear,
    groups: list[Group],
    settings: AttentionSettings,
) -> torch.Tensor:
    """Return what one query of each row, (B, H), gets from the tokens of its row, (B, H), for their `hidden` (T, H).

    With one query a row it is cheaper to multiply the query by the key's weights than to compute the keys, (q K) h =
    q (K h), and to multiply the mean of the hidden states by the value's weights than to compute the values.
    """
    width = query.shape[1]
    heads = settings.heads
    by_head = query.view(-1, heads, width // heads).transpose(0, 1) * (width // heads) ** -0.5  # (heads, B, D)
    asked = (by_head @ key.weight.view(heads, -1, width)).transpose(0, 1)  # (B, heads, H)
    offset = (by_head @ key.bias.view(heads, -1, 1)).transpose(0, 1)  # (B, heads, 1)
    rows = [group.rows for group in groups]
    tokens = [group.tokens for group in groups]
    means = []
    totals = []
    parts = zip(groups, hidden.split(tokens), asked.split(rows), offset.split(rows), strict=True)
    for group, group_hidden, group_asked, group_offset in parts:
        states = group.spread(group_hidden)  # (N, L, H)
        scores = (group_asked @ states.transpose(1, 2)).float() + group_offset.float()  # (N, heads, L)
        scores = scores if group.mask is None else scores + group.mask[:, 0]
        probabilities = drop(torch.softmax(scores, -1), settings.dropout)
        means.append(probabilities.to(states.dtype) @ states)  # (N, heads, H)
        totals.append(probabilities.sum(-1))  # (N, heads), 1 where nothing is dropped
    mean = torch.cat(means).transpose(0, 1)  # (heads, B, H)
    total = torch.cat(totals).transpose(0, 1)  # (heads, B)
    context = mean @ value.weight.view(heads, -1, width).transpose(1, 2)  # (heads, B, D)
    bias = total[..., None] * value.bias.view(heads, 1, -1)
    return (context + bias).transpose(0, 1).flatten(1)
