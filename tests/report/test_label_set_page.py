"""report.html of several labels a row has the numbers of metrics.json, and the rows behind each of them."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.browser import figure_at
from tests.report.label_set_pages import scored_sets, written
from toolkit.data.tables import Table
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.files.columns import Columns
from toolkit.report.explanations import Explanations
from toolkit.report.label_set_page import MAX_ROW_LABELS, LabelSetRow, Swap, label_set_rows
from toolkit.report.texts import LABEL_SET_PAGE, LABEL_SET_SECTIONS, PAGE, SECTIONS


def rows_of(found: ScoredLabelSets, swaps: list[Swap]) -> list[LabelSetRow]:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(len(found.label_ids))], "label": ""}, dtype=object)
    return label_set_rows(found, Table(Path("t.csv"), frame, [], [], Columns(), "0"), swaps, Explanations())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "found",
    [
        scored_sets(120, list("abcd")),
        scored_sets(60, [f"label {i}" for i in range(60)]),
        scored_sets(30, ["only"], noise=0.1),
        scored_sets(1, list("ab")),
    ],
    ids=["some", "many labels", "one label, no error", "one row"],
)
def test_whatever_was_scored_there_is_a_page_with_its_numbers(tmp_path, found, language):
    scores, path = written(tmp_path, found, language)
    page = path.read_text(encoding="utf-8")
    figures = re.findall(r'data-figure="([^"]+)">([^<]+)<', page)
    assert len(figures) > 20
    for name, text in figures:
        value = figure_at(scores, name)
        assert text == ("–" if value is None else f"{value:.{len(text.partition('.')[2])}f}"), name
    expected = []
    for i in range(len(found.labels)):
        expected += [(f"hit-{i}", (found.label_ids & found.predicted)[:, i].sum())]
        expected += [(f"missed-{i}", found.missed[:, i].sum()), (f"added-{i}", found.added[:, i].sum())]
    pressed = re.findall(r'class="cell count" data-cell="([^"]+)"[^>]*>([\d,]+)<', page)
    assert pressed == [(name, f"{count:,}") for name, count in expected]
    assert LABEL_SET_SECTIONS["confusion"][language] in page
    for replaced in {*LABEL_SET_PAGE} & {*PAGE}:
        if PAGE[replaced][language] != LABEL_SET_PAGE[replaced][language] and len(PAGE[replaced][language]) > 20:
            assert PAGE[replaced][language] not in page
    assert SECTIONS["confusion"][language] not in page


def test_the_pairs_of_a_missed_and_an_added_label_are_counted(tmp_path):
    found = scored_sets(80, list("abc"))
    scores, _ = written(tmp_path, found)
    pairs = Counter()
    for missed, added in zip(found.missed, found.added, strict=True):
        pairs.update((m, a) for m in np.flatnonzero(missed).tolist() for a in np.flatnonzero(added).tolist())
    assert {(e["missed"], e["added"]): e["rows"] for e in scores["instead"]} == {
        ("abc"[m], "abc"[a]): count for (m, a), count in pairs.items()
    }


def test_the_rows_of_the_page_are_the_errors_first_and_some_of_each_cell(tmp_path):
    found = scored_sets(300, list("abc"))
    scores, _ = written(tmp_path, found)
    swaps = [Swap("abc".index(e["missed"]), "abc".index(e["added"])) for e in scores["instead"]]
    rows = rows_of(found, swaps)
    wrong = [row.wrong for row in rows]
    assert wrong == sorted(wrong, reverse=True)
    assert sum(wrong) >= min(200, (~found.right).sum())
    confidences = [row.confidence for row in rows if row.wrong]
    assert confidences == sorted(confidences, reverse=True)
    for row in rows:
        i = row.line
        kinds = {"hit": found.label_ids[i] & found.predicted[i], "missed": found.missed[i], "added": found.added[i]}
        shown = {kind: {label.name for label in row.labels if label.kind == kind} for kind in kinds}
        assert shown == {kind: {"abc"[j] for j in np.flatnonzero(which)} for kind, which in kinds.items()}
        assert {label.name: label.probability for label in row.labels} == {
            label.name: found.probabilities[i, "abc".index(label.name)] for label in row.labels
        }
        cells = {f"{kind}-{j}" for kind, which in kinds.items() for j in np.flatnonzero(which)}
        cells |= {swap.cell for swap in swaps if found.missed[i, swap.missed] and found.added[i, swap.added]}
        assert set(row.cell.split()) == cells
    present = Counter(cell for row in rows for cell in row.cell.split())
    for kind, which in (("hit", found.label_ids & found.predicted), ("missed", found.missed), ("added", found.added)):
        for label in range(3):
            assert present[f"{kind}-{label}"] >= min(50, which[:, label].sum())


def test_of_a_row_with_very_many_labels_some_are_shown():
    found = scored_sets(3, [f"l{i}" for i in range(100)], noise=9.0)
    for row in rows_of(found, []):
        assert len(row.labels) == MAX_ROW_LABELS
        assert row.left_out == (found.label_ids[row.line] | found.predicted[row.line]).sum() - MAX_ROW_LABELS
