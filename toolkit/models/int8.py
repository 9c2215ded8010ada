"""Linear layers that predict in int8 on x86 processors, and the check that this leaves the labels as they are.

Weights are quantized once, for each output by itself; what goes into a layer anew in each batch, over its whole range
(Jacob et al. 2018, section 2.1). Products are added up in int32 by oneDNN; all else stays in fp32. Embeddings, the
pooler and the classification head, small and near the logits, are left as they are.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch

from toolkit.base.errors import UserError

SAMPLE = 1000  # rows at most whose labels are compared with those of fp32
STEPS = 254  # of the 256 values of a byte, so that rounding stays within them
LEVELS, FEW_LEVELS = 127, 63  # on either side of 0, that a weight takes


class Int8Linear(torch.nn.Linear):
    """torch.nn.Linear that computes in int8 while predicting; its weight stays there in fp32."""

    packed = None  # (quantized weight as oneDNN lays it out, scale (O,), zero points (O,))
    on = True

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., O) in fp32 for values (..., I)."""
        if not self.on or not values.numel() or torch.is_grad_enabled():
            return super().forward(values)
        low, high = (float(end) for end in torch.aminmax(values))
        if not math.isfinite(high - low):
            return super().forward(values)
        if self.packed is None:
            self.packed = _quantized(self.weight.detach())
        product = _product(values.reshape(-1, values.shape[-1]), low, high, *self.packed, self.bias)
        return product.view(*values.shape[:-1], -1)


def _quantized(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    levels = FEW_LEVELS if _saturates() else LEVELS
    scale = (weight.abs().amax(1) / levels).clamp(min=torch.finfo(torch.float32).tiny)
    return _packed((weight / scale[:, None]).round().to(torch.int8)), scale, torch.zeros(len(weight), dtype=torch.int32)


def _packed(weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.onednn.qlinear_prepack(weight, None)


def _multiplied(values, step: float, zero: int, weight, scale, zero_points, bias) -> torch.Tensor:
    return torch.ops.onednn.qlinear_pointwise(
        values, step, zero, weight, scale, zero_points, bias, 1.0, 0, torch.float32, "none", [], ""
    )


@cache
def _saturates() -> bool:
    """Say whether this processor adds two products up in 16 bits, as those without VNNI do: large ones are cut off."""
    values, weight = torch.full((1, 64), 255, dtype=torch.uint8), torch.full((16, 64), 127, dtype=torch.int8)
    nothing = torch.zeros(16, dtype=torch.int32)
    return bool((_multiplied(values, 1.0, 0, _packed(weight), torch.ones(16), nothing, None) != 64 * 255 * 127).any())


def _product(values, low: float, high: float, weight, scale, zero_points, bias) -> torch.Tensor:
    """Return (T, O) for values (T, I) between `low` and `high`, of which 0 stands for itself exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / STEPS or 1.0
    zero = round(-low / step)
    quantized = torch.add(zero + 0.5, values, alpha=1 / step).to(torch.uint8)
    return _multiplied(quantized, step, zero, weight, scale, zero_points, bias)


def can_int8() -> bool:
    """Say whether this torch on this machine has such products, by trying one."""
    draw = torch.Generator().manual_seed(0)
    values, weight = (torch.rand(rows, 64, generator=draw) for rows in (5, 48))
    try:
        found = _product(values, 0.0, 1.0, *_quantized(weight), None)
    except (RuntimeError, AttributeError, TypeError):  # another processor, a build without oneDNN, other arguments
        return False
    return torch.allclose(found, values @ weight.T, rtol=0.02, atol=0)


def make_int8(model: torch.nn.Module) -> None:
    """Make the linear layers of a sequence classifier's encoder compute in int8."""
    base = model.base_model
    kept = set(base.pooler.modules()) if getattr(base, "pooler", None) is not None else set()
    for module in base.modules():
        if isinstance(module, torch.nn.Linear) and module not in kept:
            module.__class__ = Int8Linear


@contextmanager
def without_int8(model: torch.nn.Module) -> Iterator[None]:
    """Let the layers compute in fp32 meanwhile."""
    layers = [module for module in model.modules() if isinstance(module, Int8Linear)]
    for layer in layers:
        layer.on = False
    try:
        yield
    finally:
        for layer in layers:
            layer.on = True


def every(total: int) -> int:
    """Return how many rows of a file lie between two that are compared: they are from all over it."""
    return max(1, -(-total // SAMPLE))


def check_labels(model: torch.nn.Module, predict: Callable[[], np.ndarray], least: float) -> str:
    """Compare the labels that a model gives in int8 with those in fp32, and return a sentence about it.

    `predict` returns the labels (N,) of some rows. Raises UserError if fewer than the share `least` are the same.
    """
    with without_int8(model):
        expected = predict()
    same, rows = int((predict() == expected).sum()), len(expected)
    told = f"{same:,} of {rows:,} rows that were compared have the label of fp32"
    if same < least * rows:
        raise UserError(f"--precision int8: {told}, less than --min_agreement {least:g}; leave it out, or ask for less")
    return f"int8: {told}"
