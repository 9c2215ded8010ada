"""Rows whose labels are likely wrong: each row is predicted by a model that was trained without it.

All labelled rows are divided into folds; for each fold a model is trained on the other ones and predicts it. Which rows
are suspicious is decided by confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating
uncertainty in dataset labels", section 3, by cleanlab): a row is a likely error if another label than its own is at
least as probable as that label is, on average, among the rows that have it. Labels that a model is seldom sure of thus
need less to be suggested.

Shapes: N rows, those to train on before those to validate on; C labels.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.base.disk import write_bytes
from toolkit.base.errors import UserError
from toolkit.base.languages import Text, count_of
from toolkit.cli.console import Log, shown_label
from toolkit.compute.processes import Processes
from toolkit.data.split import label_matrix, spread
from toolkit.data.tables import Table
from toolkit.doctor.findings import MAX_EXAMPLES
from toolkit.doctor.labelled_rows import LabelledRows, number_rows
from toolkit.doctor.texts import LABEL_ERRORS
from toolkit.predictions.added_columns import AddedColumns, PredictedRows, likeliest_count
from toolkit.predictions.writers import TextWriter
from toolkit.tokens.dataset import TokenDataset

FILE_NAME = "label_errors.csv"
SUGGESTED_LABEL = "suggested_label"  # the columns that are added to a row's own, besides its probabilities
LABEL_QUALITY = "label_quality"
FILE = "file"
LINE = "line"


# -- folds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fold:
    """A part of the labelled rows, held out from the model that predicts it."""

    number: int  # from 1
    fold_count: int
    training_rows: np.ndarray  # (N - H,) row numbers, ascending
    held_out_rows: np.ndarray  # (H,) row numbers, ascending

    @property
    def words(self) -> Text:
        """Which fold it is, and how many rows it has."""
        held_out = len(self.held_out_rows)
        total = len(self.training_rows) + held_out
        return LABEL_ERRORS["fold"].fill(number=self.number, count=self.fold_count, held_out=held_out, total=total)

    def __str__(self) -> str:
        return str(self.words)


def assign_folds(label_ids: np.ndarray, together: Sequence[object] | np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold (N,) of each row, chosen by `seed`: each label's rows spread evenly.

    The labels are numbers (N,), or where a row may have several (N, C) bool. Rows that are equal in `together` (N,) are
    in one fold. Raises UserError if the rows are too few for `count` folds.
    A label may have fewer rows than that.
    """
    groups = pd.factorize(np.array(together, object))[0]
    labels = label_matrix(label_ids)
    rows_of_top_label = int(labels.sum(axis=0).max())
    group_count = int(groups.max()) + 1
    for most_folds in (rows_of_top_label, group_count):
        if most_folds < count:
            raise UserError(LABEL_ERRORS["too_many_folds"].fill(count=count, most=most_folds))
    return spread(labels, count, seed, groups)


def list_folds(assignment: np.ndarray) -> list[Fold]:
    """Return the folds of rows, given the fold (N,) of each; where many rows have one text, a fold may have none."""
    numbers = np.unique(assignment)
    return [
        Fold(position, len(numbers), np.flatnonzero(assignment != number), np.flatnonzero(assignment == number))
        for position, number in enumerate(numbers, 1)
    ]


