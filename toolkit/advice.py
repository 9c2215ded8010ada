"""Whether a score can be believed, and what to do next: what follows from the scores of a test set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.advice_texts import TEXTS

WIDE = 0.06  # width of an interval
FEW = 10  # test rows of a label
WEAK = 0.15  # of F1, below the mean of all labels
OFF = 0.05  # mean difference of confidence and accuracy
ENOUGH = 20  # rows of a part of the test set


@dataclass(frozen=True)
class Advice:
    """Something that a user should know of a score; `level` is good, look or bad."""

    level: str
    kind: str  # a key of TEXTS
    facts: dict[str, Any]

    def what(self, language: str = "en") -> str:
        """Return what there is to know, in a sentence."""
        return TEXTS[self.kind][language][0].format(**self.facts)

    def advice(self, language: str = "en") -> str:
        """Return what to do about it, "" if nothing."""
        return TEXTS[self.kind][language][1].format(**self.facts)

    def as_json(self) -> dict[str, str]:
        """Return it for metrics.json."""
        return {"level": self.level, "kind": self.kind, "what": self.what(), "advice": self.advice()}


def headline(scores: dict, metric: str) -> dict:
    """Return {metric, value, low, high} of the metric that chose the model; of accuracy if that was the loss."""
    name = metric if metric in scores["intervals"] else "accuracy"
    value = scores["per_class"][scores["positive_label"]]["f1"] if name == "f1" else scores[name]
    low, high = scores["intervals"][name]
    return {"metric": name, "value": value, "low": low, "high": high}


def advise(scores: dict, run: dict, history: Sequence[dict]) -> list[Advice]:
    """Return what follows from the scores of a test set, the worst first.

    Args:
        scores: the content of metrics.json, with baselines, findings, slices and headline.
        run: the content of run.json.
        history: the evaluations of the run, as in metrics.jsonl; none if they are gone.
    """
    rules = (_leaks, _width, _baselines, _validation, _confidence, _labels, _slices, _course)
    found = [advice for rule in rules for advice in rule(scores, run, history)]
    return sorted(found, key=lambda advice: ("bad", "look", "good").index(advice.level))


def _leaks(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    for finding in scores["findings"]:
        share = finding["count"] / scores["rows"]
        yield Advice("bad" if share > 0.01 else "look", "leaked", {"count": finding["count"], "share": share})


def _width(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    low, high, rows = scores["headline"]["low"], scores["headline"]["high"], scores["rows"]
    facts = {"low": low, "high": high, "rows": rows, "more": 4 * rows}
    yield Advice("look", "wide", facts) if high - low > WIDE else Advice("good", "precise", facts)


def _baselines(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    metric = "macro_f1" if scores["headline"]["metric"] in ("macro_f1", "f1", "mcc") else "accuracy"
    (low, high), value = scores["intervals"][metric], scores[metric]
    simple = {name: found[metric] for name, found in scores["baselines"].items()}
    if simple.get("most_frequent_label", 0.0) >= low:
        yield Advice("bad", "nothing_learned", {"value": simple["most_frequent_label"]})
    elif simple.get("tfidf", 0.0) >= high:
        yield Advice("bad", "worse_than_simple", {"value": simple["tfidf"], "points": 100 * (simple["tfidf"] - value)})
    elif simple.get("tfidf", 0.0) >= low:
        yield Advice("look", "as_good_as_simple", {"value": simple["tfidf"]})
    elif "tfidf" in simple:
        yield Advice("good", "worth_it", {"value": simple["tfidf"], "points": 100 * (value - simple["tfidf"])})


def _validation(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    name, low, high = (scores["headline"][key] for key in ("metric", "low", "high"))
    valid = run["metrics"].get(name)
    if valid is not None and not low - 0.02 <= valid <= high + 0.02:
        facts = {"valid": valid, "value": scores["headline"]["value"]}
        yield Advice("look", "lower_than_valid" if valid > high else "higher_than_valid", facts)


def _confidence(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    error = scores["calibration"]["after"]["calibration_error"]
    bins = scores["reliability"]["after"]
    gap = sum(part["rows"] * (part["confidence"] - part["accuracy"]) for part in bins) / scores["rows"]
    kind = "calibrated" if error <= OFF else "too_sure" if gap > OFF / 2 else "too_unsure" if gap < -OFF / 2 else "off"
    yield Advice("good" if kind == "calibrated" else "look", kind, {"error": error})


def _labels(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    tested = {name: found for name, found in scores["per_class"].items() if found["support"]}
    few = [name for name, found in tested.items() if found["support"] < FEW]
    if few:
        yield Advice("look", "few_rows", {"labels": _listed(few), "least": FEW})
    mean = sum(found["f1"] for found in tested.values()) / max(len(tested), 1)
    weak = [name for name in sorted(tested, key=lambda name: tested[name]["f1"]) if tested[name]["f1"] < mean - WEAK]
    for name in weak[:3]:
        number = scores["labels"].index(name)
        taken = [0 if i == number else count for i, count in enumerate(scores["confusion_matrix"][number])]
        facts = {"label": name, "f1": tested[name]["f1"], "recall": tested[name]["recall"], "mean": mean}
        yield Advice("look", "weak", facts | {"count": max(taken), "other": scores["labels"][taken.index(max(taken))]})


def _slices(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    low = [
        (group["accuracy"], part, group)
        for part in scores["slices"]
        for group in part["groups"]
        if group["rows"] >= ENOUGH and group["high"] < scores["accuracy"]
    ]
    for accuracy, part, group in sorted(low, key=lambda each: each[0])[:3]:
        facts = {"rows": group["rows"], "accuracy": accuracy, "name": group["name"], "overall": scores["accuracy"]}
        kind = "weak_cut" if part["by"] == "truncated" else "weak_length" if part["by"] == "tokens" else "weak_part"
        if (part["by"], group["name"]) != ("truncated", "no"):
            yield Advice("look", kind, facts | {"column": part.get("column")})


def _course(scores: dict, run: dict, history: Sequence[dict]) -> Iterator[Advice]:
    step, steps = run["metrics"].get("step"), [entry["step"] for entry in history]
    if len(steps) < 2 or step not in steps:
        return
    metric = run["options"].get("metric", "accuracy")
    values = [entry["valid_loss" if metric == "loss" else metric] for entry in history]
    better = values[-2] - values[-1] if metric == "loss" else values[-1] - values[-2]
    if step == steps[-1] and better > 0.002:
        yield Advice("look", "still_learning", {"epochs": run["options"].get("epochs", len(steps))})
    elif step == steps[0] and len(steps) > 2:
        yield Advice("look", "best_at_first", {"evaluations": len(steps)})


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" … ({len(names):,})" if len(names) > most else "")
