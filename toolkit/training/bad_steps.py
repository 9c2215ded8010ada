"""Steps whose loss or gradient is not a number: noticed, told, and kept from touching the weights."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.compute.processes import ALONE, Processes
from toolkit.runs.progress import Progress

LISTED = 32  # rows


class StepGuard:
    """Looks at each step before it is taken; `on_bad` gets the number and the rows of one that is not.

    The answers of a GPU are read a step later, so that it need not wait for the next. In fp16 a gradient that overflows
    is the gradient scaler's business, which skips the step and tries a smaller scale; a loss that does is not.
    """

    def __init__(
        self, processes: Processes = ALONE, on_bad: Callable[[int, np.ndarray], None] = lambda step, rows: None
    ):
        self.processes, self.on_bad, self.unread = processes, on_bad, deque()

    def check(self, learner, loss: torch.Tensor, norm: torch.Tensor, rows: np.ndarray) -> None:
        """Make the step that the optimizer is about to take one of no effect if its loss or gradient is no number.

        `loss` and the gradient's `norm` have one value each; `rows` are the row numbers of the global batch.
        """
        scaled, optimizer = learner.scaler.is_enabled(), learner.optimizer
        good = self.processes.all_true(torch.isfinite(loss) if scaled else torch.isfinite(loss) & torch.isfinite(norm))
        if optimizer.defaults.get("fused") and not scaled:
            optimizer.found_inf = 1.0 - good.float()  # as GradScaler tells it; a fused step needs no other answer
        elif not scaled and not good.item():
            optimizer.zero_grad()  # weights without a gradient are not changed
        ready = None
        if good.is_cuda:
            good, ready = good.to("cpu", non_blocking=True), torch.cuda.Event()
            ready.record()
        self.unread.append((learner.step, rows, good, ready))
        self.read(leave=int(ready is not None))

    def read(self, leave: int = 0) -> None:
        """Read the answers of all steps but the last `leave`."""
        while len(self.unread) > leave:
            step, rows, good, ready = self.unread.popleft()
            if ready is not None:
                ready.synchronize()
            if not good.item():
                self.on_bad(step, rows)


def count_bad_step(progress: Progress, log: Log, table, step: int, rows: np.ndarray) -> None:
    """Count a bad step and log it with its rows of `table`, which the first process has."""
    progress.bad_steps += 1
    if table is not None:
        lines = sorted(table.frame.index[rows].tolist())
        listed = ", ".join(map(str, lines[:LISTED])) + ", ..." * (len(lines) > LISTED)
        log(f"step {step + 1}: the loss or its gradient is not a number, so the weights stay as they are")
        log(f"           its rows: {table.path}, {table.frame.index.name}s {listed}")


def until_too_many(progress: Progress, most: int, batches: Iterable) -> Iterator:
    """Yield batches until more than `most` steps were bad."""
    for batch in batches:
        if progress.bad_steps > most:
            return
        yield batch


def stop_if_too_many(progress: Progress, most: int, scaler) -> None:
    """Raise UserError if more than `most` steps were bad, now that what was done is saved.

    Likewise if the gradient scaler, which halves its scale at each overflow, makes gradients smaller than they are.
    """
    if scaler.is_enabled() and scaler.get_scale() < 1:
        raise UserError(
            "gradients overflow fp16 at any scale; begin anew with --precision bf16 or fp32, or lower rates"
        )
    if progress.bad_steps > most:
        raise UserError(
            f"the loss or its gradient was not a number in {progress.bad_steps} steps (--max_bad_steps {most}); "
            "lower --learning_rate, or look at the rows of these steps in train.log"
        )
