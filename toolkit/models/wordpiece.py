"""A tokenizer whose vocabulary is the vocab.txt of a BERT, as most Chinese models have it, whatever their kind.

transformers chooses the class of a tokenizer by what a configuration names and by the kind of model. Of Chinese models
that is often another than the one that reads their files: an ALBERT or DeBERTa with the vocabulary of a BERT, say.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_uppercase
from tempfile import TemporaryDirectory
from typing import Any

from tokenizers.pre_tokenizers import PreTokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name
from transformers.models.roformer.tokenization_utils import JiebaPreTokenizer

from toolkit.base.languages import Text
from toolkit.models.texts import LOADING

VOCABULARY = "vocab.txt"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which editors of Windows put before a text
KNOWN = {"[UNK]", "[CLS]", "[SEP]"}  # tokens of every BERT


class TokenizerLoader:
    """Loads the tokenizer of a directory as AutoTokenizer does, that of a BERT's vocab.txt by a class that reads it."""

    @staticmethod
    def from_pretrained(place: str, **options: Any) -> PreTrainedTokenizerBase:
        """Return the tokenizer of a directory."""
        folder = Path(place)
        tokens = wordpieces(folder)
        if not tokens:
            return _with_words(AutoTokenizer.from_pretrained(place, **options))
        loader: Any = AutoTokenizer if _is_read_by_its_class(folder) else tokenizer_class_from_name("BertTokenizerFast")
        if tokens.issuperset(ascii_uppercase) and "do_lower_case" not in _settings(folder, "tokenizer_config.json"):
            options["do_lower_case"] = False  # True is what transformers takes where nothing says it
        with _cleaned(folder) as readable:
            return _with_words(loader.from_pretrained(str(readable), **options))


def _with_words(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Let the tokenizer of a RoFormer, which divides a text into words first, know which words are in its vocabulary.

    That of transformers 5 looks for them in the name of its file, and so finds none, until it is saved and loaded anew.
    """
    if tokenizer.is_fast and "RoFormer" in type(tokenizer).__name__:
        words = JiebaPreTokenizer(tokenizer.get_vocab())
        tokenizer.backend_tokenizer.pre_tokenizer = PreTokenizer.custom(words)
    return tokenizer


def wordpieces(folder: Path) -> set[str]:
    """Return the tokens of a directory that has a BERT's vocab.txt and no tokenizer.json; of others the empty set."""
    path = folder / VOCABULARY
    if (folder / "tokenizer.json").exists() or not path.is_file():
        return set()
    tokens = {line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")}
    return tokens if tokens >= KNOWN else set()


def vocabulary_problems(folder: Path) -> list[Text]:
    """Return what is wrong with the vocab.txt of a directory without tokenizer.json."""
    path = folder / VOCABULARY
    if (folder / "tokenizer.json").exists() or not path.is_file():
        return []
    if path.stat().st_size == 0:
        return [LOADING["empty_vocabulary"].fill(file=VOCABULARY)]
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return [LOADING["rewritten_vocabulary"].fill(file=VOCABULARY)]
    return []


def _is_read_by_its_class(folder: Path) -> bool:
    """Say whether the class of tokenizers that transformers takes for a directory has its vocabulary in vocab.txt."""
    config = _settings(folder, "config.json")
    named = _settings(folder, "tokenizer_config.json").get("tokenizer_class") or config.get("tokenizer_class")
    if named is None:
        named = TOKENIZER_MAPPING_NAMES.get(str(config.get("model_type")))
    names = named if isinstance(named, (list, tuple)) else [named]  # of the slow and of the fast one
    classes = [tokenizer_class_from_name(name) for name in names if isinstance(name, str)]
    return any(kind is not None and VOCABULARY in kind.vocab_files_names.values() for kind in classes)


def _settings(folder: Path, name: str) -> dict[str, Any]:
    """Return what a json file of a directory says, which was looked at before; {} if there is none."""
    path = folder / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@contextmanager
def _cleaned(folder: Path) -> Iterator[Path]:
    """Yield a directory whose vocab.txt has tokens alone: a copy if that of `folder` has what an editor left in it.

    A byte order mark would be a part of the first token, [PAD], and a blank line at the end one that the model lacks.
    """
    content = (folder / VOCABULARY).read_bytes()
    lines = content.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n")
    if content in (lines, lines + b"\n", lines + b"\r\n"):
        yield folder
        return
    with TemporaryDirectory() as name:
        for path in folder.glob("*.json"):
            shutil.copyfile(path, Path(name, path.name))
        Path(name, VOCABULARY).write_bytes(lines + b"\n")
        yield Path(name)
