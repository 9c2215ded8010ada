"""What a step of training needs besides data, and how the processes of a run share it."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.batching import shares
from toolkit.devices import device_count, seed_step
from toolkit.precision import Precision
from toolkit.world import ALONE, World


@dataclass
class Learner:
    """A model with all that a step of training needs besides data; `step` counts the steps that are done."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    precision: Precision
    scaler: object
    device: torch.device
    micro_batch_size: int | None = None  # rows that a device holds at once
    max_grad_norm: float = 1.0  # 0: off
    step: int = 0
    seed: int = 0  # of dropout
    world: World = ALONE
    synced: bool = False  # whether a gradient has been shared with the other processes

    def begin_step(self) -> float:
        """Set and return the learning rate of the next step, and make its dropout depend on its number alone."""
        rate = self.learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seed_step(self.seed, self.step, self.world.rank)
        return rate

    def pieces(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, float, object]]:
        """Yield this process's pieces of a global batch, their weights, and the context of their forward passes.

        Gradients are shared in the backward pass of the last piece. The first one of a run is shared too, because
        DistributedDataParallel learns the static graph from it; sharing twice gives the same mean.
        """
        size = self.micro_batch_size and self.micro_batch_size * device_count(self.model)
        pieces = shares(rows, self.world.rank, self.world.size, size)
        for number, (piece, weight) in enumerate(pieces, 1):
            keep_back = self.world.size > 1 and self.synced and number < len(pieces)
            self.synced = True
            yield piece, weight, self.model.no_sync() if keep_back else nullcontext()

    def zero_grad(self) -> None:
        """Forget the gradients; of several processes each keeps the memory, which is where the next are shared."""
        self.optimizer.zero_grad(set_to_none=self.world.size == 1)
