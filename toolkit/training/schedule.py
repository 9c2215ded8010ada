"""The learning rate as a function of the step alone, so that it needs no saving."""

import math
from collections.abc import Callable


def learning_rate_factor(scheduler: str, total_steps: int, warmup_ratio: float) -> Callable[[int], float]:
    """Return the factor on the highest learning rate at each step, counted from 0.

    It rises in a line from 0 over the first `warmup_ratio` of the steps, then falls to 0 in a line ("linear", Devlin
    et al. 2018, appendix A.2) or along half a cosine ("cosine", Loshchilov and Hutter 2017), or stays ("constant").
    """
    warmup = math.ceil(total_steps * warmup_ratio)

    def factor(step: int) -> float:
        """Return what the learning rate is multiplied by in a step, counted from 0."""
        if step < warmup:
            return step / warmup
        progress = (step - warmup) / max(1, total_steps - warmup)
        return {"linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2, "constant": 1.0}[scheduler]

    return factor
