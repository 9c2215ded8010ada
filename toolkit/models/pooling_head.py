"""A classification head of our own in the place of an architecture's: on the first token's state, or on the mean.

The classifier stays one of transformers, whose encoder, configuration and way of saving it keeps. Its configuration is
saved beside a config.json that transformers does not take for that of a classifier: it would give it a random head.

B rows of up to L tokens, H values of a hidden state, C labels.
"""

from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

from toolkit.base.disk import write_json
from toolkit.base.errors import UserError, kind_and_line
from toolkit.layers.evaluating import evaluating
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import Head, fit_head
from toolkit.models.texts import POOLING, TRAINED_PART
from toolkit.models.trust import CONFIG, ENCODER_CONFIG, weight_files

NAME = "pooling_head"  # of the module in a classifier, and so what the names of its weights begin with
DEVIATION = 0.02  # of new weights, as BERT's, where a configuration does not say it
TRIED_TEXT = "a b c"
FOREIGN_TYPE = (
    "{model_type} with a head that transformers does not have (README.md in the same directory says how to load it)"
)


class PoolingHead(torch.nn.Module):
    """Pooling, then hidden layers with GELU, then the scores; dropout before each layer."""

    def __init__(self, design: HeadDesign, width: int, labels: int, deviation: float):
        """Make the head for hidden states of `width` values, with random weights of a standard deviation."""
        super().__init__()
        self.design = design
        self.dropout = torch.nn.Dropout(design.dropout)
        self.hidden = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(design.layers))
        self.scores = torch.nn.Linear(width, labels)
        for layer in (*self.hidden, self.scores):
            torch.nn.init.normal_(layer.weight, 0.0, deviation)
            torch.nn.init.zeros_(layer.bias)

    def features(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return what the last layer reads, (B, H), of states (B, L, H) and a mask (B, L) that is 1 for a token."""
        vector = self.dropout(self._pooled(states, mask))
        for layer in self.hidden:
            vector = self.dropout(torch.nn.functional.gelu(layer(vector)))
        return vector

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return one vector a row, (B, H)."""
        if self.design.pooling == "cls":
            return states[:, 0]
        if mask is None:
            return states.mean(1)
        is_token = mask.bool()[..., None]
        total = torch.where(is_token, states, 0.0).sum(1, dtype=torch.float32)
        return total / is_token.sum(1).clamp(min=1)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the scores (B, C)."""
        return self.scores(self.features(states, mask))


class PooledClassifier:
    """Mixed into the class of a classifier of transformers that has a PoolingHead."""

    base_model: Any
    config: Any
    pooling_head: PoolingHead

    @property
    def reads_all_tokens(self) -> bool:
        """Whether the head reads the hidden states of all tokens, and not the first one's alone."""
        return self.pooling_head.design.pooling != "cls"

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **inputs: Any,
    ) -> SequenceClassifierOutput:
        """Return the scores (B, C) of rows input_ids (B, L), or inputs_embeds (B, L, H)."""
        states = self._states(input_ids, attention_mask, inputs)
        return SequenceClassifierOutput(logits=self.pooling_head(states, attention_mask))

    def _states(
        self, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, inputs: dict[str, Any]
    ) -> torch.Tensor:
        """Return the hidden states (B, L, H) of the encoder's last layer."""
        if attention_mask is not None:
            inputs = inputs | {"attention_mask": attention_mask}
        if attention_mask is not None and "global_attention_mask" in signature(self.base_model.forward).parameters:
            first = torch.zeros_like(attention_mask)  # of Longformer, whose own head does so too
            first[:, 0] = 1
            inputs = inputs | {"global_attention_mask": first}
        return self.base_model(input_ids=input_ids, **inputs).last_hidden_state

    def save_pretrained(self, folder: Path, **options: Any) -> None:
        """Write the weights and the configuration as transformers does, the configuration in a place of its own."""
        super().save_pretrained(folder, **options)  # type: ignore[misc]
        folder = Path(folder)
        (folder / CONFIG).replace(folder / ENCODER_CONFIG)
        foreign_type = FOREIGN_TYPE.format(model_type=self.config.model_type)
        write_json(folder / CONFIG, {"model_type": foreign_type, "encoder_config": ENCODER_CONFIG})


