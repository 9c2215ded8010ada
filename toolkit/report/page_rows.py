"""Which rows report.html shows, how their texts are painted, and the cells of the confusion matrix they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toolkit.data.tables import Table
from toolkit.evaluation.explain import Segment
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.report.explanations import Explanations, SegmentedTexts, most_confident_errors

MAX_ERRORS = 200
MAX_ROWS_FROM_CELLS = 1500  # in all
MAX_ROWS_PER_CELL = 50
MIN_ROWS_PER_CELL = 3
MAX_LISTED_CONFUSIONS = 40
MAX_TEXT_LENGTH = 1200  # characters
MAX_EXPLAINED_LENGTH = 6000  # characters of a text whose words are marked
SHADES = 9  # of a cell of the matrix
LEAST_PAINTED = 1 / 3  # of the weight of the word that mattered most
STRENGTHS = 5  # of a mark


class Cell(NamedTuple):
    """A cell of the confusion matrix, by the numbers of its labels."""

    true: int
    predicted: int

    def __str__(self) -> str:
        return f"{self.true}-{self.predicted}"


@dataclass(frozen=True)
class MatrixCell:
    """What the page shows of a cell; `share` is that of the rows with this true label, `heat` a shade from 0 to 9."""

    name: str
    count: int
    share: float
    heat: int
    right: bool


@dataclass(frozen=True)
class Confusion:
    """How many rows of one label are taken for another."""

    name: str  # of their cell
    true: str
    predicted: str
    count: int


class PaintedPart(NamedTuple):
    """A part of a text and the class that paints it: p1 to p5, n1 to n5, or "" for none."""

    text: str
    paint: str


@dataclass(frozen=True)
class PageRow:
    """A row as the page shows it."""

    cell: str
    wrong: bool
    unit: str  # what its number counts: line, object or row
    line: int | str  # of one of several files with the file, of a folder of texts the file alone
    true: str
    predicted: str
    confidence: float
    texts: list[list[PaintedPart]]


def cells_of_matrix(scores: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of the confusion matrix in metrics.json that are not empty."""
    return [Cell(*cell) for cell in np.argwhere(np.array(scores["confusion_matrix"])).tolist()]


def cells_of_confusions(scores: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of the most frequent confusions in metrics.json, of labels that are too many for a matrix."""
    number_of = {label: number for number, label in enumerate(scores["labels"])}
    return [
        Cell(number_of[entry["true"]], number_of[entry["predicted"]])
        for entry in scores["confusions"][:MAX_LISTED_CONFUSIONS]
    ]


def confusion_matrix(scores: Mapping[str, Any]) -> list[list[MatrixCell]]:
    """Return the cells of the confusion matrix in metrics.json, a line for each true label."""
    counts = np.array(scores["confusion_matrix"])
    numbers = range(len(counts))
    return [[_matrix_cell(counts, Cell(true, predicted)) for predicted in numbers] for true in numbers]


def confusions(scores: Mapping[str, Any]) -> list[Confusion]:
    """Return the most frequent confusions in metrics.json."""
    entries = scores["confusions"][:MAX_LISTED_CONFUSIONS]
    return [
        Confusion(str(cell), entry["true"], entry["predicted"], entry["rows"])
        for cell, entry in zip(cells_of_confusions(scores), entries, strict=True)
    ]


def _matrix_cell(counts: np.ndarray, cell: Cell) -> MatrixCell:
    count = int(counts[cell])
    share = count / max(int(counts[cell.true].sum()), 1)
    return MatrixCell(
        name=str(cell), count=count, share=share, heat=round(SHADES * share), right=cell.true == cell.predicted
    )


def page_rows(scored: ScoredSet, table: Table, cells: Sequence[Cell], explanations: Explanations) -> list[PageRow]:
    """Return the rows that the page has: those that are wrong, and some of each cell."""
    texts = table.frame.drop(columns="label").to_numpy().tolist()
    return [_page_row(scored, table, row, texts[row], explanations) for row in _chosen_rows(scored, cells)]


def _chosen_rows(scored: ScoredSet, cells: Sequence[Cell]) -> list[int]:
    """Return the numbers of the rows to show: wrong ones, most confident first, then right ones, least confident first.

    Where there are many rows, each cell has about as many of them as the others.
    """
    order = np.argsort(np.where(scored.right, 2 + scored.confidence, -scored.confidence), kind="stable").tolist()
    chosen = set(most_confident_errors(scored)[:MAX_ERRORS].tolist())
    rows_per_cell = min(MAX_ROWS_PER_CELL, max(MIN_ROWS_PER_CELL, MAX_ROWS_FROM_CELLS // max(len(cells), 1)))
    rows_left = dict.fromkeys(cells, rows_per_cell)
    for row in order:
        cell = Cell(int(scored.label_ids[row]), int(scored.predicted[row]))
        if rows_left.get(cell, 0) > 0:
            rows_left[cell] -= 1
            chosen.add(row)
    return [row for row in order if row in chosen]


def _page_row(scored: ScoredSet, table: Table, row: int, texts: Sequence[str], explanations: Explanations) -> PageRow:
    true = int(scored.label_ids[row])
    predicted = int(scored.predicted[row])
    return PageRow(
        cell=str(Cell(true, predicted)),
        wrong=not scored.right[row],
        unit=str(table.frame.index.name or "line"),
        line=table.frame.index[[row]].tolist()[0],
        true=scored.labels[true],
        predicted=scored.labels[predicted],
        confidence=float(scored.confidence[row]),
        texts=painted_texts(texts, explanations.rows.get(row)),
    )


def painted_texts(texts: Sequence[str], segments: SegmentedTexts | None) -> list[list[PaintedPart]]:
    """Return the beginning of each text of a row in parts, each with its paint; of a row without segments as it is."""
    if segments is None:
        segments = [[Segment(text, None)] for text in texts]
    return [_paint(of_text) for of_text in segments]


def _paint(segments: Sequence[Segment]) -> list[PaintedPart]:
    """Return the beginning of a text in parts, each with its paint."""
    parts = []
    room = MAX_TEXT_LENGTH if len(segments) == 1 else MAX_EXPLAINED_LENGTH
    for segment in segments:
        if room > 0:
            text = segment.text if len(segment.text) <= room else segment.text[:room] + "…"
            parts.append(PaintedPart(text, _paint_class(segment.weight)))
        room -= len(segment.text)
    return parts


def _paint_class(weight: float | None) -> str:
    """Return the class of a weight from -1 to 1: p2 to p5 of a positive one, n2 to n5 of a negative one.

    It is "" of one that is less than a third of the largest of its row: where all words are painted none stands out.
    """
    if weight is None or abs(weight) < LEAST_PAINTED:
        return ""
    strength = round(STRENGTHS * weight)
    return f"p{strength}" if strength > 0 else f"n{-strength}"
