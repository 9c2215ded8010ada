"""Cut a model's vocabulary to the tokens of the texts of a run, and find out what that does to other texts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import PretrainedConfig

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.compute.processes import Processes
from toolkit.data.tables import texts_of
from toolkit.models.vocabulary import (
    Vocabulary,
    alphabet_of,
    common_tokens,
    cut_tokenizer,
    token_ids_of,
    up_to_padding,
)
from toolkit.tokens.dataset import TokenDataset
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.texts import OTHER_SPLITS
from toolkit.tokens.unknown_characters import sampled

LEAST_SHARE = 0.1  # of the letters of texts, for an alphabet that counts as theirs
TOKENS_OF = Text("tokens of {name}", "{name} 的词元")
ONCE_MORE = Text("tokens of {name}, once more", "{name} 的词元，再来一遍")


@dataclass(frozen=True)
class Trimmed:
    """An encoder whose tokenizer has a cut vocabulary."""

    encoder: Encoder
    vocabulary: Vocabulary
    changed_share: float  # of the validation rows, had the vocabulary been cut to the tokens of the training rows alone


def trim_vocabulary(
    encoder: Encoder, config: PretrainedConfig, frames: Mapping[str, pd.DataFrame], language: str = "en"
) -> Trimmed:
    """Return the encoder of a model, whose configuration is `config`, with a vocabulary cut to the tokens of tables.

    `frames` are the tables by name, train and valid among them, with the columns text and, for pairs, text_pair;
    `language` is that of the progress bars.
    Raises UserError if the tokenizer's vocabulary cannot be cut so that it splits these texts as before.
    """
    token_ids = {
        name: list(_token_ids(encoder, frame, TOKENS_OF.fill(name=name), language)) for name, frame in frames.items()
    }
    used = {name: _distinct(rows) for name, rows in token_ids.items()}
    common = common_tokens(encoder.tokenizer, _alphabets(frames["train"]))
    cut = cut_tokenizer(encoder.tokenizer, config, _distinct([*used.values(), common]))
    trimmed = replace(encoder, tokenizer=cut.tokenizer)
    new_ids = cut.vocabulary.new_ids
    for name, frame in frames.items():
        ids_now = _token_ids(trimmed, frame, ONCE_MORE.fill(name=name), language)
        if not all(np.array_equal(new_ids[before], now) for before, now in zip(token_ids[name], ids_now, strict=True)):
            raise UserError(OTHER_SPLITS)
    known = np.zeros(cut.vocabulary.size, bool)
    known[used["train"]] = True
    known[common] = True
    known[cut.always_kept] = True
    changed = [not known[row].all() for row in token_ids["valid"]]
    return Trimmed(trimmed, cut.vocabulary, sum(changed) / max(len(changed), 1))


def _alphabets(frame: pd.DataFrame) -> set[str]:
    """Return the alphabets, see common_tokens, of which at least a tenth of the letters of a table's texts are."""
    texts = frame["text"].tolist()
    counts = Counter(alphabet_of(character) for text in sampled(texts) for character in text if character.isalpha())
    return {alphabet for alphabet, count in counts.items() if count >= LEAST_SHARE * counts.total()}


def used_vocabulary(datasets: Iterable[TokenDataset], tokenizer: Any, config: PretrainedConfig) -> Vocabulary:
    """Return the tokens that some datasets have, with those that the tokenizer and the configuration name."""
    special = [*tokenizer.all_special_ids, *up_to_padding(tokenizer.pad_token_id), *token_ids_of(config).values()]
    size = len(tokenizer)
    used = [torch.unique(dataset.input_ids).numpy() for dataset in datasets]
    kept = _distinct([*used, np.array(sorted(special))])
    return Vocabulary(kept[(kept >= 0) & (kept < size)].astype(np.int64), size)


def share_vocabulary(processes: Processes, vocabulary: Vocabulary | None) -> Vocabulary | None:
    """Return, in every process, the vocabulary that the main one gives, or the None that it gives."""
    kept = None if vocabulary is None else {"kept": torch.from_numpy(vocabulary.kept)}
    size = processes.broadcast(None if vocabulary is None else vocabulary.size)
    tensors = processes.broadcast_tensors(kept)
    return None if tensors is None else Vocabulary(tensors["kept"].numpy(), size)


def _token_ids(encoder: Encoder, frame: pd.DataFrame, activity: Text, language: str) -> Iterator[np.ndarray]:
    """Yield the ids of all tokens of each row, (L,), before anything is truncated."""
    for _, encoded in encoder.encode_table(texts_of(frame), activity, language):
        for ids in encoded["input_ids"]:
            yield np.array(ids, np.int32)


def _distinct(rows: Iterable[np.ndarray]) -> np.ndarray:
    """Return the ids that some arrays of ids have, ascending, each once."""
    return np.unique(np.concatenate([np.zeros(0, np.int32), *rows]))
