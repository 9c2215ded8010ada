"""A layer that gives the head of a BERT the mean over the tokens of a text instead of its first token.

What a pretrained encoder knows of a whole text often stands in the mean of its hidden states: sentence encoders are
trained on it, and their first token, which the head of a BERT classifier reads, has learned nothing. So one more layer
of the model's own kind is put on top of the others, with weights that make its attention even: its first token then has
the mean of all. The model stays one that transformers knows, with one layer more, and every weight goes on learning.
"""

import copy
from typing import Any

import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from toolkit.layers.fast_bert import freeze_layers, is_fast, is_like_bert
from toolkit.models.heads import encoder_parts, last_layer

WEIGHT_OF_MEAN = 8.0  # in the sum with the first token's own hidden state, which the residual connection adds
WEIGHT_IN_HEAD = 0.5  # keeps a tanh behind it nearly linear: the layer's output has a standard deviation of 1
MARK = "pooling_layer"  # in config.json: the last layer is one of these


def has_pooling_layer(model: Any) -> bool:
    """Say whether the last layer of a model is a pooling layer."""
    return bool(getattr(model.config, MARK, False))


def can_pool(model: Any) -> bool:
    """Say whether a sequence classifier has a pooling layer, or is of BERT's kind, so that it can have one."""
    base = getattr(model, "base_model", None)
    return base is not None and base is not model and is_like_bert(model.config, base)


def add_pooling_layer(model: Any) -> None:
    """Put a pooling layer on top of a sequence classifier that can have one, if it has none yet.

    The layers of the head that come before its last one let the mean through.
    """
    if has_pooling_layer(model):
        return
    layers = model.base_model.encoder.layer
    layers.append(_new_layer(layers[-1], model.config))
    model.config.num_hidden_layers += 1
    setattr(model.config, MARK, True)
    _open_head(model)


def _new_layer(layer: Any, config: Any) -> torch.nn.Module:
    """Return a layer, built as `layer` is, that adds the mean over all tokens to each, and changes nothing else.

    Its attention is even because its queries are 0; its keys and its feed-forward part are such that both can learn.
    """
    new = copy.deepcopy(layer)
    deviation = getattr(config, "initializer_range", None) or 0.02
    attention = new.attention.self
    attended = new.attention.output
    with torch.no_grad():
        for weight in new.parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, deviation)
            else:
                weight.zero_()
        attention.query.weight.zero_()
        torch.nn.init.eye_(attention.value.weight)
        torch.nn.init.eye_(attended.dense.weight).mul_(WEIGHT_OF_MEAN)
        new.output.dense.weight.zero_()
        attended.LayerNorm.weight.fill_(1.0)
        new.output.LayerNorm.weight.fill_(1.0)
    return new


def _open_head(model: Any) -> None:
    """Make the square layers of a head, which is new, let each value through."""
    in_encoder = {id(module) for part in encoder_parts(model) for module in part.modules()}
    _, last = last_layer(model)
    for module in model.modules():
        is_layer = isinstance(module, torch.nn.Linear) and module.in_features == module.out_features
        if is_layer and module is not last and id(module) not in in_encoder:
            with torch.no_grad():
                torch.nn.init.eye_(module.weight).mul_(WEIGHT_IN_HEAD)
                if module.bias is not None:
                    module.bias.zero_()


class BothPoolings(torch.nn.Module):
    """A sequence classifier without a pooling layer and a copy with one, which give their logits side by side.

    They have the embeddings and the lower layers in common, and a fast model goes through these once for both.
    """

    def __init__(self, model: Any):
        """Of a sequence classifier that can have a pooling layer, and has none."""
        super().__init__()
        embeddings, encoder = encoder_parts(model)
        in_common = [embeddings, *encoder.layer]
        self.own = model
        self.mean = copy.deepcopy(model, {id(part): part for part in in_common})
        add_pooling_layer(self.mean)
        self.goes_once = is_fast(model)
        if self.goes_once:
            for each in (self.own, self.mean):
                freeze_layers(each, len(in_common) - 1)

    def forward(self, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        """Return the logits (B, 2C): those of the model, then those of its copy with a pooling layer."""
        if self.goes_once:
            states = self.mean.base_model.frozen_states(**inputs)  # (B, L, H)
            inputs = {"inputs_embeds": states, "attention_mask": inputs["attention_mask"]}
        logits = torch.cat([self.own(**inputs).logits, self.mean(**inputs).logits], dim=1)
        return SequenceClassifierOutput(logits=logits)
