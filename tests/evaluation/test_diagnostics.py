"""Where a model is right and where it is wrong, counted again the slow way."""

from dataclasses import asdict

import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.evaluation.decision import Decision, softmax
from toolkit.evaluation.diagnostics import MAX_POINTS, diagnose, reliability, threshold_counts
from toolkit.evaluation.metrics import full_scores
from toolkit.evaluation.scored_set import ScoredSet


def draw_scored_set(rows: int = 300, labels: int = 2, temperature: float = 1.5) -> ScoredSet:
    draw = np.random.default_rng(0)
    label_ids = draw.integers(labels, size=rows)
    logits = (2 * np.eye(labels)[label_ids] + draw.normal(size=(rows, labels))).astype(np.float32)
    names = [f"label {number}" for number in range(labels)]
    return ScoredSet(logits, label_ids, draw.integers(3, 90, rows), names, Decision(temperature, temperature))


def diagnose_rows(scored: ScoredSet) -> dict:
    """Return the diagnosis of a table that has no columns but text and label."""
    return diagnose(scored, full_scores(scored), [{}] * len(scored.label_ids), [], 512)


def slices(scored: ScoredSet, columns: dict[str, list], max_length: int = 512) -> dict[str, list[dict]]:
    records = [{name: values[row] for name, values in columns.items()} for row in range(len(scored.label_ids))]
    parts = diagnose(scored, full_scores(scored), records, ["text", "label"], max_length)["slices"]
    return {part.get("column", part["by"]): part["groups"] for part in parts}


def test_the_bins_of_a_reliability_diagram_are_those_of_a_loop():
    scored = draw_scored_set()
    bins = reliability(scored.probabilities, scored.label_ids)
    assert sum(each.rows for each in bins) == 300
    for each in bins:
        inside = (scored.confidence >= each.low) & (scored.confidence < each.high)
        assert each.rows == inside.sum()
        assert each.confidence == pytest.approx(scored.confidence[inside].mean())
        assert each.accuracy == pytest.approx(scored.right[inside].mean())
    assert list(bins[0].as_json()) == ["from", "to", "rows", "confidence", "accuracy"]


def test_thresholds_count_what_is_at_or_above_them():
    counts = threshold_counts(np.array([0.0, 0.5, 0.5, 1.0]), np.array([1, 0, 1, 1]) == 1)
    assert [counts.true_positives[i] for i in (0, 1, 50, 51, 100)] == [3, 2, 2, 1, 1]
    assert [counts.false_positives[i] for i in (0, 50, 51)] == [1, 1, 0]
    assert (counts.positives, counts.negatives) == (3, 1)


def test_thresholds_are_of_calibrated_probabilities_and_for_two_labels_only():
    scored = draw_scored_set()
    plain = ScoredSet(scored.logits, scored.label_ids, scored.token_counts, scored.labels, Decision(1.5, 1.0))
    same = [diagnose_rows(each)["thresholds"] for each in (scored, plain)]
    expected = threshold_counts(softmax(scored.logits, 1.5)[:, 1], scored.label_ids == 1)
    assert same[0] == same[1] == asdict(expected)
    assert "thresholds" not in diagnose_rows(draw_scored_set(labels=3))


def test_curves_are_those_of_the_labels_told_apart_the_least_and_not_too_long():
    scored = draw_scored_set(3000, 12)
    curves = diagnose_rows(scored)["curves"]
    per_class = full_scores(scored)["per_class"]
    precision = {name: of_label["average_precision"] for name, of_label in per_class.items()}
    assert list(curves) == sorted(precision, key=precision.get)[:10]
    for name, points in curves.items():
        label_id = scored.labels.index(name)
        truth, chance = scored.label_ids == label_id, scored.probabilities[:, label_id]
        assert max(map(len, points.values())) <= MAX_POINTS
        assert sk.auc(*np.array(points["roc"]).T) == pytest.approx(sk.roc_auc_score(truth, chance), abs=0.01)


def test_the_curve_of_a_rare_label_is_drawn_where_it_bends():
    draw = np.random.default_rng(1)
    truth = draw.random(50_000) < 0.005
    logits = np.stack([np.zeros(50_000), draw.normal(4 * truth - 6, 1)], axis=1).astype(np.float32)
    scored = ScoredSet(logits, truth.astype(int), np.ones(50_000, int), ["no", "yes"], Decision())
    points = diagnose_rows(scored)["curves"]["yes"]
    assert max(map(len, points.values())) <= MAX_POINTS
    recall, precision = np.array(points["precision_recall"]).T
    exact = sk.average_precision_score(truth, scored.probabilities[:, 1])
    assert np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2) == pytest.approx(exact, abs=0.01)
    assert np.diff(recall).max() < 0.03
    assert sk.auc(*np.array(points["roc"]).T) == pytest.approx(sk.roc_auc_score(truth, logits[:, 1]), abs=0.002)


def test_a_label_without_rows_has_no_curve():
    scored = draw_scored_set(labels=3)
    few = ScoredSet(scored.logits, np.minimum(scored.label_ids, 1), scored.token_counts, scored.labels, scored.decision)
    assert "label 2" not in diagnose_rows(few)["curves"]
    one = ScoredSet(scored.logits[:, :2], np.zeros(300, int), scored.token_counts, scored.labels[:2], scored.decision)
    assert diagnose_rows(one)["curves"] == {}


def test_columns_of_few_values_or_numbers_make_slices_and_ids_and_texts_do_not():
    scored = draw_scored_set()
    columns = {
        "text": [f"t {i}" for i in range(300)], "label": ["x"] * 300, "source": ["b", "a", ""] * 100,
        "year": [str(2000 + i % 4) for i in range(300)], "price": [i / 7 for i in range(300)],
        "id": list(range(300)), "note": [f"note {i}" for i in range(300)], "same": ["one"] * 300,
        "lacking": [None, "1"] * 150, "day": [20230101.5 + i for i in range(300)],
    }  # fmt: skip
    by = slices(scored, columns)
    assert set(by) == {"tokens", "source", "year", "price", "lacking", "day"}
    assert [group["name"] for group in by["source"]] == ["", "a", "b"]
    assert [group["name"] for group in by["year"]] == ["2000", "2001", "2002", "2003"]
    assert [group["rows"] for group in by["price"]] == [60] * 5
    assert by["day"][0]["name"] == "20230101.5–20230160.5"
    for column in ("source", "year"):
        for group in by[column]:
            rows = np.array([str(value) == group["name"] for value in columns[column]])
            assert group["accuracy"] == pytest.approx(scored.right[rows].mean())
            expected = sk.f1_score(scored.label_ids[rows], scored.predicted[rows], average="macro")
            assert group["macro_f1"] == pytest.approx(expected)


def test_lengths_make_parts_of_about_the_same_size_and_truncated_rows_one_of_their_own():
    scored = draw_scored_set()
    by = slices(scored, {}, max_length=80)
    is_truncated = scored.token_counts > 80
    assert [group["rows"] for group in by["truncated"]] == [(~is_truncated).sum(), is_truncated.sum()]
    assert [group["name"] for group in by["truncated"]] == ["no", "yes"]
    assert "truncated" not in slices(scored, {}, max_length=90)
    assert all(45 <= group["rows"] <= 75 for group in by["tokens"])
    assert by["tokens"][0]["name"].startswith(f"{scored.token_counts.min()}–")
    assert by["tokens"][-1]["name"].endswith(f"–{scored.token_counts.max()}")
    same = ScoredSet(scored.logits, scored.label_ids, np.full(300, 7), scored.labels, scored.decision)
    assert slices(same, {}) == {}
