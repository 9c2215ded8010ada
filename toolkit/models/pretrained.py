"""Find and load a pretrained model and its tokenizer, saying in plain words what is new or wrong.

Weights are read from safetensors alone and no code that comes with a model is run. Transformers is given directories
only, and these after a look at what is in them, so that it neither fetches nor imports anything that they name.
"""

import re
import warnings
from collections.abc import Callable
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name
from transformers.utils import logging as transformers_logging

from toolkit.base.errors import TooLittleMemory, UserError, first_line, is_out_of_memory
from toolkit.base.languages import counted
from toolkit.models.hub import fetch_model
from toolkit.models.trust import (
    config_problems,
    directory_problems,
    size_of_weights,
    tokenizer_problems,
    weight_problems,
)

DROPOUT = re.compile("dropout|pdrop$|dropatt$")  # in the names under which the families of models keep a dropout
OWN_LIMIT = "base_model_max_length"  # in tokenizer_config.json: the tokenizer's limit before a run set its --max_length
NO_LIMIT = 10**9  # tokens; tokenizers without a limit say 10**30
SHORT_TEXT = "a b c"  # whose scores are compared with and without padding
SAME = 1e-3  # largest difference of such scores, relative to the largest one, that rounding may make
NEW_WEIGHTS = 10**8  # those of a head, at most
HEAD = ("classifier.", "score.", "pre_classifier.", "pooler.", "bert.pooler.", "logits_proj.", "sequence_summary.")


def _load(loader: Any, source: str, look: Callable[[Path], list[str]], **options):
    """Call from_pretrained on a directory, or on that of a hub id, if `look` and others find nothing wrong with it.

    Raises UserError for what they find and for whatever else keeps the files from being loaded.
    """
    folder = Path(source) if Path(source).is_dir() else fetch_model(source)
    if problems := directory_problems(folder) or look(folder):
        raise UserError(*(f"model {source}: {problem}" for problem in problems))
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # files at hand are not worth one, in loading and in saving
    try:
        return loader.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except BaseException as error:  # files can be damaged in as many ways as there are exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # that of the tokenizers
            raise
        kind = TooLittleMemory if is_out_of_memory(error) else UserError
        raise kind(f"model {source}: cannot be loaded ({_told(error)})") from None


