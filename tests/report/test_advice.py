"""What is said of a score follows from it."""

import numpy as np
import pytest

from tests.conftest import run_facts
from toolkit.evaluation.diagnostics import reliability
from toolkit.report.advice import Advice, advise, headline
from toolkit.report.texts import ADVICE

RUN = {
    "metrics": {"accuracy": 0.9, "step": 20},
    "options": {"metric": "accuracy", "epochs": 2},
    "data": {"valid": {"rows": 2000}},
}
COURSE = [{"step": 10, "epoch": 1.0, "accuracy": 0.9}, {"step": 20, "epoch": 2.0, "accuracy": 0.9}]


def scores(**changed) -> dict:
    """The content of metrics.json of a good model."""
    label = {"f1": 0.9, "recall": 0.9, "support": 500}
    good = {
        "rows": 1000,
        "labels": ["a", "b"],
        "accuracy": 0.9,
        "macro_f1": 0.9,
        "positive_label": "b",
        "confusions": confusions([[450, 50], [50, 450]]),
        "per_class": {"a": label, "b": label},
        "intervals": {"accuracy": [0.88, 0.92], "macro_f1": [0.88, 0.92], "f1": [0.88, 0.92]},
        "headline": {"metric": "accuracy", "value": 0.9, "low": 0.88, "high": 0.92},
        "calibration": {"after": {"calibration_error": 0.02}},
        "reliability": {"after": [{"rows": 1000, "confidence": 0.91, "accuracy": 0.9}]},
        "findings": [],
        "threshold": None,
        "slices": [],
    }
    return good | tfidf(0.8, 0.07, 0.13) | changed


def confusions(matrix: list[list[int]]) -> list[dict]:
    """What metrics.json says of the wrong rows of two labels, given their confusion matrix."""
    pairs = [("a", "b", matrix[0][1]), ("b", "a", matrix[1][0])]
    return [{"true": true, "predicted": predicted, "rows": rows} for true, predicted, rows in pairs if rows]


def kinds(found: dict, run: dict = RUN, history=COURSE) -> dict[str, str]:
    return {advice.kind: advice.level for advice in advise(found, run_facts(**run), history)}


def method(value: float, low: float, high: float) -> dict:
    """What metrics.json says of a simple method: its score, and the interval of how far the model's is above it."""
    difference = {"difference": 0.9 - value, "low": low, "high": high}
    return {"accuracy": value, "macro_f1": value, "difference": {"accuracy": difference, "macro_f1": difference}}


def tfidf(value: float, low: float, high: float) -> dict:
    return {"baselines": {"most_frequent_label": method(0.5, 0.35, 0.45), "tfidf": method(value, low, high)}}


def test_a_good_score_is_called_good():
    assert kinds(scores()) == {"precise": "good", "worth_it": "good", "calibrated": "good"}


@pytest.mark.parametrize(
    ("changed", "kind", "level"),
    [
        ({"findings": [{"kind": "leak", "count": 100}]}, "leaked", "bad"),
        ({"findings": [{"kind": "leak", "count": 1}]}, "leaked", "look"),
        ({"findings": [{"kind": "group_leak", "count": 100}]}, "groups_leaked", "look"),
        ({"headline": {"metric": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95}}, "wide", "look"),
        (tfidf(0.89, -0.01, 0.03), "as_good_as_simple", "look"),
        (tfidf(0.95, -0.08, -0.02), "worse_than_simple", "bad"),
        ({"baselines": {"most_frequent_label": method(0.9, 0.0, 0.0)}}, "nothing_learned", "bad"),
        ({"findings": None}, "not_checked", "look"),
        ({"headline": {"metric": "accuracy", "value": 0.8, "low": 0.79, "high": 0.82}}, "lower_than_valid", "look"),
        ({"headline": {"metric": "accuracy", "value": 0.97, "low": 0.96, "high": 0.98}}, "higher_than_valid", "look"),
    ],
)
def test_what_is_wrong_is_said(changed, kind, level):
    assert kinds(scores(**changed))[kind] == level


