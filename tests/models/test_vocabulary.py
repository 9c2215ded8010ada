import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

import utils
from tests.conftest import ROOT, WORDS, bert_tokenizer
from tests.models.architectures import ARCHITECTURES, BY_NAME, SENTENCES, save
from toolkit.base.errors import UserError
from toolkit.models import vocabulary as vocabulary_room
from toolkit.models.pretrained import load_tokenizer
from toolkit.models.vocabulary import (
    Vocabulary,
    always_kept,
    can_cut_embeddings,
    common_tokens,
    cut_embeddings,
    cut_tokenizer,
)
from toolkit.tokens.dataset import TokenDataset
from toolkit.tokens.trimming import used_vocabulary

TEXTS = [
    line
    for name in ("trainset.csv", "zh/trainset.csv")
    for line in (ROOT / "data" / name).read_text(encoding="utf-8").splitlines()[1:400]
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROLES = {f"{word.strip('[]').lower()}_token": word for word in SPECIAL}
CONFIG = BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=4000, special_tokens=SPECIAL))
    places = [("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))]
    tokenizer.post_processor = processors.BertProcessing(*places)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=4000, special_tokens=SPECIAL, unk_token="[UNK]")
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = template(tokenizer)
    return tokenizer


def byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    places = [("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))]
    tokenizer.post_processor = processors.RobertaProcessing(*places)
    return tokenizer


def bpe_with_word_ends() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=6000, special_tokens=SPECIAL, end_of_word_suffix="</w>")
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.Sequence([template(tokenizer)])
    return tokenizer


def template(tokenizer: Tokenizer):
    special = [(word, tokenizer.token_to_id(word)) for word in ("[CLS]", "[SEP]")]
    return processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special)


THERE = [each.name for each in ARCHITECTURES if each.is_there and each.name != "Reformer"]  # it draws as it scores
WITHOUT_TABLE = {"I-BERT"}  # its table is one of integers
KINDS = {kind.__name__: kind for kind in (wordpiece, unigram, byte_bpe, bpe_with_word_ends)}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request) -> PreTrainedTokenizerFast:
    """A tokenizer of each kind, with an added token at the end as many have one."""
    whole = PreTrainedTokenizerFast(tokenizer_object=KINDS[request.param](), model_max_length=64, **ROLES)
    whole.add_tokens([AddedToken("[NEW]", special=True), "brandnew"])
    return whole


def distinct(rows: list[list[int]]) -> np.ndarray:
    return np.unique([number for row in rows for number in row])


def is_split_alike(whole, cut, vocabulary: Vocabulary, text: str) -> bool:
    expected = [vocabulary.new_ids[number] for number in whole(text)["input_ids"]]
    return cut(text)["input_ids"] == expected


def test_texts_whose_tokens_are_kept_are_split_as_before_and_no_others(tokenizer):
    known, others = TEXTS[::4], TEXTS[1::4]
    cut = cut_tokenizer(tokenizer, CONFIG, distinct(tokenizer(known)["input_ids"]))
    vocabulary = cut.vocabulary
    assert len(vocabulary.kept) < vocabulary.size == len(tokenizer)
    assert len(cut.tokenizer) == len(vocabulary.kept)
    assert all(is_split_alike(tokenizer, cut.tokenizer, vocabulary, text) for text in known)
    alike = [is_split_alike(tokenizer, cut.tokenizer, vocabulary, text) for text in others]
    has_all = [bool((vocabulary.new_ids[tokenizer(text)["input_ids"]] >= 0).all()) for text in others]
    assert alike == has_all
    assert 0 < sum(alike) < len(alike)


def test_other_texts_lose_no_character(tokenizer):
    cut = cut_tokenizer(tokenizer, CONFIG, distinct(tokenizer(TEXTS[:20])["input_ids"]))
    for text in TEXTS:
        before = tokenizer(text)["input_ids"].count(tokenizer.unk_token_id)
        assert cut.tokenizer(text)["input_ids"].count(cut.tokenizer.unk_token_id) == before


