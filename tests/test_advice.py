"""What is said of a score follows from it."""

import pytest

from toolkit.advice import Advice, advise, headline
from toolkit.advice_texts import TEXTS

RUN = {"metrics": {"accuracy": 0.9, "step": 20}, "options": {"metric": "accuracy", "epochs": 2}}
COURSE = [{"step": 10, "accuracy": 0.9}, {"step": 20, "accuracy": 0.9}]


def scores(**changed) -> dict:
    """The content of metrics.json of a good model."""
    label = {"f1": 0.9, "recall": 0.9, "support": 500}
    good = {
        "rows": 1000,
        "labels": ["a", "b"],
        "accuracy": 0.9,
        "macro_f1": 0.9,
        "positive_label": "b",
        "confusion_matrix": [[450, 50], [50, 450]],
        "per_class": {"a": label, "b": label},
        "intervals": {"accuracy": [0.88, 0.92], "macro_f1": [0.88, 0.92], "f1": [0.88, 0.92]},
        "headline": {"metric": "accuracy", "value": 0.9, "low": 0.88, "high": 0.92},
        "calibration": {"after": {"calibration_error": 0.02}},
        "reliability": {"after": [{"rows": 1000, "confidence": 0.91, "accuracy": 0.9}]},
        "findings": [],
        "slices": [],
    }
    return good | tfidf(0.8) | changed


def kinds(found: dict, run: dict = RUN, history=COURSE) -> dict[str, str]:
    return {advice.kind: advice.level for advice in advise(found, run, history)}


def tfidf(accuracy: float) -> dict:
    simple = {"accuracy": accuracy, "macro_f1": accuracy}
    return {"baselines": {"most_frequent_label": {"accuracy": 0.5, "macro_f1": 0.33}, "tfidf": simple}}


def test_a_good_score_is_called_good():
    assert kinds(scores()) == {"precise": "good", "worth_it": "good", "calibrated": "good"}


@pytest.mark.parametrize(
    ("changed", "kind", "level"),
    [
        ({"findings": [{"kind": "leak", "count": 100}]}, "leaked", "bad"),
        ({"findings": [{"kind": "leak", "count": 1}]}, "leaked", "look"),
        ({"headline": {"metric": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95}}, "wide", "look"),
        (tfidf(0.89), "as_good_as_simple", "look"),
        (tfidf(0.95), "worse_than_simple", "bad"),
        ({"baselines": {"most_frequent_label": {"accuracy": 0.9, "macro_f1": 0.9}}}, "nothing_learned", "bad"),
        ({"headline": {"metric": "accuracy", "value": 0.8, "low": 0.79, "high": 0.82}}, "lower_than_valid", "look"),
        ({"headline": {"metric": "accuracy", "value": 0.97, "low": 0.96, "high": 0.98}}, "higher_than_valid", "look"),
    ],
)
def test_what_is_wrong_is_said(changed, kind, level):
    assert kinds(scores(**changed))[kind] == level


@pytest.mark.parametrize(("confidence", "kind"), [(0.99, "too_sure"), (0.8, "too_unsure"), (0.91, "off")])
def test_probabilities_that_are_off_are_told_apart_by_direction(confidence, kind):
    bins = [{"rows": 1000, "confidence": confidence, "accuracy": 0.9}]
    changed = {"calibration": {"after": {"calibration_error": 0.1}}, "reliability": {"after": bins}}
    assert kinds(scores(**changed))[kind] == "look"


def test_weak_labels_are_named_with_what_they_are_taken_for():
    per_class = {"a": {"f1": 0.95, "recall": 0.9, "support": 900}, "b": {"f1": 0.2, "recall": 0.1, "support": 9}}
    found = advise(scores(per_class=per_class, confusion_matrix=[[900, 0], [8, 1]]), RUN, COURSE)
    told = {advice.kind: advice.facts for advice in found}
    assert told["weak"]["label"] == "b"
    assert (told["weak"]["count"], told["weak"]["other"]) == (8, "a")
    assert told["few_rows"]["labels"] == "b"


def test_parts_of_the_test_set_count_if_they_are_large_and_surely_worse():
    def group(name: str, rows: int, high: float) -> dict:
        return {"name": name, "rows": rows, "accuracy": high - 0.1, "high": high}

    parts = [
        {"by": "tokens", "groups": [group("1–9", 200, 0.95), group("10–99", 200, 0.85)]},
        {"by": "truncated", "groups": [group("no", 900, 0.85), group("yes", 100, 0.7)]},
        {"by": "column", "column": "shop", "groups": [group("x", 30, 0.8), group("y", 5, 0.3)]},
    ]
    found = advise(scores(slices=parts), RUN, COURSE)
    assert {advice.kind for advice in found} >= {"weak_length", "weak_cut", "weak_part"}
    assert "shop = x" in next(advice.what() for advice in found if advice.kind == "weak_part")
    assert all(advice.facts["name"] not in ("no", "y") for advice in found if advice.kind.startswith("weak_"))


def test_the_course_of_the_training_says_whether_to_go_on():
    rising = [{"step": 10, "accuracy": 0.8}, {"step": 20, "accuracy": 0.9}]
    assert "still_learning" in kinds(scores(), history=rising)
    falling = [{"step": 20, "accuracy": 0.9}, {"step": 30, "accuracy": 0.8}, {"step": 40, "accuracy": 0.8}]
    assert "best_at_first" in kinds(scores(), history=falling)
    by_loss = {**RUN, "options": {"metric": "loss", "epochs": 2}}
    losses = [{"step": 10, "valid_loss": 0.5}, {"step": 20, "valid_loss": 0.3}]
    assert "still_learning" in kinds(scores(), by_loss, losses)
    assert kinds(scores(), history=[]) == kinds(scores())


def test_the_headline_is_the_metric_that_chose_the_model():
    assert headline(scores(), "f1") == {"metric": "f1", "value": 0.9, "low": 0.88, "high": 0.92}
    assert headline(scores(), "loss")["metric"] == "accuracy"


def test_the_worst_comes_first():
    found = advise(scores(findings=[{"kind": "leak", "count": 900}], **tfidf(0.89)), RUN, COURSE)
    levels = [advice.level for advice in found]
    assert levels == sorted(levels, key=("bad", "look", "good").index)
    assert levels[0] == "bad"


def test_every_piece_of_advice_can_be_told_in_both_languages():
    facts = {
        "count": 1, "share": 0.1, "rows": 10, "low": 0.1, "high": 0.2, "more": 40, "value": 0.5, "points": 7.3,
        "valid": 0.4, "error": 0.1, "labels": "a", "least": 10, "label": "b", "f1": 0.1, "mean": 0.5, "recall": 0.2,
        "other": "c", "accuracy": 0.3, "overall": 0.4, "name": "n", "column": "c", "epochs": 3, "evaluations": 4,
    }  # fmt: skip
    for kind in TEXTS:
        for language in ("en", "zh"):
            assert Advice("look", kind, facts).what(language)
            assert isinstance(Advice("look", kind, facts).advice(language), str)