@pytest.mark.parametrize(("confidence", "kind"), [(0.99, "too_sure"), (0.8, "too_unsure")])
def test_probabilities_that_are_off_are_told_apart_by_direction(confidence, kind):
    bins = [{"rows": 1000, "confidence": confidence, "accuracy": 0.9}]
    changed = {"calibration": {"after": {"calibration_error": 0.1}}, "reliability": {"after": bins}}
    assert kinds(scores(**changed))[kind] == "look"


@pytest.mark.parametrize("rows", [20, 100, 1000])
def test_of_probabilities_that_are_right_at_most_one_test_set_in_twenty_is_told_otherwise(rows):
    draw, warned = np.random.default_rng(0), 0
    for _ in range(300):
        confidence = draw.uniform(0.5, 1, rows)
        label_ids = (draw.random(rows) >= confidence).astype(int)
        bins = [each.as_json() for each in reliability(np.stack([confidence, 1 - confidence], axis=1), label_ids)]
        error = sum(part["rows"] * abs(part["confidence"] - part["accuracy"]) for part in bins) / rows
        told = scores(rows=rows, calibration={"after": {"calibration_error": error}}, reliability={"after": bins})
        warned += bool(kinds(told).keys() & {"too_sure", "too_unsure"})
    assert warned <= 24  # of 300, chance included


def test_weak_labels_are_named_with_what_they_are_mixed_up_with():
    missed = {"a": {"f1": 0.95, "recall": 0.99, "precision": 0.9, "support": 900},
              "b": {"f1": 0.2, "recall": 0.1, "precision": 0.9, "support": 20}}  # fmt: skip
    found = advise(scores(per_class=missed, confusions=confusions([[900, 0], [18, 2]])), run_facts(**RUN), COURSE)
    told = {advice.kind: advice for advice in found}
    assert (told["weak_recall"].facts["label"], told["weak_recall"].facts["other"]) == ("b", "a")
    assert "10% of its rows are recognized; predicted as a instead: 18" in told["weak_recall"].sentence()
    taken = {"a": {"f1": 0.94, "recall": 0.9, "precision": 1.0, "support": 1000},
             "b": {"f1": 0.29, "recall": 1.0, "precision": 0.17, "support": 20}}  # fmt: skip
    found = advise(scores(per_class=taken, confusions=confusions([[900, 100], [0, 20]])), run_facts(**RUN), COURSE)
    told = {advice.kind: advice for advice in found}
    assert "17% of the rows predicted as it are right; really a: 100" in told["weak_precision"].sentence()
    few = {name: of | {"support": 9} for name, of in missed.items()}
    names = kinds(scores(per_class=few | {"c": missed["a"]}))
    assert "few_rows" in names
    assert not names.keys() & {"weak_recall", "weak_precision"}


def test_a_validation_score_may_differ_by_what_few_rows_allow_and_by_another_threshold():
    low = {"headline": {"metric": "accuracy", "value": 0.85, "low": 0.83, "high": 0.87}}
    few = RUN | {"data": {"valid": {"rows": 100}}}
    assert "lower_than_valid" in kinds(scores(**low))
    assert "lower_than_valid" not in kinds(scores(**low), few)
    assert "lower_than_valid" not in kinds(scores(threshold=0.9, **low))
    assert "lower_than_valid" not in kinds(scores(**low), RUN | {"metrics": {"accuracy": "0.9"}})


def test_parts_of_the_test_set_count_if_they_are_large_and_surely_worse():
    def group(name: str, rows: int, high: float) -> dict:
        return {"name": name, "rows": rows, "accuracy": high - 0.1, "high": high}

    parts = [
        {"by": "tokens", "groups": [group("1–9", 200, 0.95), group("10–99", 200, 0.85)]},
        {"by": "truncated", "groups": [group("no", 900, 0.85), group("yes", 100, 0.7)]},
        {"by": "column", "column": "shop", "groups": [group("x", 30, 0.8), group("y", 5, 0.3)]},
    ]
    found = advise(scores(slices=parts), run_facts(**RUN), COURSE)
    assert {advice.kind for advice in found} >= {"weak_length", "weak_cut", "weak_part"}
    assert "shop = x" in next(advice.sentence() for advice in found if advice.kind == "weak_part")
    assert all(advice.facts["name"] not in ("no", "y") for advice in found if advice.kind.startswith("weak_"))


