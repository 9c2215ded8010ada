"""Which words mattered for a prediction: integrated gradients on the word embeddings (Sundararajan et al. 2017).

The gradient is integrated along the straight line from a text whose words are all padding to the text itself; then the
attributions of the words add up to the difference of the outputs for the two.

Shapes: N rows, B rows of a batch, L tokens, H hidden.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from toolkit.base.errors import TooLittleMemory, message_of
from toolkit.base.languages import Text
from toolkit.compute.memory import RowLimit, release_memory
from toolkit.tokens.encoder import Encoder

# Characters of scripts without blanks between words, where a tokenizer's word may be a whole sentence.
WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
QUADRATURE_POINTS = 8  # of Gauss-Legendre quadrature
MAX_TOKENS_AT_ONCE = 1024  # so that what the backward pass needs fits: 2 GB for a base-size model


class Segment(NamedTuple):
    """A part of a text, and how much it spoke for the prediction, or, below 0, against it; None: it was not read."""

    text: str
    weight: float | None


class _Token(NamedTuple):
    """The characters of a text that make up a token, what it is worth, and which word of the text it belongs to."""

    start: int
    end: int
    weight: float
    word_id: int | None


class _Span(NamedTuple):
    """The characters of a text that make up a word, and what its tokens add up to."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class _TokenizedRow:
    """The tokens of a row that the model reads at once; each of the lists has an item a token."""

    positions: np.ndarray  # (L,) among all tokens of the row
    input_ids: np.ndarray  # (L,)
    token_type_ids: np.ndarray  # (L,)
    text_numbers: list[int | None]  # 0 or 1; None for a special token
    word_ids: list[int | None]
    offsets: list[tuple[int, int]]  # in characters of the text

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True)
class _Batch:
    """Rows as a model takes them, on its device."""

    input_ids: torch.Tensor  # (B, L)
    token_type_ids: torch.Tensor  # (B, L)
    attention_mask: torch.Tensor  # (B, L)
    is_word: torch.Tensor  # (B, L) bool: neither a special token nor padding


class _TakesNoEmbeddings(Exception):
    """The model cannot be given embeddings in place of token ids."""


def attribute(
    model: Any,
    encoder: Encoder,
    rows: Sequence[tuple[str, ...]],
    contrasts: np.ndarray,
    limit: RowLimit | None = None,
) -> list[list[list[Segment]] | None]:
    """Return for each row, and each of its texts, the segments that make it up, with their weights.

    A weight is what the segment adds to a sum of logits, divided by the largest such part of the row. A
    tokenizer that cannot tell where its tokens stand, or a model that takes no embeddings, gives an empty list. A
    row for which the memory does not suffice even alone has None; raises TooLittleMemory if all rows are such.

    Args:
        model: a sequence classifier of transformers, as it was loaded.
        encoder: as for prediction.
        rows: (text,) or (text, text_pair) of N rows.
        contrasts: (N, C), how much each logit counts in that sum: 1 and -1 for two that are compared.
        limit: how many rows go through the model at once; lowered where the memory runs out.
    """
    if not encoder.tokenizer.is_fast or not rows:
        return []
    windows_of_rows = _tokenize(encoder, rows)
    windows = [window for of_row in windows_of_rows for window in of_row]
    row_ids = np.repeat(np.arange(len(rows)), [len(of_row) for of_row in windows_of_rows])
    model.eval().requires_grad_(False)
    try:
        attributions = _attributions(model, encoder, windows, contrasts[row_ids], limit or RowLimit())
    except _TakesNoEmbeddings:
        return []
    segments: list[list[list[Segment]] | None] = []
    for row, texts in enumerate(rows):
        numbers = np.flatnonzero(row_ids == row).tolist()
        is_complete = all(number in attributions for number in numbers)
        of_windows = [(windows[number], attributions[number]) for number in numbers] if is_complete else []
        segments.append(_segments(texts, of_windows) if is_complete else None)
    return segments


def _tokenize(encoder: Encoder, rows: Sequence[tuple[str, ...]]) -> list[list[_TokenizedRow]]:
    """Return the tokens of each row, cut as for prediction: one item, or one for each of its windows."""
    encoded = encoder.tokenizer(
        [row[0] for row in rows],
        [row[1] for row in rows] if encoder.pairs else None,
        truncation=False,
        verbose=False,
        return_offsets_mapping=True,
        return_token_type_ids=True,
        return_attention_mask=False,
    )
    return [
        [_tokenized_part(encoded, i, kept) for kept in encoder.kept_positions(encoded, i)] for i in range(len(rows))
    ]


