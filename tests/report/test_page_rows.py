"""The rows of the page: the errors, and some of each cell of the confusion matrix; and how words are marked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix as sklearn_matrix

from toolkit.data.tables import Table
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.explain import Segment
from toolkit.evaluation.metrics import full_scores
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.files.columns import Columns
from toolkit.report.explanations import Explanations
from toolkit.report.page_rows import (
    MAX_ERRORS,
    Cell,
    cells_of_confusions,
    cells_of_matrix,
    confusion_matrix,
    confusions,
    page_rows,
)


def scored_set(rows: int, labels: int, right: float) -> ScoredSet:
    draw = np.random.default_rng(0)
    label_ids = np.arange(rows) % labels
    answers = np.where(draw.random(rows) < right, label_ids, draw.integers(labels, size=rows))
    logits = (3 * np.eye(labels)[answers] + draw.random((rows, labels))).astype(np.float32)
    names = [f"label {i}" for i in range(labels)]
    return ScoredSet(logits, label_ids, np.full(rows, 5), names, Decision(1.0, 1.0, 1, None))


def table_of(scored: ScoredSet) -> Table:
    texts = [f"text {i}" for i in range(len(scored.label_ids))]
    frame = pd.DataFrame({"text": texts, "label": np.array(scored.labels)[scored.label_ids]}, dtype=object)
    frame.index = pd.Index(np.arange(len(texts)) + 2, name="line")
    return Table(Path("t.csv"), frame, [], [], Columns(), "0")


def rows_of(scored: ScoredSet, explanations: Explanations = Explanations()) -> list:  # noqa: B008 - frozen
    return page_rows(scored, table_of(scored), cells_of_matrix(full_scores(scored)), explanations)


def test_errors_come_first_and_each_cell_has_rows():
    scored = scored_set(3000, 3, right=0.5)
    rows = rows_of(scored)
    errors = [row for row in rows if row.wrong]
    assert rows[: len(errors)] == errors
    assert len(errors) >= MAX_ERRORS
    assert [row.confidence for row in errors] == sorted((row.confidence for row in errors), reverse=True)
    right = [row.confidence for row in rows[len(errors) :]]
    assert right == sorted(right)
    most_confident = np.sort(scored.confidence[~scored.right])[::-1][:MAX_ERRORS]
    assert {row.confidence for row in errors} >= set(most_confident.tolist())
    for true in range(3):
        for predicted in range(3):
            assert sum(row.cell == f"{true}-{predicted}" for row in rows) >= 50
    for row in rows[:20]:
        number = row.line - 2
        assert row.texts == [[(f"text {number}", "")]]
        assert (row.true, row.predicted) == (
            scored.labels[scored.label_ids[number]],
            scored.labels[scored.predicted[number]],
        )


def test_the_matrix_is_that_of_scikit_learn_with_shares_of_its_lines():
    scored = scored_set(300, 4, right=0.6)
    counts = sklearn_matrix(scored.label_ids, scored.predicted)
    scores = full_scores(scored)
    cells = confusion_matrix(scores)
    assert [[cell.count for cell in line] for line in cells] == counts.tolist()
    shares = sklearn_matrix(scored.label_ids, scored.predicted, normalize="true")
    assert np.array([[cell.share for cell in line] for line in cells]) == pytest.approx(shares)
    assert [[cell.right for cell in line] for line in cells] == np.eye(4, dtype=bool).tolist()
    assert cells_of_matrix(scores) == [Cell(*cell) for cell in np.argwhere(counts).tolist()]


def test_the_most_frequent_confusions_come_first():
    scored = scored_set(300, 4, right=0.6)
    counts = sklearn_matrix(scored.label_ids, scored.predicted)
    scores = full_scores(scored)
    errors = np.sort((counts * (1 - np.eye(4, dtype=int))).ravel())[::-1]
    most = cells_of_confusions(scores)
    assert [counts[cell] for cell in most] == errors[errors > 0].tolist()
    assert [(each.name, each.count) for each in confusions(scores)] == [(str(cell), counts[cell]) for cell in most]
    assert [(each.true, each.predicted) for each in confusions(scores)] == [
        (scored.labels[cell.true], scored.labels[cell.predicted]) for cell in most
    ]


def test_words_are_marked_by_how_much_they_spoke_for_the_prediction_or_against_it():
    scored = ScoredSet(
        np.array([[2.0, 0.0]], np.float32), np.array([1]), np.array([3]), ["a", "b"], Decision(1.0, 1.0, 1, None)
    )
    weights = {"none": None, "zero": 0.0, "little": 0.3, "some": 0.4, "most": 1.0, "against": -0.7, "hardly": -0.3}
    segments = [Segment(name, weight) for name, weight in weights.items()]
    (row,) = rows_of(scored, Explanations({0: [segments]}))
    paints = {part.text: part.paint for part in row.texts[0]}
    assert paints == {
        "none": "", "zero": "", "little": "", "some": "p2", "most": "p5", "against": "n4", "hardly": "",
    }  # fmt: skip


def test_a_long_text_is_cut_and_one_whose_words_are_marked_may_be_longer():
    scored = ScoredSet(
        np.array([[2.0, 0.0]], np.float32), np.array([1]), np.array([3]), ["a", "b"], Decision(1.0, 1.0, 1, None)
    )
    table = table_of(scored)
    table.frame["text"] = ["x" * 5000]
    (plain,) = page_rows(scored, table, [Cell(1, 0)], Explanations())
    assert plain.texts == [[("x" * 1200 + "…", "")]]
    marked = Explanations({0: [[Segment("x" * 4000, 0.5), Segment("y" * 3000, -1.0), Segment("z", None)]]})
    (row,) = page_rows(scored, table, [Cell(1, 0)], marked)
    assert [(len(text), paint) for text, paint in row.texts[0]] == [(4000, "p2"), (2001, "n5")]
