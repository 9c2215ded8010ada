import numpy as np
import pytest

from toolkit.base.errors import UserError
from toolkit.predictions.added_columns import AddedColumns, PredictedRows, likeliest_count, scored_columns

LABELS = ["好", "差"]


def test_the_columns_that_are_added_are_the_prediction_and_a_probability_a_label():
    assert AddedColumns(LABELS).names == ["prediction", "prob_好", "prob_差"]
    assert AddedColumns(["0", "1", "10"], prefix="new_").names == [
        "new_prediction", "new_prob_0", "new_prob_1", "new_prob_10"
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["prediction", "prob_好"])
def test_a_column_that_is_already_there_is_an_error_that_names_it(column):
    with pytest.raises(UserError, match=f"the input already has a column '{column}'"):
        AddedColumns(LABELS).check(["text", column])
    AddedColumns(["other"]).check(["text", "prob_好"])
    AddedColumns(LABELS, prefix="new_").check(["text", column])


def test_of_many_labels_the_likeliest_are_written_unless_the_user_decides():
    assert [likeliest_count(None, count) for count in (2, 100, 101, 1500)] == [None, None, 10, 10]
    assert [likeliest_count(0, count) for count in (2, 1500)] == [None, None]
    assert [likeliest_count(3, count) for count in (2, 1500)] == [2, 3]


@pytest.mark.parametrize("likeliest", [1, 3, 7])
def test_the_likeliest_labels_come_in_the_order_of_their_probabilities(likeliest):
    draw = np.random.default_rng(0)
    probabilities = np.round(draw.dirichlet(np.ones(7), 50), 1)  # with ties
    labels = [f"label {number}" for number in range(7)]
    added = AddedColumns(labels, likeliest)
    rows = added.fill([{"text": "x"}] * 50, PredictedRows(probabilities, probabilities.argmax(1)))
    for row, chances in zip(rows, probabilities, strict=True):
        assert list(row) == ["text", *added.names]
        expected = sorted(range(7), key=lambda number, chances=chances: (-chances[number], number))[:likeliest]
        assert [row[f"top{place}_label"] for place in range(1, likeliest + 1)] == [labels[i] for i in expected]
        assert [row[f"top{place}_prob"] for place in range(1, likeliest + 1)] == [chances[i] for i in expected]
        assert row["prediction"] == row["top1_label"]


def test_a_row_without_a_prediction_has_nothing_in_all_of_its_columns():
    added = AddedColumns(["a", "b"], likeliest=1)
    assert added.leave_empty({"text": ""}) == {"text": "", "prediction": None, "top1_label": None, "top1_prob": None}


def test_columns_of_another_model_are_in_the_way_together():
    columns = ["text", "prediction", "prob_x", "prob_y", "note", "prob_z"]
    assert AddedColumns(["a"]).in_the_way(columns) == ["prediction", "prob_x", "prob_y"]
    columns = ["text", "prediction", "top1_label", "top1_prob", "note"]
    assert AddedColumns(["a"]).in_the_way(columns) == ["prediction", "top1_label", "top1_prob"]
    assert AddedColumns(["a"], likeliest=1).in_the_way(["text", "prob_a", "top1_prob"]) == ["top1_prob"]


def test_a_column_that_the_predictions_need_is_refused():
    columns = scored_columns([{"text": "x", "label": "a"}, {"more": "y"}], ["a"])
    assert columns.names == ["text", "label", "more", "prediction", "prob_a", "correct", "line"]
    with pytest.raises(UserError, match="'correct'"):
        scored_columns([{"text": "x", "correct": "y"}], ["a"])
