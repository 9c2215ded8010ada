"""The vocab.txt of a BERT is read right whatever kind of model it is beside, and whatever an editor did to it."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from transformers import AutoTokenizer

from tests.models.at_hand import SPECIAL, characters, save_at_hand, write_vocabulary
from toolkit.base.errors import UserError
from toolkit.models.pretrained import load_tokenizer

TEXT = "房间 ABC"
TOKENS = ["[CLS]", "房", "间", "a", "##b", "##c", "[SEP]"]


def write_settings(folder: Path, **settings: object) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def tokens_of(folder: Path, text: str = TEXT) -> list[str]:
    """Return the tokens of a text, as the lines of vocab.txt say which ids they have."""
    lines = (folder / "vocab.txt").read_text(encoding="utf-8-sig").splitlines()
    return [lines[number] for number in load_tokenizer(str(folder))(text)["input_ids"]]


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    save_at_hand(folder, "BertForMaskedLM", model_type="bert")
    return folder


@pytest.fixture
def folder(bert, tmp_path) -> Path:
    """A BERT as it is downloaded: config.json, weights and vocab.txt."""
    for path in bert.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "vocab.txt").unlink()
    write_vocabulary(tmp_path, characters())
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes((bert / name).read_bytes())
    return tmp_path


KINDS = {  # what config.json says of Chinese models that have the vocabulary of a BERT
    "albert": {"model_type": "albert", "embedding_size": 16},
    "deberta-v2": {"model_type": "deberta-v2", "relative_attention": True, "type_vocab_size": 0},
    "roberta": {"model_type": "roberta"},
    "ernie": {"model_type": "ernie", "use_task_id": True, "task_type_vocab_size": 3, "type_vocab_size": 4},
    "electra": {"model_type": "electra", "embedding_size": 16},
    "megatron-bert": {"model_type": "megatron-bert"},
    "longformer": {"model_type": "longformer", "attention_window": [8, 8]},
}


@pytest.mark.parametrize("named", [None, {}, {"tokenizer_class": "BertTokenizer"}, {"do_lower_case": True}, "own"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_of_bert_is_read_whatever_tokenizer_the_kind_of_model_has(kind, named, folder):
    (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text()) | KINDS[kind]))
    own = {"albert": "AlbertTokenizer", "roberta": "RobertaTokenizer", "ernie": "ErnieTokenizer"}
    if named is not None:
        write_settings(folder, **({"tokenizer_class": own.get(kind)} if named == "own" else named))
    assert tokens_of(folder) == TOKENS


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("behind", ["", "\n", "\r\n\r\n"])
def test_what_an_editor_leaves_in_a_vocabulary_makes_no_other_tokens(end, mark, behind, folder):
    write_vocabulary(folder, characters(), end, mark)
    with (folder / "vocab.txt").open("a", newline="") as stream:
        stream.write(behind)
    tokenizer = load_tokenizer(str(folder))
    assert tokens_of(folder) == TOKENS
    assert (len(tokenizer), tokenizer.pad_token_id) == (len(characters()), 0)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]


def test_of_a_token_that_is_there_twice_the_last_line_counts_before_and_after_it_is_saved(folder, tmp_path):
    tokens = characters()
    tokens[-2:] = ["房", "间"]
    write_vocabulary(folder, tokens)
    ids = [tokens.index("[CLS]"), len(tokens) - 2, len(tokens) - 1, tokens.index("[SEP]")]
    tokenizer = load_tokenizer(str(folder))
    assert tokenizer("房间")["input_ids"] == ids
    tokenizer.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("房间")["input_ids"] == ids


CAPITALS = [chr(letter) for letter in range(ord("A"), ord("Z") + 1)]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        (None, ["[CLS]", "A", "##B", "[SEP]"]),
        ({"init_inputs": []}, ["[CLS]", "A", "##B", "[SEP]"]),
        ({"do_lower_case": True}, ["[CLS]", "a", "##b", "[SEP]"]),
        ({"do_lower_case": False}, ["[CLS]", "A", "##B", "[SEP]"]),
    ],
)
def test_letters_keep_their_case_where_the_vocabulary_has_capitals_and_nothing_says_otherwise(settings, tokens, folder):
    write_vocabulary(folder, [*characters(), *CAPITALS, *(f"##{letter}" for letter in CAPITALS)])
    if settings is not None:
        write_settings(folder, **settings)
    assert tokens_of(folder, "AB") == tokens


def test_a_tokenizer_json_is_read_before_a_vocabulary(folder):
    load_tokenizer(str(folder)).save_pretrained(folder)
    write_vocabulary(folder, ["[PAD]"])
    assert load_tokenizer(str(folder)).convert_ids_to_tokens(load_tokenizer(str(folder))(TEXT)["input_ids"]) == TOKENS


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "\n".join(characters()).encode("gb18030"),
            "vocab.txt is not utf-8, so an editor has written it anew; copy it",
        ),
        (b"", "vocab.txt is empty; copy it again from where the model is from"),
    ],
)
def test_a_vocabulary_that_is_damaged_is_told(content, problem, folder):
    (folder / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=problem):
        load_tokenizer(str(folder))


# -- words of RoFormer ------------------------------------------------------------------------------------------------


def test_a_package_that_a_tokenizer_needs_is_named_with_the_command_that_installs_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)  # as if it were not installed
    (folder / "config.json").write_text(json.dumps({"model_type": "roformer", "vocab_size": 100}))
    with pytest.raises(UserError, match=r"it needs the package rjieba \(pip install rjieba\)$"):
        load_tokenizer(str(folder))


def two_by_two(text: str, hmm: bool) -> list[tuple[str, int, int]]:
    """Divide a text as rjieba does, but into words of two characters."""
    return [(text[start : start + 2], start, min(start + 2, len(text))) for start in range(0, len(text), 2)]


@pytest.mark.parametrize("named", [None, "RoFormerTokenizer"])
def test_words_of_a_roformer_are_tokens_before_and_after_it_is_saved(named, folder, tmp_path, monkeypatch):
    jieba = ModuleType("rjieba")
    jieba.tokenize = two_by_two
    monkeypatch.setitem(sys.modules, "rjieba", jieba)
    (folder / "config.json").write_text(json.dumps({"model_type": "roformer", "vocab_size": 10_000}))
    write_vocabulary(folder, [*SPECIAL, "房间", "很", "好", "服务"])
    if named is not None:
        write_settings(folder, tokenizer_class=named, do_lower_case=True)
    tokens = ["[CLS]", "房间", "很", "好", "服务", "[SEP]"]
    assert tokens_of(folder, "房间很好服务") == tokens
    load_tokenizer(str(folder)).save_pretrained(tmp_path / "saved")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "saved" / name).write_bytes((folder / name).read_bytes())
    again = load_tokenizer(str(tmp_path / "saved"))
    assert again.convert_ids_to_tokens(again("房间很好服务")["input_ids"]) == tokens
