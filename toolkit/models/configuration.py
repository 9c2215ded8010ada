"""A model's configuration: what of it is set so that the model can be used here, and what it says of the inputs."""

import re
import warnings
from copy import deepcopy
from inspect import signature
from typing import Any

import torch
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from toolkit.base.errors import UserError, kind_and_line
from toolkit.base.languages import Text
from toolkit.models.texts import CONFIGURATION

DROPOUT = re.compile("dropout|pdrop$|dropatt$")  # in the names under which the families of models keep a dropout
OWN_LIMIT = "base_model_max_length"  # in tokenizer_config.json: the tokenizer's limit before a run set its --max_length
NO_LIMIT = 10**9  # tokens; tokenizers without a limit say 10**30


def make_usable(config: PretrainedConfig) -> list[Text]:
    """Change what in a configuration would keep the model from working here; return what has to be said of it.

    Outputs come by name. Attention that depends on which texts came before (BigBird takes full attention for good after
    a short text), or that takes texts of one length alone (Nyströmformer with fewer landmarks), is computed in full,
    which needs no other weights.
    """
    config.return_dict = True
    config.output_hidden_states = False
    config.output_attentions = False
    config.torchscript = False
    notes: list[Text] = []
    if getattr(config, "auto_map", None):
        del config.auto_map  # the saved model would name code that is not beside it
        notes.append(CONFIGURATION["auto_map"].fill(type=config.model_type))
    if getattr(config, "attention_type", None) == "block_sparse":
        config.attention_type = "original_full"
        notes.append(CONFIGURATION["blocks"])
    parts = getattr(config, "segment_means_seq_len", None)
    if parts is not None and getattr(config, "num_landmarks", parts) != parts:
        config.num_landmarks = parts
        notes.append(CONFIGURATION["landmarks"].fill(parts=parts))
    return notes


def described_model(config: PretrainedConfig) -> torch.nn.Module | None:
    """Return the classifier that a configuration describes, its weights without values; None if that cannot be had."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return AutoModelForSequenceClassification.from_config(deepcopy(config))
    except Exception:  # not all models can be built without memory
        return None


def set_dropout(config: PretrainedConfig, dropout: float | None) -> None:
    """Set every dropout of a model configuration to `dropout`, in [0, 1); None leaves the model's own."""
    if dropout is None:
        return
    for name, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            set_dropout(value, dropout)
        elif DROPOUT.search(name) and (value is None or _is_share(value)) and value != dropout:
            _set(config, name, dropout)


def _set(config: PretrainedConfig, name: str, dropout: float) -> None:
    try:
        setattr(config, name, dropout)
    except Exception as error:  # of the checks that the configurations of newer versions make
        reason = kind_and_line(error)
        raise UserError(CONFIGURATION["dropout"].fill(dropout=dropout, reason=reason)) from None


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def input_limit(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the most tokens that a model can take, special tokens included; None where nothing limits them.

    That is what its positions and its tokenizer's own limit allow.
    """
    own = tokenizer.init_kwargs.get(OWN_LIMIT, tokenizer.model_max_length)
    limits = [limit for limit in (_positions(config), own) if type(limit) is int and 0 < limit < NO_LIMIT]
    return min(limits, default=None)


def _positions(config: PretrainedConfig) -> int | None:
    """Return the number of tokens for which a model has positions; RoBERTa's kin leave out the first ones."""
    positions = getattr(config, "max_position_embeddings", None)
    described = described_model(config)
    if positions and described is not None:
        for module in described.modules():
            padding = getattr(getattr(module, "position_embeddings", None), "padding_idx", None)
            if padding is not None:
                return positions - padding - 1
    return positions


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, max_length: int) -> None:
    """Make a tokenizer give, where it was saved, what the model gets here, so that transformers.pipeline agrees.

    Texts are cut to `max_length` tokens at their end, and the inputs are those of `model_inputs`. The tokenizer's own
    limit is kept in tokenizer_config.json too, for input_limit, when the model is trained further.
    """
    tokenizer.init_kwargs.setdefault(OWN_LIMIT, tokenizer.model_max_length)
    tokenizer.model_max_length = max_length
    tokenizer.truncation_side = "right"
    names = model_inputs(config)
    tokenizer.model_input_names = names
    tokenizer.init_kwargs["model_input_names"] = names  # what is saved


def model_inputs(config: PretrainedConfig) -> list[str]:
    """Return the names of the inputs that a model is given."""
    names = ["input_ids"]
    if has_token_types(config):
        names.append("token_type_ids")
    if takes(config, "attention_mask"):
        names.append("attention_mask")
    return names


def has_token_types(config: PretrainedConfig) -> bool:
    """Say whether the model tells the texts of a pair apart by token_type_ids.

    It has embeddings of at least two types, or attention that is relative to them (XLNet, Funnel). What others do with
    such an input (GPT-2 takes it for words) is not what they were trained for.
    """
    if not takes(config, "token_type_ids"):
        return False
    types = getattr(config, "type_vocab_size", None)
    if types is not None:
        return types > 1
    described = described_model(config)
    return described is not None and any(name.endswith(".seg_embed") for name, _ in described.named_parameters())


def takes(config: PretrainedConfig, name: str) -> bool:
    """Say whether the classifier that a configuration is for has an input of this name."""
    classifier: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    return name in signature(classifier.forward).parameters
