"""LoRA (Hu et al. 2021): beside a weight W (O, I) that stays, the product of two small matrices B (O, R) A (R, I).

The package peft puts them beside the linear layers of an encoder while they are trained. The matrices are what is
saved; to predict they are added to the weights, W + scale * B A, so that neither peft nor a slower layer is needed.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from toolkit.base.errors import UserError, kind_and_line
from toolkit.models.pretrained import is_of_encoder
from toolkit.models.texts import TRAINED_PART

MATRIX = re.compile(r"\.(lora_[AB])\.(?:\w+\.)?weight$")  # peft puts the name of the adapter between


@dataclass(frozen=True)
class LoraSettings:
    """How large the matrices are and how much they count."""

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0  # of what goes into the matrices

    @property
    def scale(self) -> float:
        """What the product of the matrices is multiplied by."""
        return self.alpha / self.rank


def is_lora(name: str) -> bool:
    """Say whether the name of a weight is that of one of the matrices."""
    return MATRIX.search(name) is not None


def saved_name(name: str) -> str:
    """Return the name under which a weight is saved: without that of peft's adapter."""
    return MATRIX.sub(r".\1.weight", name)


def add_lora(model: Any, settings: LoraSettings) -> None:
    """Put LoRA's matrices beside the linear layers of a classifier's encoder, with peft; the product begins as 0.

    Raises UserError if peft cannot be imported or the encoder has no linear layers.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 - optional and slow
    except ImportError as error:
        raise UserError(TRAINED_PART["peft"].fill(reason=kind_and_line(error))) from None
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and is_of_encoder(model, f"{name}.weight")
    ]
    if not names:
        raise UserError(TRAINED_PART["no_linear_layers"].fill(model=type(model).__name__))
    is_transposed = all(isinstance(model.get_submodule(name), Conv1D) for name in names)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=names,
        fan_in_fan_out=is_transposed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inject_adapter_in_model(config, model)


def remove_lora(model: Any) -> None:
    """Put the linear layers of a classifier back to where they were before add_lora; the matrices are lost."""
    for name, module in list(model.named_modules()):
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            parent, _, own_name = name.rpartition(".")
            setattr(model.get_submodule(parent), own_name, module.base_layer)


@torch.no_grad()
def merge_lora(model: Any, weights: Mapping[str, torch.Tensor], scale: float | None) -> dict[str, torch.Tensor]:
    """Add the products of LoRA's matrices among some saved weights to a classifier's own; return the other weights.

    Raises ValueError if they do not fit it.
    """
    rest = {name: weight for name, weight in weights.items() if not is_lora(name)}
    layers = {MATRIX.sub("", name) for name in weights.keys() - rest.keys()}
    modules = dict(model.named_modules())
    for name in sorted(layers):
        a = weights.get(f"{name}.lora_A.weight")
        b = weights.get(f"{name}.lora_B.weight")
        weight = getattr(modules.get(name), "weight", None)
        if a is None or b is None or weight is None or scale is None:
            raise ValueError(TRAINED_PART["lora_incomplete"].fill(name=name))
        product = scale * (b @ a)  # (O, I)
        if isinstance(modules[name], Conv1D):
            product = product.T
        if product.shape != weight.shape:
            raise ValueError(TRAINED_PART["lora_size"].fill(name=name))
        weight += product
    return rest
