"""A forward pass of BERT for classification that computes nothing that the classifier does not read.

The head reads the first token's hidden state from the last layer. Of that layer the other tokens need no query, no
attention output and no feed-forward pass, and their keys and values go into one product with the query (attention.py).
On the CPU, tokens of all rows follow each other without padding, and what is dropped is drawn cheaply (dropout.py).
The logits and gradients are the same but for rounding.
"""

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from toolkit.models.attention import Group, attend, attend_once, group_rows
from toolkit.models.cheap_dropout import add_dropped, make_dropout_cheap
from toolkit.models.touched_rows import make_touchable

SHARED = {"query", "key", "value", "dropout", "num_attention_heads"}  # by all attentions that descend from BERT's
CLOSE = 1e-4  # largest difference of a logit, relative to the largest one, that rounding may make


@dataclass(frozen=True)
class Layout:
    """Where the T tokens lie that the layers work on, of B rows of up to L."""

    there: torch.Tensor  # (B, L) bool, which slots of the rows in the order in which their tokens follow are computed
    order: torch.Tensor | None  # (B,), the rows in that order (None: as they are)
    groups: list[Group]
    first: torch.Tensor  # (B,), which tokens are the first ones of their rows


def packed(mask: torch.Tensor) -> Layout:
    """Return the layout without padding for a mask (B, L) that is 1 where there is a token: the longest rows first."""
    order = mask.sum(1).argsort(descending=True, stable=True)
    there = mask[order].bool()
    lengths = there.sum(1)
    return Layout(there, order, group_rows(lengths.tolist()), lengths.cumsum(0) - lengths)


def padded(mask: torch.Tensor) -> Layout:
    """Return the layout in which every slot of a mask (B, L) is computed, and padding hidden from attention."""
    rows, longest = mask.shape
    hidden = torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, -torch.inf)[:, None, None]
    first = torch.arange(rows, device=mask.device) * longest
    return Layout(torch.ones_like(mask, dtype=torch.bool), None, [Group(rows, longest, None, hidden)], first)


class FastBert:
    """Mixed into the class of a model of BERT's kind, which then gives the hidden state of the first token alone."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, **_) -> BaseModelOutputWithPooling:
        """Return a hidden state (B, 1, H), and what the pooler makes of it, for input_ids (B, L).

        attention_mask (B, L) is 1 where there is a token and 0 after a row's last one; None stands for 1 everywhere.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        layout = (packed if input_ids.device.type == "cpu" else padded)(mask)
        positions = _positions(self.embeddings, input_ids)
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        inputs = {"input_ids": input_ids, "position_ids": positions, "token_type_ids": types}
        hidden = self.embeddings(**{name: _laid_out(values, layout) for name, values in inputs.items()})  # (1, T, H)
        project = getattr(self, "embeddings_project", None)
        hidden = (hidden if project is None else project(hidden))[0]
        *layers, last = self.encoder.layer
        for layer in layers:
            hidden = _layer(layer, hidden, hidden, layout.groups)
        hidden = _layer(last, hidden[layout.first], hidden, layout.groups)
        hidden = (hidden if layout.order is None else hidden[layout.order.argsort()])[:, None]
        pooler = getattr(self, "pooler", None)
        return BaseModelOutputWithPooling(hidden, None if pooler is None else pooler(hidden))


def _positions(embeddings: torch.nn.Module, input_ids: torch.Tensor) -> torch.Tensor:
    """Return the position (B, L) of each token; RoBERTa's kin count from behind the number of their padding token."""
    padding = getattr(embeddings, "padding_idx", None)
    if padding is None:
        return torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    there = (input_ids != padding).long()
    return there.cumsum(1) * there + padding


def _laid_out(values: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return (1, T) of values (B, L)."""
    if layout.order is None:
        return values.reshape(1, -1)
    return values[layout.order][layout.there][None]


def _layer(layer: torch.nn.Module, asking: torch.Tensor, hidden: torch.Tensor, groups: list[Group]) -> torch.Tensor:
    """Return what a layer makes of those `asking` among the `hidden` (T, H): all tokens, or the first of each row.

    Devlin et al. 2019, with the layers' own weights.
    """
    attention, attended, output = layer.attention.self, layer.attention.output, layer.output
    heads = attention.num_attention_heads
    p, after_attention, after_output = (
        module.p if layer.training else 0.0 for module in (attention.dropout, attended.dropout, output.dropout)
    )
    query = attention.query(asking)
    if asking is hidden:
        context = attend(query, attention.key(hidden), attention.value(hidden), groups, heads, p)
    else:
        context = attend_once(query, hidden, attention.key, attention.value, groups, heads, p)
    asking = attended.LayerNorm(add_dropped(attended.dense(context), asking, after_attention))
    return output.LayerNorm(add_dropped(output.dense(layer.intermediate(asking)), asking, after_output))


def make_fast(model: torch.nn.Module) -> bool:
    """Make a sequence classifier compute only what its head reads, and say whether that could be done.

    Dropout is made cheap in any model. The rest is left as it is where the layers are built otherwise than BERT's, or
    where the logits of some tokens change: the head then reads more than the first one.
    """
    make_dropout_cheap(model)
    make_touchable(model.get_input_embeddings())
    base = getattr(model, "base_model", None)
    if base is None or base is model or not _is_like_bert(model.config, base):
        return False
    plain, same = type(base), False
    try:
        expected = _probe(model)
        base.__class__ = type(f"Fast{plain.__name__}", (FastBert, plain), {})
        same = torch.allclose(_probe(model), expected, rtol=0, atol=CLOSE * float(expected.abs().max()))
    except Exception:  # whatever it is that a model of another kind stumbles over: it can do without
        pass
    finally:
        if not same:
            base.__class__ = plain
    return same


def packs(model: torch.nn.Module) -> bool:
    """Say whether a model computes nothing for padding where it is."""
    return isinstance(model.base_model, FastBert) and model.device.type == "cpu"


def _is_like_bert(config, base: torch.nn.Module) -> bool:
    """Say whether the layers of a model are of BERT's kind and their attention one that we have."""
    layers = getattr(getattr(base, "encoder", None), "layer", None)
    return (
        isinstance(layers, torch.nn.ModuleList)
        and len(layers) > 0
        and all(_is_layer_like_berts(layer) for layer in layers)
        and getattr(config, "_attn_implementation", "eager") in ("eager", "sdpa")
        and not getattr(config, "is_decoder", False)
    )


def _is_layer_like_berts(layer: torch.nn.Module) -> bool:
    attention = getattr(getattr(layer, "attention", None), "self", None)
    outputs = getattr(getattr(layer, "attention", None), "output", None), getattr(layer, "output", None)
    return (
        hasattr(layer, "intermediate")
        and all(hasattr(attention, name) for name in SHARED)
        and all(hasattr(output, name) for output in outputs for name in ("dense", "dropout", "LayerNorm"))
        and all(type(part) is torch.nn.Linear for part in (attention.key, attention.value))
        and None not in (attention.key.bias, attention.value.bias)
        and getattr(attention, "position_embedding_type", None) in (None, "absolute")
    )


@torch.inference_mode()
def _probe(model: torch.nn.Module) -> torch.Tensor:
    """Return the logits (4, C) of rows of 7, 9, 3 and 8 tokens, for a comparison."""
    training = model.training
    model.eval()
    ids = torch.arange(36).reshape(4, 9) % model.config.vocab_size
    mask = (torch.arange(9) < torch.tensor([7, 9, 3, 8])[:, None]).long()
    try:
        return model(input_ids=ids, attention_mask=mask).logits
    finally:
        model.train(training)
