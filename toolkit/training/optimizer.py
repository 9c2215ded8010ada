"""How the weights of a model are updated: the optimizer, and its learning rate as a function of the step alone."""

import math
from dataclasses import dataclass

import torch

from toolkit.base.torch_versions import has_fused_adamw


def make_optimizer(
    model: torch.nn.Module, weight_decay: float, betas: tuple[float, float], epsilon: float
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) without decay on one-dimensional weights: biases and LayerNorm.

    The model has to be on its device; the learning rate is 0 until it is set.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = has_fused_adamw(weights[0].device.type)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=epsilon, fused=fused)


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step of a run; it depends on nothing else, so that it needs no saving.

    It rises in a line from 0 to `peak` over the first `warmup_ratio` of the steps, then falls to 0 in a line
    ("linear", Devlin et al. 2018, appendix A.2) or along half a cosine ("cosine", Loshchilov and Hutter 2017), or stays
    ("constant").
    """

    peak: float
    shape: str
    total_steps: int
    warmup_ratio: float

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return self.peak * self._factor(step)

    def _factor(self, step: int) -> float:
        """Return the share of the highest learning rate that a step has."""
        warmup_steps = math.ceil(self.total_steps * self.warmup_ratio)
        if step < warmup_steps:
            return step / warmup_steps
        progress = (step - warmup_steps) / max(1, self.total_steps - warmup_steps)
        factors = {"linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2, "constant": 1.0}
        return factors[self.shape]