def _tokenized_part(encoded: Any, row: int, kept: list[int] | slice) -> _TokenizedRow:
    """Return the tokens of a row of a BatchEncoding that are at some positions."""
    input_ids = np.array(encoded["input_ids"][row])
    positions = np.arange(len(input_ids))[kept]
    text_numbers = encoded.sequence_ids(row)
    word_ids = encoded.word_ids(row)
    offsets = encoded["offset_mapping"][row]
    return _TokenizedRow(
        positions=positions,
        input_ids=input_ids[positions],
        token_type_ids=np.array(encoded["token_type_ids"][row])[positions],
        text_numbers=[text_numbers[position] for position in positions],
        word_ids=[word_ids[position] for position in positions],
        offsets=[offsets[position] for position in positions],
    )


def _batches(lengths: Sequence[int], equal_lengths: bool) -> Iterator[list[int]]:
    """Yield the numbers of rows with these lengths, the shortest first: of as many at a time as the tokens allow.

    With `equal_lengths` those of a batch have one length.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        is_too_much = (len(batch) + 1) * lengths[number] > MAX_TOKENS_AT_ONCE
        if batch and (is_too_much or (equal_lengths and lengths[number] != lengths[batch[-1]])):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _attributions(
    model: Any,
    encoder: Encoder,
    rows: Sequence[_TokenizedRow],
    contrasts: np.ndarray,
    limit: RowLimit,
) -> dict[int, np.ndarray]:
    """Return the attributions (L,) of the tokens of each of N rows, by its number, without rows too large for memory.

    Raises TooLittleMemory if all of them are.
    """
    attributions: dict[int, np.ndarray] = {}
    batches = deque(_batches([len(row) for row in rows], limit.equal_lengths))
    shortage = Text("", "")
    while batches:
        numbers = batches.popleft()
        try:
            of_batch = _within_limit(model, encoder, [rows[i] for i in numbers], contrasts[numbers], limit)
            attributions.update(zip(numbers, of_batch, strict=True))
            continue
        except TooLittleMemory as error:
            shortage = message_of(error)
        release_memory()
        if len(numbers) > 1:  # some of its rows may fit
            batches.extendleft([number] for number in reversed(numbers))
    if not attributions:
        raise TooLittleMemory(shortage)
    return attributions


def _within_limit(
    model: Any,
    encoder: Encoder,
    rows: Sequence[_TokenizedRow],
    contrasts: np.ndarray,
    limit: RowLimit,
) -> list[np.ndarray]:
    """Return for each of B rows the attributions (L,) of its tokens; where the memory runs out, in smaller batches."""
    values: list[np.ndarray] = []
    for attempt in limit.attempts(len(rows)):
        with attempt:
            values = _in_pieces(model, encoder, rows, contrasts, limit)
    return values


def _in_pieces(
    model: Any,
    encoder: Encoder,
    rows: Sequence[_TokenizedRow],
    contrasts: np.ndarray,
    limit: RowLimit,
) -> list[np.ndarray]:
    """Return the attributions of some rows, computed in pieces within the limit.

    A function of its own, so that where the memory runs out nothing of the graph is held while fewer rows are tried.
    """
    values: list[np.ndarray] = []
    for piece in limit.cut(np.arange(len(rows))):
        values += _integrated_gradients(model, encoder, [rows[i] for i in piece], contrasts[piece])
    return values


def _integrated_gradients(
    model: Any, encoder: Encoder, rows: Sequence[_TokenizedRow], contrasts: np.ndarray
) -> list[np.ndarray]:
    """Return for each of B rows the attributions (L,) of its tokens."""
    device = next(model.parameters()).device
    padding = encoder.tokenizer.pad_token_id
    batch = _pad(rows, padding, device)
    inputs = {"attention_mask": batch.attention_mask}
    if encoder.token_types:
        inputs["token_type_ids"] = batch.token_type_ids
    embeddings = model.get_input_embeddings()
    with torch.no_grad():
        text = embeddings(batch.input_ids)  # (B, L, H)
        blank = embeddings(torch.where(batch.is_word, padding, batch.input_ids))
    factors = torch.from_numpy(contrasts).to(device, text.dtype)  # (B, C)
    total = torch.zeros_like(text)
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_POINTS)  # on the interval from -1 to 1
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (blank + float(node) * (text - blank)).requires_grad_()
        try:
            with torch.enable_grad():
                logits = model(inputs_embeds=point, **inputs).logits  # (B, C)
                (gradient,) = torch.autograd.grad((logits * factors).sum(), point)
        except (TypeError, NotImplementedError) as error:
            raise _TakesNoEmbeddings from error
        total += float(weight) * gradient
    values = ((text - blank) * total).sum(-1).cpu().numpy()  # (B, L)
    return [values[i, : len(row)] for i, row in enumerate(rows)]


def _pad(rows: Sequence[_TokenizedRow], padding: int, device: torch.device) -> _Batch:
    """Return B rows as tensors, filled up with the token `padding` to the longest row's length."""
    shape = (len(rows), max(len(row) for row in rows))
    input_ids = np.full(shape, padding)
    token_type_ids = np.zeros(shape, np.int64)
    attention_mask = np.zeros(shape, np.int64)
    is_word = np.zeros(shape, bool)
    for i, row in enumerate(rows):
        tokens = slice(0, len(row))
        input_ids[i, tokens] = row.input_ids
        token_type_ids[i, tokens] = row.token_type_ids
        attention_mask[i, tokens] = 1
        is_word[i, tokens] = [number is not None for number in row.text_numbers]
    return _Batch(
        input_ids=torch.from_numpy(input_ids).to(device),
        token_type_ids=torch.from_numpy(token_type_ids).to(device),
        attention_mask=torch.from_numpy(attention_mask).to(device),
        is_word=torch.from_numpy(is_word).to(device),
    )


