import numpy as np
import pandas as pd
import pytest
from transformers import BertConfig

from tests.conftest import WORDS, bert_tokenizer
from toolkit.base.errors import UserError
from toolkit.compute.processes import ALONE
from toolkit.models import vocabulary as cutting
from toolkit.tokens import trimming
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.trimming import share_vocabulary, trim_vocabulary

CONFIG = BertConfig(vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
TRAIN = ["the food was good", "the bed was dirty"]
VALID = ["the food was dirty", "the phone was good", "the lamp"]


@pytest.fixture(autouse=True)
def few_common_tokens(monkeypatch):
    """Or a small vocabulary would stay as it is."""
    monkeypatch.setattr(cutting, "MOST_OF_ALPHABET", 0)


def encoder(pairs: bool = False) -> Encoder:
    return Encoder(bert_tokenizer(WORDS), 8, "longest_first", pairs, token_types=True)


def frames(**texts) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame({"text": rows}) for name, rows in texts.items()}


def test_the_tokens_of_all_tables_are_kept_and_the_share_of_new_ones_is_that_of_the_validation_rows():
    whole = encoder()
    trimmed = trim_vocabulary(whole, CONFIG, frames(train=TRAIN, valid=VALID, test=["a sad chair"]))
    tokenizer = trimmed.encoder.tokenizer
    for text in [*TRAIN, *VALID, "a sad chair"]:
        assert tokenizer.tokenize(text) == whole.tokenizer.tokenize(text)
    assert "soup" not in tokenizer.get_vocab()
    assert trimmed.changed_share == pytest.approx(2 / 3)
    assert trimmed.encoder.max_length == whole.max_length


def test_tokens_that_are_cut_off_count_because_they_decide_how_a_text_is_split():
    long = " ".join(["good"] * 20 + ["broken"])
    trimmed = trim_vocabulary(encoder(), CONFIG, frames(train=[long], valid=["good"]))
    assert "broken" in trimmed.encoder.tokenizer.get_vocab()


def test_both_texts_of_pairs_count():
    pairs = pd.DataFrame({"text": ["good food"], "text_pair": ["sad staff"]})
    trimmed = trim_vocabulary(encoder(pairs=True), CONFIG, {"train": pairs, "valid": pairs})
    assert {"good", "food", "sad", "staff"} <= set(trimmed.encoder.tokenizer.get_vocab())
    assert trimmed.changed_share == 0.0


def test_a_tokenizer_that_then_splits_otherwise_is_refused(monkeypatch):
    def cut_too_much(tokenizer, config, used):
        return cutting.cut_tokenizer(tokenizer, config, used[:-1])

    monkeypatch.setattr(trimming, "cut_tokenizer", cut_too_much)
    with pytest.raises(UserError, match="--trim_vocabulary: this tokenizer splits texts otherwise"):
        trim_vocabulary(encoder(), CONFIG, frames(train=TRAIN, valid=VALID))


def test_alone_a_process_shares_the_vocabulary_with_itself():
    vocabulary = cutting.Vocabulary(np.array([0, 2, 5]), 9)
    shared = share_vocabulary(ALONE, vocabulary)
    assert shared is not None
    assert shared.kept.tolist() == [0, 2, 5]
    assert shared.size == 9
    assert share_vocabulary(ALONE, None) is None


def test_common_tokens_in_the_letters_of_the_texts_are_kept_and_count_as_known(monkeypatch):
    monkeypatch.setattr(cutting, "MOST_OF_ALPHABET", 20)
    whole = encoder()
    trimmed = trim_vocabulary(whole, CONFIG, frames(train=["the lamp"], valid=["the a an it was", "the chair"]))
    kept = trimmed.encoder.tokenizer.get_vocab()
    latin = sorted((n, word) for word, n in whole.tokenizer.get_vocab().items() if any(map(str.isalpha, word)))
    assert {word for _, word in latin[:20]} <= set(kept)
    assert "service" not in kept
    assert trimmed.changed_share == 0.5  # only "chair" is neither common nor in the training rows
