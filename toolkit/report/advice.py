"""Whether a score can be believed, and what to do next: what follows from the scores of a test set."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.evaluation.intervals import share_interval
from toolkit.report.advice_texts import TEXTS
from toolkit.runs.run_facts import RunFacts

WIDE = 0.06  # width of an interval
FEW = 10  # test rows of a label
WEAK = 0.1  # of F1, below the mean of all labels
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


def headline(scores: dict, metric: str, positive: str) -> dict:
    """Return {metric, value, low, high} of the metric that chose the model, f1 of the label `positive`.

    If that was the loss, or it is not defined for these rows, it is accuracy.
    """
    name = metric if scores["intervals"].get(metric) else "accuracy"
    value = scores["per_class"][positive]["f1"] if name == "f1" else scores[name]
    low, high = scores["intervals"][name]
    return {"metric": name, "value": value, "low": low, "high": high}


def advise(scores: dict, run: RunFacts, history: Sequence[dict]) -> list[Advice]:
    """Return what follows from the scores of a test set, the worst first.

    Args:
        scores: the content of metrics.json, with baselines, findings, slices and headline.
        run: the content of run.json.
        history: the evaluations of the run, as in metrics.jsonl; none if they are gone.
    """
    rules = (_leaks, _width, _baselines, _validation, _confidence, _labels, _slices, _course)
    found = [advice for rule in rules for advice in rule(scores, run, history)]
    return sorted(found, key=lambda advice: ("bad", "look", "good").index(advice.level))


def _leaks(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    if scores["findings"] is None:
        yield Advice("look", "not_checked", {})
    for finding in scores["findings"] or ():
        share = finding["count"] / scores["rows"]
        yield Advice("bad" if share > 0.01 else "look", "leaked", {"count": finding["count"], "share": share})


def _width(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    low, high, rows = scores["headline"]["low"], scores["headline"]["high"], scores["rows"]
    facts = {"low": low, "high": high, "rows": rows, "more": 4 * rows}
    yield Advice("look", "wide", facts) if high - low > WIDE else Advice("good", "precise", facts)


def _baselines(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    metric = "macro_f1" if scores["headline"]["metric"] in ("macro_f1", "f1", "mcc") else "accuracy"
    facts = {
        method: {"value": found[metric], "metric": metric.replace("_", " ")}
        | {name: 100 * value for name, value in found["difference"][metric].items()}
        for method, found in scores["baselines"].items()
    }
    if "most_frequent_label" in facts and facts["most_frequent_label"]["low"] <= 0:
        yield Advice("bad", "nothing_learned", facts["most_frequent_label"])
    elif "tfidf" in facts:
        low, high = facts["tfidf"]["low"], facts["tfidf"]["high"]
        kind = "worth_it" if low > 0 else "worse_than_simple" if high < 0 else "as_good_as_simple"
        level = {"worth_it": "good", "worse_than_simple": "bad", "as_good_as_simple": "look"}[kind]
        yield Advice(level, kind, facts["tfidf"] | {"less": -facts["tfidf"]["difference"]})


def _validation(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    name, low, high = (scores["headline"][key] for key in ("metric", "low", "high"))
    valid, rows = run.metrics.get(name), run.data.get("valid", {}).get("rows")
    if not isinstance(valid, float) or not rows or scores["threshold"] != run.metrics.get("threshold"):
        return
    chance = 2 * math.sqrt(max(valid * (1 - valid), 0.0) / rows)  # as if it were a share of the rows
    if not low - chance <= valid <= high + chance:
        facts = {"valid": valid, "value": scores["headline"]["value"]}
        yield Advice("look", "lower_than_valid" if valid > high else "higher_than_valid", facts)


def _confidence(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    error, bins = scores["calibration"]["after"]["calibration_error"], scores["reliability"]["after"]
    gap = sum(part["rows"] * (part["confidence"] - part["accuracy"]) for part in bins) / scores["rows"]
    spread = sum(part["rows"] * part["confidence"] * (1 - part["confidence"]) for part in bins)
    facts = {"error": error, "gap": 100 * abs(gap)}
    if abs(gap) > max(2 * math.sqrt(spread) / scores["rows"], OFF / 2):  # more than chance
        yield Advice("look", "too_sure" if gap > 0 else "too_unsure", facts)
    elif error <= OFF:
        yield Advice("good", "calibrated", facts)


def _labels(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    tested = {name: found for name, found in scores["per_class"].items() if found["support"]}
    few = [name for name, found in tested.items() if found["support"] < FEW]
    if few:
        yield Advice("look", "few_rows", {"labels": _listed(few), "least": FEW})
    mean = sum(found["f1"] for found in tested.values()) / max(len(tested), 1)
    weak = [name for name in tested if tested[name]["f1"] < mean - WEAK and name not in few]
    for name in sorted(weak, key=lambda name: tested[name]["f1"])[:3]:
        number, found, matrix = scores["labels"].index(name), tested[name], scores["confusion_matrix"]
        missed = found["recall"] <= found["precision"]
        counts = matrix[number] if missed else [row[number] for row in matrix]
        counts = [0 if i == number else count for i, count in enumerate(counts)]
        facts = {"label": name, "mean": mean, **{score: found[score] for score in ("f1", "recall", "precision")}}
        facts |= {"count": max(counts), "other": scores["labels"][counts.index(max(counts))]}
        yield Advice("look", "weak_recall" if missed else "weak_precision", facts)


def _slices(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    groups = [(part, group) for part in scores["slices"] for group in part["groups"]]
    level = 1 - 0.05 / max(len(groups), 1)  # so that of all groups together one in twenty test sets has one by chance
    low = []
    for part, group in groups:
        hits = round(group["accuracy"] * group["rows"])
        surely = share_interval(hits, group["rows"], level)[1] < scores["accuracy"]
        if surely and group["rows"] >= ENOUGH and (part["by"], group["name"]) != ("truncated", "no"):
            low.append((group["accuracy"], part, group))
    for accuracy, part, group in sorted(low, key=lambda each: each[0])[:3]:
        facts = {"rows": group["rows"], "accuracy": accuracy, "name": group["name"], "overall": scores["accuracy"]}
        kind = {"truncated": "weak_cut", "tokens": "weak_length"}.get(part["by"], "weak_part")
        yield Advice("look", kind, facts | {"column": part.get("column")})


def _course(scores: dict, run: RunFacts, history: Sequence[dict]) -> Iterator[Advice]:
    step, steps, epochs = run.metrics.get("step"), [entry["step"] for entry in history], run.options.get("epochs")
    if len(steps) < 2 or step not in steps:
        return
    metric = run.options.get("metric", "accuracy")
    values = [entry["valid_loss" if metric == "loss" else metric] for entry in history]
    better = values[-2] - values[-1] if metric == "loss" else values[-1] - values[-2]
    if step == steps[-1] and better > 0.002 and history[-1]["epoch"] == epochs:
        yield Advice("look", "still_learning", {"epochs": epochs})
    elif step == steps[0] and len(steps) > 2:
        yield Advice("look", "best_at_first", {"evaluations": len(steps)})


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" … ({len(names):,})" if len(names) > most else "")
