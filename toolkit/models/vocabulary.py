"""Cut the vocabulary of a model to the tokens that some texts use, and what any other text may need.

A cut tokenizer splits those texts as the whole one does. All kinds of tokenizers look for pieces of a word among those
of their vocabulary: WordPiece takes the longest one in turn, Unigram the likeliest sequence of them, BPE joins two
neighbours at a time. Pieces that were not chosen can be taken away without changing a choice, as long as that stays by
which a choice is made: the least score of Unigram, which rates unknown characters, and each merge of BPE on the way to
a piece. Other texts fall back on shorter pieces: all tokens of one character, or byte, are kept. So are the commonest
tokens in the alphabets of the texts, so that this happens to few of them.

V tokens of the whole vocabulary, K of the cut one, H hidden size.
"""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from toolkit.base.disk import write_json
from toolkit.base.errors import UserError, first_line
from toolkit.models.pretrained import load_tokenizer
from toolkit.models.texts import VOCABULARY

LATEST_COUNTED_PADDING = 100  # the id of the padding token in models that count positions from it is below this
MOST_OF_ALPHABET = 20_000  # tokens in the letters of one, or of one mixture, that are kept although no text has them
TOKENIZER_FILES = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"}


@dataclass(frozen=True)
class Vocabulary:
    """Which tokens of a vocabulary are kept."""

    kept: np.ndarray  # (K,) int64, their ids in the whole one, ascending; the id in the cut one is the place in it
    size: int  # V

    @property
    def new_ids(self) -> np.ndarray:
        """(V,) int64, the ids in the cut vocabulary by those in the whole one; -1 for tokens that are not kept."""
        new_ids = np.full(self.size, -1)
        new_ids[self.kept] = np.arange(len(self.kept))
        return new_ids

    def fingerprint(self) -> str:
        """Return the sha256 of the ids that are kept, in hex."""
        return hashlib.sha256(self.kept.astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True)
class CutTokenizer:
    """A tokenizer with a cut vocabulary."""

    tokenizer: PreTrainedTokenizerBase
    vocabulary: Vocabulary
    always_kept: np.ndarray  # ids in the whole vocabulary, see the function of this name


# -- the tokenizer ----------------------------------------------------------------------------------------------------


