"""What is drawn in report.html, from the content of metrics.json, run.json and metrics.jsonl."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from toolkit.report.page_parts import clean
from toolkit.report.texts import METRICS, PAGE
from toolkit.runs.run_json import RunFacts

TRAINING_SCORES = ("accuracy", "macro_f1", "mcc")
LABEL_SET_TRAINING_SCORES = ("micro_f1", "macro_f1", "subset_accuracy")
SCALE_START = 10  # where the line of a Scale begins
SCALE_LENGTH = 580
SCALE_STEPS = 8  # between ticks, at most, and likewise
AXIS_STEPS = 5


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
class AnsweredChart:
    """The accuracy of the rows that are answered, by their share of all."""

    lines: list[Line]
    accuracy: Axis


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

    ticks = _ticks(10 * start, 10, nbins=SCALE_STEPS, steps=[1, 2, 5, 10], integer=True)
    tenths = [int(tenth) for tenth in ticks if tenth >= 10 * start - 0.5]
    best_first = sorted(values, key=lambda name: -values[name])
    return Scale(
        ticks=[Tick(x(tenth / 10), f"{10 * tenth}%") for tenth in tenths],
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


def answered_chart(scores: Mapping[str, Any]) -> AnsweredChart:
    """Return the accuracy of the rows that are answered, by their share."""
    curve = scores["answered"]["curve"]
    return AnsweredChart([Line("", 0, curve)], make_axis([1.0, *(float(accuracy) for _, accuracy in curve)]))


def training_charts(history: Sequence[Mapping[str, Any]], run: RunFacts, language: str) -> TrainingCharts | None:
    """Return the charts of a training; None if it had fewer than two evaluations."""
    if len(history) < 2:
        return None
    best = PAGE["best"][language].format(step=run.metrics["step"])
    losses = [
        _history_line(history, "train_loss", PAGE["training_loss"][language], 0),
        _history_line(history, "valid_loss", PAGE["validation_loss"][language], 1, best),
    ]
    names = LABEL_SET_TRAINING_SCORES if run.columns.have_label_sets else TRAINING_SCORES
    scores = [_history_line(history, name, METRICS[name][language], i) for i, name in enumerate(names)]
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
    """Return an axis of a few round ticks that holds all values; whole numbers have whole ticks."""
    whole = all(isinstance(value, int) for value in values)
    low = min(values)
    high = max(values)
    if low == high:  # all losses 0, say, or all scores 1
        low = min(low, 0)
        high = max(high, 1)
    steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
    ticks = _ticks(low, high, nbins=AXIS_STEPS, steps=steps, integer=whole, min_n_ticks=1)
    return Axis(ticks[0], ticks[-1], ticks, f"%.{_decimals(ticks[1] - ticks[0])}f")


def _ticks(low: float, high: float, **options: Any) -> list[float]:
    """Return round ticks from `low` or below to `high` or above; the options are those of matplotlib's MaxNLocator."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - half a second, which nothing before the report needs

    return [float(tick) for tick in MaxNLocator(**options).tick_values(low, high)]


def _decimals(step: float) -> int:
    """Return how many digits behind the point write a step exactly, but for rounding errors in its seventh digit."""
    exponent = Decimal(f"{step:.6g}").normalize().as_tuple().exponent
    return max(0, -int(exponent))
