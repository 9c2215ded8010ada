"""Draw the course of a run: loss and the chosen metric over the steps."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curves(path: Path, history: Sequence[dict], metric: str, best_step: int) -> None:
    """Write a png with two plots from the evaluations of a run (the objects of metrics.jsonl)."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    steps = [entry["step"] for entry in history]
    loss, score = figure.subplots(1, 2)
    loss.plot(steps, [entry["train_loss"] for entry in history], "o-", color="#4477aa", label="training")
    loss.plot(steps, [entry["valid_loss"] for entry in history], "o-", color="#ee6677", label="validation")
    loss.set(title="Loss (cross-entropy)", xlabel="step")
    name = "accuracy" if metric == "loss" else metric
    score.plot(steps, [entry[name] for entry in history], "o-", color="#ee6677", label="validation")
    score.set(title=name, xlabel="step")
    for axes in (loss, score):
        axes.axvline(best_step, color="#888888", linestyle=":", label=f"best model (step {best_step})")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.set_xlim(left=0)
    figure.savefig(path, dpi=110, format="png")
