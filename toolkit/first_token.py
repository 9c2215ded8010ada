"""The last layer for the first token only, which is all that a BERT classifier reads.

The head of such a model takes the first token's hidden state from the last layer. Of that layer the other tokens need
no query, no attention output and no feed-forward pass, only keys and values: ten twelfths of its matrix products are
left out, and the logits are the same but for rounding.
"""

import torch
import torch.nn.functional as F

SHARED = {"query", "key", "value", "dropout", "num_attention_heads"}  # by all attentions that descend from BERT's
CLOSE = 1e-4  # largest difference of a logit, relative to the largest one, that rounding may make


class FirstToken:
    """Mixed into the class of an encoder layer, whose forward pass then gives the first token's hidden state alone."""

    gives_tuple = False  # as the layers of older versions of transformers do

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, *_, **__):
        """Return (B, 1, H) for hidden_states (B, L, H); the mask is None or can be stretched to (B, heads, L, L)."""
        attention, first = self.attention.self, hidden_states[:, :1]
        projected = attention.query(first), attention.key(hidden_states), attention.value(hidden_states)
        heads = attention.num_attention_heads
        # query (B, heads, 1, H/heads), key and value (B, heads, L, H/heads)
        query, key, value = (states.unflatten(-1, (heads, -1)).transpose(1, 2) for states in projected)
        mask = attention_mask if attention_mask is None else attention_mask[:, :, :1]
        dropped = attention.dropout.p if self.training else 0.0
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped)  # as the query
        attended = self.attention.output(context.transpose(1, 2).flatten(2), first)
        found = self.output(self.intermediate(attended), attended)
        return (found,) if self.gives_tuple else found


def read_first_token_only(model: torch.nn.Module) -> bool:
    """Make the last layer of a sequence classifier compute the first token only, and say whether that could be done.

    It is not where the layer is built otherwise than BERT's, or where the logits of some tokens change: the head then
    reads more than the first one.
    """
    layer = _last_layer(model)
    if layer is None:
        return False
    plain = type(layer)
    with torch.inference_mode():
        gives_tuple = isinstance(layer(torch.zeros(1, 1, model.config.hidden_size)), tuple)
    expected = _probe(model)
    layer.__class__ = type(f"FirstToken{plain.__name__}", (FirstToken, plain), {"gives_tuple": gives_tuple})
    try:
        same = torch.allclose(_probe(model), expected, rtol=0, atol=CLOSE * float(expected.abs().max()))
    except (RuntimeError, TypeError, IndexError, AttributeError):
        same = False
    if not same:
        layer.__class__ = plain
    return same


def _last_layer(model: torch.nn.Module) -> torch.nn.Module | None:
    """Return the last encoder layer of a model if it is one of BERT's kind and its attention one that we have."""
    encoder = getattr(getattr(model, "base_model", None), "encoder", None)
    layers = getattr(encoder, "layer", None)
    if not isinstance(layers, torch.nn.ModuleList) or not len(layers):
        return None
    config, attention = model.config, getattr(getattr(layers[-1], "attention", None), "self", None)
    fits = (
        all(hasattr(attention, name) for name in SHARED)
        and all(hasattr(layers[-1], name) for name in ("intermediate", "output"))
        and getattr(config, "_attn_implementation", "eager") in ("eager", "sdpa")
        and getattr(attention, "position_embedding_type", None) in (None, "absolute")
        and not getattr(config, "is_decoder", False)
    )
    return layers[-1] if fits else None


@torch.inference_mode()
def _probe(model: torch.nn.Module) -> torch.Tensor:
    """Return the logits (2, C) of rows of 7 and 4 tokens, for a comparison."""
    training = model.training
    model.eval()
    ids = torch.arange(14).reshape(2, 7) % model.config.vocab_size
    mask = torch.ones(2, 7, dtype=torch.long)
    mask[1, 4:] = 0
    try:
        return model(input_ids=ids, attention_mask=mask).logits
    finally:
        model.train(training)
