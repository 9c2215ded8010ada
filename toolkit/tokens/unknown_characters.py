"""Notice a model that cannot read the text: the characters that its tokenizer turns into the unknown token."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.models.multilingual import MULTILINGUAL, how_to_install, is_installed
from toolkit.models.texts import LOCATE
from toolkit.models.vocabulary import alphabet_of

SAMPLED_TEXTS = 1000  # that are looked at, or up to twice as many
SAMPLED_CHARACTERS = 10_000  # of each of them, from its beginning; more than a model reads
MODEL_FOR_SCRIPT = {  # a model of each script, by the first word of its characters' Unicode names
    "CJK": "hfl/chinese-bert-wwm",
    "HANGUL": "klue/bert-base",
    "CYRILLIC": "DeepPavlov/rubert-base-cased",
    "ARABIC": "aubmindlab/bert-base-arabertv02",
}
MULTILINGUAL_MODEL = "google-bert/bert-base-multilingual-cased"


def sampled(texts: Sequence[str]) -> list[str]:
    """Return the beginnings of 1,000 to 2,000 evenly spaced texts, or of all if there are fewer."""
    step = max(1, len(texts) // SAMPLED_TEXTS)
    return [text[:SAMPLED_CHARACTERS] for text in texts[::step]]


def unknown_characters(tokenizer: Any, texts: Sequence[str]) -> tuple[float, Counter]:
    """Return the share of characters, blanks aside, that the tokenizer does not know, and the scripts they are of.

    Looks at a sample of them. A tokenizer without an unknown token knows everything.
    """
    sample = sampled(texts)
    total = sum(not character.isspace() for text in sample for character in text)
    scripts: Counter = Counter()
    if tokenizer.unk_token_id is None or not tokenizer.is_fast:
        return 0.0, scripts
    encoded = tokenizer(sample, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    for text, ids, offsets in zip(sample, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        for token, (start, end) in zip(ids, offsets, strict=True):
            if token == tokenizer.unk_token_id:
                scripts.update(alphabet_of(c) for c in text[start:end] if not c.isspace())
    return scripts.total() / max(total, 1), scripts


def check_unknown(tokenizer: Any, texts: Sequence[str], name: str, max_share: float) -> float:
    """Return the share of unknown characters; UserError that names a better model if it is above `max_share`."""
    share, scripts = unknown_characters(tokenizer, texts)
    if share > max_share:
        suggestion = MODEL_FOR_SCRIPT.get(scripts.most_common(1)[0][0], MULTILINGUAL_MODEL)
        problem = LOCATE["unknown_characters"].fill(
            file=name, share=share, most=max_share, model=suggestion, command=_multilingual_choice()
        )
        raise UserError(problem)
    return share


def _multilingual_choice() -> str | Text:
    """Return what to do to have the multilingual model."""
    if is_installed():
        return f"--model {MULTILINGUAL}"
    return how_to_install()


def known_tokens(tokenizer: Any, input_ids: np.ndarray, lengths: np.ndarray, pairs: bool) -> np.ndarray:
    """Return how many tokens of each row, (N,), say something: they are neither unknown nor special.

    input_ids is (N, L), of which the first `lengths` (N,) of each row count.
    """
    known = np.arange(input_ids.shape[1]) < lengths[:, None]
    if tokenizer.unk_token_id is not None:
        known &= input_ids != tokenizer.unk_token_id
    return known.sum(1) - tokenizer.num_special_tokens_to_add(pairs)
