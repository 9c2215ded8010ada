"""Find and load a pretrained model and its tokenizer, saying in plain words what is new or wrong.

Weights are read from safetensors alone and no code that comes with a model is run. Transformers is given directories
only, and these after a look at what is in them, so that it neither fetches nor imports anything that they name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers import __version__ as transformers_version
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name
from transformers.utils import logging as transformers_logging

from toolkit.base.errors import TooLittleMemory, UserError, first_line, is_out_of_memory, kind_and_line
from toolkit.base.languages import Text, count_of
from toolkit.base.torch_versions import dtype_option
from toolkit.models.configuration import described_model, make_usable, takes
from toolkit.models.hub import fetch_model
from toolkit.models.text_ends import group_by_ends
from toolkit.models.texts import LOADING
from toolkit.models.trust import (
    CONFIG,
    config_file,
    config_problems,
    directory_problems,
    read_object,
    short,
    size_of_weights,
    tokenizer_problems,
    weight_files,
    weight_problems,
)
from toolkit.models.weight_names import ClassifierLoader, names_in_model
from toolkit.models.wordpiece import TokenizerLoader, vocabulary_problems

NEW_WEIGHTS = 10**8  # those of a head, at most
POOLER = re.compile(r"(^|\.)pooler\.")  # part of the head, though most keep it inside the encoder
TOKENIZER_FILE = re.compile(r"tokenizer|vocab|merges|spm|spiece|sentencepiece|bpe|\.model$|\.codes$", re.IGNORECASE)
TOKENIZER_SETTINGS = {"tokenizer_config.json", "special_tokens_map.json"}  # that come without a vocabulary too
COMPUTED = re.compile(r"inv_freq|rotary_emb|masked_bias|position_ids|attn\.bias$")  # buffers of older versions
PACKAGE = re.compile(r"pypi\.org/project/([\w-]+)")  # in what transformers says of a package that is missing
LEFT_OUT = ("nezha", "ernie_m", "qdqbert", "mega", "transfo-xl", "open-llama")  # by transformers 5, and which 4 has
SPARE_TOKENS = ("eos_token", "sep_token", "unk_token", "bos_token")  # any of which may pad; attention leaves it out


def model_folder(source: str) -> Path:
    """Return the directory of a model: `source` itself, or that of the hub id that it is."""
    return Path(source) if Path(source).is_dir() else fetch_model(source)


def _load(loader: Any, source: str, look: Callable[[Path], list[Text]], needs_weights: bool = True, **options):
    """Call from_pretrained on a directory, or on that of a hub id, if `look` and others find nothing wrong with it.

    Raises UserError for what they find and for whatever else keeps the files from being loaded.
    """
    folder = model_folder(source)
    if problems := directory_problems(folder, needs_weights) or look(folder):
        raise UserError(*(_problem(source, problem) for problem in problems))
    place = config_file(folder) if loader is AutoConfig and _has_own_config(folder) else folder
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # files at hand are not worth one, in loading and in saving
    try:
        return loader.from_pretrained(str(place), local_files_only=True, trust_remote_code=False, **options)
    except BaseException as error:  # files can be damaged in as many ways as there are exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # that of the tokenizers
            raise
        kind = TooLittleMemory if is_out_of_memory(error) else UserError
        package = _missing_package(error)
        if package:
            raise kind(_problem(source, LOADING["package"].fill(package=package))) from None
        raise kind(_problem(source, LOADING["failed"].fill(reason=_told(error)))) from None


def _problem(source: str, problem: Text) -> Text:
    return LOADING["problem"].fill(name=source, problem=problem)


def _has_own_config(folder: Path) -> bool:
    """Say whether a directory has its configuration in a file in which transformers does not look for it."""
    return config_file(folder).name != CONFIG


def _missing_package(error: BaseException) -> str:
    """Return the name of the package without which a model cannot be loaded, as RoFormer's words without rjieba."""
    named = PACKAGE.search(str(error)) if isinstance(error, ImportError) else None
    return named.group(1) if named else ""


def _told(error: BaseException) -> str:
    if isinstance(error, OSError) or not str(error).strip():
        return first_line(error)
    return kind_and_line(error)


# -- the tokenizer ----------------------------------------------------------------------------------------------------


