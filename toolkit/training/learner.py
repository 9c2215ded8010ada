"""What a step of training needs besides data, and how the processes of a run share it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from toolkit.base.errors import UserError
from toolkit.compute.batches import shares
from toolkit.compute.device import device_count, seed_step
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import Precision
from toolkit.compute.processes import ALONE, Processes
from toolkit.models.touched_rows import TouchedRows, touched_rows
from toolkit.training.bad_steps import StepGuard


@dataclass
class Learner:
    """A model with all that a step of training needs besides data; `step` counts the steps that are done."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    precision: Precision
    scaler: object
    device: torch.device
    max_grad_norm: float = 1.0  # 0: off
    step: int = 0
    seed: int = 0  # of dropout
    processes: Processes = ALONE
    limit: RowLimit = field(default_factory=RowLimit)  # rows that a device holds at once
    guard: StepGuard = field(default_factory=StepGuard)
    synced: bool = False  # whether a gradient has been shared with the other processes
    sharing: bool = False  # whether one is being shared
    proven: int = 0  # token slots of the largest piece that has fitted the memory
    tables: list[TouchedRows] = field(init=False, default_factory=list)  # whose gradients are kept apart

    def __post_init__(self):
        """Keep apart the gradients of embedding tables, unless other processes need them."""
        if self.processes.size == 1:
            self.tables = touched_rows(self.model, self.optimizer)

    def begin_step(self) -> float:
        """Set and return the learning rate of the next step."""
        rate = self.learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def attempts(self, rows: np.ndarray) -> Iterator:
        """Yield contexts in which to find the gradient of a batch, with smaller pieces when the memory runs out."""
        share = -(-len(rows) // (self.processes.size * device_count(self.model)))
        return self.limit.attempts(share, before_next=self._begin_anew)

    def _begin_anew(self) -> None:
        """Forget what there is of a gradient; UserError if the other processes have already got some of it."""
        if self.sharing:
            raise UserError("out of memory while a gradient was shared; --resume with a smaller --micro_batch_size")
        self.zero_grad()

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Enclose the forward pass behind which a gradient is shared."""
        yield
        self.sharing = self.processes.size > 1

    def pieces(self, rows: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[np.ndarray, float, object]]:
        """Yield this process's pieces of a global batch, their weights, and the context of their forward passes.

        What is dropped in them depends on the seed, the step and the process alone. `lengths` are those of all rows.

        Each process shares its gradient once a step, in the backward pass of its last piece. One that runs out of
        memory then could not begin anew, since the others have its part already; so where a piece is larger than all
        before it, a row of weight 0 comes last. DistributedDataParallel learns its static graph from another one,
        before the first step, and from a second one on its buffers are where they stay: it rounds otherwise the first
        time that it uses them (of three processes, say), and a run that goes on must not.
        """
        size = self.limit.rows and self.limit.rows * device_count(self.model)
        pieces = shares(rows, self.processes.rank, self.processes.size, size)
        several, slots = self.processes.size > 1, max(len(piece) * int(lengths[piece].max()) for piece, _ in pieces)
        alone = rows[[lengths[rows].argmin()]], 0.0
        if several and not self.synced:
            for _ in range(2):
                yield *alone, self._shared()
            self.synced = True
        self.sharing = False
        seed_step(self.seed, self.step, self.processes.rank)
        careful = several and slots > self.proven
        for number, (piece, weight) in enumerate(pieces, 1):
            keep_back = several and (careful or number < len(pieces))
            yield piece, weight, self.model.no_sync() if keep_back else self._shared()
        self.proven = max(self.proven, slots)
        if careful:
            yield *alone, self._shared()

    def clip_gradient(self) -> torch.Tensor:
        """Scale the gradient down to max_grad_norm if its norm is larger, and return the norm that it had."""
        self.scaler.unscale_(self.optimizer)
        weights = [*self.model.parameters(), *(table.touched for table in self.tables)]
        return torch.nn.utils.clip_grad_norm_(weights, self.max_grad_norm or float("inf"))

    def zero_grad(self) -> None:
        """Forget the gradients; of several processes each keeps the memory, which is where the next are shared."""
        for table in self.tables:
            table.forget()
        self.optimizer.zero_grad(set_to_none=self.processes.size == 1)
