"""Notice a model that cannot read the text: the characters that its tokenizer turns into the unknown token."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.base.errors import UserError

SAMPLE = 1000  # texts looked at, evenly spaced
BEGINNING = 10_000  # characters of a text looked at; more than a model reads of it
FOR_SCRIPT = {  # a model of each script, by the first word of its characters' Unicode names
    "CJK": "hfl/chinese-bert-wwm",
    "HANGUL": "klue/bert-base",
    "CYRILLIC": "DeepPavlov/rubert-base-cased",
    "ARABIC": "aubmindlab/bert-base-arabertv02",
}
FOR_THE_REST = "google-bert/bert-base-multilingual-cased"


def unknown_characters(tokenizer: Any, texts: Sequence[str]) -> tuple[float, Counter]:
    """Return the share of characters, blanks aside, that the tokenizer does not know, and the scripts they are of.

    Looks at the beginnings of 1,000 evenly spaced texts at most. A tokenizer without an unknown token knows everything.
    """
    sample = [texts[i][:BEGINNING] for i in range(0, len(texts), max(1, len(texts) // SAMPLE))]
    total = sum(not character.isspace() for text in sample for character in text)
    scripts: Counter = Counter()
    if tokenizer.unk_token_id is None or not tokenizer.is_fast:
        return 0.0, scripts
    encoded = tokenizer(sample, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    for text, ids, offsets in zip(sample, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        for token, (start, end) in zip(ids, offsets, strict=True):
            if token == tokenizer.unk_token_id:
                scripts.update(unicodedata.name(c, "?").split()[0] for c in text[start:end] if not c.isspace())
    return scripts.total() / max(total, 1), scripts


def check_unknown(tokenizer: Any, texts: Sequence[str], name: str, most: float) -> float:
    """Return the share of unknown characters; UserError if it is above `most`, with a model that would know them."""
    share, scripts = unknown_characters(tokenizer, texts)
    if share > most:
        suggestion = FOR_SCRIPT.get(scripts.most_common(1)[0][0], FOR_THE_REST)
        raise UserError(
            f"{name}: {share:.0%} of the characters are unknown to this model's tokenizer (--max_unknown {most:g}), so "
            f"it cannot learn from them; choose a model for that language, such as --model {suggestion}"
        )
    return share


def known_tokens(tokenizer: Any, input_ids: np.ndarray, lengths: np.ndarray, pairs: bool) -> np.ndarray:
    """Return how many tokens of each row, (N,), say something: they are neither unknown nor special.

    input_ids is (N, L), of which the first `lengths` (N,) of each row count.
    """
    known = np.arange(input_ids.shape[1]) < lengths[:, None]
    if tokenizer.unk_token_id is not None:
        known &= input_ids != tokenizer.unk_token_id
    return known.sum(1) - tokenizer.num_special_tokens_to_add(pairs)
