"""Which words mattered for a prediction: integrated gradients on the word embeddings (Sundararajan et al. 2017).

The gradient is integrated along the straight line from a text whose words are all padding to the text itself; then the
attributions of the words add up to the difference of the outputs for the two. B rows, L tokens, H hidden.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from toolkit.compute.memory import RowLimit
from toolkit.tokens.encoder import kept_positions

# Characters of scripts without blanks between words, where a tokenizer's word may be a whole sentence.
ALONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
STEPS = 8  # points of Gauss-Legendre quadrature
TOKENS = 1024  # at once, so that what the backward pass needs fits: 2 GB for a base-size model


class Segment(NamedTuple):
    """A part of a text, and how much it spoke for the prediction, or, below 0, against it; None: it was not read."""

    text: str
    weight: float | None


def attribute(
    model, encoder, rows: Sequence[tuple[str, ...]], contrasts: np.ndarray, limit: RowLimit | None = None
) -> list[list[list[Segment]]]:
    """Return for each row, and each of its texts, the segments that make it up, with their weights.

    Weights are of what the text adds to the difference of two logits, contrasts (N, 2) has the labels of both, and are
    divided by the largest of the row. A tokenizer that cannot tell where its tokens stand, or a model that takes no
    embeddings, gives an empty list. Raises TooLittleMemory if the memory does not suffice for a single row.

    Args:
        model: a sequence classifier of transformers, as it was loaded.
        encoder: the tokenizer, max_length, truncation and whether there are pairs, as for prediction.
        rows: (text,) or (text, text_pair) of N rows.
        contrasts: (N, 2).
        limit: how many rows go through the model at once; lowered where the memory runs out.
    """
    limit = limit or RowLimit()
    if not encoder.tokenizer.is_fast or not rows:
        return []
    encoded = encoder.tokenizer(
        [row[0] for row in rows], [row[1] for row in rows] if encoder.pairs else None, truncation=False, verbose=False,
        return_offsets_mapping=True, return_token_type_ids=True, return_attention_mask=False,
    )  # fmt: skip
    kept = [np.arange(len(ids)) for ids in encoded["input_ids"]]
    for i, positions in enumerate(kept):
        if len(positions) > encoder.max_length:
            kept[i] = np.asarray(kept_positions(encoded.sequence_ids(i), encoder.max_length, encoder.truncation))
    model.eval().requires_grad_(False)
    left, found = sorted(range(len(rows)), key=lambda i: len(kept[i])), {}
    while left:
        part = [i for number, i in enumerate(left) if not number or (number + 1) * len(kept[i]) <= TOKENS]
        for attempt in limit.attempts(len(part)):
            with attempt:
                values = _in_pieces(model, encoder, encoded, [(i, kept[i]) for i in part], contrasts[part], limit)
        if values is None:
            return []
        left, found = left[len(part) :], found | dict(zip(part, values, strict=True))
    return [_segments(encoded, i, row, kept[i], found[i]) for i, row in enumerate(rows)]


def _in_pieces(model, encoder, encoded, rows: list, contrasts: np.ndarray, limit: RowLimit) -> list[np.ndarray] | None:
    """Return what _integrated returns of some rows, in pieces within the limit.

    A function of its own, so that where the memory runs out nothing of the graph is held while fewer rows are tried.
    """
    values: list[np.ndarray] = []
    for piece in limit.cut(np.arange(len(rows))):
        of_piece = _integrated(model, encoder, encoded, [rows[i] for i in piece], contrasts[piece])
        if of_piece is None:
            return None
        values += of_piece
    return values


def _integrated(model, encoder, encoded, rows: list, contrasts: np.ndarray) -> list[np.ndarray] | None:
    """Return for each of B rows the attributions of its tokens, None if the model cannot be asked."""
    device, padding = next(model.parameters()).device, encoder.tokenizer.pad_token_id
    longest = max(len(positions) for _, positions in rows)
    ids, types = (torch.full((len(rows), longest), value) for value in (padding, 0))  # (B, L)
    words, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(2))
    for row, (i, positions) in enumerate(rows):
        there, sequences = slice(0, len(positions)), encoded.sequence_ids(i)
        ids[row, there] = torch.tensor(encoded["input_ids"][i])[positions]
        types[row, there] = torch.tensor(encoded["token_type_ids"][i])[positions]
        words[row, there] = torch.tensor([sequences[position] is not None for position in positions]).long()
        mask[row, there] = 1
    inputs = {"attention_mask": mask.to(device)} | ({"token_type_ids": types.to(device)} if encoder.token_types else {})
    table = model.get_input_embeddings()
    with torch.no_grad():
        text = table(ids.to(device))  # (B, L, H)
        blank = table(torch.where(words.bool(), padding, ids).to(device))
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    total, chosen = torch.zeros_like(text), torch.from_numpy(contrasts).to(device)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (blank + float(node) * (text - blank)).requires_grad_()
        try:
            with torch.enable_grad():
                logits = model(inputs_embeds=point, **inputs).logits.gather(1, chosen)  # (B, 2)
                (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), point)
        except (TypeError, NotImplementedError):  # it takes no inputs_embeds
            return None
        total += float(weight) * gradient
    values = ((text - blank) * total).sum(-1).cpu().numpy()  # (B, L)
    return [values[row, : len(positions)] for row, (_, positions) in enumerate(rows)]


def _segments(encoded, i: int, texts: tuple[str, ...], kept: np.ndarray, values: np.ndarray) -> list[list[Segment]]:
    """Return the segments of a row's texts: words with what their tokens add up to, and what is between them."""
    sequences, words, offsets = encoded.sequence_ids(i), encoded.word_ids(i), encoded["offset_mapping"][i]
    spans: list[dict] = [{} for _ in texts]  # of each text, for each word: where it begins, ends, and its weight
    for position, value in zip(kept.tolist(), values.tolist(), strict=True):
        if (there := sequences[position]) is not None:
            start, end = offsets[position]
            word = position if ALONE.search(texts[there][start:end]) else -1 - words[position]
            begin, stop, so_far = spans[there].get(word, (start, end, 0.0))
            spans[there][word] = (min(begin, start), max(stop, end), so_far + value)
    largest = max((abs(weight) for found in spans for _, _, weight in found.values()), default=0.0) or 1.0
    return [_covering(text, sorted(found.values()), largest) for text, found in zip(texts, spans, strict=True)]


def _covering(text: str, spans: list[tuple[int, int, float]], largest: float) -> list[Segment]:
    """Return segments that together are the text."""
    found, end = [], 0
    for start, stop, weight in spans:
        if start > end:
            found.append(Segment(text[end:start], None))
        if stop > max(start, end):
            found.append(Segment(text[max(start, end) : stop], weight / largest))
        end = max(end, stop)
    return [*found, Segment(text[end:], None)] if end < len(text) else found
