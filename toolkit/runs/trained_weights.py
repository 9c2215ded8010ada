"""A model directory that holds only what was trained of a base model: how it is written, and made whole again.

It has trained_weights.safetensors, and in tokenizer/ the tokenizer and the configuration; the other weights are those
of the base model, which run.json names with its fingerprint. In the place of the configuration there is one that no
other program takes for that of a whole model: transformers says its model_type, which is a sentence, and stops.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from toolkit.base.disk import write_json
from toolkit.base.errors import CANNOT_BE_READ, UserError, message_of
from toolkit.base.languages import Text
from toolkit.models.configuration import make_usable
from toolkit.models.head_design import HeadDesign
from toolkit.models.locate import PACKAGED, resolve_model
from toolkit.models.lora import merge_lora, saved_name
from toolkit.models.pooling_head import load_pooling_head
from toolkit.models.pretrained import LoadedClassifier, load_classifier, load_config, load_tokenizer, model_folder
from toolkit.models.trust import TRAINED_WEIGHTS, fingerprint_weights
from toolkit.runs.run_json import RunFacts, TrainedFacts
from toolkit.runs.texts import WEIGHTS

TOKENIZER_DIR = "tokenizer"
NOT_WHOLE = (
    "this directory holds only the part of a model that was trained: "
    "python infer.py --model_dir THIS --merge NEW_DIR writes the whole model"
)


def trained_facts(part: str, base_model: str, source: str, lora_scale: float | None = None) -> TrainedFacts:
    """Return what run.json says of a part of a base model, which is called `base_model` and loaded from `source`."""
    is_directory = Path(source).is_dir() and base_model not in PACKAGED
    base = str(Path(source).resolve()) if is_directory else base_model
    return TrainedFacts(part, base, fingerprint_weights(model_folder(source)), lora_scale)


def save_trained(folder: Path, model: Any, tokenizer: Any, facts: TrainedFacts) -> None:
    """Write those weights of a classifier that are trained, its tokenizer and its configuration to a directory."""
    trained = {saved_name(name): weight for name, weight in model.named_parameters() if weight.requires_grad}
    weights = {name: weight.detach().cpu().contiguous() for name, weight in trained.items()}
    save_file(weights, folder / TRAINED_WEIGHTS, {"format": "pt", "base": facts.base, "base_sha256": facts.base_sha256})
    tokenizer.save_pretrained(folder / TOKENIZER_DIR)
    model.config.save_pretrained(folder / TOKENIZER_DIR)
    write_json(folder / "config.json", {"model_type": NOT_WHOLE})


def load_saved_tokenizer(folder: Path, run: RunFacts) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model directory, whose run.json is `run`; UserError if it cannot be loaded."""
    if run.trained is None:
        return load_tokenizer(str(folder))
    return load_tokenizer(str(folder / TOKENIZER_DIR), needs_weights=False)


def load_whole(folder: Path, facts: TrainedFacts, base_model: str, head: HeadDesign | None = None) -> LoadedClassifier:
    """Return the classifier of a directory that holds what was trained of a base model, which is named `base_model`.

    `head` is the design of the head, None for that of the architecture.
    Raises UserError if that model is not here or has other weights, or if the directory is damaged.
    """
    base = _base_folder(folder, facts, base_model)
    config = load_config(str(folder / TOKENIZER_DIR), needs_weights=False)
    make_usable(config)
    loaded = load_classifier(str(base), config)
    new_weights = loaded.new_weights
    if head is not None:
        load_pooling_head(loaded.model, head, folder)
        new_weights = []
    path = folder / TRAINED_WEIGHTS
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(CANNOT_BE_READ.fill(file=path, reason=message_of(error))) from None
    _put(loaded.model, weights, facts.lora_scale, path)
    missing = [name for name in new_weights if name not in weights]
    return LoadedClassifier(loaded.model, missing, loaded.unused_layers)


@torch.no_grad()
def _put(model: Any, weights: Mapping[str, torch.Tensor], lora_scale: float | None, path: Path) -> None:
    """Put trained weights into a classifier, and add those of LoRA to its own; UserError for one that does not fit."""
    try:
        rest = merge_lora(model, weights, lora_scale)
    except ValueError as error:
        raise UserError(WEIGHTS["unlike"].fill(path=path, reason=message_of(error))) from None
    own = dict(model.named_parameters())
    for name, weight in rest.items():
        if name not in own or own[name].shape != weight.shape:
            raise UserError(WEIGHTS["unknown"].fill(path=path, name=name))
        own[name].copy_(weight)


def _base_folder(folder: Path, facts: TrainedFacts, base_model: str) -> Path:
    """Return the directory of the base model with the weights that were trained on; UserError if it is not here."""
    others: list[Path] = []
    reasons: list[Text] = []
    for name in dict.fromkeys((facts.base, base_model)):
        try:
            base = model_folder(resolve_model(name))
            if fingerprint_weights(base) == facts.base_sha256:
                return base
            others.append(base)
        except (UserError, OSError) as error:
            reasons.append(message_of(error))
    if others:
        raise UserError(WEIGHTS["other_base"].fill(folder=folder, model=base_model, other=others[0]))
    raise UserError(WEIGHTS["no_base"].fill(folder=folder, model=base_model, reason=reasons[-1]))
