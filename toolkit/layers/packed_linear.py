"""Linear layers for prediction on the CPU whose weights are laid out once as oneDNN's matrix products want them.

Otherwise torch lays them out anew in each product, and in bf16 also casts them in each batch. The products are the
same but for rounding. Weights that change are laid out again, unless they are changed behind torch's back by way of
.data. In fp32 torch otherwise uses MKL, which was measured to be as fast or faster with two threads, and to take 1.3
times as long with four.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from toolkit.base.torch_versions import autocast_dtype

MIN_FP32_THREADS = 4  # with fewer, the products in fp32 are not faster
MAX_FP32_ERROR = 1e-4  # largest difference that rounding may make in a product of numbers around 1, in fp32
MAX_RELATIVE_ERROR = 2.0**-7  # the same in other number formats, relative to the largest value of the product


@dataclass(frozen=True)
class WeightVersion:
    """Tells one state of a weight from another: where it lies in memory, how often it was changed, and the format."""

    address: int
    changes: int
    dtype: torch.dtype


@dataclass(frozen=True)
class PackedWeight:
    """A weight in oneDNN's layout, and what it was made of."""

    weight: torch.Tensor
    version: WeightVersion


class PackedLinear(torch.nn.Linear):
    """torch.nn.Linear that keeps a packed copy of its weight while predicting; training and saving are as they were."""

    packed: PackedWeight | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., O) for values (..., I), in autocast's number format if there is one."""
        if torch.is_grad_enabled() or values.device.type != "cpu":
            return super().forward(values)
        dtype = autocast_dtype("cpu") or self.weight.dtype
        version = WeightVersion(self.weight.data_ptr(), self.weight._version, dtype)
        if self.packed is None or self.packed.version != version:
            self.packed = PackedWeight(_packed(self.weight.to(dtype)), version)
        bias = None if self.bias is None else self.bias.to(dtype)
        return _product(values.to(dtype), self.packed.weight, bias)


def _packed(weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())


def _product(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")


def can_pack(dtype: torch.dtype) -> bool:
    """Say whether this torch on this machine has such products in a number format, by trying one."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(5, 64, generator=generator).to(dtype)
    weight = torch.randn(48, 64, generator=generator).to(dtype)
    bias = weight[:, 0].contiguous()
    try:
        product = _product(values, _packed(weight), bias)
    except (RuntimeError, AttributeError):  # no oneDNN in this build, no such format in this processor, other names
        return False
    expected = torch.nn.functional.linear(values.double(), weight.double(), bias.double())
    limit = MAX_FP32_ERROR if dtype == torch.float32 else MAX_RELATIVE_ERROR * float(expected.abs().max())
    return torch.allclose(product.double(), expected, rtol=0, atol=limit)


@torch.inference_mode()
def pack_linear_layers(model: torch.nn.Module, dtype: torch.dtype) -> bool:
    """Make the linear layers of a model PackedLinear where that is faster, and say whether that was done.

    `dtype` is the number format of the predictions.

    The answer depends on the machine and the number of threads alone, so that predictions do not change by chance.
    """
    if next(model.parameters()).device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    if dtype == torch.float32 and torch.get_num_threads() < MIN_FP32_THREADS:
        return False
    if not can_pack(dtype):
        return False
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = PackedLinear
    return True


@contextmanager
def packed_linear_layers(model: torch.nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Make the linear layers of a model that is being trained PackedLinear while it predicts, where that is faster.

    Afterwards they are as they were, and nothing packed is left in memory: the weights are going to change.
    """
    plain = [module for module in model.modules() if type(module) is torch.nn.Linear]
    pack_linear_layers(model, dtype)
    try:
        yield
    finally:
        for module in plain:
            module.__class__ = torch.nn.Linear
            vars(module).pop("packed", None)
