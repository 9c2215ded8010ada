"""Stop when a signal asks for it: finish the step, and leave a run that can be resumed."""

import shlex
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from toolkit.base.errors import Stopped
from toolkit.base.languages import joined
from toolkit.cli.exits import handleable_signals
from toolkit.compute.memory import NO_LIMIT, RowLimit
from toolkit.compute.processes import Processes
from toolkit.training.texts import RUN

SIGNALS = (
    "SIGTERM",  # a machine that is taken away
    "SIGINT",  # Ctrl-C
    "SIGUSR1",  # SLURM's warning
    "SIGHUP",  # a terminal that is closed
)


class PredictionInterrupted(Exception):
    """Ends a prediction whose result is no longer wanted."""


class StopSignals:
    """A context that notices the signals; `signal_name` is the one that all processes stop for, "" before.

    A second SIGINT stops at once. A signal may reach only some of the processes, so all ask each other before every
    step; in the same message they agree on how many rows the memory holds, since one of them may have had to lower
    that. A signal that was ignored when the script started (nohup, a job in the background) stays ignored. If the work
    is not `resumable`, the message at its end does not say that it can be resumed.
    """

    def __init__(self, processes: Processes, limit: RowLimit | None = None, resumable: bool = True):
        self.processes = processes
        self.limit = limit or RowLimit()
        self.resumable = resumable
        self.signal_name = ""
        self._received_name = ""  # of the first signal that this process got
        self._previous_handlers: dict[int, Any] = {}
        self._predicted_batches = 0

    def __enter__(self) -> "StopSignals":
        for number in handleable_signals(SIGNALS):
            self._previous_handlers[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the first signal; a second Ctrl-C is Python's to handle."""
        self._received_name = self._received_name or signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def should_stop(self) -> bool:
        """Ask the other processes, and say whether all are to stop because one of them got a signal."""
        if not self.signal_name:
            received = [int(self._received_name == name) for name in SIGNALS]
            rows = self.limit.rows or NO_LIMIT
            *received_by_any, minus_fewest_rows = self.processes.all_reduce_max([*received, -rows])
            self.limit.tighten(-minus_fewest_rows)
            names = [name for name, is_received in zip(SIGNALS, received_by_any, strict=True) if is_received]
            self.signal_name = names[0] if names else ""
        return self.signal_name != ""

    def raise_if_stopping(self, step: int, output_dir: str) -> None:
        """Raise Stopped if all processes are to stop; to be called once their work is saved, if it is at all."""
        if not self.should_stop():
            return
        if not self.resumable:
            raise Stopped(RUN["stopped_without_trace"].fill(signal=self.signal_name))
        start = "python main.py" if self.processes.size == 1 else RUN["same_launcher"]
        command = joined([start, f"--output_dir {shlex.quote(output_dir)} --resume"], " ")
        raise Stopped(RUN["stopped"].fill(signal=self.signal_name, step=step, command=command))

    def until_stop(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield batches until there are no more or all processes are to stop."""
        for batch in batches:
            if self.should_stop():
                return
            yield batch

    def add_stop_check(self, on_batch: Callable[[int], object]) -> Callable[[int], object]:
        """Return a function for a prediction to call after each batch: `on_batch`, and then a check for signals.

        It raises PredictionInterrupted if all processes are to stop. They take the batches in turn and ask each other
        each time that all have had one.
        """

        def report_and_check(rows: int) -> None:
            """Report a batch of so many rows; PredictionInterrupted if the processes agree to stop."""
            on_batch(rows)
            self._predicted_batches += 1
            if self._predicted_batches % self.processes.size == 0 and self.should_stop():
                raise PredictionInterrupted

        return report_and_check
