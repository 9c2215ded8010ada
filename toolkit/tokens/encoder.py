"""A tokenizer and how it is used for one model: single texts or pairs, cut to the length that the model takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.cli.console import bar
from toolkit.data.row_texts import RowTexts
from toolkit.tokens.texts import LENGTHS
from toolkit.tokens.windows import Windows, window_positions

if TYPE_CHECKING:  # a machine that only predicts does without
    from transformers import PretrainedConfig

ENCODED_AT_ONCE = 1000  # rows
DEFAULT_LENGTH = 512  # tokens, for a model without a limit
HEAD_TOKENS = 128  # of head_tail, Sun et al. 2019, section 5.3.1


@dataclass(frozen=True)
class Encoder:
    """A tokenizer and how it is used for one model: `pairs` of texts or single ones, cut to `max_length` tokens."""

    tokenizer: Any
    max_length: int
    truncation: str
    pairs: bool
    token_types: bool  # the model tells the texts of a pair apart by token_type_ids
    windows: Windows | None = None  # what becomes of rows that are longer; None: they are truncated

    def encode(self, texts: Sequence[str], second_texts: Sequence[str] | None) -> Any:
        """Return what the tokenizer makes of texts, or pairs of texts, before anything is cut: a BatchEncoding."""
        return self.tokenizer(
            list(texts),
            list(second_texts) if second_texts is not None else None,
            truncation=False,
            verbose=False,
            return_token_type_ids=self.token_types,
            return_attention_mask=False,
        )

    def encode_table(self, texts: RowTexts, activity: Text, language: str = "en") -> Iterator[tuple[int, Any]]:
        """Yield, for a thousand rows at a time, the number of the first and what `encode` returns for them.

        `activity` is what the progress bar says, in `language`.
        """
        second = texts.second if self.pairs else None
        with bar(len(texts), activity, "rows", language=language) as progress_bar:
            for start in range(0, len(texts), ENCODED_AT_ONCE):
                part = slice(start, start + ENCODED_AT_ONCE)
                yield start, self.encode(texts.first[part], second[part] if second is not None else None)
                progress_bar.update(len(texts.first[part]))

    @property
    def capacity(self) -> int:
        """How many tokens a row may have, special ones included, of which all are read; of a pair about so many."""
        if self.windows is None:
            return self.max_length
        special = self.tokenizer.num_special_tokens_to_add(self.pairs)
        return special + self.windows.capacity(self.max_length - special)

    def kept_positions(self, encoded: Any, row: int, file: str = "") -> list[list[int] | slice]:
        """Return the positions of the tokens of a row that are read: at once, or in each of its windows.

        `encoded` is the BatchEncoding that the row is in. Raises UserError, naming the `file`, where the row has to be
        cut and the tokenizer cannot say to which text a token belongs.
        """
        length = len(encoded["input_ids"][row])
        if length <= self.max_length:
            return [slice(None)]
        if not self.tokenizer.is_fast:
            raise UserError(LENGTHS["slow_tokenizer"].fill(file=file, length=length))
        sequence_ids = encoded.sequence_ids(row)
        if self.windows is not None:
            return [*window_positions(sequence_ids, self.max_length, self.windows)]
        return [kept_positions(sequence_ids, self.max_length, self.truncation)]

    def with_windows(self, stride: int | None, max_windows: int | None) -> "Encoder":
        """Return an encoder by which long rows become windows, see Windows.make."""
        room = self.max_length - self.tokenizer.num_special_tokens_to_add(self.pairs)
        least_room = room - room // 2 if self.pairs else room
        return replace(self, windows=Windows.make(stride, max_windows, self.max_length, least_room))


def make_encoder(
    tokenizer: Any, config: "PretrainedConfig", max_length: int | None, truncation: str, pairs: bool
) -> Encoder:
    """Return the Encoder for a model; `max_length` None means as many tokens as it can take, 512 if it has no limit.

    Rows that are longer are truncated. Raises UserError for a length that the model cannot take or that leaves no room,
    and a truncation without sense.
    """
    # It imports torch, which a machine that only predicts does without.
    from toolkit.models.configuration import has_token_types, input_limit  # noqa: PLC0415

    limit = input_limit(config, tokenizer)
    special = tokenizer.num_special_tokens_to_add(pairs)
    if max_length is None:
        max_length = limit or DEFAULT_LENGTH
    if limit is not None and max_length > limit:
        raise UserError(LENGTHS["above_limit"].fill(max_length=max_length, limit=limit))
    if max_length < special + 1 + pairs:
        raise UserError(LENGTHS["no_room"].fill(max_length=max_length, special=special))
    if truncation == "only_second" and not pairs:
        raise UserError(LENGTHS["only_second"])
    return Encoder(tokenizer, max_length, truncation, pairs, has_token_types(config))


def allowances(first: int, second: int, room: int, truncation: str) -> tuple[int, int]:
    """Return how many tokens of the first and of the second text may stay, given `room` for both together.

    longest_first shortens the longer text until both are of one length, then both alike, as the fast tokenizers of
    Hugging Face do; so does head_tail. only_first and only_second leave one token of their text, and only if that is
    not enough do they shorten the other.
    """
    over = first + second - room
    if over <= 0:
        return first, second
    if truncation == "only_first":
        first = max(min(first, 1), first - over)
        return first, min(second, room - first)
    if truncation == "only_second":
        second = max(min(second, 1), second - over)
        return min(first, room - second), second
    short = min(first, second, room // 2)
    return (short, room - short) if first <= second else (room - short, short)


def kept_positions(sequence_ids: Sequence[int | None], max_length: int, truncation: str) -> list[int]:
    """Return the positions of a tokenized row that stay when it is cut to `max_length` tokens.

    Args:
        sequence_ids: for each token 0 (first text), 1 (second text) or None (special token), which is never cut.
        max_length: tokens that may stay, special tokens included.
        truncation: longest_first, only_first, only_second or head_tail.
    """
    special: list[int] = []
    texts: tuple[list[int], list[int]] = ([], [])
    for position, sequence in enumerate(sequence_ids):
        if sequence is None:
            special.append(position)
        else:
            texts[sequence].append(position)
    allowed = allowances(len(texts[0]), len(texts[1]), max_length - len(special), truncation)
    kept = special
    for positions, count in zip(texts, allowed, strict=True):
        head = count
        if truncation == "head_tail" and count < len(positions):
            head = min(HEAD_TOKENS, count // 2)
        tail = positions[len(positions) - (count - head) :]
        kept = kept + positions[:head] + tail
    return sorted(kept)