def load_tokenizer(source: str, needs_weights: bool = True) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a directory or hub id, with a padding token; UserError if it cannot be loaded.

    `needs_weights` says whether the directory must have weights, too.
    """
    folder = model_folder(source)
    try:
        tokenizer = _load(TokenizerLoader, source, _tokenizer_problems, needs_weights, **_config_option(source, folder))
    except UserError as error:
        files = {path.name for path in folder.iterdir()} - TOKENIZER_SETTINGS
        if "cannot be loaded" in str(error) and not any(TOKENIZER_FILE.search(name) for name in files):
            raise UserError(_problem(source, _no_tokenizer_files(folder))) from None
        raise
    tokenizer.init_kwargs.pop("auto_map", None)  # or the saved one would name code that is not beside it
    if not _has_vocabulary(tokenizer, folder):
        raise UserError(_problem(source, _no_tokenizer_files(folder)))
    if tokenizer.pad_token_id is None:
        spare = next((role for role in SPARE_TOKENS if getattr(tokenizer, role) is not None), None)
        if spare is None:
            raise UserError(_problem(source, LOADING["no_padding"]))
        tokenizer.pad_token = getattr(tokenizer, spare)
    return tokenizer


def _config_option(source: str, folder: Path) -> dict[str, Any]:
    """Return the option that gives a tokenizer the configuration that it would not find by itself."""
    return {"config": load_config(source)} if _has_own_config(folder) else {}


def _tokenizer_problems(folder: Path) -> list[Text]:
    """Return what is wrong with a directory's configuration and tokenizer."""
    if not any(TOKENIZER_FILE.search(path.name) for path in folder.iterdir()):
        return [_no_tokenizer_files(folder)]

    def is_native(name: str) -> bool:
        """Say whether transformers has a class of this name."""
        return tokenizer_class_from_name(name) is not None

    return _config_problems(folder) + tokenizer_problems(folder, is_native) + vocabulary_problems(folder)


def _config_problems(folder: Path) -> list[Text]:
    """Return what is wrong with config.json, given the types of models that transformers can classify with itself."""
    problems = config_problems(folder, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
    return problems or _type_problems(read_object(config_file(folder)).content)


def _type_problems(config: dict) -> list[Text]:
    """Return why transformers has no classifier of texts for a configuration."""
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        return []
    if model_type is None:
        return [LOADING["no_type"]]
    if model_type in LEFT_OUT:
        return [LOADING["left_out_type"].fill(version=transformers_version, type=model_type)]
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING_NAMES:
        return [LOADING["unknown_type"].fill(version=transformers_version, type=short(model_type))]
    return [LOADING["other_type"].fill(type=model_type)]


def _has_vocabulary(tokenizer: PreTrainedTokenizerBase, folder: Path) -> bool:
    """Say whether a directory has a file of those in which the tokenizer's class keeps its vocabulary, if it has one.

    Newer versions of transformers make a tokenizer that knows no word where there is none.
    """
    own = [name for name in tokenizer.vocab_files_names.values() if name]
    named = tokenizer.init_kwargs.get("fast_tokenizer_files") or []
    names = ["tokenizer.json", *own, *map(str, named)]
    return not own or any((folder / name).is_file() for name in names)


def _no_tokenizer_files(folder: Path) -> Text:
    return LOADING["no_tokenizer"].fill(folder=folder)


# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoadedClassifier:
    """A sequence classifier as it was loaded."""

    model: Any
    new_weights: list[str]  # names of the weights of its head that the directory does not have
    unused_layers: int  # weights of the directory in layers that the configuration leaves out


def load_config(source: str, needs_weights: bool = True) -> PretrainedConfig:
    """Return the model configuration of a directory or hub id; UserError if it cannot be loaded.

    `needs_weights` says whether the directory must have weights, too.
    """
    return _load(AutoConfig, source, _config_problems, needs_weights)


def load_classifier(source: str, config: PretrainedConfig | None = None) -> LoadedClassifier:
    """Return the sequence classifier of a directory or hub id in fp32.

    With `config` (its number of labels, say) a classification head of another size is replaced by a new one. Raises
    UserError if weights of the encoder are missing, as when the directory holds another kind of model, if it has some
    that the model has no place for, or if some are not numbers.
    """
    options: dict[str, Any] = {"ignore_mismatched_sizes": config is not None}
    if config is None:
        config = load_config(source)
        make_usable(config)
    model, report = _load(
        ClassifierLoader, source, lambda folder: weight_problems(folder) or _inflated(config, folder),
        config=config, use_safetensors=True, output_loading_info=True, **options, **dtype_option(torch.float32),
    )  # fmt: skip
    new = sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])})
    strange = [name for name in new if is_of_encoder(model, name)]
    if strange:
        weights = count_of(len(strange), "weight")
        other = _other_name(model, strange[0], report["unexpected_keys"])
        problem = LOADING["missing_weights"].fill(weights=weights, example=strange[0], other=other)
        raise UserError(_problem(source, problem))
    unused = _unused_layers(source, model, report["unexpected_keys"])
    model = model.float()
    strange = [name for name, weight in model.named_parameters() if weight.dtype != torch.float32 or _broken(weight)]
    if strange:
        weights = count_of(len(strange), "weight")
        raise UserError(_problem(source, LOADING["no_numbers"].fill(weights=weights, example=strange[0])))
    if config.is_encoder_decoder and isinstance(config.eos_token_id, int):
        group_by_ends(model)
    if not takes(config, "attention_mask"):
        model.register_forward_pre_hook(without_mask, with_kwargs=True)
    return LoadedClassifier(model, new, unused)


