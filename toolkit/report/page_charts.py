"""What is drawn in report.html, from the content of metrics.json, run.json and metrics.jsonl."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toolkit.report.page_parts import clean
from toolkit.report.texts import METRICS, PAGE
from toolkit.runs.run_facts import RunFacts

TRAINING_SCORES = ("accuracy", "macro_f1", "mcc")
SCALE_START = 10  # where the line of a Scale begins
SCALE_LENGTH = 580
SCALE_STEP = 0.1
SCALE_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """An axis with its ticks, and how these are written."""

    low: float
    high: float
    ticks: Sequence[float]
    format: str


UNIT_AXIS = Axis(0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0], "%.1f")


@dataclass(frozen=True)
class Line:
    """A line of a chart; `color` is a number, `note` stands behind its name in the legend."""

    name: str
    color: int
    points: Sequence[Sequence[float]]  # (x, y) each
    note: str = ""
    marks: bool = False  # whether each point has one


class Tick(NamedTuple):
    """A tick of a Scale."""

    x: float
    text: str


class Mark(NamedTuple):
    """A simple method on a Scale."""

    name: str
    value: float
    x: float


@dataclass(frozen=True)
class Scale:
    """A line of 600 units with the score, its interval and those of simple methods; all but `marks` are in units."""

    ticks: list[Tick]
    low: float
    width: float  # of the interval
    value: float
    marks: list[Mark]


@dataclass(frozen=True)
class TrainingCharts:
    """The losses and the scores of a training, by step."""

    x: Axis
    loss: list[Line]
    loss_y: Axis
    scores: list[Line]
    score_y: Axis


def score_scale(scores: Mapping[str, Any]) -> Scale:
    """Return the headline score on a line that ends at 1 and has room for all that is on it."""
    head = scores["headline"]
    reached = {name: baseline.get(head["metric"]) for name, baseline in scores["baselines"].items()}
    values = {name: value for name, value in reached.items() if value is not None}
    start = float(np.floor(10 * min([head["low"], *values.values(), 0.9]) - 0.01) / 10)
    if head["metric"] != "mcc":  # which may be below 0
        start = max(start, 0.0)

    def x(value: float) -> float:
        """Return where a value lies on the line."""
        return round(SCALE_START + SCALE_LENGTH * (value - start) / (1 - start), 1)

    steps = max(1, round((1 - start) / SCALE_STEP / SCALE_TICKS))
    ticks = [start + SCALE_STEP * i for i in range(0, round((1 - start) / SCALE_STEP) + 1, steps)]
    best_first = sorted(values, key=lambda name: -values[name])
    return Scale(
        ticks=[Tick(x(tick), f"{tick:.0%}") for tick in ticks],
        low=x(head["low"]),
        width=max(round(x(head["high"]) - x(head["low"]), 1), 2),
        value=x(head["value"]),
        marks=[Mark(name, values[name], x(values[name])) for name in best_first],
    )


def curve_lines(scores: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Return the lines of the charts roc and precision_recall, with the area under each."""
    areas = {"roc": "roc_auc", "precision_recall": "average_precision"}
    lines: dict[str, list[Line]] = {name: [] for name in areas}
    for color, (label, curves) in enumerate(scores["curves"].items()):
        for name, area in areas.items():
            note = f"{scores['per_class'][label][area]:.4f}"
            lines[name].append(Line(clean(label), color, curves[name], note))
    return lines


def training_charts(history: Sequence[Mapping[str, Any]], run: RunFacts, language: str) -> TrainingCharts | None:
    """Return the charts of a training; None if it had fewer than two evaluations."""
    if len(history) < 2:
        return None
    best = PAGE["best"][language].format(step=run.metrics["step"])
    losses = [
        _history_line(history, "train_loss", PAGE["training_loss"][language], 0),
        _history_line(history, "valid_loss", PAGE["validation_loss"][language], 1, best),
    ]
    scores = [_history_line(history, name, METRICS[name][language], i) for i, name in enumerate(TRAINING_SCORES)]
    return TrainingCharts(
        x=make_axis([0, *(entry["step"] for entry in history)]),
        loss=losses,
        loss_y=make_axis([0.0, *(y for line in losses for _, y in line.points)]),
        scores=scores,
        score_y=make_axis([1.0, *(y for line in scores for _, y in line.points)]),
    )


def _history_line(history: Sequence[Mapping[str, Any]], key: str, name: str, color: int, note: str = "") -> Line:
    """Return the line of a value of the evaluations, which some of them may lack."""
    points = [(entry["step"], entry[key]) for entry in history if entry[key] is not None]
    return Line(name, color, points, note, marks=True)


def make_axis(values: Sequence[float]) -> Axis:
    """Return an axis of at most seven round ticks that holds all values; whole numbers have whole ticks."""
    low, high = min(values), max(values)
    if low == high:  # all losses 0, say, or all scores 1
        low, high = min(low, 0), max(high, 1)
    rough = (high - low) / 5 or 1.0
    whole = all(isinstance(value, int) for value in values)
    unit = 10.0 ** np.floor(np.log10(rough))
    rounded = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = float(next(unit * times for times in rounded if unit * times >= rough * 0.999))
    step = max(step, 1.0) if whole else step
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    ticks = [number * step for number in range(first, last + 1)]
    decimals = next((n for n in range(9) if abs(step * 10**n - round(step * 10**n)) < 1e-6 * step * 10**n), 9)
    return Axis(ticks[0], ticks[-1], ticks, f"%.{decimals}f")
