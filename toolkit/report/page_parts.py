"""What is drawn and listed in report.html, from the content of metrics.json, run.json and metrics.jsonl."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from toolkit.doctor.texts import TEXTS
from toolkit.runs.run_facts import RunFacts

# Control characters, turned directions and halves of characters.
STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
SCORES = ("accuracy", "macro_f1", "mcc")


def clean(value: object) -> str:
    """Return a text without what a page cannot hold or would obey instead of showing it."""
    return STRANGE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def scale(scores: dict) -> dict:
    """Return where the score, its interval and those of simple methods lie on a line of 600 units."""
    head = scores["headline"]
    simple = [(name, found.get(head["metric"])) for name, found in scores["baselines"].items()]
    marks = sorted(((name, value) for name, value in simple if value is not None), key=lambda mark: -mark[1])
    least = np.floor(10 * min([head["low"], *(value for _, value in marks), 0.9]) - 0.01) / 10
    least = least if head["metric"] == "mcc" else max(least, 0.0)

    def x(value: float) -> float:
        return round(10 + 580 * (value - least) / (1 - least), 1)

    steps = max(1, round((1 - least) / 0.1 / 6))
    ticks = [least + 0.1 * i for i in range(0, round((1 - least) * 10) + 1, steps)]
    return {
        "ticks": [{"x": x(at), "text": f"{at:.0%}"} for at in ticks],
        "low": x(head["low"]),
        "width": max(round(x(head["high"]) - x(head["low"]), 1), 2),
        "value": x(head["value"]),
        "marks": [{"name": name, "value": value, "x": x(value)} for name, value in marks],
    }


def curves(scores: dict) -> dict[str, list[dict]]:
    """Return the lines of the two charts of curves."""
    lines: dict[str, list[dict]] = {"roc": [], "precision_recall": []}
    for color, (label, points) in enumerate(scores["curves"].items()):
        of = scores["per_class"][label]
        for kind, area in (("roc", of["roc_auc"]), ("precision_recall", of["average_precision"])):
            lines[kind].append(
                {"name": clean(label), "color": color, "points": points[kind], "note": f"{area:.4f}", "marks": False}
            )
    return lines


def course(history: Sequence[dict], run: RunFacts, t: dict) -> dict | None:
    """Return the lines of the two charts of the training, None if it had fewer than two evaluations."""
    if len(history) < 2:
        return None
    steps = [entry["step"] for entry in history]
    best = t["best"].format(step=run.metrics["step"])

    def line(name: str, key: str, color: int, note: str = "") -> dict:
        points = [(step, entry[key]) for step, entry in zip(steps, history, strict=True) if entry[key] is not None]
        return {"name": name, "color": color, "note": note, "points": points, "marks": True}

    loss = [line(t["training_loss"], "train_loss", 0), line(t["validation_loss"], "valid_loss", 1, best)]
    scores = [line(t["metrics"][name], name, color) for color, name in enumerate(SCORES)]
    return {
        "x": _axis([0, *steps]),
        "loss": loss,
        "loss_y": _axis([0.0, *(value for each in loss for _, value in each["points"])]),
        "scores": scores,
        "score_y": _axis([1.0, *(value for each in scores for _, value in each["points"])]),
    }


def _axis(values: Sequence[float]) -> dict:
    """Return an axis of at most seven round ticks that holds all values; whole numbers have whole ticks."""
    low, high = min(values), max(values)
    rough = (high - low) / 5 or 1.0
    whole = all(isinstance(value, int) for value in values)
    unit = 10.0 ** np.floor(np.log10(rough))
    rounded = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = float(next(unit * times for times in rounded if unit * times >= rough * 0.999))
    step = max(step, 1.0) if whole else step
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    ticks = [number * step for number in range(first, last + 1)]
    decimals = next((n for n in range(9) if abs(step * 10**n - round(step * 10**n)) < 1e-6 * step * 10**n), 9)
    return {"low": ticks[0], "high": ticks[-1], "ticks": ticks, "format": f"%.{decimals}f"}


def findings(of_test: Sequence[dict] | None, run: RunFacts, language: str) -> list[dict]:
    """Return what was found in the test set, and when the model was trained, each once, told in a language."""
    found, told, seen = run.findings, [], set()
    for finding in [*(of_test or ()), *(found if isinstance(found, list) else ())]:
        one = _told(finding, language)
        if one and one["what"] not in seen:
            seen.add(one["what"])
            told.append(one)
    return told


def _told(finding: dict, language: str) -> dict | None:
    """Return what, advice and places of a finding of run.json; None if it is not one."""
    try:
        what, advice = (
            text.format(count=finding["count"], **finding["facts"]) for text in TEXTS[finding["kind"]][language]
        )
        places = [" = ".join("{file}:{line}".format(**place) for place in each) for each in finding["examples"]]
        return {"what": what, "advice": advice, "places": places}
    except (LookupError, TypeError, ValueError):  # of a later version, or written by hand
        return None


def facts(scores: dict, run: RunFacts, t: dict) -> list[tuple[str, str]]:
    """Return (name, value) of what the run is made of, as far as run.json has it."""
    threshold = scores["threshold"]

    def rows_of(name: str) -> str:
        of = scores["data"]["test"] if name == "test" else run.data[name]
        return t["rows_of"].format(file=of["file"], rows=of["rows"], sha256=of["sha256"][:12] + "…")

    def trained() -> str:
        names = {"seconds": "train_seconds", "speed": "real_tokens_per_second", "padding": "padding_share"}
        return t["trained"].format(**{name: getattr(run, key) for name, key in names.items()})

    told = {
        "model": lambda: scores["model"]["directory"],
        "base_model": lambda: run.base_model,
        "weights": lambda: scores["model"]["sha256"],
        **{name: partial(rows_of, name) for name in ("test", "train", "valid")},
        "time": trained,
        "machine": lambda: f"{run.device}, {run.precision}",
        "max_length": lambda: t["length_of"].format(length=run.max_length, how=run.truncation),
        "threshold": lambda: t["no_threshold"] if threshold is None else f"{threshold:.4f}",
        "versions": lambda: ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    found = []
    for name, tell in told.items():
        with suppress(LookupError, TypeError, ValueError):
            found.append((name, tell()))
    return found