def test_the_course_of_the_training_says_whether_to_go_on():
    rising = [COURSE[0] | {"accuracy": 0.8}, COURSE[1]]
    assert "still_learning" in kinds(scores(), history=rising)
    half_way = RUN | {"options": {"metric": "accuracy", "epochs": 9}}
    assert "still_learning" not in kinds(scores(), half_way, rising)
    falling = [{"step": step, "epoch": step / 20, "accuracy": 1 - step / 99} for step in (20, 30, 40)]
    assert "best_at_first" in kinds(scores(), history=falling)
    by_loss = {**RUN, "options": {"metric": "loss", "epochs": 2}}
    losses = [COURSE[0] | {"valid_loss": 0.5}, COURSE[1] | {"valid_loss": 0.3}]
    assert "still_learning" in kinds(scores(), by_loss, losses)
    assert kinds(scores(), history=[]) == kinds(scores())


def test_the_headline_is_the_metric_that_chose_the_model():
    assert headline(scores(), "f1", "b") == {"metric": "f1", "value": 0.9, "low": 0.88, "high": 0.92}
    assert headline(scores(), "loss", "b")["metric"] == "accuracy"
    assert headline(scores(intervals={"accuracy": [0.8, 0.9], "mcc": None}), "mcc", "b")["metric"] == "accuracy"


def test_the_worst_comes_first():
    found = advise(
        scores(findings=[{"kind": "leak", "count": 900}], **tfidf(0.89, -0.01, 0.03)), run_facts(**RUN), COURSE
    )
    levels = [advice.level for advice in found]
    assert levels == sorted(levels, key=("bad", "look", "good").index)
    assert levels[0] == "bad"


def test_every_piece_of_advice_can_be_told_in_both_languages():
    facts = {
        "count": 1, "share": 0.1, "rows": 10, "low": 0.1, "high": 0.2, "more": 40, "value": 0.5, "difference": 7.3,
        "valid": 0.4, "error": 0.1, "labels": "a", "least": 10, "label": "b", "f1": 0.1, "mean": 0.5, "recall": 0.2,
        "other": "c", "accuracy": 0.3, "overall": 0.4, "name": "n", "column": "c", "epochs": 3, "evaluations": 4,
        "metric": "accuracy", "less": 7.0, "precision": 0.2, "gap": 3.0, "roc_auc": 0.9, "untested": "b", "before": 0.1,
        "after": 0.2, "epoch": 2.0, "last": 0.6,
    }  # fmt: skip
    for kind in ADVICE:
        for language in ("en", "zh"):
            assert Advice("look", kind, facts).sentence(language)
            assert isinstance(Advice("look", kind, facts).advice(language), str)


def test_what_may_help_is_said_where_a_simple_method_is_better_and_only_there():
    run = run_facts(**RUN | {"metrics": {"train_loss": 0.6, "step": 20}, "options": {"epochs": 2}})
    for changed in (tfidf(0.95, -0.08, -0.02), tfidf(0.91, -0.03, 0.01)):
        told = {advice.kind: advice for advice in advise(scores(**changed), run, [])}
        (piece,) = (told[kind] for kind in ("worse_than_simple", "as_good_as_simple") if kind in told)
        assert piece.advice().endswith("so train longer: --epochs 4")
        assert piece.advice("zh").endswith("请训练更久：--epochs 4")
    told = {advice.kind: advice for advice in advise(scores(**tfidf(0.89, -0.01, 0.03)), run, [])}
    assert "--epochs" not in told["as_good_as_simple"].advice()