def begin_pooling_head(model: Any, design: HeadDesign, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a classifier of transformers a new head of a design; its own is gone.

    Raises UserError if the encoder does not give what the head reads.
    """
    if model.config.is_encoder_decoder:
        raise UserError(POOLING["two_parts"].fill(design=design, model=type(model).__name__))
    if model.base_model is model:
        raise UserError(TRAINED_PART["not_apart"].fill(option=design, model=type(model).__name__))
    width = _width(model, design, tokenizer)
    deviation = getattr(model.config, "initializer_range", None) or DEVIATION
    put_head(model, PoolingHead(design, width, model.config.num_labels, deviation))


def load_pooling_head(model: Any, design: HeadDesign, folder: Path) -> None:
    """Give a classifier the head of a design and the weights that a directory has; UserError if they do not fit."""
    weights: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            weights |= {name: file.get_tensor(name) for name in file.keys() if name.startswith(f"{NAME}.")}  # noqa: SIM118
    try:
        width = weights[f"{NAME}.scores.weight"].shape[-1]
        head = PoolingHead(design, width, model.config.num_labels, DEVIATION)
        head.load_state_dict({name.removeprefix(f"{NAME}."): weight for name, weight in weights.items()})
    except (KeyError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(POOLING["unlike"].fill(folder=folder, reason=reason)) from None
    if not all(bool(torch.isfinite(weight.detach().sum())) for weight in head.parameters()):
        raise UserError(POOLING["no_numbers"].fill(folder=folder))
    put_head(model, head)


def fit_pooling_head(
    model: Any, design: HeadDesign, head: Head, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> list[str]:
    """Give a classifier a head of a design, as fit_head does with the architecture's; return the names of new weights.

    `head` is what was chosen to become of the one in its directory, `folder`.
    """
    if head.order is None:
        begin_pooling_head(model, design, tokenizer)
        return sorted(f"{NAME}.{name}" for name, _ in model.pooling_head.named_parameters())
    load_pooling_head(model, design, folder)
    return fit_head(model, head, [])


def put_head(model: Any, head: PoolingHead) -> None:
    """Put a head in the place of a classifier's own, and of its pooler, which is for that alone."""
    base = model.base_model
    for name, module in list(model.named_children()):
        if module is not base:
            delattr(model, name)
    if isinstance(getattr(base, "pooler", None), torch.nn.Module):
        base.pooler = torch.nn.Identity()  # not every encoder can do without one
    model.add_module(NAME, head.to(model.device))
    if not isinstance(model, PooledClassifier):
        plain = type(model)
        model.__class__ = type(plain.__name__, (PooledClassifier, plain), {"__module__": plain.__module__})


@torch.no_grad()
def _width(model: Any, design: HeadDesign, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many values a hidden state has; UserError if the states are not those that the head is for."""
    kind = type(model).__name__
    ids = list(tokenizer(TRIED_TEXT)["input_ids"])
    ids = ids if len(ids) > 1 else ids * 2
    others = [*ids[:-1], (ids[-1] + 1) % model.config.vocab_size]
    try:
        with evaluating(model):
            states = model.base_model(input_ids=torch.tensor([ids, others])).last_hidden_state
    except Exception as error:  # whatever an encoder of another kind may ask for
        raise UserError(POOLING["not_alone"].fill(design=design, model=kind, reason=kind_and_line(error))) from None
    if design.pooling == "mean" and states.shape[1] != len(ids):
        raise UserError(POOLING["no_states"].fill(design=design, model=kind))
    if design.pooling == "cls":
        if ids[0] not in tokenizer.all_special_ids:
            raise UserError(POOLING["no_first_token"].fill(design=design))
        if torch.equal(states[0, 0], states[1, 0]):
            raise UserError(POOLING["left_to_right"].fill(design=design, model=kind))
    return states.shape[2]
