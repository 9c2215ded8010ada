"""Whether a score of several labels a row can be believed, and what to do next, from the scores of a test set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.evaluation.label_set_decision import thresholds_of
from toolkit.report.advice import (
    Advice,
    Scores,
    on_baselines,
    on_calibration,
    on_interval,
    on_leaks,
    on_rare_labels,
    on_training,
    on_validation_score,
    on_weak_slices,
    weak_labels,
    worst_first,
)
from toolkit.runs.run_json import RunFacts

USUAL_METRIC = "micro_f1"


def label_set_headline(scores: Scores, metric: str) -> dict[str, Any]:
    """Return {metric, value, low, high} of the metric that chose the model.

    If that was the loss it is micro F1; where no row has a label or is predicted to, the share of rows that are right.
    """
    name = metric if metric in scores["intervals"] else USUAL_METRIC
    if scores["intervals"][name] is None:
        name = "subset_accuracy"
    low, high = scores["intervals"][name]
    return {"metric": name, "value": scores[name], "low": low, "high": high}


def advise_on_label_sets(scores: Scores, run: RunFacts, history: Sequence[Mapping[str, Any]]) -> list[Advice]:
    """Return what follows from the scores of a test set whose rows may have several labels, the worst first.

    Args:
        scores: the content of metrics.json, with baselines, findings, slices and headline.
        run: of the model.
        history: the evaluations of the run, as in metrics.jsonl; none if they are gone.
    """
    metric = "macro_f1" if scores["headline"]["metric"] == "macro_f1" else "micro_f1"
    predicted = scores["reliability"]["predicted"]
    return worst_first(
        [
            *on_leaks(scores),
            on_interval(scores),
            *on_baselines(scores, metric, ()),  # what would help has not been measured for several labels
            *(on_validation_score(scores["headline"], run) if _is_decided_alike(scores, run) else []),
            *(on_calibration(_calibration_error(predicted), predicted) if predicted else []),
            *on_rare_labels(scores["per_label"]),
            *_on_weak_labels(scores),
            *on_weak_slices(scores["slices"], "subset_accuracy", scores["subset_accuracy"]),
            *on_training(run, history, USUAL_METRIC),
        ]
    )


def _is_decided_alike(scores: Scores, run: RunFacts) -> bool:
    """Return whether the thresholds are those of the validation score."""
    return [scores["per_label"][label]["threshold"] for label in run.labels] == list(thresholds_of(run))


def _calibration_error(bins: Sequence[Scores]) -> float:
    """Return how far the probabilities of predicted labels are from the shares that are right, on average."""
    gaps = [part["rows"] * abs(part["confidence"] - part["accuracy"]) for part in bins]
    return sum(gaps) / sum(part["rows"] for part in bins)


def _on_weak_labels(scores: Scores) -> Iterator[Advice]:
    """Yield the labels that are told apart the least, the weakest first, with what stands in their place most often."""
    for facts in weak_labels(scores["per_label"]):
        is_missed = facts["recall"] <= facts["precision"]
        own, other = ("missed", "added") if is_missed else ("added", "missed")
        kind = "weak_recall_in_set" if is_missed else "weak_precision_in_set"
        most = next((entry for entry in scores["instead"] if entry[own] == facts["label"]), None)
        if most is None:
            yield Advice("look", f"{kind}_alone", facts)
        else:
            yield Advice("look", kind, facts | {"count": most["rows"], "other": most[other]})
