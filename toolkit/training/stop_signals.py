"""Stop when asked to by a signal: finish the step, and leave a run that can be gone on with."""

import shlex
import signal
from collections.abc import Callable, Iterable, Iterator

from toolkit.base.errors import Stopped
from toolkit.cli.exits import handleable_signals
from toolkit.compute.memory import NO_LIMIT, RowLimit
from toolkit.compute.processes import Processes

SIGNALS = (
    "SIGTERM",
    "SIGINT",
    "SIGUSR1",
    "SIGHUP",
)  # a machine that is taken away, Ctrl-C, SLURM's warning, no terminal


class StopAsked(Exception):
    """Ends a prediction of which the result is no longer wanted."""


class StopSignals:
    """Notices the signals while it is entered; `name` is the one that the processes have agreed to stop for, "" before.

    A second SIGINT stops at once. Signals reach each process by itself, so all ask each other before every step; at the
    same time they agree on how many rows the memory holds, which one of them may have found to be fewer. A signal that
    whoever started us has chosen to ignore (nohup, a job in the background) stays ignored. If the work
    `saves` nothing, the message of its end does not promise to go on.
    """

    def __init__(self, processes: Processes, limit: RowLimit | None = None, saves: bool = True):
        self.processes, self.limit, self.saves, self.name, self.noticed = processes, limit or RowLimit(), saves, "", ""
        self.before, self.asked = {}, 0

    def __enter__(self):
        self.before = {number: signal.signal(number, self._notice) for number in handleable_signals(SIGNALS)}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _notice(self, number: int, _) -> None:
        self.noticed = self.noticed or signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def agreed(self) -> bool:
        """Ask the other processes and say whether all are to stop, as one of them was told."""
        if not self.name:
            noticed = [self.noticed == name for name in SIGNALS]
            *heard, tightness = self.processes.all_reduce_max([*noticed, -(self.limit.rows or NO_LIMIT)])
            self.limit.tighten(-tightness)
            self.name = next((name for name, is_it in zip(SIGNALS, heard, strict=True) if is_it), "")
        return bool(self.name)

    def stop_if_agreed(self, step: int, output_dir: str) -> None:
        """Raise Stopped if all processes are to stop, now that what they have done is saved, if it is."""
        if self.agreed() and not self.saves:
            raise Stopped(f"stopped by {self.name}; nothing is kept of this work; the same command begins it again")
        if self.agreed():
            start = "python main.py" if self.processes.size == 1 else "the same launcher and main.py"
            raise Stopped(
                f"stopped by {self.name}; step {step} is saved. To go on: "
                f"{start} --output_dir {shlex.quote(output_dir)} --resume"
            )

    def until_agreed(self, batches: Iterable) -> Iterator:
        """Yield batches until they are through or all processes are to stop."""
        for batch in batches:
            if self.agreed():
                return
            yield batch

    def watched(self, on_batch: Callable[[int], object]) -> Callable[[int], object]:
        """Return `on_batch` for a prediction, with a look for signals; it raises StopAsked if all are to stop.

        The processes take the batches in turn and ask each other once they have each had one.
        """

        def watch(rows: int) -> None:
            """Report a batch; StopAsked if the processes agree to stop."""
            on_batch(rows)
            self.asked += 1
            if self.asked % self.processes.size == 0 and self.agreed():
                raise StopAsked

        return watch
