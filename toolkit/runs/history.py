"""The evaluations of a run, the objects of metrics.jsonl, as curves.png and as an event file for TensorBoard."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.base.errors import UserError
from toolkit.runs.texts import TENSORBOARD

EVENTS = "events.out.tfevents.*"


def draw_curves(path: Path, history: Sequence[dict], metric: str, best_step: int) -> None:
    """Write a png with two plots from the evaluations of a run (the objects of metrics.jsonl)."""
    # matplotlib takes a second to import, and is not needed before a run is at its end.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    steps = [entry["step"] for entry in history]
    loss, score = figure.subplots(1, 2)
    loss.plot(steps, [entry["train_loss"] for entry in history], "o-", color="#4477aa", label="training")
    loss.plot(steps, [entry["valid_loss"] for entry in history], "o-", color="#ee6677", label="validation")
    loss.set(title="Loss (cross-entropy)", xlabel="step")
    usual = "accuracy" if "accuracy" in history[0] else "micro_f1"
    name = usual if metric == "loss" else metric
    score.plot(steps, [entry[name] for entry in history], "o-", color="#ee6677", label="validation")
    score.set(title=name, xlabel="step")
    for axes in (loss, score):
        axes.axvline(best_step, color="#888888", linestyle=":", label=f"best model (step {best_step})")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.set_xlim(left=0)
    figure.savefig(path, dpi=110, format="png")


class EventFile:
    """A directory with one event file, to which each evaluation is appended, so that TensorBoard can follow the run.

    A resumed run writes all earlier evaluations to a new file and removes the old one: no step is in it twice and none
    is lost, even if the process was killed. Raises UserError if the package that writes such files is missing.
    """

    def __init__(self, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional, and slow to import
        except ImportError:
            raise UserError(TENSORBOARD) from None
        self.folder = folder
        self.make_writer = SummaryWriter
        self.writer: Any = None  # a SummaryWriter, once there is something to write
        self.written = 0  # evaluations

    def write(self, history: Sequence[dict]) -> None:
        """Write a scalar for each number of those evaluations that are not yet in the file."""
        old = []
        if history and self.writer is None:
            self.folder.mkdir(exist_ok=True)
            old = list(self.folder.glob(EVENTS))
            # A reader that comes while there are two files is to take all steps from the new one.
            self.writer = self.make_writer(str(self.folder), purge_step=0)
        began = time.time() - history[-1]["train_seconds"] if history else 0.0
        for entry in history[self.written :]:
            moment = began + entry["train_seconds"]
            for name, value in entry.items():
                if name != "step" and isinstance(value, (int, float)):
                    self.writer.add_scalar(name, value, entry["step"], walltime=moment)
        if self.written < len(history):
            self.writer.flush()
        self.written = len(history)
        for path in old:
            path.unlink()

    def close(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
