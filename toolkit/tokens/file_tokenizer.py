"""A tokenizer.json read by the tokenizers package alone, in the place of a tokenizer of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.base.errors import CANNOT_BE_READ, UserError, first_line
from toolkit.models.trust import tokenizer_file_problems


@dataclass(frozen=True)
class EncodedRows:
    """What becomes of some rows, by the names that a BatchEncoding has for it."""

    rows: Sequence[Any]  # of tokenizers.Encoding

    def __getitem__(self, name: str) -> list[list[int]]:
        if name == "input_ids":
            return [row.ids for row in self.rows]
        if name == "token_type_ids":
            return [row.type_ids for row in self.rows]
        raise KeyError(name)

    def sequence_ids(self, row: int) -> list[int | None]:
        """Return for each token of a row 0 (first text), 1 (second text) or None (special token)."""
        return self.rows[row].sequence_ids


class FileTokenizer:
    """The tokenizer of a file, as far as an Encoder knows one of transformers."""

    is_fast = True  # it knows to which text a token belongs

    def __init__(self, path: Path, pad_token_id: int):
        """Read a tokenizer.json; UserError if that cannot be done, or it is made so that it might never end."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - an optional package

        if problems := tokenizer_file_problems(path):
            raise UserError(*problems)
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the tokenizers have no other kind
            raise UserError(CANNOT_BE_READ.fill(file=path, reason=first_line(error))) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.pad_token_id = pad_token_id

    def __call__(self, texts: Sequence[str], second_texts: Sequence[str] | None, **_: bool) -> EncodedRows:
        """Return texts, or pairs, as tokens with their special ones, whole; options of transformers are of no use."""
        rows: Sequence[Any] = texts if second_texts is None else list(zip(texts, second_texts, strict=True))
        return EncodedRows(self._tokenizer.encode_batch(rows))

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a row has."""
        return self._tokenizer.num_special_tokens_to_add(pair)
