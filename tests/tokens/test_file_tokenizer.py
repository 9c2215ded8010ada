"""A tokenizer.json read by the tokenizers package alone, against the tokenizer of transformers that saved it."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from benchmarks.small_chinese_bert import wordpiece_tokenizer
from tests.conftest import WORDS
from toolkit.base.errors import UserError
from toolkit.data.row_texts import RowTexts
from toolkit.serving.export_check import ODD_TEXTS
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.file_tokenizer import FileTokenizer
from toolkit.tokens.tokenized_rows import tokenize_rows
from toolkit.tokens.windows import Windows

CHARACTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789中文日本語.,!?'-"]


def bert() -> PreTrainedTokenizerFast:
    return wordpiece_tokenizer([*WORDS, *CHARACTERS, *(f"##{each}" for each in CHARACTERS)], positions=64)


def roberta() -> PreTrainedTokenizerFast:
    """A byte-level BPE, in which a text can begin with a blank, with RoBERTa's two separators between texts."""
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    letters = {letter: 5 + i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    joined = {"".join(pair): 5 + len(letters) + i for i, pair in enumerate(merges)}
    made = Tokenizer(models.BPE(special | letters | joined, merges, unk_token="<unk>"))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    made.enable_truncation(16)  # which a file may carry, and which is not to count
    made.enable_padding(length=16)
    names = {
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


@pytest.fixture(scope="module", params=[bert, roberta], ids=["bert", "roberta"])
def tokenizers(request, tmp_path_factory):
    """A tokenizer of transformers, and what its tokenizer.json gives."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    tokenizer = request.param()
    tokenizer.save_pretrained(folder)
    return tokenizer, FileTokenizer(folder / "tokenizer.json", tokenizer.pad_token_id)


@pytest.mark.parametrize("windows", [None, Windows(stride=3, max_windows=4)], ids=["truncated", "windows"])
@pytest.mark.parametrize("truncation", ["longest_first", "only_first", "head_tail"])
@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
def test_odd_texts_have_the_tokens_that_transformers_gives_them(tokenizers, pairs, truncation, windows):
    texts = RowTexts(ODD_TEXTS, ODD_TEXTS[::-1] if pairs else None)
    theirs, ours = (
        tokenize_rows(Encoder(each, 20, truncation, pairs, token_types=True, windows=windows), texts)
        for each in tokenizers
    )
    assert [ids.tolist() for ids in ours.token_ids] == [ids.tolist() for ids in theirs.token_ids]
    assert [types.tolist() for types in ours.token_types] == [types.tolist() for types in theirs.token_types]
    assert ours.full_lengths.tolist() == theirs.full_lengths.tolist()
    assert ours.windows.row_ids.tolist() == theirs.windows.row_ids.tolist()
    assert max(ours.windows.lengths) == 20
    assert ours.full_lengths.max() > 500
    assert ours.padding == theirs.padding


def test_a_batch_is_padded_to_its_longest_row(tokenizers):
    theirs, ours = tokenizers
    rows = tokenize_rows(
        Encoder(ours, 64, "longest_first", pairs=True, token_types=True), RowTexts(["a b", "a"], ["c", "the food"])
    )
    expected = theirs(["a", "a b"], ["the food", "c"], padding=True, return_token_type_ids=True, return_tensors="np")
    batch = rows.batch(np.array([1, 0]))
    assert {name: array.tolist() for name, array in batch.items()} == {
        name: expected[name].tolist() for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}


def test_a_file_that_is_damaged_or_never_ends_is_refused(tmp_path):
    bert().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(a+)+b"}, "content": ""}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"tokenizer.json.*\(a\+\)\+b"):
        FileTokenizer(path, 0)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="tokenizer.json: cannot be read"):
        FileTokenizer(path, 0)
