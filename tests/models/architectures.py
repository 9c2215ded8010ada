"""Small random models of forty kinds, saved with a tokenizer of their kind, as they are found on the hub."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers import PreTrainedTokenizerFast as FastTokenizer

from tests.models.families import LIKE_BART, LIKE_BERT, LIKE_GPT, LIKE_ROBERTA, LIKE_XLM, LIKE_XLNET

POSITIONS = 40  # tokens that the models take
SENTENCES = (
    "the food was very good and the staff was nice", "we never had a room that was so dirty", "the soup is cold",
    "a lovely place, again and again!", "the phone broke after a week, and so did the lamp", "poor service, sad bed",
    "he said that it is not as bad as they say", "nothing works and nobody cares about it", "superb, we will be back",
)  # fmt: skip


@dataclass(frozen=True)
class Special:
    """The special tokens of a kind of tokenizer, and how a single text and a pair are put together."""

    names: dict[str, str]  # such as pad_token: <pad>; the order is that of their ids
    single: str
    pair: str


BERT = Special(
    {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
    "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
)  # fmt: skip
ALBERT = Special(
    {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
    BERT.single, BERT.pair,
)  # fmt: skip
BIG_BIRD = Special(
    {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>", "cls_token": "[CLS]",
     "sep_token": "[SEP]", "mask_token": "[MASK]"},
    BERT.single, BERT.pair,
)  # fmt: skip
FUNNEL = Special(
    {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<cls>", "sep_token": "<sep>", "mask_token": "<mask>"},
    "<cls>:2 $A <sep>", "<cls>:2 $A <sep> $B:1 <sep>:1",
)  # fmt: skip
ROBERTA = Special(
    {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"},
    "<s> $A </s>", "<s> $A </s> </s> $B </s>",
)  # fmt: skip
MPNET = Special(
    {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "[UNK]", "mask_token": "<mask>"},
    ROBERTA.single, ROBERTA.pair,
)  # fmt: skip
XLNET = Special(
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<cls>", "sep_token": "<sep>",
     "pad_token": "<pad>", "mask_token": "<mask>"},
    "$A <sep> <cls>:2", "$A <sep> $B:1 <sep>:1 <cls>:2",
)  # fmt: skip
T5 = Special({"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}, "$A </s>", "$A </s> $B </s>")
GPT2 = Special(
    {"unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, "$A", "$A $B"
)
QWEN = Special({"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}, "$A", "$A $B")
LLAMA = Special({"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}, "<s> $A", "<s> $A <s> $B:1")


# -- tokenizers -------------------------------------------------------------------------------------------------------


def wordpiece(special: Special) -> Tokenizer:
    """Return a tokenizer of BERT's kind that knows the sentences."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=special.names["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokens = list(dict.fromkeys(special.names.values()))
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=150, special_tokens=tokens))
    return tokenizer


