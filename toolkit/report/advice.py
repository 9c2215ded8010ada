"""Whether a score can be believed, and what to do next: what follows from the scores of a test set."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.data.tables import Table
from toolkit.evaluation.intervals import share_interval
from toolkit.report.remedies import Remedy, remedies
from toolkit.report.texts import ADVICE
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import SCORES

LEVELS = ("bad", "look", "good")  # the worst first
WIDE_INTERVAL = 0.06  # from its low to its high end
MANY_LEAKS = 0.01  # share of the test rows
FEW_TEST_ROWS = 10  # of a label
WEAK_F1_GAP = 0.1  # below the mean of all labels
SMALL_CALIBRATION_ERROR = 0.05  # mean difference of confidence and accuracy
MIN_SLICE_ROWS = 20
MAX_WEAK_LABELS = 3
MAX_WEAK_SLICES = 3
MAX_LISTED_LABELS = 5
STILL_RISING = 0.002  # by which the last evaluation is better than the one before
WANTED_INTERVAL = 0.06  # from its low to its high end: three points either way
FEWEST_ROWS_TO_DOUBT = 20  # of which all being right is no chance
RANKS_WELL = 0.7  # ROC-AUC of a model that tells labels apart, though its predictions do not show it
RANKS_BACKWARDS = 0.3  # ROC-AUC of a model whose labels are swapped
WORSE_CALIBRATION = 0.01  # by which the calibration error is higher after the temperature
CONSTANT_METHODS = {"most_frequent_label": "nothing_learned", "most_frequent_set": "no_set_learned"}
Scores = Mapping[str, Any]  # the content of metrics.json, or a part of it


@dataclass(frozen=True)
class Advice:
    """Something that a user should know of a score; `level` is one of LEVELS."""

    level: str
    kind: str  # a key of ADVICE
    facts: dict[str, Any]  # that fill the gaps of its texts
    remedies: Sequence[Remedy] = ()  # what may help

    def sentence(self, language: str = "en") -> str:
        """Return what there is to know."""
        return ADVICE[self.kind].sentence.fill(**self.facts)[language]

    def advice(self, language: str = "en") -> str:
        """Return what to do about it, "" if nothing."""
        advice = ADVICE[self.kind].advice.fill(**self.facts)[language]
        if not self.remedies:
            return advice
        separator = {"en": "; ", "zh": "；"}[language]
        return advice + separator + separator.join(remedy.sentence(language) for remedy in self.remedies)

    def as_json(self) -> dict[str, str]:
        """Return it for metrics.json."""
        return {"level": self.level, "kind": self.kind, "what": self.sentence(), "advice": self.advice()}


def headline(scores: Scores, metric: str, positive_label: str) -> dict[str, Any]:
    """Return {metric, value, low, high} of the metric that chose the model, f1 of `positive_label`.

    If that was the loss, or it is not defined for these rows, it is accuracy.
    """
    name = metric if scores["intervals"].get(metric) else "accuracy"
    value = scores["per_class"][positive_label]["f1"] if name == "f1" else scores[name]
    low, high = scores["intervals"][name]
    return {"metric": name, "value": value, "low": low, "high": high}


def advise(
    scores: Scores, run: RunFacts, history: Sequence[Mapping[str, Any]], train: Table | None = None
) -> list[Advice]:
    """Return what follows from the scores of a test set, the worst first.

    Args:
        scores: the content of metrics.json, with baselines, findings, slices and headline.
        run: of the model.
        history: the evaluations of the run, as in metrics.jsonl; none if they are gone.
        train: its training rows; None if they are gone.
    """
    is_decided_alike = all(scores.get(name) == run.metrics.get(name) for name in ("threshold", "bias"))
    metric = "macro_f1" if scores["headline"]["metric"] in ("macro_f1", "f1", "mcc") else "accuracy"
    helpful = remedies(run, history, train)
    advice = [*on_leaks(scores), *_on_tested_labels(scores), on_interval(scores)]
    failures = list(_on_failure(scores, helpful))
    if failures:
        advice += failures + [piece for piece in on_baselines(scores, metric, ()) if piece.kind == "worse_than_simple"]
        # That some labels or lengths are worse than others, or the probabilities right, says nothing then.
        return worst_first([piece for piece in advice if piece.level != "good"])
    advice += [
        *on_baselines(scores, metric, helpful),
        *(on_validation_score(scores["headline"], run) if is_decided_alike else []),
        *_on_perfection(scores),
        *on_calibration(scores["calibration"]["after"]["calibration_error"], scores["reliability"]["after"]),
        *_on_temperature(scores["calibration"]),
        *on_rare_labels(scores["per_class"]),
        *_on_missed_labels(scores["per_class"]),
        *_on_weak_labels(scores),
        *on_weak_slices(scores["slices"], "accuracy", scores["accuracy"]),
        *on_training(run, history, "accuracy"),
    ]
    return worst_first(advice)


def worst_first(advice: Sequence[Advice]) -> list[Advice]:
    """Return pieces of advice in the order in which they are told."""
    return sorted(advice, key=lambda piece: LEVELS.index(piece.level))


def on_leaks(scores: Scores) -> Iterator[Advice]:
    """Yield whether test rows stand in the training file, or are of groups that do."""
    if scores["findings"] is None:
        yield Advice("look", "not_checked", {})
        return
    for finding in scores["findings"]:
        share = finding["count"] / scores["rows"]
        facts = {"count": finding["count"], "share": share}
        if finding["kind"] == "group_leak":
            yield Advice("look", "groups_leaked", facts)
        else:
            yield Advice("bad" if share > MANY_LEAKS else "look", "leaked", facts)


def on_interval(scores: Scores) -> Advice:
    """Return how well the score is known."""
    low = scores["headline"]["low"]
    high = scores["headline"]["high"]
    facts = {"low": low, "high": high, "rows": scores["rows"]}
    if high - low > WIDE_INTERVAL:
        rows = scores["rows"] * ((high - low) / WANTED_INTERVAL) ** 2  # an interval is as wide as 1 over their root
        return Advice("look", "wide", facts | {"more": _in_round_numbers(rows)})
    return Advice("good", "precise", facts)


def _in_round_numbers(count: float) -> int:
    """Return a number with its first two digits, rounded up, and zeros."""
    unit = 10 ** max(0, len(str(int(count))) - 2)
    return math.ceil(count / unit) * unit


def _on_tested_labels(scores: Scores) -> Iterator[Advice]:
    """Yield labels of the model of which the test set has no row."""
    untested = [label for label, entry in scores["per_class"].items() if not entry["support"]]
    tested = _tested(scores["per_class"])
    if len(tested) == 1 and untested:
        yield Advice("look", "one_label", {"label": tested[0], "untested": listed(untested)})
    elif untested:
        yield Advice("look", "untested", {"labels": listed(untested)})


def _on_failure(scores: Scores, helpful: Sequence[Remedy]) -> Iterator[Advice]:
    """Yield that a model gives one label to all rows, or has the labels swapped."""
    tested = _tested(scores["per_class"])
    predicted = {entry["predicted"] for entry in scores["confusions"]}
    predicted |= {label for label in tested if scores["per_class"][label]["recall"]}
    roc_auc = scores.get("roc_auc")
    if len(tested) < 2:
        return
    if len(predicted) == 1:
        yield Advice("bad", "collapsed", {"label": next(iter(predicted))}, helpful)
        if len(scores["labels"]) == 2 and roc_auc is not None and roc_auc >= RANKS_WELL:
            yield Advice("look", "ranks_well", {"roc_auc": roc_auc})
    elif len(scores["labels"]) == 2 and roc_auc is not None and roc_auc <= RANKS_BACKWARDS:
        yield Advice("bad", "swapped", {"roc_auc": roc_auc, "accuracy": scores["accuracy"]})


def _on_perfection(scores: Scores) -> Iterator[Advice]:
    """Yield that a score is too good to be true."""
    if scores["accuracy"] == 1.0 and scores["rows"] >= FEWEST_ROWS_TO_DOUBT:
        yield Advice("look", "perfect", {"rows": scores["rows"]})


def on_baselines(scores: Scores, metric: str, helpful: Sequence[Remedy]) -> Iterator[Advice]:
    """Yield how far the model is above simple methods, if these were tried, and what may help where it is not."""
    baselines = {method: _baseline_facts(entry, metric) for method, entry in scores["baselines"].items()}
    for method, kind in CONSTANT_METHODS.items():
        if method in baselines and baselines[method]["low"] <= 0:
            is_worse = method == "most_frequent_label" and baselines[method]["high"] < 0
            yield Advice("bad", "worse_than_constant" if is_worse else kind, baselines[method], helpful)
            if "tfidf" in baselines and baselines["tfidf"]["high"] < 0:
                yield Advice("bad", "worse_than_simple", baselines["tfidf"])
            return
    if "tfidf" in baselines:
        facts = baselines["tfidf"]
        if facts["low"] > 0:
            yield Advice("good", "worth_it", facts)
        elif facts["high"] < 0:
            yield Advice("bad", "worse_than_simple", facts, helpful)
        else:
            yield Advice("look", "as_good_as_simple", facts, helpful if facts["less"] > 0 else ())


def _baseline_facts(baseline: Scores, metric: str) -> dict[str, Any]:
    """Return what a simple method reaches in a metric, and how many points the model is above it, or it is above."""
    points = {name: 100 * value for name, value in baseline["difference"][metric].items()}
    return {"value": baseline[metric], "metric": SCORES[metric], "less": -points["difference"], **points}


def on_validation_score(headline_score: Scores, run: RunFacts) -> Iterator[Advice]:
    """Yield whether the validation set, whose rows are decided alike, had another score by more than chance."""
    valid_score = run.metrics.get(headline_score["metric"])
    valid_rows = run.data["valid"].rows if "valid" in run.data else None
    if not isinstance(valid_score, float) or not valid_rows:
        return
    chance = 2 * math.sqrt(max(valid_score * (1 - valid_score), 0.0) / valid_rows)  # as if it were a share of the rows
    facts = {"valid": valid_score, "value": headline_score["value"]}
    if valid_score > headline_score["high"] + chance:
        yield Advice("look", "lower_than_valid", facts)
    elif valid_score < headline_score["low"] - chance:
        yield Advice("look", "higher_than_valid", facts)


def on_calibration(error: float, bins: Sequence[Scores]) -> Iterator[Advice]:
    """Yield whether probabilities are right on average, by their calibration error and `bins` of some answers."""
    answers = sum(part["rows"] for part in bins)
    gap = sum(part["rows"] * (part["confidence"] - part["accuracy"]) for part in bins) / answers
    variance = sum(part["rows"] * part["confidence"] * (1 - part["confidence"]) for part in bins)
    chance = 2 * math.sqrt(variance) / answers
    facts = {"error": error, "gap": 100 * abs(gap)}
    if abs(gap) > max(chance, SMALL_CALIBRATION_ERROR / 2):
        yield Advice("look", "too_sure" if gap > 0 else "too_unsure", facts)
    elif error <= SMALL_CALIBRATION_ERROR:
        yield Advice("good", "calibrated", facts)


def _on_temperature(calibration: Scores) -> Iterator[Advice]:
    """Yield that the probabilities were better before they were calibrated."""
    before = calibration.get("before", calibration["after"])
    after = calibration["after"]
    if after["calibration_error"] <= before["calibration_error"] + WORSE_CALIBRATION:
        return
    facts = {"before": before["calibration_error"], "after": after["calibration_error"]}
    is_worse_for_each_row = after["brier_score"] > before["brier_score"]
    yield Advice("look", "calibrated_worse" if is_worse_for_each_row else "calibrated_unevenly", facts)


def _tested(per_label: Scores) -> list[str]:
    """Return the labels of which the test set has rows."""
    return [label for label, entry in per_label.items() if entry["support"]]


def rare_labels(per_label: Scores) -> list[str]:
    """Return the labels of which the test set has rows, but only few."""
    return [label for label, entry in per_label.items() if 0 < entry["support"] < FEW_TEST_ROWS]


def on_rare_labels(per_label: Scores) -> Iterator[Advice]:
    """Yield the labels whose scores say little."""
    labels = rare_labels(per_label)
    tested = _tested(per_label)
    if labels and len(labels) == len(tested) > 1:
        yield Advice("look", "few_rows_of_all", {"count": len(labels), "least": FEW_TEST_ROWS})
    elif labels:
        yield Advice("look", "few_rows", {"labels": listed(labels), "least": FEW_TEST_ROWS})


def _on_missed_labels(per_label: Scores) -> Iterator[Advice]:
    """Yield the labels of which no row is recognized, those with the most rows first."""
    missed = [label for label in _tested(per_label) if not per_label[label]["recall"]]
    if missed:
        missed.sort(key=lambda label: -per_label[label]["support"])
        yield Advice("look", "never_found", {"labels": listed(missed)})


def listed(labels: Sequence[str]) -> str:
    """Return the first labels with commas between, and how many there are if these are not all."""
    words = ", ".join(labels[:MAX_LISTED_LABELS])
    return words if len(labels) <= MAX_LISTED_LABELS else f"{words} … ({len(labels):,})"


def weak_labels(per_label: Scores) -> list[dict[str, Any]]:
    """Return what there is to know of the labels that are told apart the least, the weakest first."""
    tested = {label: entry for label, entry in per_label.items() if entry["support"]}
    mean_f1 = sum(entry["f1"] for entry in tested.values()) / max(len(tested), 1)
    rare = rare_labels(per_label)
    weak = [label for label in tested if tested[label]["f1"] < mean_f1 - WEAK_F1_GAP and label not in rare]
    weakest = sorted(weak, key=lambda label: tested[label]["f1"])[:MAX_WEAK_LABELS]
    shown = ("f1", "recall", "precision")
    return [{"label": label, "mean": mean_f1, **{name: tested[label][name] for name in shown}} for label in weakest]


def _on_weak_labels(scores: Scores) -> Iterator[Advice]:
    """Yield the labels that are told apart the least, the weakest first, with what they are mixed up with."""
    for facts in weak_labels(scores["per_class"]):
        label = facts["label"]
        if not facts["recall"]:
            continue  # it is told already
        if facts["recall"] <= facts["precision"]:
            most = next(entry for entry in scores["confusions"] if entry["true"] == label)
            yield Advice("look", "weak_recall", facts | {"count": most["rows"], "other": most["predicted"]})
        else:
            most = next(entry for entry in scores["confusions"] if entry["predicted"] == label)
            yield Advice("look", "weak_precision", facts | {"count": most["rows"], "other": most["true"]})


def on_weak_slices(slices: Sequence[Scores], metric: str, overall: float) -> Iterator[Advice]:
    """Yield the parts of the test set of which surely a lower share is right than `overall`, the worst first.

    `metric` is what that share is called in the slices.
    """
    groups = [(part, group) for part in slices for group in part["groups"]]
    level = 1 - 0.05 / max(len(groups), 1)  # so that of all groups together one in twenty test sets has one by chance
    weak = []
    for part, group in groups:
        hits = round(group[metric] * group["rows"])
        is_worse = share_interval(hits, group["rows"], level).high < overall
        is_untruncated = part["by"] == "truncated" and group["name"] == "no"
        if is_worse and group["rows"] >= MIN_SLICE_ROWS and not is_untruncated:
            weak.append((part, group))
    kinds = {"truncated": "weak_cut", "tokens": "weak_length"}
    for part, group in sorted(weak, key=lambda pair: pair[1][metric])[:MAX_WEAK_SLICES]:
        facts = {"rows": group["rows"], "accuracy": group[metric], "name": group["name"]}
        facts |= {"overall": overall, "column": part.get("column")}
        yield Advice("look", kinds.get(part["by"], "weak_part"), facts)


def on_training(run: RunFacts, history: Sequence[Mapping[str, Any]], usual_metric: str) -> Iterator[Advice]:
    """Yield whether the training ended too early, or went on for too long.

    `usual_metric` has chosen the best epoch where run.json does not say which one.
    """
    steps = [entry["step"] for entry in history]
    best_step = run.metrics.get("step")
    if len(steps) < 2 or best_step not in steps:
        return
    metric = run.options.get("metric", usual_metric)
    values = [-entry["valid_loss"] if metric == "loss" else entry[metric] for entry in history]
    epochs = run.options.get("epochs")
    is_still_rising = values[-1] - values[-2] > STILL_RISING
    if best_step == steps[-1] and is_still_rising and history[-1]["epoch"] == epochs:
        losses = [entry["valid_loss"] for entry in history if isinstance(entry.get("valid_loss"), float)]
        if len(losses) == len(history) and losses[-1] > losses[-2]:
            lowest = min(history, key=lambda entry: entry["valid_loss"])
            facts = {"epoch": lowest["epoch"], "low": lowest["valid_loss"], "last": losses[-1]}
            yield Advice("look", "overfits", facts)
        else:
            yield Advice("look", "still_learning", {"epochs": epochs})
    elif best_step == steps[0] and len(steps) > 2:
        yield Advice("look", "best_at_first", {"evaluations": len(steps)})
