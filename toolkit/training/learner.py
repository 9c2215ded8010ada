"""What a step of training needs besides data, and how the processes of a run share it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch.nn.parallel import DataParallel, DistributedDataParallel

from toolkit.base.errors import UserError
from toolkit.base.torch_versions import GradScaler
from toolkit.compute.batches import micro_batches
from toolkit.compute.device import device_count, seed_step, unwrap
from toolkit.compute.machine import Machine
from toolkit.compute.memory import Attempt, RowLimit
from toolkit.layers.fast_bert import is_fast
from toolkit.layers.touched_rows import TouchedRows, touched_rows
from toolkit.training.bad_steps import StepGuard
from toolkit.training.loss import CROSS_ENTROPY, AnyLoss
from toolkit.training.pass_graphs import LENGTHS_IN_STEPS_OF, PassGraphs
from toolkit.training.texts import RUN


@dataclass(frozen=True)
class StepSettings:
    """How the steps of a run are taken."""

    learning_rate: Callable[[int], float]  # of the step of a number, counted from 0
    max_grad_norm: float = 1.0  # a larger gradient is scaled down to this norm; 0: off
    seed: int = 0  # of what dropout draws
    loss: AnyLoss = CROSS_ENTROPY


@dataclass(frozen=True)
class GradientPass:
    """A forward and backward pass over some rows; the gradient of a step is the sum over all its passes."""

    rows: np.ndarray  # row numbers, (B,)
    weight: float  # what the sum of their losses is multiplied by
    shares_gradient: bool  # whether the processes share the gradient in this backward pass


@dataclass
class Learner:
    """A model with all that a step of training needs besides data.

    `model` is in the wrapper that Machine.wrap_for_training gave it, `limit` says how many rows a device holds at once,
    and `step` counts the steps that are done.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    settings: StepSettings
    machine: Machine
    limit: RowLimit = field(default_factory=RowLimit)
    step: int = 0
    frozen: Sequence[torch.nn.Module] = ()  # modules that compute as in prediction, since nothing of them is trained
    guard: StepGuard = field(init=False)
    tables: list[TouchedRows] = field(init=False)  # embedding tables whose gradients are kept apart
    is_warm: bool = field(init=False, default=False)  # whether the processes have shared a gradient before
    has_shared: bool = field(init=False, default=False)  # whether they have begun to share that of this step
    fitting_slots: int = field(init=False, default=0)  # token slots of the largest pass that has fitted the memory
    graphs: PassGraphs | None = field(init=False, default=None)  # on a card that can record passes
    length_step: int = field(init=False, default=1)  # tokens: the length of a pass is a multiple of it

    def __post_init__(self):
        """Make the guard, and keep apart the gradients of embedding tables unless other processes need them."""
        processes = self.machine.processes
        self.settings = replace(self.settings, loss=self.settings.loss.on(self.machine.device))
        if self._can_record():
            self.graphs = PassGraphs()
            self.length_step = LENGTHS_IN_STEPS_OF
        self.guard = StepGuard(self.optimizer, self.scaler, processes)
        self.tables = touched_rows(self.model, self.optimizer) if processes.size == 1 else []

    def _can_record(self) -> bool:
        """Say whether passes can be recorded as CUDA graphs: on one card, of a model that decides nothing in Python.

        A gradient scaler's decisions are taken in Python.
        """
        is_plain = not isinstance(self.model, (DataParallel, DistributedDataParallel))
        on_card = self.machine.device.type == "cuda" and self.machine.processes.size == 1
        return on_card and is_plain and not self.scaler.is_enabled() and is_fast(self.model)

    def release(self) -> torch.nn.Module:
        """Return the model without its wrapper and gradients; with this one forgotten, nothing holds their memory."""
        self.graphs = None
        for table in self.tables:
            table.release()
        model = unwrap(self.model)
        model.zero_grad(set_to_none=True)
        return model

    def set_training(self) -> None:
        """Let the model compute as in training, with dropout, except in what is frozen."""
        self.model.train()
        for module in self.frozen:
            module.training = False

    def begin_step(self) -> float:
        """Set and return the learning rate of the next step."""
        rate = self.settings.learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def attempts(self, rows: np.ndarray) -> Iterator[Attempt]:
        """Yield contexts in which to find the gradient of a batch, with smaller passes when the memory runs out."""
        devices = self.machine.processes.size * device_count(self.model)
        rows_per_device = -(-len(rows) // devices)
        for attempt in self.limit.attempts(rows_per_device):
            yield attempt
            if attempt.will_be_repeated:
                self._forget_gradient()

    def _forget_gradient(self) -> None:
        """Discard the gradient found so far, and recordings, which hold memory.

        Raises UserError if the other processes have already received some of the gradient.
        """
        self.graphs = None
        if self.has_shared:
            raise UserError(RUN["shared_gradient"])
        self.zero_grad()

    def passes(
        self, rows: np.ndarray, lengths: np.ndarray, total_weight: float | None = None
    ) -> Iterator[GradientPass]:
        """Yield the passes of this process over its part of a global batch; `lengths` are those of all rows, in tokens.

        The sum of the losses of the global batch is divided by `total_weight` (None: the number of its rows).
        What is dropped in them depends on the seed, the step and the process alone.

        The processes share their gradients once a step, in the last pass. One that runs out of memory there cannot
        repeat the step, since the others have already received a part of its gradient. So if a pass is larger than any
        that has fitted the memory so far, an extra pass over a single row of weight 0 comes last and shares them.
        """
        processes = self.machine.processes
        is_one_of_several = processes.size > 1
        shortest_row = rows[[lengths[rows].argmin()]]
        extra_pass = GradientPass(shortest_row, weight=0.0, shares_gradient=True)
        if is_one_of_several and not self.is_warm:
            # In the first DistributedDataParallel learns its static graph; after the second its buffers stay where they
            # are. Until then it rounds differently (with three processes, say), which a resumed run must not do.
            yield extra_pass
            yield extra_pass
            self.is_warm = True
        self.has_shared = False
        seed_step(self.settings.seed, self.step, processes.rank)
        limit = self.limit.on_devices(device_count(self.model))
        equal = lengths if self.limit.equal_lengths else None
        parts = micro_batches(rows, processes.rank, processes.size, limit, equal, total_weight)
        slots = max(len(part.rows) * int(lengths[part.rows].max()) for part in parts)
        may_not_fit = slots > self.fitting_slots
        for number, part in enumerate(parts, 1):
            is_last = number == len(parts)
            yield GradientPass(part.rows, part.weight, is_one_of_several and is_last and not may_not_fit)
        self.fitting_slots = max(self.fitting_slots, slots)
        if is_one_of_several and may_not_fit:
            yield extra_pass

    def gradient_sharing(self, gradient_pass: GradientPass) -> AbstractContextManager:
        """Return the context of a forward pass that decides whether its backward pass shares the gradient."""
        if gradient_pass.shares_gradient:
            return self._noting_that_it_shares()
        if isinstance(self.model, DistributedDataParallel):
            return self.model.no_sync()
        return nullcontext()

    @contextmanager
    def _noting_that_it_shares(self) -> Iterator[None]:
        yield
        self.has_shared = True  # from here on, as the backward pass begins

    def clip_gradient(self) -> torch.Tensor:
        """Scale the gradient down to max_grad_norm if its norm is larger, and return the norm that it had."""
        self.scaler.unscale_(self.optimizer)
        weights = [*self.model.parameters(), *(table.touched for table in self.tables)]
        return torch.nn.utils.clip_grad_norm_(weights, self.settings.max_grad_norm or float("inf"))

    def zero_grad(self) -> None:
        """Forget the gradients.

        Their memory is kept where the next ones have to be in it: those that processes share, and those of recordings.
        """
        for table in self.tables:
            table.forget()
        keeps_memory = self.machine.processes.size > 1 or self.graphs is not None
        self.optimizer.zero_grad(set_to_none=not keeps_memory)