def byte_pairs(special: Special) -> Tokenizer:
    """Return a tokenizer of GPT-2's kind."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokens = list(dict.fromkeys(special.names.values()))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=tokens, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def unigram(special: Special) -> Tokenizer:
    """Return a tokenizer of SentencePiece's kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokens = list(dict.fromkeys(special.names.values()))
    unknown = special.names["unk_token"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=tokens, unk_token=unknown, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


@cache
def trained(build: Callable[[Special], Tokenizer], names: tuple[str, ...]) -> str:
    """Return a tokenizer in its json form."""
    return build(Special(dict(zip(names[::2], names[1::2], strict=True)), "", "")).to_str()


def save_tokenizer(folder: Path, kind: "Kind", settings: dict[str, Any]) -> FastTokenizer:
    """Save a tokenizer as the class that the hub's models of this kind name."""
    special = kind.special
    names = tuple(word for item in special.names.items() for word in item)
    tokenizer = Tokenizer.from_str(trained(kind.build, names))
    used = {word.split(":")[0] for word in f"{special.single} {special.pair}".split() if not word.startswith("$")}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=special.single, pair=special.pair,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in sorted(used)],
    )  # fmt: skip
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in dict.fromkeys(special.names.values())])
    roles = dict(special.names)
    if "bos_token" in roles and special.single.startswith(roles["bos_token"]) and special in (ROBERTA, MPNET):
        roles |= {"cls_token": roles["bos_token"], "sep_token": roles["eos_token"]}
    fast = FastTokenizer(tokenizer_object=tokenizer, **roles)
    fast.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    content = json.loads(file.read_text()) | {"tokenizer_class": kind.tokenizer_class} | settings
    file.write_text(json.dumps(content))
    return fast


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer."""

    build: Callable[[Special], Tokenizer]
    special: Special
    tokenizer_class: str


WORDPIECE = Kind(wordpiece, BERT, "BertTokenizer")
ROBERTA_BYTES = Kind(byte_pairs, ROBERTA, "RobertaTokenizer")
XLM_R = Kind(unigram, ROBERTA, "XLMRobertaTokenizer")
GPT2_BYTES = Kind(byte_pairs, GPT2, "GPT2Tokenizer")
QWEN_BYTES = Kind(byte_pairs, QWEN, "Qwen2Tokenizer")
LLAMA_PIECES = Kind(byte_pairs, LLAMA, "PreTrainedTokenizerFast")
PLAIN_BERT = Kind(wordpiece, BERT, "PreTrainedTokenizerFast")


# -- models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Architecture:
    """A kind of model as it is found on the hub."""

    name: str
    model_type: str
    kind: Kind
    sizes: dict[str, Any]
    as_base: bool = False  # saved without a head, as those that embed texts are
    in_file: dict[str, Any] = field(default_factory=dict)  # of config.json, changed after the model was saved
    tokenizer: dict[str, Any] = field(default_factory=dict)  # of tokenizer_config.json

    @property
    def is_there(self) -> bool:
        """Whether this version of transformers has it, and can build it."""
        version = int(transformers.__version__.split(".")[0])
        return self.model_type in CONFIG_MAPPING and (version >= 5 or self.model_type not in NOT_BEFORE_5)


NOT_BEFORE_5 = ("luke", "funnel")  # LUKE's had no fast tokenizer, and Funnel's new weights could not be made
LLAMA_SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": POSITIONS, "head_dim": 8,
}  # fmt: skip
MODERN = LIKE_BERT | {"local_attention": 8}
SHIFTED = LIKE_ROBERTA | {"max_position_embeddings": POSITIONS + 2}  # positions begin after that of padding
T5_SIZES = {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 64}
PAD_0 = {"pad_token_id": 0}
ARCHITECTURES = (
    Architecture("BERT", "bert", WORDPIECE, LIKE_BERT),
    Architecture("BERT, base model", "bert", WORDPIECE, LIKE_BERT, as_base=True),
    Architecture("BERT, return_dict false", "bert", WORDPIECE, LIKE_BERT, in_file={"return_dict": False}),
    Architecture("RoBERTa", "roberta", ROBERTA_BYTES, SHIFTED),
    Architecture("RoBERTa, no pad_token_id", "roberta", ROBERTA_BYTES, SHIFTED, in_file={"pad_token_id": None}),
    Architecture("RoBERTa-PreLayerNorm", "roberta-prelayernorm", ROBERTA_BYTES, SHIFTED),
    Architecture("XLM-RoBERTa", "xlm-roberta", XLM_R, SHIFTED),
    Architecture("XLM-RoBERTa-XL", "xlm-roberta-xl", XLM_R, SHIFTED),
    Architecture("CamemBERT", "camembert", Kind(unigram, ROBERTA, "CamembertTokenizer"), SHIFTED),
    Architecture("data2vec-text", "data2vec-text", ROBERTA_BYTES, SHIFTED),
    Architecture("DistilBERT", "distilbert", WORDPIECE, {
        "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": POSITIONS}),
    Architecture("ELECTRA", "electra", WORDPIECE, LIKE_BERT | {"embedding_size": 16}),
    Architecture("ALBERT", "albert", Kind(unigram, ALBERT, "AlbertTokenizer"), LIKE_BERT | {"embedding_size": 16}),
    Architecture("RemBERT", "rembert", Kind(unigram, ALBERT, "RemBertTokenizer"), LIKE_BERT | {
        "input_embedding_size": 16, "output_embedding_size": 16}),
    Architecture("DeBERTa", "deberta", Kind(byte_pairs, BERT, "DebertaTokenizer"), LIKE_BERT | {
        "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": -1}),
    Architecture("DeBERTa-v3", "deberta-v2", Kind(unigram, BERT, "DebertaV2Tokenizer"), LIKE_BERT | {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8, "share_att_key": True,
        "norm_rel_ebd": "layer_norm", "max_relative_positions": -1, "position_biased_input": False}),
    Architecture("MPNet", "mpnet", Kind(wordpiece, MPNET, "MPNetTokenizer"), SHIFTED),
    Architecture("ERNIE", "ernie", WORDPIECE, LIKE_BERT | {"use_task_id": True, "task_type_vocab_size": 3}),
    Architecture("MegatronBERT", "megatron-bert", WORDPIECE, LIKE_BERT),
    Architecture("MobileBERT", "mobilebert", WORDPIECE, LIKE_BERT | {
        "embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32}),
    Architecture("SqueezeBERT", "squeezebert", WORDPIECE, LIKE_BERT | {"embedding_size": 32}),
    Architecture("ConvBERT", "convbert", WORDPIECE, LIKE_BERT | {"embedding_size": 32}),
    Architecture("RoFormer", "roformer", PLAIN_BERT, LIKE_BERT),
    Architecture("FNet", "fnet", Kind(unigram, ALBERT, "FNetTokenizer"), LIKE_BERT),
    Architecture("Funnel", "funnel", Kind(wordpiece, FUNNEL, "FunnelTokenizer"), {
        "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64, "block_sizes": [1, 1], "num_decoder_layers": 1}),
    Architecture("Nyströmformer", "nystromformer", Kind(unigram, ALBERT, "AlbertTokenizer"), LIKE_BERT),
    Architecture("Nyströmformer, few landmarks", "nystromformer", Kind(unigram, ALBERT, "AlbertTokenizer"),
                 LIKE_BERT | {"num_landmarks": 4, "segment_means_seq_len": POSITIONS}),
    Architecture("YOSO", "yoso", Kind(unigram, ALBERT, "AlbertTokenizer"), LIKE_BERT | {"use_expectation": True}),
    Architecture("MRA", "mra", ROBERTA_BYTES, SHIFTED),
    Architecture("I-BERT", "ibert", ROBERTA_BYTES, SHIFTED),
    Architecture("LUKE", "luke", Kind(byte_pairs, ROBERTA, "LukeTokenizer"), SHIFTED | {
        "entity_vocab_size": 10, "entity_emb_size": 16}),
    Architecture("ESM", "esm", PLAIN_BERT, SHIFTED | {"position_embedding_type": "rotary"}),
    Architecture("X-MOD", "xmod", XLM_R, SHIFTED | {"languages": ["en_XX"], "default_language": "en_XX"}),
    Architecture("LayoutLM", "layoutlm", WORDPIECE, LIKE_BERT),
    Architecture("Longformer", "longformer", ROBERTA_BYTES, SHIFTED | {"attention_window": [8, 8]}),
    Architecture("BigBird", "big_bird", Kind(unigram, BIG_BIRD, "BigBirdTokenizer"), LIKE_BERT | {
        "attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 64}),
    Architecture("XLNet", "xlnet", Kind(unigram, XLNET, "XLNetTokenizer"), LIKE_XLNET,
                 tokenizer={"padding_side": "left", "model_max_length": POSITIONS}),
    Architecture("XLM", "xlm", PLAIN_BERT, LIKE_XLM),
    Architecture("FlauBERT", "flaubert", PLAIN_BERT, LIKE_XLM),
    Architecture("ModernBERT", "modernbert", Kind(byte_pairs, BERT, "PreTrainedTokenizerFast"), MODERN),
    Architecture("ModernBERT, base model", "modernbert", Kind(byte_pairs, BERT, "PreTrainedTokenizerFast"), MODERN,
                 as_base=True),
    Architecture("EuroBERT", "eurobert", Kind(byte_pairs, BERT, "PreTrainedTokenizerFast"), LLAMA_SIZES),
    Architecture("GTE", "gte", XLM_R, LIKE_BERT, as_base=True),
    Architecture("nomic-bert", "nomic_bert", WORDPIECE, LIKE_BERT, as_base=True),
    Architecture("jina-embeddings-v3", "jina_embeddings_v3", XLM_R, SHIFTED, as_base=True),
    Architecture("T5", "t5", Kind(unigram, T5, "T5Tokenizer"), T5_SIZES | PAD_0, as_base=True),
    Architecture("UMT5", "umt5", Kind(unigram, T5, "T5Tokenizer"), T5_SIZES | PAD_0, as_base=True),
    Architecture("BART", "bart", Kind(byte_pairs, ROBERTA, "BartTokenizer"), LIKE_BART, as_base=True),
    Architecture("mBART", "mbart", XLM_R, LIKE_BART, as_base=True),
    Architecture("GPT-2", "gpt2", GPT2_BYTES, LIKE_GPT | {"pad_token_id": None}),
    Architecture("OpenAI GPT", "openai-gpt", PLAIN_BERT, LIKE_GPT),
    Architecture("OPT", "opt", Kind(byte_pairs, ROBERTA, "GPT2Tokenizer"), {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32,
        "max_position_embeddings": POSITIONS}),
    Architecture("BLOOM", "bloom", Kind(byte_pairs, T5, "PreTrainedTokenizerFast"), {
        "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    Architecture("GPT-NeoX", "gpt_neox", Kind(byte_pairs, GPT2, "GPTNeoXTokenizer"), LIKE_BERT | {
        "pad_token_id": None}),
    Architecture("Llama", "llama", LLAMA_PIECES, LLAMA_SIZES, as_base=True),
    Architecture("Mistral", "mistral", LLAMA_PIECES, LLAMA_SIZES | {"sliding_window": 8}, as_base=True),
    Architecture("Gemma", "gemma", Kind(unigram, T5, "PreTrainedTokenizerFast"), LLAMA_SIZES, as_base=True),
    Architecture("Qwen2", "qwen2", QWEN_BYTES, LLAMA_SIZES, as_base=True),
    Architecture("Qwen3", "qwen3", QWEN_BYTES, LLAMA_SIZES, as_base=True),
    Architecture("Reformer", "reformer", Kind(unigram, T5, "PreTrainedTokenizerFast"), {
        "hidden_size": 32, "attention_head_size": 8, "num_attention_heads": 4, "feed_forward_size": 64,
        "attn_layers": ["local", "lsh"], "axial_pos_shape": [5, 8], "axial_pos_embds_dim": [16, 16],
        "max_position_embeddings": POSITIONS, "local_attn_chunk_length": 4, "lsh_attn_chunk_length": 4,
        "is_decoder": False, "num_buckets": 2}),
)  # fmt: skip
BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}


def roles_of(tokenizer: FastTokenizer) -> dict[str, int]:
    """Return the ids of the special tokens by their names in a configuration."""
    roles = {}
    for role in ("pad", "bos", "eos", "cls", "sep"):
        number = getattr(tokenizer, f"{role}_token_id")
        if number is not None:
            roles[f"{role}_token_id"] = number
    return roles


def save(architecture: Architecture, folder: Path, labels: tuple[str, ...] = (), seed: int = 0) -> Path:
    """Save a random model whose scores are far from each other, with its tokenizer; return the directory.

    With `labels` it is a classifier of these, otherwise one of LABEL_0 to LABEL_2.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limits = {"model_max_length": 10**30} | architecture.tokenizer
    tokenizer = save_tokenizer(folder, architecture.kind, limits)
    sizes = dict(architecture.sizes) | roles_of(tokenizer)
    sizes |= {key: None for key, value in architecture.sizes.items() if value is None}
    if "decoder_layers" in sizes or "num_layers" in sizes:
        sizes["decoder_start_token_id"] = tokenizer.eos_token_id
    sizes["vocab_size"] = len(AutoTokenizer.from_pretrained(folder))  # some classes add tokens of their own
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    config = AutoConfig.for_model(architecture.model_type, **sizes, **(names if labels else {"num_labels": 3}))
    torch.manual_seed(seed)
    loader = AutoModel if architecture.as_base else AutoModelForSequenceClassification
    model = loader.from_config(config)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | architecture.in_file))
    return folder