def _segments(texts: tuple[str, ...], windows: Sequence[tuple[_TokenizedRow, np.ndarray]]) -> list[list[Segment]]:
    """Return the segments of a row's texts: words with what their tokens add up to, and what is between them.

    `windows` are what the model reads at once, with the attributions (L,) of the tokens. The logits of a row are the
    mean of those of its windows, so what a token is worth is its mean over them; the sum is as good, as all is divided
    by the largest.
    """
    tokens: list[dict[int, _Token]] = [{} for _ in texts]  # of each text, by position
    for window, attributions in windows:
        for i, weight in enumerate(attributions.tolist()):
            text_number = window.text_numbers[i]
            if text_number is None:
                continue
            position = int(window.positions[i])
            start, end = window.offsets[i]
            before = tokens[text_number].get(position)
            total = weight if before is None else before.weight + weight
            tokens[text_number][position] = _Token(start, end, total, window.word_ids[i])
    spans = [_words(text, of_text) for text, of_text in zip(texts, tokens, strict=True)]
    largest = max((abs(span.weight) for of_text in spans for span in of_text), default=0.0)
    return [_covering(text, of_text, largest or 1.0) for text, of_text in zip(texts, spans, strict=True)]


def _words(text: str, tokens: Mapping[int, _Token]) -> list[_Span]:
    """Return the words of a text, each with what its tokens add up to, in the order in which they stand in it.

    A token belongs to the word of the token before it if the tokenizer says so. Where a language has no blanks each
    token is a word: a tokenizer that divides texts at blanks takes a whole sentence for one, punctuation included.
    """
    words: list[_Span] = []
    last: tuple[int, int | None] | None = None  # position and word of the token before, if that can be continued
    for position, token in sorted(tokens.items()):
        if WITHOUT_BLANKS.search(text[token.start : token.end]):
            words.append(_Span(token.start, token.end, token.weight))
            last = None
            continue
        if last == (position - 1, token.word_id):
            word = words.pop()
            words.append(_Span(min(word.start, token.start), max(word.end, token.end), word.weight + token.weight))
        else:
            words.append(_Span(token.start, token.end, token.weight))
        last = (position, token.word_id)
    return sorted(words)


def _covering(text: str, spans: Sequence[_Span], largest: float) -> list[Segment]:
    """Return segments that together are the text, of spans in the order in which they stand in it."""
    segments = []
    covered = 0
    for span in spans:
        if span.start > covered:
            segments.append(Segment(text[covered : span.start], None))
        start = max(span.start, covered)
        if span.end > start:
            segments.append(Segment(text[start : span.end], span.weight / largest))
        covered = max(covered, span.end)
    if covered < len(text):
        segments.append(Segment(text[covered:], None))
    return segments
