"""Steps whose loss or gradient is not a number: noticed, logged, and kept from touching the weights."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.base.errors import UserError
from toolkit.base.languages import PLACES, Text, count_of
from toolkit.base.torch_versions import GradScaler
from toolkit.cli.console import Log
from toolkit.compute.processes import ALONE, Processes
from toolkit.data.tables import Table
from toolkit.runs.progress import Progress
from toolkit.training.texts import RUN

MAX_LISTED_ROWS = 32


@dataclass(frozen=True)
class BadStep:
    """A step whose loss or gradient was not a number: its number, counted from 0, and its rows (B,)."""

    step: int
    rows: np.ndarray


@dataclass(frozen=True)
class _Check:
    """The check of a step; `is_good` is a bool tensor of one value, which is on the CPU once `copied` has happened."""

    step: int
    rows: np.ndarray
    is_good: torch.Tensor
    copied: torch.cuda.Event | None


class StepGuard:
    """Checks each step before the optimizer takes it, and keeps one whose loss or gradient is NaN from taking effect.

    The result on a GPU is read a step later, so that the GPU need not wait. In fp16 the gradient scaler deals with a
    gradient that overflows: it skips the step and tries a smaller scale. A loss that overflows is dealt with here.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scaler: GradScaler, processes: Processes = ALONE):
        self.optimizer = optimizer
        self.scaler = scaler
        self.processes = processes
        self._unread: deque[_Check] = deque()
        self._bad_steps: list[BadStep] = []

    def check(self, step: int, loss: torch.Tensor, norm: torch.Tensor, rows: np.ndarray) -> None:
        """Keep the next step of the optimizer from having an effect if its loss or gradient is not finite.

        `loss` and the gradient's `norm` have one value each; `rows` are the row numbers of the global batch, (B,).
        """
        has_scaler = self.scaler.is_enabled()
        is_good = torch.isfinite(loss) if has_scaler else torch.isfinite(loss) & torch.isfinite(norm)
        is_good = self.processes.all_true(is_good)
        if self.optimizer.defaults.get("fused") and not has_scaler:
            # This is how GradScaler tells a fused optimizer to leave a step out, which then needs no answer here.
            self.optimizer.found_inf = 1.0 - is_good.float()  # type: ignore[attr-defined]
        elif not has_scaler and not is_good.item():
            self.optimizer.zero_grad()  # weights without a gradient are not changed
        copied = None
        if is_good.is_cuda:
            is_good = is_good.to("cpu", non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
        self._unread.append(_Check(step, rows, is_good, copied))
        self._read(leave=0 if copied is None else 1)

    def take_bad_steps(self, wait: bool = False) -> list[BadStep]:
        """Return the bad steps that were noticed since this was last called.

        The last step may be missing, whose check is still on its way from a GPU, unless we are to `wait` for it.
        """
        if wait:
            self._read()
        bad_steps = self._bad_steps
        self._bad_steps = []
        return bad_steps

    def _read(self, leave: int = 0) -> None:
        """Read the answers of all steps but the last `leave`."""
        while len(self._unread) > leave:
            check = self._unread.popleft()
            if check.copied is not None:
                check.copied.synchronize()
            if not check.is_good.item():
                self._bad_steps.append(BadStep(check.step, check.rows))


class BadStepMonitor:
    """Counts the bad steps of a run in its progress, logs their rows, and ends the run when there are too many.

    `tables` are those whose rows are trained on, one after the other, which only the main process has; more than
    `max_bad_steps` are too many.
    """

    def __init__(self, guard: StepGuard, progress: Progress, log: Log, tables: Sequence[Table], max_bad_steps: int):
        self.guard = guard
        self.progress = progress
        self.log = log
        self.tables = tables
        self.max_bad_steps = max_bad_steps

    def count(self, wait: bool = False) -> None:
        """Count and log the bad steps since the last count; `wait` as StepGuard.take_bad_steps has it."""
        for bad_step in self.guard.take_bad_steps(wait):
            self.progress.bad_steps += 1
            self._log_rows(bad_step)

    def until_too_many(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield batches until too many steps were bad; each step is to be taken before the next batch is asked for."""
        for batch in batches:
            if self.progress.bad_steps > self.max_bad_steps:
                return
            yield batch
            self.count()

    def stop_if_too_many(self) -> None:
        """Raise UserError if too many steps were bad; to be called once the run is saved.

        Likewise if the gradient scaler, which halves its scale at each overflow, has come below a scale of 1.
        """
        scaler = self.guard.scaler
        if scaler.is_enabled() and scaler.get_scale() < 1:
            raise UserError(RUN["overflow"])
        if self.progress.bad_steps > self.max_bad_steps:
            steps = count_of(self.progress.bad_steps, "step")
            raise UserError(RUN["too_many_bad_steps"].fill(steps=steps, most=self.max_bad_steps))

    def _log_rows(self, bad_step: BadStep) -> None:
        """Log a bad step with the lines in the file of its rows."""
        if not self.tables:
            return
        self.log(RUN["bad_step"].fill(step=bad_step.step + 1))
        first = 0  # number of the table's first row
        for table in self.tables:
            index = table.frame.index
            of_table = bad_step.rows[(bad_step.rows >= first) & (bad_step.rows < first + len(index))]
            lines = sorted(index[of_table - first].tolist())
            listed = ", ".join(str(line) for line in lines[:MAX_LISTED_ROWS])
            if len(lines) > MAX_LISTED_ROWS:
                listed += ", ..."
            if lines:
                unit = str(index.name or "line")
                place = Text(f"{unit}s {listed}", PLACES[unit].fill(number=listed)["zh"])
                self.log(RUN["bad_rows"].fill(file=table.path, place=place))
            first += len(index)