def test_special_tokens_and_pairs_are_as_before(tokenizer):
    pair = ("a", "b [NEW] brandnew")
    cut = cut_tokenizer(tokenizer, CONFIG, distinct([tokenizer(*pair)["input_ids"]]))
    for role, word in ROLES.items():
        assert getattr(cut.tokenizer, role) == word
        new_id = cut.vocabulary.new_ids[getattr(tokenizer, f"{role}_id")]
        assert getattr(cut.tokenizer, f"{role}_id") == new_id
    ids = cut.tokenizer(*pair)["input_ids"]
    words = tokenizer.convert_ids_to_tokens(tokenizer(*pair)["input_ids"])
    assert cut.tokenizer.convert_ids_to_tokens(ids) == words
    assert cut.tokenizer.model_max_length == 64


def test_it_is_saved_and_loaded_as_any_tokenizer(tokenizer, tmp_path):
    cut = cut_tokenizer(tokenizer, CONFIG, distinct(tokenizer(TEXTS[:50])["input_ids"]))
    cut.tokenizer.save_pretrained(tmp_path)
    CONFIG.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path), needs_weights=False)
    assert loaded(TEXTS[:100])["input_ids"] == cut.tokenizer(TEXTS[:100])["input_ids"]
    again = cut_tokenizer(loaded, CONFIG, distinct(loaded(TEXTS[:50])["input_ids"]))
    assert len(again.vocabulary.kept) == again.vocabulary.size


def test_the_tokenizer_of_a_bert_class_is_cut_too(tmp_path):
    bert_tokenizer(WORDS).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "BertTokenizer"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    CONFIG.save_pretrained(tmp_path)
    whole = load_tokenizer(str(tmp_path), needs_weights=False)
    cut = cut_tokenizer(whole, CONFIG, distinct(whole(["the food was good"])["input_ids"]))
    assert is_split_alike(whole, cut.tokenizer, cut.vocabulary, "the food was good")
    assert cut.tokenizer.tokenize("the phone was good")[1] != "phone"
    cut.tokenizer.save_pretrained(tmp_path / "cut")
    for path in Path(tmp_path / "cut").glob("vocab.txt"):
        assert len(path.read_text(encoding="utf-8").splitlines()) == len(cut.vocabulary.kept)


def test_the_common_tokens_are_the_first_in_these_letters_and_those_without_any(tokenizer, monkeypatch):
    monkeypatch.setattr(vocabulary_room, "MOST_OF_ALPHABET", 50)
    added = set(tokenizer.added_tokens_decoder)
    words = sorted((n, word) for word, n in tokenizer.get_vocab().items())
    names = {n: {unicodedata.name(c).split()[0] for c in word if c.isalpha()} for n, word in words}
    chinese = [n for n, own in names.items() if own == {"CJK"} and n not in added]
    without_letters = [n for n, own in names.items() if not own and n not in added]
    common = set(common_tokens(tokenizer, {"CJK"}).tolist()) - added
    assert common == {*chinese[:50], *without_letters[:50]}


def test_one_that_is_not_fast_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(UserError, match="--trim_vocabulary: this model has no fast tokenizer"):
        always_kept(Slow())


def test_one_with_a_part_written_in_python_as_roformers_is_refused():
    class Whole:
        def pre_tokenize(self, text: object) -> None:
            pass

    tokenizer = bert_tokenizer(WORDS)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Whole())
    with pytest.raises(UserError, match="--trim_vocabulary: the vocabulary of this tokenizer cannot be cut .Custom"):
        always_kept(tokenizer)


