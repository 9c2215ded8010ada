"""A forward pass of BERT for classification that computes nothing that the classifier does not read.

Most heads read the first token's hidden state from the last layer. Then the other tokens need no query of that layer,
no attention output and no feed-forward pass, and their keys and values go into one product with the query
(attention.py). On the CPU the tokens of all rows follow each other without padding, and dropout's random numbers are
drawn cheaply (cheap_dropout.py). The logits and gradients are the same but for rounding.

B rows of up to L tokens, T tokens that are computed, H hidden, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from toolkit.layers.attention import AttentionSettings, Group, attend, attend_first, attend_once, group_rows
from toolkit.layers.cheap_dropout import add_dropped, make_dropout_cheap
from toolkit.layers.evaluating import evaluating
from toolkit.layers.touched_rows import make_touchable

ATTENTION_PARTS = ("query", "key", "value", "dropout", "num_attention_heads")  # of BERT and what descends from it
OUTPUT_PARTS = ("dense", "dropout", "LayerNorm")
MAX_LOGIT_ERROR = 1e-4  # largest difference of a logit, relative to the largest one, that rounding may make


@dataclass(frozen=True)
class Layout:
    """Which slots of B rows of up to L are computed, T together, and in which order the layers get them."""

    computed: torch.Tensor  # (B, L) bool, for the rows in `order`
    order: torch.Tensor | None  # (B,), numbers of the rows in the order in which they follow (None: as they are)
    groups: list[Group]
    first_tokens: torch.Tensor  # (B,), which of the T tokens are the first ones of their rows


def packed(mask: torch.Tensor) -> Layout:
    """Return the layout without padding, the longest rows first, for a mask (B, L) that is 1 for a token."""
    order = mask.sum(1).argsort(descending=True, stable=True)
    computed = mask[order].bool()
    lengths = computed.sum(1)
    return Layout(computed, order, group_rows(lengths.tolist()), lengths.cumsum(0) - lengths)


def padded(mask: torch.Tensor) -> Layout:
    """Return the layout in which all slots of a mask (B, L) are computed, and padding is hidden from attention."""
    rows, longest = mask.shape
    hidden = torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, -torch.inf)[:, None, None]
    first_tokens = torch.arange(rows, device=mask.device) * longest
    computed = torch.ones_like(mask, dtype=torch.bool)
    return Layout(computed, None, [Group(rows, longest, None, hidden)], first_tokens)


class FastBert:
    """Mixed into the class of a model of BERT's kind, which then gives the hidden states that the head reads."""

    embeddings: Any  # of the model's own class, as the encoder
    encoder: Any
    frozen_layers = 0  # how many of the first ones are not trained, nor the embeddings below them
    gives_all_tokens = False

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **_: object,
    ) -> BaseModelOutputWithPooling:
        """Return hidden states (B, 1, H), or (B, L, H) of all tokens, and what the pooler makes of them.

        attention_mask (B, L) is 1 where there is a token and 0 after a row's last one; None stands for 1 everywhere.
        In the place of input_ids (B, L) inputs_embeds may have what frozen_states has returned for them.
        """
        layers = list(self.encoder.layer)
        if inputs_embeds is not None:
            layers = layers[self.frozen_layers :]
            mask = inputs_embeds.new_ones(inputs_embeds.shape[:2]).long() if attention_mask is None else attention_mask
            layout = _layout(mask)
            hidden = _laid_out(inputs_embeds, layout)[0]  # (T, H)
        else:
            assert input_ids is not None, "a model gets tokens or hidden states"
            layout = _layout(torch.ones_like(input_ids) if attention_mask is None else attention_mask)
            hidden = self._embedded(input_ids, token_type_ids, layout)
        hidden = self._read_states(layers, hidden, layout)
        pooler = getattr(self, "pooler", None)
        return BaseModelOutputWithPooling(hidden, None if pooler is None else pooler(hidden))

    def _embedded(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None, layout: Layout) -> torch.Tensor:
        """Return what goes into the first layer, (T, H), for input_ids and token_type_ids (B, L)."""
        positions = _positions(self.embeddings, input_ids)
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        hidden = self.embeddings(
            input_ids=_laid_out(input_ids, layout),
            position_ids=_laid_out(positions, layout),
            token_type_ids=_laid_out(types, layout),
        )  # (1, T, H)
        project = getattr(self, "embeddings_project", None)  # ELECTRA's, where embeddings are narrower than layers
        if project is not None:
            hidden = project(hidden)
        return hidden[0]

    def _read_states(self, layers: Sequence[Any], hidden: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return what the head reads behind these layers, (B, 1, H), or (B, L, H) of all tokens, for hidden (T, H)."""
        if not self.gives_all_tokens:
            return _first_tokens(layers, hidden, layout)[:, None]
        for layer in layers:
            hidden = _layer(layer, hidden, hidden, layout.groups)
        return _as_rows(hidden, layout)

    @property
    def keeps_all_tokens(self) -> bool:
        """Whether frozen_states are those of all tokens of a row, and not the first one's alone."""
        return self.has_trained_layers or self.gives_all_tokens

    @property
    def has_trained_layers(self) -> bool:
        """Whether there are layers above those that are frozen."""
        return self.frozen_layers < len(self.encoder.layer)

    def frozen_states(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return what goes into the first layer that is trained, (B, L, H), or what the head reads."""
        layout = _layout(attention_mask)
        hidden = self._embedded(input_ids, token_type_ids, layout)
        layers = list(self.encoder.layer)[: self.frozen_layers]
        if not self.has_trained_layers:
            return self._read_states(layers, hidden, layout)
        for layer in layers:
            hidden = _layer(layer, hidden, hidden, layout.groups)
        return _as_rows(hidden, layout)


def _layout(mask: torch.Tensor) -> Layout:
    """Return the layout of rows whose tokens a mask (B, L) tells: without padding on the CPU."""
    return packed(mask) if mask.device.type == "cpu" else padded(mask)


def _first_tokens(layers: Sequence[Any], hidden: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return the first tokens of the rows, (B, H) in the rows' own order, behind these layers, for hidden (T, H)."""
    if layers:
        *lower, last = layers
        for layer in lower:
            hidden = _layer(layer, hidden, hidden, layout.groups)
        first = _layer(last, hidden[layout.first_tokens], hidden, layout.groups)
    else:
        first = hidden[layout.first_tokens]
    return first if layout.order is None else first[layout.order.argsort()]


class FastBertOfAllTokens(FastBert):
    """A FastBert that gives the hidden states of all tokens, and 0 where there is padding that was not computed."""

    gives_all_tokens = True


def _positions(embeddings: torch.nn.Module, input_ids: torch.Tensor) -> torch.Tensor:
    """Return the position (B, L) of each token.

    RoBERTa and its descendants give padding tokens the position padding_idx and count the others from the next on.
    """
    padding: Any = getattr(embeddings, "padding_idx", None)
    if padding is None:
        return torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    is_token = (input_ids != padding).long()
    return is_token.cumsum(1) * is_token + padding


def _laid_out(values: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return (1, T) of values (B, L), (1, T, H) of (B, L, H)."""
    if layout.order is None:
        return values.flatten(0, 1)[None]
    return values[layout.order][layout.computed][None]


def _as_rows(hidden: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return (B, L, H) of hidden states (T, H), the rows in their own order."""
    rows, longest = layout.computed.shape
    if layout.order is None:
        return hidden.view(rows, longest, -1)
    slots = (layout.order[:, None] * longest + torch.arange(longest))[layout.computed]  # (T,)
    empty = hidden.new_zeros(rows * longest, hidden.shape[1])
    return empty.index_copy(0, slots, hidden).view(rows, longest, -1)


def _layer(layer: Any, asking: torch.Tensor, hidden: torch.Tensor, groups: list[Group]) -> torch.Tensor:
    """Return the output of a layer for the tokens `asking` among the `hidden` (T, H): all, or the first of each row.

    Devlin et al. 2019, with the layer's own weights.
    """
    attention = layer.attention.self
    attended = layer.attention.output
    output = layer.output
    training = layer.training
    settings = AttentionSettings(attention.num_attention_heads, attention.dropout.p if training else 0.0)
    query = attention.query(asking)
    if asking is hidden:
        context = attend(query, attention.key(hidden), attention.value(hidden), groups, settings)
    elif isinstance(attention.key, torch.nn.Linear) and isinstance(attention.value, torch.nn.Linear):
        context = attend_once(query, hidden, attention.key, attention.value, groups, settings)
    else:  # LoRA has put something around them
        context = attend_first(query, attention.key(hidden), attention.value(hidden), groups, settings)
    asking = attended.LayerNorm(add_dropped(attended.dense(context), asking, attended.dropout.p if training else 0.0))
    changed = output.dense(layer.intermediate(asking))
    return output.LayerNorm(add_dropped(changed, asking, output.dropout.p if training else 0.0))


def make_fast(model: Any) -> bool:
    """Make a sequence classifier of transformers compute only what its head reads, and say whether that was done.

    Dropout is made cheap in any model. The rest is left as it is where the layers are built otherwise than BERT's, or
    where the logits of some tokens change: the head then reads more than the first one. One of our own that says so
    (`reads_all_tokens`) gets the last layer's states of all tokens.
    """
    make_dropout_cheap(model)
    make_touchable(model.get_input_embeddings())
    base = getattr(model, "base_model", None)
    if base is None or base is model or not is_like_bert(model.config, base):
        return False
    plain = type(base)
    is_same = False
    try:
        expected = _probe(model)
        fast = FastBertOfAllTokens if getattr(model, "reads_all_tokens", False) else FastBert
        base.__class__ = type(f"Fast{plain.__name__}", (fast, plain), {})
        tolerance = MAX_LOGIT_ERROR * float(expected.abs().max())
        is_same = torch.allclose(_probe(model), expected, rtol=0, atol=tolerance)
    except Exception:  # a model of another kind may fail in any way, and can stay as it is
        is_same = False
    finally:
        if not is_same:
            base.__class__ = plain
    return is_same


def freeze_layers(model: Any, count: int) -> None:
    """Note that the embeddings and the first layers of a classifier are not trained; see frozen_states."""
    if isinstance(model.base_model, FastBert):
        model.base_model.frozen_layers = count


def frozen_part(model: Any) -> FastBert | None:
    """Return the encoder of a classifier if it can compute its frozen layers by themselves, and has any."""
    base = model.base_model
    return base if isinstance(base, FastBert) and base.frozen_layers > 0 else None


def is_fast(model: Any) -> bool:
    """Say whether a classifier computes only what its head reads."""
    return isinstance(getattr(model, "base_model", None), FastBert)


def packs(model: Any) -> bool:
    """Say whether a classifier computes nothing for padding where it is."""
    return isinstance(model.base_model, FastBert) and model.device.type == "cpu"


def is_like_bert(config: Any, base: torch.nn.Module) -> bool:
    """Say whether the layers of a model are of BERT's kind, and their attention is one that attention.py computes."""
    layers = getattr(getattr(base, "encoder", None), "layer", None)
    return (
        isinstance(layers, torch.nn.ModuleList)
        and len(layers) > 0
        and all(_is_layer_like_berts(layer) for layer in layers)
        and getattr(config, "_attn_implementation", "eager") in ("eager", "sdpa")
        and not getattr(config, "is_decoder", False)
    )


def _is_layer_like_berts(layer: torch.nn.Module) -> bool:
    """Say whether a layer has the parts of BERT's, with plain linear layers for keys and values."""
    attention_block = getattr(layer, "attention", None)
    attention: Any = getattr(attention_block, "self", None)
    outputs = (getattr(attention_block, "output", None), getattr(layer, "output", None))
    return (
        hasattr(layer, "intermediate")
        and all(hasattr(attention, name) for name in ATTENTION_PARTS)
        and all(hasattr(output, name) for output in outputs for name in OUTPUT_PARTS)
        and all(type(linear) is torch.nn.Linear for linear in (attention.key, attention.value))
        and all(linear.bias is not None for linear in (attention.key, attention.value))
        and getattr(attention, "position_embedding_type", None) in (None, "absolute")
    )


@torch.inference_mode()
def _probe(model: Any) -> torch.Tensor:
    """Return the logits (4, C) of rows of 7, 9, 3 and 8 tokens, for a comparison."""
    ids = torch.arange(36).reshape(4, 9) % model.config.vocab_size
    mask = (torch.arange(9) < torch.tensor([7, 9, 3, 8])[:, None]).long()
    with evaluating(model):
        return model(input_ids=ids, attention_mask=mask).logits
