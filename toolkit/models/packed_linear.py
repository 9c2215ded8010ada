"""Linear layers for prediction on the CPU whose weights are laid out once as oneDNN's matrix products want them.

torch else lays them out anew in each product, and in bf16 also casts them in each batch. The products are the same but
for rounding; weights that change are laid out again, unless they are changed behind torch's back by way of .data. In
fp32 torch else uses MKL, which with two threads was measured to be as fast or faster, and with four, 1.3 times as slow.
"""

import platform

import torch

from toolkit.base.torch_versions import autocast_dtype

THREADS = 4  # in fp32, from so many on
CLOSE = 1e-4  # largest difference in a product of numbers around 1 that rounding may make


class PackedLinear(torch.nn.Linear):
    """torch.nn.Linear that keeps a packed copy of its weight while predicting; training and saving are as they were."""

    packed = None  # (packed weight, what it was made of)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., O) for values (..., I), in autocast's number format if there is one."""
        if torch.is_grad_enabled() or values.device.type != "cpu":
            return super().forward(values)
        dtype = autocast_dtype("cpu") or self.weight.dtype
        made_of = (self.weight.data_ptr(), self.weight._version, dtype)
        if self.packed is None or self.packed[1] != made_of:
            self.packed = (_packed(self.weight.to(dtype)), made_of)
        bias = None if self.bias is None else self.bias.to(dtype)
        return _product(values.to(dtype), self.packed[0], bias)


def _packed(weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())


def _product(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")


def can_pack(dtype: torch.dtype) -> bool:
    """Say whether this torch on this machine has such products in a number format, by trying one."""
    draw = torch.Generator().manual_seed(0)
    values, weight = (torch.randn(rows, 64, generator=draw).to(dtype) for rows in (5, 48))
    try:
        found = _product(values, _packed(weight), weight[:, 0].contiguous())
    except (RuntimeError, AttributeError):  # no oneDNN in this build, no such format in this processor, other names
        return False
    expected = torch.nn.functional.linear(values.double(), weight.double(), weight[:, 0].double())
    limit = CLOSE if dtype == torch.float32 else 2.0**-7 * float(expected.abs().max())
    return torch.allclose(found.double(), expected, rtol=0, atol=limit)


@torch.inference_mode()
def pack_linear_layers(model: torch.nn.Module, dtype: torch.dtype) -> bool:
    """Make the linear layers of a model PackedLinear where that is faster in a number format, and say whether it is.

    The answer depends on the machine and the number of threads alone, so that predictions do not change by chance.
    """
    slower = dtype == torch.float32 and torch.get_num_threads() < THREADS
    if model.device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64") or slower or not can_pack(dtype):
        return False
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = PackedLinear
    return True