def label_quality(label_ids: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return for each row (N,) from 0 to 1 how likely its label is right: the probability that it is predicted with."""
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415 - optional

    return get_label_quality_scores(label_ids, probabilities, method="self_confidence")


def likely_errors(label_ids: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows whose labels are likely wrong, the most suspicious one first."""
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 - optional

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a label with very few rows
        is_error = find_label_issues(label_ids, probabilities, filter_by="confident_learning", n_jobs=1)
    errors = np.flatnonzero(is_error)
    quality = label_quality(label_ids, probabilities)
    return errors[np.argsort(quality[errors], kind="stable")]


def unseen_labels(folds: Sequence[Fold], label_ids: np.ndarray) -> np.ndarray:
    """Return which rows (N,) bool are predicted by a model that has no training row with their label."""
    unseen = np.zeros(len(label_ids), bool)
    for fold in folds:
        training_labels = label_ids[fold.training_rows]
        unseen[fold.held_out_rows] = ~np.isin(label_ids[fold.held_out_rows], training_labels)
    return unseen


@dataclass(frozen=True)
class Judgement:
    """What models that have not seen the rows make of their labels."""

    probabilities: np.ndarray  # (N, C)
    suggested: np.ndarray  # labels that would be better: (N,), or where a row may have several (N, C) bool
    errors: list[int]  # numbers of the rows whose labels are likely wrong, the most suspicious one first
    quality: np.ndarray  # (N,) from 0 to 1, how likely the labels are right
    not_judged: int  # rows with a label that no other fold has


def judge_labels(folds: Sequence[Fold], label_ids: np.ndarray, logits: np.ndarray) -> Judgement:
    """Return what is made of labels (N,) by logits (N, C) of models that have not seen their rows."""
    from scipy.special import softmax  # noqa: PLC0415 - half a second, and most runs do not look for label errors

    probabilities = softmax(logits.astype(np.float64), axis=1)
    unseen = unseen_labels(folds, label_ids)
    errors = [row for row in likely_errors(label_ids, probabilities).tolist() if not unseen[row]]
    quality = label_quality(label_ids, probabilities)
    return Judgement(probabilities, probabilities.argmax(axis=1), errors, quality, int(unseen.sum()))


def judge_label_sets(folds: Sequence[Fold], truth: np.ndarray, logits: np.ndarray) -> Judgement:
    """Return what is made of labels (N, C) bool by logits (N, C) of models that have not seen their rows.

    Each label is judged by itself, as one of two: a row has it or not (Thyagarajan et al. 2022, "Identifying incorrect
    annotations in multi-label classification data"). What is suggested differs from what a row has in the labels that
    are likely wrong. The quality is an average of those of all labels of a row that weighs the worst most.
    """
    from cleanlab.multilabel_classification import get_label_quality_scores  # noqa: PLC0415 - optional
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class  # noqa: PLC0415
    from scipy.special import expit  # noqa: PLC0415

    probabilities = expit(logits.astype(np.float64))
    given = [np.flatnonzero(row).tolist() for row in truth]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a label with very few rows
        is_wrong = find_multilabel_issues_per_class(given, probabilities, filter_by="confident_learning", n_jobs=1)
    quality = get_label_quality_scores(given, probabilities)
    unseen = np.zeros(truth.shape, bool)
    for fold in folds:
        unseen[fold.held_out_rows] = ~truth[fold.training_rows].any(axis=0)
    is_wrong = np.asarray(is_wrong) & ~unseen
    errors = np.flatnonzero(is_wrong.any(axis=1))
    ranked = errors[np.argsort(quality[errors], kind="stable")].tolist()
    not_judged = int((unseen & truth).any(axis=1).sum())
    return Judgement(probabilities, truth ^ is_wrong, ranked, quality, not_judged)


# -- label_errors.csv -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ErrorList:
    """label_errors.csv before anything is predicted: where it will be, and the rows that it is chosen from."""

    path: Path
    labels: list[str]
    rows: LabelledRows
    together: np.ndarray  # (N,) rows of one number are in one fold
    records: list[dict]  # (N,) the rows as they stand in their files
    columns: list[str]  # of label_errors.csv
    added: AddedColumns  # those of them that say what is predicted


def prepare_error_list(
    folder: Path, tables: Mapping[str, Table], labels: list[str], together: Mapping[str, np.ndarray]
) -> ErrorList:
    """Return what label_errors.csv in a folder is chosen from: the rows of the tables "train" and "valid".

    Rows of these that have the same number in `together`, by table, are in one fold.
    Raises UserError if a table has a column that label_errors.csv needs itself.
    """
    names = ("train", "valid")
    rows = number_rows({name: tables[name] for name in names})
    numbers = np.concatenate([together[name] for name in names])
    records = [record for table in rows.tables for record in table.named_records()]
    columns = list(dict.fromkeys(name for record in records for name in record))
    separator = rows.tables[0].columns.label_separator
    added = AddedColumns(labels, likeliest_count(None, len(labels)), label_column=SUGGESTED_LABEL, separator=separator)
    added.check(columns, (LABEL_QUALITY, FILE, LINE))
    columns += [*added.names, LABEL_QUALITY, FILE, LINE]
    return ErrorList(folder / FILE_NAME, labels, rows, numbers, records, columns, added)


def training_table(rows: LabelledRows, fold: Fold) -> Table:
    """Return the table that a fold's model is trained on; its index says where each row stands in its file."""
    paths = dict.fromkeys(str(table.path) for table in rows.tables)
    frame = pd.concat([table.frame for table in rows.tables]).iloc[fold.training_rows]
    groups = np.array(rows.groups, object)[fold.training_rows]
    return replace(rows.tables[0], path=Path(" and ".join(paths)), frame=frame, records=[], groups=groups)


def write_error_list(
    error_list: ErrorList, log: Log, folds: Sequence[Fold], label_ids: np.ndarray, logits: Sequence[np.ndarray]
) -> None:
    """Write label_errors.csv, by the logits (H, C) of each fold's held-out rows, and say what is in it."""
    all_logits = np.empty((len(label_ids), len(error_list.labels)))
    for fold, fold_logits in zip(folds, logits, strict=True):
        all_logits[fold.held_out_rows] = fold_logits
    if label_ids.ndim == 2:
        judgement = judge_label_sets(folds, label_ids.astype(bool), all_logits)
    else:
        judgement = judge_labels(folds, label_ids, all_logits)
    errors = judgement.errors
    lines = _error_rows(error_list, judgement)
    write_bytes(error_list.path, _csv(error_list, lines))
    line = LABEL_ERRORS["suspicious" if errors else "none_suspicious"]
    log.item("suspicious", line.fill(errors=len(errors), rows=len(label_ids), file=error_list.path))
    for row, cells in list(zip(errors, lines, strict=True))[:MAX_EXAMPLES]:
        suggested = cells[SUGGESTED_LABEL]
        place = error_list.rows.location(row).words
        label = shown_label(suggested) if suggested else LABEL_ERRORS["no_label"]
        log.item("", LABEL_ERRORS["looks_like"].fill(row=place, label=label))
    if judgement.not_judged:
        log.item("", LABEL_ERRORS["not_judged"].fill(rows=count_of(judgement.not_judged, "row")))


def _error_rows(error_list: ErrorList, judgement: Judgement) -> list[dict]:
    """Return the suspicious rows, the most suspicious first, with what is suggested and where they stand."""
    rows = error_list.rows
    errors = judgement.errors
    records = [error_list.records[row] for row in errors]
    predicted = PredictedRows(judgement.probabilities[errors], judgement.suggested[errors])
    lines = error_list.added.fill(records, predicted)
    for row, line in zip(errors, lines, strict=True):
        line[LABEL_QUALITY] = float(f"{judgement.quality[row]:.9g}")
        line[FILE] = str(rows.tables[rows.table_of[row]].path)
        line[LINE] = rows.location(row).line
    return lines


def _csv(error_list: ErrorList, lines: Sequence[dict]) -> bytes:
    """Return label_errors.csv with some rows."""
    rows = error_list.rows
    written_names = {key: name for table in reversed(rows.tables) for key, name in table.written_names.items()}
    writer = TextWriter("csv", error_list.columns, names=written_names)
    return writer.header + writer.encode(lines)


# -- the search -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """A search for label errors: all labelled rows, the folds they are divided into, and the list to be written."""

    dataset: TokenDataset  # N rows
    folds: list[Fold]
    error_list: ErrorList | None  # in the main process only

    def tables(self, fold: Fold) -> dict[str, Table]:
        """Return the table that a fold's model is trained on as "train"; nothing in processes that have none."""
        if self.error_list is None:
            return {}
        return {"train": training_table(self.error_list.rows, fold)}

    def datasets(self, fold: Fold) -> dict[str, TokenDataset]:
        """Return what a fold's model is trained on as "train", and what it predicts as "valid"."""
        return {
            "train": self.dataset.select(fold.training_rows),
            "valid": self.dataset.select(fold.held_out_rows),
        }

    def together(self, fold: Fold) -> dict[str, np.ndarray]:
        """Return which of the rows of a fold's datasets no split may part; nothing in processes that have no tables."""
        if self.error_list is None:
            return {}
        numbers = self.error_list.together
        return {"train": numbers[fold.training_rows], "valid": numbers[fold.held_out_rows]}

    def finish(self, log: Log, logits: Sequence[np.ndarray]) -> None:
        """Write label_errors.csv in the main process, by the logits (H, C) of each fold's held-out rows."""
        if self.error_list is not None:
            label_ids = self.dataset.label_ids
            write_error_list(self.error_list, log, self.folds, label_ids, logits)


def begin_search(
    processes: Processes, dataset: TokenDataset, error_list: ErrorList | None, count: int, seed: int
) -> Search:
    """Divide the rows of a dataset into `count` folds by `seed`, the same in every process; make the list's folder.

    Raises UserError if the rows are too few for that.
    """
    assignment = None
    if error_list is not None:
        label_ids = dataset.label_ids
        assignment = assign_folds(label_ids, error_list.together, count, seed).tolist()
        error_list.path.parent.mkdir(parents=True, exist_ok=True)  # before hours of training, if it cannot be made
    assignment = np.array(processes.broadcast(assignment))
    return Search(dataset, list_folds(assignment), error_list)
