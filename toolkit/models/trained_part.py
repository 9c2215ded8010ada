"""Which weights of a classifier are trained: all, its head, the last layers of its encoder, or LoRA's.

The head is what is outside the encoder, and a pooler in it. What is not trained needs neither a backward pass nor
moments of AdamW, and where nothing below it is trained either it draws no dropout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from toolkit.base.errors import UserError
from toolkit.base.languages import count_of
from toolkit.layers.evaluating import evaluating
from toolkit.layers.fast_bert import freeze_layers
from toolkit.models.lora import LoraSettings, add_lora, is_lora
from toolkit.models.pretrained import is_of_encoder
from toolkit.models.texts import TRAINED_PART

RATE_FACTORS = {"all": 1.0, "top": 2.0, "lora": 10.0, "head": 20.0}


@dataclass(frozen=True)
class TrainedPart:
    """Which weights are trained, as --train says."""

    kind: str  # all, head, top or lora
    layers: int = 0  # of top: how many of the last layers
    lora: LoraSettings = LoraSettings()

    @classmethod
    def from_option(cls, word: str | None, lora: LoraSettings | None = None) -> "TrainedPart":
        """Return the part that all, head, top:N or lora stands for; None, of a run that was before the option, is all.

        `lora` are the settings of LoRA. Raises UserError for another word.
        """
        kind, _, count = (word or "all").partition(":")
        if kind == "top" and count.isdecimal() and int(count) > 0:
            return cls(kind, int(count))
        if kind not in ("all", "head", "lora") or count:
            raise UserError(TRAINED_PART["word"].fill(word=word))
        return cls(kind, lora=lora or LoraSettings())

    @property
    def lora_scale(self) -> float | None:
        """What the product of LoRA's matrices is multiplied by, None if it is not LoRA."""
        return self.lora.scale if self.kind == "lora" else None

    @property
    def is_all(self) -> bool:
        """Whether every weight is trained."""
        return self.kind == "all"

    def __str__(self) -> str:
        return f"top:{self.layers}" if self.kind == "top" else self.kind


def rate_factor(trained: str) -> float:
    """Return how many times the learning rate of a whole model is a good one for the part that --train names.

    LoRA learns best at about ten times the rate of all weights (Schulman et al. 2025, LoRA Without Regret, section
    "Optimal learning rate"). For head and top there is no published number: docs/training-parts.md has what was
    measured with the embedded model.
    """
    return RATE_FACTORS[TrainedPart.from_option(trained).kind]


def freeze(model: Any, part: TrainedPart) -> list[torch.nn.Module]:
    """Let only a part of a classifier be trained; return the modules that draw no dropout, since they are frozen.

    Raises UserError if the model is not built in such a way that the part can be told.
    """
    if part.is_all:
        return []
    names = [name for name, _ in model.named_parameters()]
    frozen = {name for name in names if is_of_encoder(model, name)}
    if not frozen or len(frozen) == len(names):
        raise UserError(TRAINED_PART["not_apart"].fill(option=f"--train {part}", model=type(model).__name__))
    if part.kind == "lora":
        add_lora(model, part.lora)
        for name, weight in model.named_parameters():
            weight.requires_grad_(is_lora(name) or not is_of_encoder(model, name))
        return []  # dropout works as when all is trained
    layers = _encoder_layers(model)
    top: list[torch.nn.Module] = []
    if part.kind == "top":
        top = _top_modules(model, layers, part)
        trained = {id(weight) for module in top for weight in module.parameters()}
        frozen -= {name for name, weight in model.named_parameters() if id(weight) in trained}
    for name, weight in model.named_parameters():
        weight.requires_grad_(name not in frozen)
    freeze_layers(model, len(layers) - part.layers)
    return _without_dropout(model, top)


def _without_dropout(model: Any, top: Sequence[torch.nn.Module]) -> list[torch.nn.Module]:
    """Return the modules of an encoder that are outside of `top`, and of any module with a weight that is trained."""
    kept = {id(inner) for module in top for inner in module.modules()}
    for module in model.base_model.modules():
        if any(weight.requires_grad for weight in module.parameters(recurse=False)):
            kept.add(id(module))
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        kept |= {id(inner) for inner in pooler.modules()}
    return [module for module in model.base_model.modules() if id(module) not in kept]


def _encoder_layers(model: Any) -> Sequence[torch.nn.Module]:
    """Return the layers of an encoder in their order, none if it does not keep them in one list."""
    count = getattr(model.config, "num_hidden_layers", None)
    lists = [
        module for module in model.base_model.modules() if isinstance(module, torch.nn.ModuleList) and len(module) > 0
    ]
    lists = [module for module in lists if len(module) == count and any(True for _ in module[0].parameters())]
    inner = {id(module) for outer in lists for layer in outer for module in layer.modules()}
    outermost = [module for module in lists if id(module) not in inner]
    return list(outermost[0]) if len(outermost) == 1 else []


def _top_modules(model: Any, layers: Sequence[torch.nn.Module], part: TrainedPart) -> list[torch.nn.Module]:
    """Return the last layers of an encoder, and what works on what they give; UserError if these cannot be told."""
    if not layers:
        raise UserError(TRAINED_PART["no_list_of_layers"].fill(part=part, model=type(model).__name__))
    if part.layers > len(layers):
        raise UserError(TRAINED_PART["too_few_layers"].fill(part=part, layers=count_of(len(layers), "layer")))
    top = list(layers[-part.layers :])
    return [*top, *_called_after(model, top)]


@torch.no_grad()
def _called_after(model: Any, top: Sequence[torch.nn.Module]) -> list[torch.nn.Module]:
    """Return the modules of an encoder that are called only after its `top` layers have begun: a last norm, say."""
    in_layers = {id(inner) for layer in top for inner in layer.modules()}
    with_weights = [
        module for module in model.base_model.modules() if any(True for _ in module.parameters(recurse=False))
    ]
    before: set[int] = set()
    after: dict[int, torch.nn.Module] = {}
    has_begun = False

    def note(module: torch.nn.Module, *_: object) -> None:
        """Note when a module is called."""
        nonlocal has_begun
        if id(module) in in_layers:
            has_begun = True
        elif has_begun:
            after[id(module)] = module
        else:
            before.add(id(module))

    handles = [module.register_forward_pre_hook(note) for module in with_weights]
    with evaluating(model):
        ids = torch.arange(8, device=model.device)[None] % model.config.vocab_size
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    for handle in handles:
        handle.remove()
    return [module for key, module in after.items() if key not in before]
