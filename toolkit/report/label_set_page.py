"""report.html where a row may have several labels, or none: the parts of the page that are its own.

N rows, C labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit.base.disk import write_bytes
from toolkit.data.tables import Table
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.report.explanations import Explanations, most_confident_errors
from toolkit.report.label_set_advice import advise_on_label_sets
from toolkit.report.page import fill_template, frame_page
from toolkit.report.page_charts import Line
from toolkit.report.page_parts import clean
from toolkit.report.page_rows import (
    MAX_ERRORS,
    MAX_LISTED_CONFUSIONS,
    MAX_ROWS_FROM_CELLS,
    MAX_ROWS_PER_CELL,
    PaintedPart,
    painted_texts,
)
from toolkit.report.scores import ScoredRun
from toolkit.report.texts import template_texts

MAX_TOGETHER = 20  # pairs of labels that come together
MAX_ROW_LABELS = 20  # that are shown of a row


class LabelCells(NamedTuple):
    """The names of the cells of a label: its rows where it is right, missed and added."""

    hit: str
    missed: str
    added: str

    @classmethod
    def of(cls, label: int) -> "LabelCells":
        """Return those of a label by its number."""
        return cls(f"hit-{label}", f"missed-{label}", f"added-{label}")


@dataclass(frozen=True)
class LabelLine:
    """In how many rows a label is right, missed and added."""

    label: str
    cells: LabelCells
    hits: int
    missed: int
    added: int


class Swap(NamedTuple):
    """A label that is missed and one that is added, by their numbers."""

    missed: int
    added: int

    @property
    def cell(self) -> str:
        """The name of the cell of its rows."""
        return f"swap-{self.missed}-{self.added}"


@dataclass(frozen=True)
class Instead:
    """In how many rows a label is missed while another is added; `name` is that of their cell."""

    name: str
    missed: str
    added: str
    count: int


class RowLabel(NamedTuple):
    """A label of a row, as the page shows it; `kind` is hit, missed or added."""

    name: str
    kind: str
    probability: float


@dataclass(frozen=True)
class LabelSetRow:
    """A row as the page shows it."""

    cell: str  # all its cells, with blanks between them
    wrong: bool
    unit: str  # what its number counts: line, object or row
    line: int | str  # of one of several files with the file, of a folder of texts the file alone
    labels: list[RowLabel]
    left_out: int  # labels that are not shown
    confidence: float
    texts: list[list[PaintedPart]]


@dataclass(frozen=True)
class LabelSetParts:
    """What the template shows where a row may have several labels."""

    lines: list[LabelLine]
    instead: list[Instead]  # the most frequent ones
    together: list[dict[str, Any]]  # pairs of labels, likewise
    rows: list[LabelSetRow]
    precision_recall: list[Line]


def write_label_set_report(
    folder: Path, scored_run: ScoredRun, scores: dict[str, Any], explanations: Explanations, language: str
) -> None:
    """Write report.html, in a language (en or zh), about what write_label_set_scores has written and returned."""
    write_bytes(folder / "report.html", render_label_sets(scored_run, scores, explanations, language))


def render_label_sets(
    scored_run: ScoredRun, scores: dict[str, Any], explanations: Explanations, language: str
) -> bytes:
    """Return the page in utf-8; the arguments are those of toolkit.report.page.render."""
    scored = scored_run.scored
    swaps = _swaps(scores)
    parts = LabelSetParts(
        lines=_label_lines(scored),
        instead=_instead(scores, swaps),
        together=scores["together"][:MAX_TOGETHER],
        rows=label_set_rows(scored, scored_run.table, swaps, explanations),
        precision_recall=[
            Line(
                clean(label),
                color,
                curves["precision_recall"],
                f"{scores['per_label'][label]['average_precision']:.4f}",
            )
            for color, (label, curves) in enumerate(scores["curves"].items())
        ],
    )
    advice = advise_on_label_sets(scores, scored_run.run, scored_run.history)
    page = frame_page(scored_run, scores, advice, explanations, language)
    return fill_template("label_sets.html", page, parts, scores, template_texts(language, for_label_sets=True))


def _label_lines(scored: ScoredLabelSets) -> list[LabelLine]:
    hits = (scored.label_ids & scored.predicted).sum(axis=0).tolist()
    missed = scored.missed.sum(axis=0).tolist()
    added = scored.added.sum(axis=0).tolist()
    return [LabelLine(label, LabelCells.of(i), hits[i], missed[i], added[i]) for i, label in enumerate(scored.labels)]


def _swaps(scores: Mapping[str, Any]) -> list[Swap]:
    """Return the pairs of a missed and an added label that are listed."""
    number_of = {label: number for number, label in enumerate(scores["labels"])}
    entries = scores["instead"][:MAX_LISTED_CONFUSIONS]
    return [Swap(number_of[entry["missed"]], number_of[entry["added"]]) for entry in entries]


def _instead(scores: Mapping[str, Any], swaps: Sequence[Swap]) -> list[Instead]:
    return [
        Instead(swap.cell, entry["missed"], entry["added"], entry["rows"])
        for swap, entry in zip(swaps, scores["instead"], strict=False)
    ]


# -- rows -------------------------------------------------------------------------------------------------------------


def label_set_rows(
    scored: ScoredLabelSets, table: Table, swaps: Sequence[Swap], explanations: Explanations
) -> list[LabelSetRow]:
    """Return the rows that the page has: those that are wrong, and some of each cell."""
    texts = table.frame.drop(columns="label").to_numpy().tolist()
    return [
        LabelSetRow(
            cell=" ".join(_cells_of_row(scored, row, swaps)),
            wrong=not scored.right[row],
            unit=str(table.frame.index.name or "line"),
            line=table.frame.index[[row]].tolist()[0],
            labels=_row_labels(scored, row)[:MAX_ROW_LABELS],
            left_out=max(0, int((scored.label_ids[row] | scored.predicted[row]).sum()) - MAX_ROW_LABELS),
            confidence=float(scored.confidence[row]),
            texts=painted_texts(texts[row], explanations.rows.get(row)),
        )
        for row in _chosen_rows(scored, swaps)
    ]


def _chosen_rows(scored: ScoredLabelSets, swaps: Sequence[Swap]) -> list[int]:
    """Return the numbers of the rows to show: wrong ones, most confident first, then right ones, least confident first.

    Each cell has its first ones, about as many as the others.
    """
    order = np.argsort(np.where(scored.right, 2 + scored.confidence, -scored.confidence), kind="stable")
    chosen = set(most_confident_errors(scored)[:MAX_ERRORS].tolist())
    rows_per_cell = MAX_ROWS_FROM_CELLS // (3 * len(scored.labels) + len(swaps))
    rows_per_cell = min(MAX_ROWS_PER_CELL, max(1, rows_per_cell))
    for is_in_cell in _rows_of_cells(scored, swaps):
        chosen.update(order[is_in_cell[order]][:rows_per_cell].tolist())
    return [row for row in order.tolist() if row in chosen]


def _rows_of_cells(scored: ScoredLabelSets, swaps: Sequence[Swap]) -> Iterator[np.ndarray]:
    """Yield for each cell which rows (N,) bool are in it."""
    for kind in (scored.label_ids & scored.predicted, scored.missed, scored.added):
        yield from kind.T
    for swap in swaps:
        yield scored.missed[:, swap.missed] & scored.added[:, swap.added]


def _cells_of_row(scored: ScoredLabelSets, row: int, swaps: Sequence[Swap]) -> Iterator[str]:
    """Yield the names of the cells that a row is in."""
    missed = scored.missed[row]
    added = scored.added[row]
    for label in np.flatnonzero(scored.label_ids[row] & scored.predicted[row]).tolist():
        yield LabelCells.of(label).hit
    for label in np.flatnonzero(missed).tolist():
        yield LabelCells.of(label).missed
    for label in np.flatnonzero(added).tolist():
        yield LabelCells.of(label).added
    for swap in swaps:
        if missed[swap.missed] and added[swap.added]:
            yield swap.cell


def _row_labels(scored: ScoredLabelSets, row: int) -> list[RowLabel]:
    """Return the labels of a row: those that are missed, those that are added, those that are right."""
    kinds = {
        "missed": scored.missed[row],
        "added": scored.added[row],
        "hit": scored.label_ids[row] & scored.predicted[row],
    }
    return [
        RowLabel(scored.labels[label], kind, float(scored.probabilities[row, label]))
        for kind, which in kinds.items()
        for label in np.flatnonzero(which).tolist()
    ]
