"""Where a model is right and where it is wrong, counted again the slow way."""

import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.evaluation.decision import Decision, softmax
from toolkit.evaluation.diagnostics import MOST_POINTS, diagnose, reliability, thresholds
from toolkit.evaluation.metrics import ScoredSet


def scored(rows: int = 300, labels: int = 2, temperature: float = 1.5) -> ScoredSet:
    draw = np.random.default_rng(0)
    label_ids = draw.integers(labels, size=rows)
    logits = (2 * np.eye(labels)[label_ids] + draw.normal(size=(rows, labels))).astype(np.float32)
    names = [f"label {number}" for number in range(labels)]
    return ScoredSet(logits, label_ids, draw.integers(3, 90, rows), names, Decision(temperature, temperature))


def slices(found: ScoredSet, columns: dict[str, list], max_length: int = 512) -> dict[str, list[dict]]:
    records = [{name: values[row] for name, values in columns.items()} for row in range(len(found.label_ids))]
    parts = diagnose(found, records, ["text", "label"], max_length)["slices"]
    return {part.get("column", part["by"]): part["groups"] for part in parts}


def test_the_bins_of_a_reliability_diagram_are_those_of_a_loop():
    found = scored()
    bins = reliability(found.probabilities, found.label_ids)
    assert sum(part["rows"] for part in bins) == 300
    for part in bins:
        inside = (found.confidence >= part["from"]) & (found.confidence < part["to"])
        assert part["rows"] == inside.sum()
        assert part["confidence"] == pytest.approx(found.confidence[inside].mean())
        assert part["accuracy"] == pytest.approx(found.right[inside].mean())


def test_thresholds_count_what_is_at_or_above_them():
    counts = thresholds(np.array([0.0, 0.5, 0.5, 1.0]), np.array([1, 0, 1, 1]) == 1)
    assert [counts["true_positives"][i] for i in (0, 1, 50, 51, 100)] == [3, 2, 2, 1, 1]
    assert [counts["false_positives"][i] for i in (0, 50, 51)] == [1, 1, 0]
    assert (counts["positives"], counts["negatives"]) == (3, 1)


def test_thresholds_are_of_calibrated_probabilities_and_for_two_labels_only():
    found = scored()
    plain = ScoredSet(found.logits, found.label_ids, found.tokens, found.labels, Decision(1.5, 1.0))
    same = [diagnose(each, [{}] * 300, [], 512)["thresholds"] for each in (found, plain)]
    assert same[0] == same[1] == thresholds(softmax(found.logits, 1.5)[:, 1], found.label_ids == 1)
    assert "thresholds" not in diagnose(scored(labels=3), [{}] * 300, [], 512)


def test_curves_are_those_of_the_labels_told_apart_the_least_and_not_too_long():
    found = scored(3000, 12)
    curves = diagnose(found, [{}] * 3000, [], 512)["curves"]
    precision = {name: of["average_precision"] for name, of in found.scores["per_class"].items()}
    assert list(curves) == sorted(precision, key=precision.get)[:10]
    for name, points in curves.items():
        truth, chance = found.label_ids == found.labels.index(name), found.probabilities[:, found.labels.index(name)]
        assert max(map(len, points.values())) <= MOST_POINTS
        assert sk.auc(*np.array(points["roc"]).T) == pytest.approx(sk.roc_auc_score(truth, chance), abs=0.01)


def test_the_curve_of_a_rare_label_is_drawn_where_it_bends():
    draw = np.random.default_rng(1)
    truth = draw.random(50_000) < 0.005
    logits = np.stack([np.zeros(50_000), draw.normal(4 * truth - 6, 1)], axis=1).astype(np.float32)
    found = ScoredSet(logits, truth.astype(int), np.ones(50_000, int), ["no", "yes"], Decision())
    points = diagnose(found, [{}] * 50_000, [], 512)["curves"]["yes"]
    assert max(map(len, points.values())) <= MOST_POINTS
    recall, precision = np.array(points["precision_recall"]).T
    exact = sk.average_precision_score(truth, found.probabilities[:, 1])
    assert np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2) == pytest.approx(exact, abs=0.01)
    assert np.diff(recall).max() < 0.03
    assert sk.auc(*np.array(points["roc"]).T) == pytest.approx(sk.roc_auc_score(truth, logits[:, 1]), abs=0.002)


def test_a_label_without_rows_has_no_curve():
    found = scored(labels=3)
    few = ScoredSet(found.logits, np.minimum(found.label_ids, 1), found.tokens, found.labels, found.decision)
    assert "label 2" not in diagnose(few, [{}] * 300, [], 512)["curves"]
    one = ScoredSet(found.logits[:, :2], np.zeros(300, int), found.tokens, found.labels[:2], found.decision)
    assert diagnose(one, [{}] * 300, [], 512)["curves"] == {}


def test_columns_of_few_values_or_numbers_make_slices_and_ids_and_texts_do_not():
    found = scored()
    columns = {
        "text": [f"t {i}" for i in range(300)], "label": ["x"] * 300, "source": ["b", "a", ""] * 100,
        "year": [str(2000 + i % 4) for i in range(300)], "price": [i / 7 for i in range(300)],
        "id": list(range(300)), "note": [f"note {i}" for i in range(300)], "same": ["one"] * 300,
        "lacking": [None, "1"] * 150, "day": [20230101.5 + i for i in range(300)],
    }  # fmt: skip
    by = slices(found, columns)
    assert set(by) == {"tokens", "source", "year", "price", "lacking", "day"}
    assert [group["name"] for group in by["source"]] == ["", "a", "b"]
    assert [group["name"] for group in by["year"]] == ["2000", "2001", "2002", "2003"]
    assert [group["rows"] for group in by["price"]] == [60] * 5
    assert by["day"][0]["name"] == "20230101.5–20230160.5"
    for column in ("source", "year"):
        for group in by[column]:
            rows = np.array([str(value) == group["name"] for value in columns[column]])
            assert group["accuracy"] == pytest.approx(found.right[rows].mean())
            expected = sk.f1_score(found.label_ids[rows], found.predicted[rows], average="macro")
            assert group["macro_f1"] == pytest.approx(expected)


def test_lengths_make_parts_of_about_the_same_size_and_truncated_rows_one_of_their_own():
    found = scored()
    by = slices(found, {}, max_length=80)
    assert [group["rows"] for group in by["truncated"]] == [(found.tokens <= 80).sum(), (found.tokens > 80).sum()]
    assert [group["name"] for group in by["truncated"]] == ["no", "yes"]
    assert "truncated" not in slices(found, {}, max_length=90)
    assert all(45 <= group["rows"] <= 75 for group in by["tokens"])
    assert by["tokens"][0]["name"].startswith(f"{found.tokens.min()}–")
    assert by["tokens"][-1]["name"].endswith(f"–{found.tokens.max()}")
    same = ScoredSet(found.logits, found.label_ids, np.full(300, 7), found.labels, found.decision)
    assert slices(same, {}) == {}
