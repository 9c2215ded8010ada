"""Linear layers that predict in int8 on x86 processors, and the check that this leaves the labels as they are.

Weights are quantized once, each output by itself; what goes into a layer is quantized anew, each token by itself over
its whole range (Jacob et al. 2018, section 2.1, for ranges that hold 0; Yao et al. 2022, ZeroQuant, section 4.1, for
tokens), so that what is computed for a token does not depend on the others of its batch. Products are added up in int32
by oneDNN; all else stays in fp32. Embeddings, the pooler and the classification head, small and near the logits, are
left as they are, and so are weights outside of linear layers: in convolutions, say.

Shapes: T tokens, I inputs and O outputs of a layer, N rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from toolkit.base.errors import UserError
from toolkit.base.languages import Text

if TYPE_CHECKING:  # it takes three seconds to import, which the data need not wait for
    from transformers import PreTrainedModel

MAX_COMPARED_ROWS = 1000  # whose labels are compared with those of fp32
TOKEN_STEPS = 254  # of the 256 values of a byte, so that rounding stays within them
WEIGHT_LEVELS = 127  # on either side of 0, that a weight takes
FEW_WEIGHT_LEVELS = 63  # of a processor that adds two products up in 16 bits
SMALLEST_STEP = 1e-30  # of a token that is 0 throughout
LEAST_SHARE = 0.5  # of the encoder's weights that must be in layers that compute in int8
WHOLE = 0.99  # share that need not be told
TOO_FEW_LAYERS = Text(
    (
        "--precision int8: {share:.0%} of the encoder's weights of a {model} are in layers that can be computed in "
        "int8; leave it out"
    ),
    "--precision int8：{model} 的编码器只有 {share:.0%} 的权重在能用 int8 计算的层里；请去掉这个选项",
)
AGREEMENT = Text(
    "{same:,} of {rows:,} compared rows keep the label of fp32", "比较的 {rows:,} 行中有 {same:,} 行与 fp32 的标签相同"
)
IN_INT8 = Text("int8: {agreement}", "int8：{agreement}")
PARTLY_IN_INT8 = Text(
    "int8 (of {share:.0%} of the encoder's weights): {agreement}", "int8（编码器 {share:.0%} 的参数）：{agreement}"
)
TOO_FEW_AGREE = Text(
    "--precision int8: {agreement}, less than --min_agreement {least:g}; leave it out, or lower that",
    "--precision int8：{agreement}，低于 --min_agreement {least:g}；请不用 int8，或调低这个值",
)


@dataclass(frozen=True)
class QuantizedWeight:
    """The weight (O, I) of a layer in int8."""

    packed: torch.Tensor  # as oneDNN lays it out
    scale: torch.Tensor  # (O,), what one level stands for
    zero_points: torch.Tensor  # (O,), all 0
    sums: torch.Tensor  # (O,), of each output's quantized weights, times the scale

    @classmethod
    def of(cls, weight: torch.Tensor) -> "QuantizedWeight":
        """Return the quantized form of a weight (O, I) in fp32."""
        levels = FEW_WEIGHT_LEVELS if _saturates() else WEIGHT_LEVELS
        scale = (weight.abs().amax(1) / levels).clamp(min=torch.finfo(torch.float32).tiny)
        whole = (weight / scale[:, None]).round()
        zero_points = torch.zeros(len(weight), dtype=torch.int32)
        return cls(_packed(whole.to(torch.int8)), scale, zero_points, whole.sum(1) * scale)

    def product(self, tokens: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return (T, O) in fp32 for tokens (T, I); of one that is not finite nothing is.

        A token x is taken for step * (levels - zero), where `levels` are bytes and `zero` is the one that stands for 0.
        """
        low = tokens.amin(1, keepdim=True).clamp_(max=0.0)  # (T, 1)
        high = tokens.amax(1, keepdim=True).clamp_(min=0.0)
        step = ((high - low) / TOKEN_STEPS).clamp_(min=SMALLEST_STEP)
        zero = (-low / step).round_()
        levels = (tokens * step.reciprocal()).add_(zero + 0.5).to(torch.uint8)  # rounded by the 0.5
        products = _multiplied(levels, self.packed, self.scale, self.zero_points)  # of the levels, not yet less zero
        products = torch.addcmul(products, zero, self.sums[None], value=-1, out=products)
        return products.mul_(step) if bias is None else torch.addcmul(bias, products, step, out=products)


class _Int8(torch.nn.Module):
    """Adds to a linear layer that it computes in int8 while predicting; its weight stays there in fp32."""

    quantized: QuantizedWeight | None = None
    on = True

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., O) in fp32 for values (..., I)."""
        if not self.on or not values.numel() or torch.is_grad_enabled():
            return super().forward(values)
        if self.quantized is None:
            self.quantized = QuantizedWeight.of(self.weight_by_output().contiguous())
        bias: torch.Tensor | None = getattr(self, "bias", None)
        product = self.quantized.product(values.reshape(-1, values.shape[-1]), bias)
        return product.view(*values.shape[:-1], -1)

    def weight_by_output(self) -> torch.Tensor:
        """Return the weight (O, I)."""
        raise NotImplementedError


class Int8Linear(_Int8, torch.nn.Linear):
    """torch.nn.Linear in int8."""

    def weight_by_output(self) -> torch.Tensor:
        """Return the weight (O, I), which lies so."""
        return self.weight.detach()


class Int8Conv1D(_Int8, Conv1D):
    """GPT-2's linear layer in int8."""

    def weight_by_output(self) -> torch.Tensor:
        """Return the weight (O, I), which lies the other way round."""
        return self.weight.detach().T


