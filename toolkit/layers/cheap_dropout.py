"""Dropout on the CPU from cheap random numbers.

torch draws one floating-point number for each value, in a single thread; on a CPU that takes a fifth of a training
step. Here 16 random bits decide about each value. A 64-bit number of SFC64 (Doty-Humphrey, 2010), which numpy draws
about ten times as fast, is enough for four values. The share that is dropped is p to within 1 in 131,072. What is kept
is divided by the share that is kept, so that the mean stays what it was but for the rounding of the number format.
"""

import math

import numpy as np
import torch

LEVELS = 1 << 16  # values that 16 bits can take


def random_bits(shape: torch.Size) -> torch.Tensor:
    """Return random int16 of a shape. The seed is the next number of torch's generator, of which no other is taken."""
    count = math.prod(shape)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    generator = np.random.Generator(np.random.SFC64(seed))
    numbers = generator.integers(1 << 64, size=(count + 3) // 4, dtype=np.uint64)
    return torch.from_numpy(numbers.view(np.int16))[:count].view(shape)


def keep_factors(bits: torch.Tensor, p: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the factors of dropout for random `bits`, in their shape: 0 with probability `p`, else 1 / (1 - p)."""
    dropped = round(p * LEVELS)  # levels that mean that a value is dropped
    if dropped == LEVELS:
        return torch.zeros(bits.shape, dtype=dtype)
    factors = torch.empty(bits.shape, dtype=dtype)
    torch.ge(bits, dropped - LEVELS // 2, out=factors)
    return factors.mul_(LEVELS / (LEVELS - dropped))


def drop(values: torch.Tensor, p: float) -> torch.Tensor:
    """Return the values after dropout: 0 with probability `p`, else divided by 1 - p."""
    if not p:
        return values
    if values.device.type != "cpu":
        return torch.nn.functional.dropout(values, p)
    return values * keep_factors(random_bits(values.shape), p, values.dtype)


def add_dropped(values: torch.Tensor, base: torch.Tensor, p: float) -> torch.Tensor:
    """Return base + drop(values, p) for two tensors of one shape; on the CPU in one pass."""
    if not p or values.device.type != "cpu":
        return base + drop(values, p)
    return torch.addcmul(base, values, keep_factors(random_bits(values.shape), p, values.dtype))


class CheapDropout(torch.nn.Dropout):
    """torch.nn.Dropout with cheap random numbers on the CPU; elsewhere as it is."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values, after dropout in training."""
        return drop(values, self.p) if self.training else values


def make_dropout_cheap(model: torch.nn.Module) -> None:
    """Make every torch.nn.Dropout of a model a CheapDropout; the saved model does not change."""
    for module in model.modules():
        if type(module) is torch.nn.Dropout:
            module.__class__ = CheapDropout
