"""Tokenizers that are given away as SentencePiece's file alone, as that of DeBERTa-v3."""

import json
from pathlib import Path

import pytest
import sentencepiece
from transformers import AlbertConfig, DebertaV2Config, XLMRobertaConfig

from toolkit.base.errors import UserError
from toolkit.models.pretrained import load_tokenizer

SENTENCES = [
    f"the {thing} was {quality} and the {other} cold"
    for thing in ("food", "room", "staff", "place")
    for quality in ("good", "bad", "lovely", "dirty")
    for other in ("soup", "bed", "lamp")
] * 4
TEXT = "the food was good and 好 the lovely lamp"
OF_BERT = {"bos_piece": "[CLS]", "eos_piece": "[SEP]", "user_defined_symbols": ["[MASK]"]}
KINDS = {  # the configuration of a model, the name of its file, and how its pieces are numbered
    "DeBERTa-v3": (
        DebertaV2Config(),
        "spm.model",
        {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "unk_piece": "[UNK]", **OF_BERT},
    ),
    "ALBERT": (
        AlbertConfig(),
        "spiece.model",
        {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, **OF_BERT},
    ),
    "XLM-R": (XLMRobertaConfig(), "sentencepiece.bpe.model", {}),
}


@pytest.fixture(params=KINDS)
def folder(request, tmp_path) -> Path:
    """A directory with a configuration and a file of SentencePiece."""
    config, name, numbering = KINDS[request.param]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_prefix=str(tmp_path / "trained"), vocab_size=60,
        hard_vocab_limit=False, minloglevel=2, **numbering,
    )  # fmt: skip
    (tmp_path / "trained.model").rename(tmp_path / name)
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    return tmp_path


def pieces_file(folder: Path) -> Path:
    """Return the file of SentencePiece of a directory."""
    (path,) = folder.glob("*.model")
    return path


def test_a_tokenizer_of_sentencepiece_alone_gives_the_pieces_of_sentencepiece(folder):
    tokenizer = load_tokenizer(str(folder))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces_file(folder)))
    pieces = tokenizer.convert_ids_to_tokens(tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    expected = processor.encode(TEXT, out_type=str)
    assert [piece for piece in pieces if piece != tokenizer.unk_token] == [piece for piece in expected if piece != "好"]
    assert pieces.count(tokenizer.unk_token) == 1
    first, *_, last = tokenizer(TEXT)["input_ids"]
    assert [first, last] == [tokenizer.cls_token_id, tokenizer.sep_token_id]


def test_it_is_saved_so_that_sentencepiece_is_needed_no_more(folder, tmp_path_factory):
    tokenizer = load_tokenizer(str(folder))
    saved = tmp_path_factory.mktemp("saved")
    tokenizer.save_pretrained(saved)
    assert (saved / "tokenizer.json").is_file()


def test_a_damaged_file_of_sentencepiece_is_told_in_one_line(folder):
    path = pieces_file(folder)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot be loaded"):
        load_tokenizer(str(folder))