def _packed(weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.onednn.qlinear_prepack(weight, None)


def _multiplied(
    levels: torch.Tensor, packed: torch.Tensor, scale: torch.Tensor, zero_points: torch.Tensor
) -> torch.Tensor:
    """Return (T, O) in fp32 for bytes (T, I) and a packed weight, times the scale (O,) of the weight."""
    return torch.ops.onednn.qlinear_pointwise(
        levels, 1.0, 0, packed, scale, zero_points, None, 1.0, 0, torch.float32, "none", [], ""
    )


@cache
def _saturates() -> bool:
    """Say whether this processor adds two products up in 16 bits, as those without VNNI do: large ones are cut off."""
    levels = torch.full((1, 64), 255, dtype=torch.uint8)
    weight = torch.full((16, 64), 127, dtype=torch.int8)
    products = _multiplied(levels, _packed(weight), torch.ones(16), torch.zeros(16, dtype=torch.int32))
    return bool((products != 64 * 255 * 127).any())


def can_int8() -> bool:
    """Say whether this torch on this machine has such products, by trying one."""
    draw = torch.Generator().manual_seed(0)
    tokens = torch.rand(5, 64, generator=draw)
    weight = torch.rand(48, 64, generator=draw)
    try:
        products = QuantizedWeight.of(weight).product(tokens, None)
    except (RuntimeError, AttributeError, TypeError):  # another processor, a build without oneDNN, other arguments
        return False
    return torch.allclose(products, tokens @ weight.T, rtol=0.02, atol=0)


def make_int8(model: "PreTrainedModel") -> None:
    """Make the linear layers of a sequence classifier's encoder compute in int8.

    Raises UserError if less than half of the encoder's weights are in such layers.
    """
    for module in _encoder_parts(model):
        if isinstance(module, torch.nn.Linear):
            module.__class__ = Int8Linear
        elif isinstance(module, Conv1D):
            module.__class__ = Int8Conv1D
    share = int8_share(model)
    if share < LEAST_SHARE:
        raise UserError(TOO_FEW_LAYERS.fill(share=share, model=type(model).__name__))


def int8_share(model: "PreTrainedModel") -> float:
    """Return the share of the encoder's weights, embeddings and vectors aside, that are in layers that are in int8.

    Weights are what is saved with a model; what it computes when it is built, such as rotary angles, is none.
    """
    saved = {weight.data_ptr() for weight in model.state_dict().values()}
    in_int8 = 0
    total = 0
    for module in _encoder_parts(model):
        if isinstance(module, torch.nn.Embedding):
            continue
        for weight in [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            if weight.ndim > 1 and weight.is_floating_point() and weight.data_ptr() in saved:
                total += weight.numel()
                in_int8 += weight.numel() * isinstance(module, _Int8)
    return in_int8 / total if total else 0.0


def _encoder_parts(model: "PreTrainedModel") -> Iterator[torch.nn.Module]:
    """Yield the modules of a classifier's encoder without its pooler."""
    pooler = getattr(model.base_model, "pooler", None)
    kept = set() if pooler is None else set(pooler.modules())
    yield from (module for module in model.base_model.modules() if module not in kept)


@contextmanager
def without_int8(model: torch.nn.Module) -> Iterator[None]:
    """Let the layers compute in fp32 meanwhile."""
    layers = [module for module in model.modules() if isinstance(module, _Int8)]
    for layer in layers:
        layer.on = False
    try:
        yield
    finally:
        for layer in layers:
            layer.on = True


def every(total: int) -> int:
    """Return how many rows of a file lie between two that are compared: they are from all over it."""
    return max(1, -(-total // MAX_COMPARED_ROWS))


def check_labels(model: "PreTrainedModel", predict: Callable[[], np.ndarray], min_agreement: float) -> Text:
    """Compare the labels that a model gives in int8 with those in fp32, and return a sentence about it.

    `predict` returns the labels (N,) of some rows, or which of them the rows have, (N, C).
    Raises UserError if fewer than this share of them are the same.
    """
    with without_int8(model):
        expected = predict()
    is_same = predict() == expected
    if is_same.ndim > 1:
        is_same = is_same.all(axis=1)  # (N,)
    same = int(is_same.sum())
    agreement = AGREEMENT.fill(same=same, rows=len(expected))
    if same < min_agreement * len(expected):
        raise UserError(TOO_FEW_AGREE.fill(agreement=agreement, least=min_agreement))
    share = int8_share(model)
    if share >= WHOLE:
        return IN_INT8.fill(agreement=agreement)
    return PARTLY_IN_INT8.fill(share=share, agreement=agreement)