def always_kept(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Return the ids, ascending, of the tokens that are kept whatever the texts are.

    These are special and added tokens, and the pieces of one character, from which any other text can be put together.
    Raises UserError for a tokenizer whose vocabulary cannot be cut.
    """
    state = _state(tokenizer)
    kept = {token["id"] for token in state["added_tokens"]}
    kept |= set(up_to_padding(tokenizer.pad_token_id))
    model = state["model"]
    ids = _ids(model)
    kept |= {number for piece, number in ids.items() if _is_shortest(piece, model)}
    if model["type"] == "Unigram":
        scores = [score for _, score in model["vocab"]]
        kept |= {model["unk_id"], int(np.argmin(scores))} - {None}
    elif model.get("unk_token") in ids:
        kept.add(ids[model["unk_token"]])
    return np.array(sorted(kept))


def common_tokens(tokenizer: PreTrainedTokenizerBase, alphabets: Set[str]) -> np.ndarray:
    """Return the ids, ascending, of the tokens that a new text in these alphabets is likely to have.

    An alphabet is called by the first word of the Unicode names of its letters, such as LATIN or CJK. The tokens are
    those without a letter, and of those in letters of these alphabets, or of a mixture of them, the first 20,000 by id:
    vocabularies begin with what is common, and only few alphabets have more.
    """
    common = []
    counts: Counter[frozenset[str]] = Counter()
    for piece, number in sorted(_ids(_state(tokenizer)["model"]).items(), key=itemgetter(1)):
        own = frozenset(alphabet_of(character) for character in piece if character.isalpha())
        counts[own] += 1
        if own <= alphabets and counts[own] <= MOST_OF_ALPHABET:
            common.append(number)
    return np.array(common, np.int64)


def alphabet_of(letter: str) -> str:
    """Return the first word of a letter's Unicode name, by which alphabets are told apart here; "?" if it has none."""
    return unicodedata.name(letter, "?").partition(" ")[0]


def up_to_padding(pad_id: int) -> range:
    """Return the ids of the tokens that are kept so that the one for padding keeps its id.

    RoBERTa and its kin count positions from that id. Where it comes late, nothing counts from it.
    """
    return range(pad_id + 1 if pad_id <= LATEST_COUNTED_PADDING else 0)


def cut_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, used: np.ndarray) -> CutTokenizer:
    """Return a tokenizer that has the tokens with the ids `used`, (U,), and those that are always kept.

    `config` is the configuration of its model. Raises UserError for one whose vocabulary cannot be cut.
    """
    state = _state(tokenizer)
    size = max(len(tokenizer), max(_ids(state["model"]).values()) + 1)
    named = {number for number in token_ids_of(config).values() if number < size}
    always = always_kept(tokenizer)
    kept = set(always.tolist()) | set(used.tolist()) | named
    if state["model"]["type"] == "BPE":
        kept = _with_parts(state["model"], kept)
    vocabulary = Vocabulary(np.array(sorted(kept)), size)
    new_ids = {int(old): new for new, old in enumerate(vocabulary.kept)}
    _cut_model(state["model"], new_ids)
    for token in state["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    _renumber(state.get("post_processor"), new_ids)
    state["padding"] = None
    state["truncation"] = None
    return CutTokenizer(_tokenizer_of(tokenizer, config, state, new_ids), vocabulary, always)


def _state(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return what a tokenizer consists of, as tokenizer.json has it; UserError if its vocabulary cannot be cut."""
    if not tokenizer.is_fast:
        raise UserError(VOCABULARY["no_fast_tokenizer"])
    try:
        state = json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # of a part that is Python's and not the library's own, as RoFormer's words are
        raise UserError(VOCABULARY["state"].fill(reason=first_line(error))) from None
    kind = state["model"].get("type")
    if kind not in ("WordPiece", "Unigram", "BPE", "WordLevel"):
        raise UserError(VOCABULARY["kind"].fill(kind=kind))
    return state


def _ids(model: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids of the pieces of a tokenizer's model."""
    if model["type"] == "Unigram":
        return {piece: number for number, (piece, _) in enumerate(model["vocab"])}
    return model["vocab"]


def _is_shortest(piece: str, model: Mapping[str, Any]) -> bool:
    """Say whether a piece is one character, marks of where in a word it stands aside, or stands for one byte."""
    inside = model.get("continuing_subword_prefix") or ""
    ending = model.get("end_of_word_suffix") or ""
    rest = piece.removeprefix(inside).removesuffix(ending)
    is_byte = len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
    return len(rest) <= 1 or is_byte


def _with_parts(model: Mapping[str, Any], kept: set[int]) -> set[int]:
    """Return the ids of BPE pieces and of all pieces from which they are joined."""
    ids = model["vocab"]
    inside = model.get("continuing_subword_prefix") or ""
    parts: dict[int, list[int]] = {}
    for merge in model["merges"]:
        left, right = _sides(merge)
        joined = ids[left + right.removeprefix(inside)]
        parts.setdefault(joined, []).extend((ids[left], ids[right]))
    reached = set(kept)
    waiting = list(kept)
    while waiting:
        for part in parts.get(waiting.pop(), ()):
            if part not in reached:
                reached.add(part)
                waiting.append(part)
    return reached


def _sides(merge: str | list[str]) -> tuple[str, str]:
    """Return the two pieces that a merge of BPE joins; older files have them in one string."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _cut_model(model: dict[str, Any], new_ids: Mapping[int, int]) -> None:
    """Leave of a tokenizer's model the pieces that have new ids, with these."""
    old_ids = _ids(model)
    if model["type"] == "Unigram":
        if model["unk_id"] is not None:
            model["unk_id"] = new_ids[model["unk_id"]]
        model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new_ids]
        return
    model["vocab"] = {piece: new_ids[number] for piece, number in old_ids.items() if number in new_ids}
    if model["type"] == "BPE":
        inside = model.get("continuing_subword_prefix") or ""
        kept_merges = []
        for merge in model["merges"]:
            left, right = _sides(merge)
            if {left, right, left + right.removeprefix(inside)} <= model["vocab"].keys():
                kept_merges.append(merge)
        model["merges"] = kept_merges


def _renumber(processor: Any, new_ids: Mapping[int, int]) -> None:
    """Give the special tokens that a post-processor adds their new ids."""
    if not isinstance(processor, dict):
        return
    for part in processor.get("processors", ()):
        _renumber(part, new_ids)
    for role in ("sep", "cls"):  # of BERT and RoBERTa: a token and its id
        if isinstance(processor.get(role), list):
            processor[role][1] = new_ids[processor[role][1]]
    special = processor.get("special_tokens")  # of a template
    for token in (special or {}).values():
        token["ids"] = [new_ids[number] for number in token["ids"]]


def _tokenizer_of(
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainedConfig,
    state: Mapping[str, Any],
    new_ids: Mapping[int, int],
) -> PreTrainedTokenizerBase:
    """Return a tokenizer like another one but for its state, loaded as that of any saved model."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer.save_pretrained(folder)
        config.save_pretrained(folder)
        for path in folder.iterdir():
            if path.name not in TOKENIZER_FILES:
                path.unlink()  # the whole vocabulary, once more
        write_json(folder / "tokenizer.json", state)
        settings_file = folder / "tokenizer_config.json"
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        added = settings.get("added_tokens_decoder")
        if added:
            settings["added_tokens_decoder"] = {str(new_ids[int(old)]): token for old, token in added.items()}
        write_json(settings_file, settings)
        return load_tokenizer(name, needs_weights=False)


# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WholeEmbeddings:
    """What a model was before cut_embeddings: the way back to its whole vocabulary."""

    vocabulary: Vocabulary
    table: torch.Tensor  # (V, H) fp32 on the CPU, as it was before training
    padding_idx: int | None  # of the table
    config: dict[str, int]  # what of the configuration has changed

    @property
    def rows_left_out(self) -> int:
        """How many rows the model's table lacks, V - K."""
        return len(self.table) - len(self.vocabulary.kept)

    @contextmanager
    def back_in(self, model: Any) -> Iterator[None]:
        """Give a model its whole vocabulary for as long as the context lasts, to be saved.

        The whole table is on the CPU, so that a card needs no memory for it.
        """
        tables = _embedding_tables(model)
        weight = _weight(tables)
        padding = tables[0].padding_idx
        changed = {name: getattr(model.config, name) for name in self.config}
        _put_weight(tables, self._whole(weight), self.padding_idx)
        _set_config(model, self.config)
        try:
            yield
        finally:
            _put_weight(tables, weight, padding)
            _set_config(model, changed)

    def put_back(self, model: Any) -> None:
        """Give a model its whole vocabulary for good."""
        tables = _embedding_tables(model)
        weight = _weight(tables)
        whole = self._whole(weight)
        whole.data = whole.data.to(weight.device)
        _put_weight(tables, whole, self.padding_idx)
        _set_config(model, self.config)

    def _whole(self, weight: torch.nn.Parameter) -> torch.nn.Parameter:
        """Return the whole table (V, H) on the CPU, with what a cut one, (K, H), has learned."""
        whole = self.table.clone()
        whole[torch.from_numpy(self.vocabulary.kept)] = weight.detach().to("cpu", whole.dtype)
        return torch.nn.Parameter(whole, weight.requires_grad)


def can_cut_embeddings(model: Any) -> bool:
    """Say whether the tokens of a model are rows of one plain table, which nothing but such tables shares."""
    tables = _embedding_tables(model)
    if not tables:
        return False
    weight = _weight(tables)
    owners = [module for module in model.modules() if any(own is weight for own in module.parameters(recurse=False))]
    return len(owners) == len(tables)


@torch.no_grad()
def cut_embeddings(model: Any, vocabulary: Vocabulary) -> WholeEmbeddings:
    """Leave of a model's embedding table (V, H) the rows of the tokens that are kept, (K, H), and change its config.

    Raises UserError if it is not a plain table.
    """
    if not can_cut_embeddings(model):
        raise UserError(VOCABULARY["model"].fill(model=type(model).__name__))
    tables = _embedding_tables(model)
    weight = _weight(tables)
    before = {"vocab_size": model.config.vocab_size, **token_ids_of(model.config)}
    whole = WholeEmbeddings(vocabulary, weight.detach().to("cpu", copy=True), tables[0].padding_idx, before)
    kept = weight[torch.from_numpy(vocabulary.kept).to(weight.device)].clone()
    padding = None
    if whole.padding_idx in vocabulary.kept:
        padding = int(vocabulary.new_ids[whole.padding_idx])
    _put_weight(tables, torch.nn.Parameter(kept, weight.requires_grad), padding)
    cut_config(model.config, vocabulary)
    return whole


def cut_config(config: PretrainedConfig, vocabulary: Vocabulary) -> PretrainedConfig:
    """Change a configuration to what it is with a cut vocabulary, and return it."""
    for name, number in token_ids_of(config).items():
        if number < vocabulary.size:  # some name tokens that no tokenizer of theirs has
            setattr(config, name, int(vocabulary.new_ids[number]))
    config.vocab_size = len(vocabulary.kept)
    return config


def token_ids_of(config: PretrainedConfig) -> dict[str, int]:
    """Return the ids of tokens that a configuration names, such as pad_token_id, by these names."""
    return {name: value for name, value in vars(config).items() if name.endswith("_token_id") and type(value) is int}


def _embedding_tables(model: Any) -> list[torch.nn.Embedding]:
    """Return the tables of a model's input tokens: one, or several that share a weight; none where it is no table."""
    table = model.get_input_embeddings()
    if not isinstance(table, torch.nn.Embedding):
        return []
    return [
        module for module in model.modules() if isinstance(module, torch.nn.Embedding) and module.weight is table.weight
    ]


def _weight(tables: Sequence[torch.nn.Embedding]) -> torch.nn.Parameter:
    """Return the weight that some tables share."""
    weight = tables[0].weight
    assert isinstance(weight, torch.nn.Parameter)
    return weight


def _put_weight(tables: Sequence[torch.nn.Embedding], weight: torch.nn.Parameter, padding: int | None) -> None:
    """Give tables that share a weight another one, (rows, H)."""
    for table in tables:
        table.weight = weight
        table.num_embeddings = len(weight)
        table.padding_idx = padding


def _set_config(model: Any, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        setattr(model.config, name, value)
