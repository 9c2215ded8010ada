"""Dropout on the CPU from cheap random numbers.

torch draws one floating-point number for each value, in a single thread; on a CPU that takes a fifth of a training
step. Here 16 random bits decide about a value, four values from each number of SFC64 (Doty-Humphrey, 2010), which
numpy draws about ten times as fast. The share that is dropped is p to within 1 in 131,072, and what is kept is scaled
by the share that is kept, so that the mean stays what it was but for the rounding of the number format.
"""

import math

import numpy as np
import torch

LEVELS = 1 << 16  # as many as 16 bits have


def random_bits(shape: torch.Size) -> torch.Tensor:
    """Return random int16 of a shape, which depend on the state of torch's generator and advance it by one number."""
    count = math.prod(shape)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    numbers = np.random.Generator(np.random.SFC64(seed)).integers(1 << 64, size=-(-count // 4), dtype=np.uint64)
    return torch.from_numpy(numbers.view(np.int16))[:count].view(shape)


def keep_factors(bits: torch.Tensor, p: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return what to multiply values by that random `bits` of the same shape decide about: 0 with probability `p`.

    Where a value is kept the factor is the reciprocal of the probability of that.
    """
    dropped = round(p * LEVELS)  # how many of the levels
    if dropped == LEVELS:
        return torch.zeros(bits.shape, dtype=dtype)
    factors = torch.empty(bits.shape, dtype=dtype)
    torch.ge(bits, dropped - LEVELS // 2, out=factors)
    return factors.mul_(LEVELS / (LEVELS - dropped))


def drop(values: torch.Tensor, p: float) -> torch.Tensor:
    """Return the values, of which a share `p` is 0 and the others larger: from cheap random numbers on the CPU."""
    if not p:
        return values
    if values.device.type != "cpu":
        return torch.nn.functional.dropout(values, p)
    return values * keep_factors(random_bits(values.shape), p, values.dtype)


def add_dropped(values: torch.Tensor, base: torch.Tensor, p: float) -> torch.Tensor:
    """Return base + drop(values, p), on the CPU in one pass, for two tensors of one shape."""
    if not p or values.device.type != "cpu":
        return base + drop(values, p)
    return torch.addcmul(base, values, keep_factors(random_bits(values.shape), p, values.dtype))


class CheapDropout(torch.nn.Dropout):
    """torch.nn.Dropout with cheap random numbers on the CPU; elsewhere as it is."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values, of which some are 0 and the others larger while training."""
        return drop(values, self.p) if self.training else values


def make_dropout_cheap(model: torch.nn.Module) -> None:
    """Make all torch.nn.Dropout of a model CheapDropout; what it is saved as does not change."""
    for module in model.modules():
        if type(module) is torch.nn.Dropout:
            module.__class__ = CheapDropout