def test_a_cut_model_gives_the_hidden_states_of_the_whole_one(tmp_path):
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, pad_token_id=7,
        bos_token_id=1, eos_token_id=40,
    )  # fmt: skip
    torch.manual_seed(0)
    whole = BertModel(config).eval()
    whole.save_pretrained(tmp_path / "whole")
    vocabulary = Vocabulary(np.array([1, 3, 7, 20, 40, 41, 42]), 45)
    cut = AutoModel.from_pretrained(tmp_path / "whole").eval()
    cut_embeddings(cut, vocabulary)
    cut.save_pretrained(tmp_path / "cut")
    loaded = AutoModel.from_pretrained(tmp_path / "cut").eval()
    ids = torch.tensor([[1, 20, 42, 7], [3, 41, 20, 1]])
    new_ids = torch.from_numpy(vocabulary.new_ids)[ids]
    with torch.no_grad():
        expected = whole(input_ids=ids).last_hidden_state
        assert torch.equal(cut(input_ids=new_ids).last_hidden_state, expected)
        assert torch.equal(loaded(input_ids=new_ids).last_hidden_state, expected)
    assert (loaded.config.vocab_size, loaded.config.pad_token_id, loaded.config.bos_token_id) == (7, 2, 0)
    assert loaded.config.eos_token_id == 4
    assert loaded.get_input_embeddings().padding_idx == 2


def test_a_model_gets_its_whole_vocabulary_back_with_what_its_rows_have_learned():
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, pad_token_id=7
    )
    model = BertModel(config)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    kept = np.array([1, 3, 7, 20, 41])
    whole = cut_embeddings(model, Vocabulary(kept, 45))
    assert whole.rows_left_out == 45
    table = model.get_input_embeddings()
    weight = table.weight
    with torch.no_grad():
        weight += 1
    with whole.back_in(model):
        assert (model.config.vocab_size, model.config.pad_token_id) == (50, 7)
        assert (table.num_embeddings, table.padding_idx) == (50, 7)
        expected = before["embeddings.word_embeddings.weight"]
        expected[kept] += 1
        assert torch.equal(table.weight, expected)
    assert table.weight is weight
    assert (model.config.vocab_size, model.config.pad_token_id, table.padding_idx) == (5, 2, 2)
    whole.put_back(model)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_what_is_no_table_of_its_own_is_not_cut():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(5, 3)
            self.scores = torch.nn.Linear(3, 5, bias=False)
            self.scores.weight = self.table.weight

        def get_input_embeddings(self):
            return self.table

    assert not can_cut_embeddings(Tied())
    with pytest.raises(UserError, match="--trim_vocabulary: the vocabulary of a Tied cannot be cut"):
        cut_embeddings(Tied(), Vocabulary(np.array([0]), 5))


@pytest.mark.parametrize(
    "name", [name for name in BY_NAME if name != "Reformer"]
)  # it draws as it scores, and is refused
def test_every_kind_of_model_scores_the_same_with_the_tokens_of_its_texts_alone(name, tmp_path):
    source = str(save(BY_NAME[name], tmp_path))
    new = utils.new_classifier(source, ["a", "b"], None)
    encoded = new.tokenizer(SENTENCES[:3], padding=True, truncation=True, max_length=40, return_tensors="pt")
    inputs = {name: encoded[name] for name in ("input_ids", "attention_mask") if name in encoded}
    model = new.model.eval()
    with torch.no_grad():
        expected = model(**inputs).logits
    if not can_cut_embeddings(model):
        assert name in WITHOUT_TABLE
        return
    dataset = TokenDataset(inputs["input_ids"].int(), torch.zeros(3, 0), torch.ones(3).long(), torch.zeros(3).long())
    vocabulary = used_vocabulary([dataset], new.tokenizer, model.config)
    whole = cut_embeddings(model, vocabulary)
    assert len(vocabulary.kept) < len(whole.table)
    inputs["input_ids"] = dataset.with_ids(vocabulary.new_ids).input_ids.long()
    with torch.no_grad():
        assert torch.allclose(model(**inputs).logits, expected, rtol=0, atol=1e-5)
        whole.put_back(model)
        assert torch.allclose(
            model(**{**inputs, "input_ids": encoded["input_ids"]}).logits, expected, rtol=0, atol=1e-5
        )