def _other_name(model: Any, missing: str, unexpected: list[str]) -> str | Text:
    """Return the end of a sentence: what a weight that is missing seems to be called in the directory, if anything."""
    inner = missing.removeprefix(f"{model.base_model_prefix}.")
    names = sorted(name for name in unexpected if name.endswith(f".{inner}"))
    return LOADING["other_name"].fill(name=names[0]) if names else ""


def is_of_encoder(model: Any, name: str) -> bool:
    """Say whether a weight is of a classifier's pretrained part; what is beside that, and a pooler, is its head."""
    is_inside = name.startswith(f"{model.base_model_prefix}.")
    lacks_prefix = name.split(".")[0] not in dict(model.named_children())  # as older versions report them
    return (is_inside or lacks_prefix) and not POOLER.search(name)


def _unused_layers(source: str, model: Any, unexpected: list[str]) -> int:
    """Return how many of the weights that a model has no place for are those of layers that it was told to leave out.

    The heads of other tasks are of no account. Raises UserError if others are of the encoder: without relative
    positions or adapters, say, it would not be the model that was trained.
    """
    prefix = f"{model.base_model_prefix}."
    modules = dict(model.base_model.named_modules())
    learned = _learned(source, unexpected)
    layers = 0
    strange = []
    for name in sorted(learned):
        inner = name.removeprefix(prefix)
        is_beside = inner == name and inner.split(".")[0] not in modules  # the head of another task
        if is_beside or POOLER.search(inner):
            continue
        owner = inner.rpartition(".")[0]
        while owner and owner not in modules:
            owner = owner.rpartition(".")[0]
        if isinstance(modules.get(owner), torch.nn.ModuleList):
            layers += 1
        elif owner:
            strange.append(name)
    if strange:
        weights = count_of(len(strange), "weight")
        problem = LOADING["no_place"].fill(kind=type(model).__name__, weights=weights, example=strange[0])
        raise UserError(_problem(source, problem))
    return layers


def _learned(source: str, names: list[str]) -> list[str]:
    """Return those of some weights of a directory that are in floating point and not computed from others."""
    learned = []
    wanted = {name for name in names if not COMPUTED.search(name)}
    for path in weight_files(model_folder(source)):
        with safe_open(path, framework="pt") as weights:
            for stored in weights.keys():  # noqa: SIM118 (it is no dict)
                unplaced = names_in_model(stored) & wanted
                if unplaced and weights.get_slice(stored).get_dtype().startswith(("F", "BF")):
                    learned += sorted(unplaced)
    return learned


def without_mask(_: torch.nn.Module, args: tuple, inputs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Leave the attention mask out of the inputs of a model that takes none."""
    return args, {name: value for name, value in inputs.items() if name != "attention_mask"}


def _broken(weight: torch.Tensor) -> bool:
    return not bool(torch.isfinite(weight.detach().sum()))


def _inflated(config: PretrainedConfig, folder: Path) -> list[Text]:
    """Return what is wrong if a configuration asks for far more weights than there are, before memory is taken."""
    described = described_model(config)
    if described is None:  # loading says what is wrong
        return []
    count = sum(weight.numel() for weight in described.parameters())
    size = size_of_weights(folder)
    if count <= size + NEW_WEIGHTS:  # a weight takes at least a byte
        return []
    return [LOADING["inflated"].fill(count=count, size=size)]