def _told(error: BaseException) -> str:
    kind = "" if isinstance(error, OSError) or not str(error).strip() else f"{type(error).__name__}: "
    return kind + first_line(error)


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a directory or hub id, padding on the right; UserError if it cannot be loaded."""
    tokenizer = _load(AutoTokenizer, source, _tokenizer_problems)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        raise UserError(f"model {source}: its tokenizer has no padding token, so it is not a model of the BERT kind")
    return tokenizer


def _tokenizer_problems(folder: Path) -> list[str]:
    """Return what is wrong with the files of a tokenizer, given the classes that transformers has itself."""

    def is_native(name: str) -> bool:
        """Say whether transformers has a class of this name."""
        return tokenizer_class_from_name(name) is not None

    return _config_problems(folder) + tokenizer_problems(folder, is_native)


def _config_problems(folder: Path) -> list[str]:
    """Return what is wrong with config.json, given the types of models that transformers can classify with itself."""
    return config_problems(folder, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)


def load_config(source: str) -> PretrainedConfig:
    """Return the model configuration of a directory or hub id; UserError if it cannot be loaded."""
    return _load(AutoConfig, source, _config_problems)


def load_classifier(source: str, config: PretrainedConfig | None = None) -> tuple[torch.nn.Module, list[str]]:
    """Return the sequence classifier of a directory or hub id in fp32, and the names of its new weights.

    With `config` (its number of labels, say) a classification head of another size is replaced by a new one. Raises
    UserError if weights other than those of the head are missing, as when the directory holds another kind of model,
    or if some are not numbers.
    """
    options = {"config": config, "ignore_mismatched_sizes": True} if config is not None else {}
    config = load_config(source) if config is None else config
    model, report = _load(
        AutoModelForSequenceClassification, source, lambda folder: weight_problems(folder) or _inflated(config, folder),
        use_safetensors=True, output_loading_info=True, **options,
    )  # fmt: skip
    mismatched = [entry[0] for entry in report.get("mismatched_keys", [])]
    new = sorted({*report.get("missing_keys", []), *mismatched})
    strange = [name for name in new if not name.startswith(HEAD) and ".pooler." not in name]
    if strange:
        raise UserError(
            f"model {source}: {counted(len(strange), 'weight')} missing or of the wrong size, such as {strange[0]}"
        )
    model = model.float()
    strange = [name for name, weight in model.named_parameters() if weight.dtype != torch.float32 or _broken(weight)]
    if strange:
        raise UserError(
            f"model {source}: {counted(len(strange), 'weight')} without finite float values, such as {strange[0]}"
        )
    return model, new


def _broken(weight: torch.Tensor) -> bool:
    return not bool(torch.isfinite(weight.detach().sum()))


def _inflated(config: PretrainedConfig, folder: Path) -> list[str]:
    """Return what is wrong if a configuration asks for far more weights than there are, before memory is taken."""
    described = _without_memory(config)
    if described is None:  # loading says what is wrong
        return []
    count = sum(weight.numel() for weight in described.parameters())
    size = size_of_weights(folder)
    if count <= size + NEW_WEIGHTS:  # a weight takes at least a byte
        return []
    return [f"config.json describes {count:,} weights, but its weight files have only {size:,} bytes"]


def _without_memory(config: PretrainedConfig) -> torch.nn.Module | None:
    """Return the classifier that a configuration describes, its weights without values; None if that cannot be had."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return AutoModelForSequenceClassification.from_config(deepcopy(config))
    except Exception:  # not all models can be built without memory
        return None


def check_padding(source: str, model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise UserError for a model whose scores of a text change when padding follows it, as in a batch.

    Such are those that read the last token, wherever the text ends, that mix tokens regardless of the mask, or that
    divide a batch's length into parts. Draws nothing that a run's random numbers would miss.
    """
    ids = torch.tensor([tokenizer(SHORT_TEXT)["input_ids"]])
    padding = torch.full((1, len(SHORT_TEXT)), tokenizer.pad_token_id)
    mask = torch.cat([torch.ones_like(ids), torch.zeros_like(padding)], 1)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            padded = model(input_ids=torch.cat([ids, padding], 1), attention_mask=mask).logits
    except Exception as error:  # whatever it is that a model of another kind stumbles over
        raise UserError(f"model {source}: it cannot score a padded text ({_told(error)})") from None
    finally:
        model.train(training)
    if not torch.allclose(padded, alone, rtol=0, atol=SAME * float(alone.abs().max()), equal_nan=True):
        raise UserError(
            f"model {source}: the scores that {type(model).__name__} gives to a text change when padding follows it, "
            "so they would depend on the other texts of a batch; choose a model of another kind, such as BERT, "
            "RoBERTa, DeBERTa or ELECTRA"
        )


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
        raise UserError(f"--dropout {dropout:g}: this model does not accept it ({_told(error)})") from None


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
    described = _without_memory(config)
    if positions and described is not None:
        for module in described.modules():
            padding = getattr(getattr(module, "position_embeddings", None), "padding_idx", None)
            if padding is not None:
                return positions - padding - 1
    return positions


def limit_tokenizer(tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Let a tokenizer cut texts to `max_length` tokens, so that transformers.pipeline does where it was saved.

    Its own limit is kept in tokenizer_config.json too, for input_limit, when the model is trained further.
    """
    tokenizer.init_kwargs.setdefault(OWN_LIMIT, tokenizer.model_max_length)
    tokenizer.model_max_length = max_length


def has_token_types(config: PretrainedConfig) -> bool:
    """Say whether the model tells the two texts of a pair apart by token_type_ids."""
    classifier: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    return getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in signature(classifier.forward).parameters
