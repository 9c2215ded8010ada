"""What is said of a score of several labels a row follows from it."""

import pytest

from tests.conftest import run_facts
from tests.report.test_advice import COURSE
from toolkit.report.label_set_advice import advise_on_label_sets, label_set_headline
from toolkit.report.texts import ADVICE

RUN = {
    "columns": {"text": "text", "text_pair": None, "label": "label", "label_separator": ";"},
    "metrics": {"micro_f1": 0.7, "step": 20, "thresholds": {"a": 0.4, "b": 0.5}},
    "options": {"metric": "micro_f1", "epochs": 2},
    "data": {"valid": {"rows": 2000}},
}
HISTORY = [entry | {"micro_f1": 0.7} for entry in COURSE]


def entry(
    f1: float = 0.7, precision: float = 0.7, recall: float = 0.7, support: int = 300, threshold: float = 0.5
) -> dict:
    return {"f1": f1, "precision": precision, "recall": recall, "support": support, "threshold": threshold}


def method(value: float, low: float, high: float) -> dict:
    """What metrics.json says of a simple method: its score, and the interval of how far the model's is above it."""
    difference = {"difference": 0.7 - value, "low": low, "high": high}
    return {"micro_f1": value, "macro_f1": value, "difference": {"micro_f1": difference, "macro_f1": difference}}


def scores(**changed) -> dict:
    """The content of metrics.json of a good model."""
    good = {
        "rows": 1000,
        "labels": ["a", "b"],
        "micro_f1": 0.7,
        "subset_accuracy": 0.5,
        "instead": [],
        "per_label": {"a": entry(threshold=0.4), "b": entry()},
        "headline": {"metric": "micro_f1", "value": 0.7, "low": 0.68, "high": 0.72},
        "reliability": {"predicted": [{"rows": 500, "confidence": 0.71, "accuracy": 0.7}]},
        "baselines": {"most_frequent_set": method(0.2, 0.45, 0.55), "tfidf": method(0.6, 0.07, 0.13)},
        "findings": [],
        "slices": [],
    }
    return good | changed


def kinds(content: dict, history=HISTORY, **run) -> dict[str, str]:
    return {advice.kind: advice.level for advice in advise_on_label_sets(content, run_facts(**RUN | run), history)}


def test_of_a_good_model_good_is_said():
    assert kinds(scores()) == dict.fromkeys(["precise", "worth_it", "calibrated"], "good")


@pytest.mark.parametrize(
    ("changed", "kind", "level"),
    [
        ({"findings": None}, "not_checked", "look"),
        ({"findings": [{"kind": "leak", "count": 100}]}, "leaked", "bad"),
        ({"headline": {"metric": "micro_f1", "value": 0.7, "low": 0.6, "high": 0.8}}, "wide", "look"),
        ({"baselines": {"most_frequent_set": method(0.69, -0.01, 0.03)}}, "no_set_learned", "bad"),
        ({"baselines": {"tfidf": method(0.75, -0.07, -0.03)}}, "worse_than_simple", "bad"),
        ({"baselines": {"tfidf": method(0.7, -0.02, 0.02)}}, "as_good_as_simple", "look"),
        ({"headline": {"metric": "micro_f1", "value": 0.6, "low": 0.58, "high": 0.62}}, "lower_than_valid", "look"),
        ({"reliability": {"predicted": [{"rows": 500, "confidence": 0.8, "accuracy": 0.7}]}}, "too_sure", "look"),
        ({"reliability": {"predicted": [{"rows": 500, "confidence": 0.6, "accuracy": 0.7}]}}, "too_unsure", "look"),
        ({"per_label": {"a": entry(support=9, threshold=0.4), "b": entry()}}, "few_rows", "look"),
        (
            {
                "slices": [
                    {
                        "by": "column",
                        "column": "source",
                        "groups": [{"name": "x", "rows": 200, "subset_accuracy": 0.2, "low": 0.1, "high": 0.3}],
                    }
                ]
            },
            "weak_part",
            "look",
        ),
    ],
)
def test_what_is_wrong_is_said(changed, kind, level):
    assert kinds(scores(**changed))[kind] == level


def test_a_label_that_is_missed_is_told_with_what_is_added_in_its_place():
    missed = {"a": entry(f1=0.3, precision=0.8, recall=0.2, threshold=0.4), "b": entry()}
    run = run_facts(**RUN)
    [told] = [
        each
        for each in advise_on_label_sets(
            scores(per_label=missed, instead=[{"missed": "a", "added": "b", "rows": 7}]), run, HISTORY
        )
        if each.kind == "weak_recall_in_set"
    ]
    assert "b added instead: 7" in told.sentence()
    assert kinds(scores(per_label=missed))["weak_recall_in_set_alone"] == "look"
    added = {"a": entry(f1=0.3, precision=0.2, recall=0.8, threshold=0.4), "b": entry()}
    assert "weak_precision_in_set" in kinds(scores(per_label=added, instead=[{"missed": "b", "added": "a", "rows": 2}]))
    assert "weak_precision_in_set_alone" in kinds(scores(per_label=added))


def test_a_validation_score_with_other_thresholds_is_not_compared():
    lower = {"headline": {"metric": "micro_f1", "value": 0.6, "low": 0.58, "high": 0.62}}
    assert "lower_than_valid" in kinds(scores(**lower))
    assert "lower_than_valid" not in kinds(scores(**lower, per_label={"a": entry(threshold=0.3), "b": entry()}))


def test_a_training_that_ended_too_early_is_told():
    rising = [HISTORY[0], HISTORY[1] | {"micro_f1": 0.75}]
    assert kinds(scores(), rising)["still_learning"] == "look"


def test_the_headline_is_the_score_that_chose_the_model_or_micro_f1():
    content = {"micro_f1": 0.7, "macro_f1": 0.6, "subset_accuracy": 0.5}
    content["intervals"] = {"micro_f1": [0.6, 0.8], "macro_f1": [0.5, 0.7], "subset_accuracy": [0.4, 0.6]}
    assert label_set_headline(content, "macro_f1") == {"metric": "macro_f1", "value": 0.6, "low": 0.5, "high": 0.7}
    assert label_set_headline(content, "loss")["metric"] == "micro_f1"
    content["intervals"] |= {"micro_f1": None, "macro_f1": None}
    assert label_set_headline(content, "macro_f1")["metric"] == "subset_accuracy"


def test_all_that_is_said_is_there_in_both_languages():
    added = {"a": entry(f1=0.3, precision=0.2, recall=0.8, threshold=0.4), "b": entry()}
    for advice in advise_on_label_sets(scores(per_label=added), run_facts(**RUN), HISTORY):
        assert advice.kind in ADVICE
        assert all("{" not in text for text in (advice.sentence("zh"), advice.advice("zh")))
