"""The labels of a training file, their numbers, and the rows that are held out where there is no validation file.

A row has one label, a str in its table, or where the columns say so any number of them, a tuple.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import compress
from statistics import median

import numpy as np
import pandas as pd

from toolkit.base.errors import UserError
from toolkit.base.languages import COMMA, PLACES, Text, count_of, shortened
from toolkit.cli.console import display_width
from toolkit.data.joined_labels import JoinedLabels, find_joined, find_joined_of
from toolkit.data.rows import Rejected
from toolkit.data.spellings import certain_form, kind_of, likely_spellings, map_labels_option, plain_label
from toolkit.data.split import hold_out, label_matrix
from toolkit.data.tables import Table, labels_of
from toolkit.data.texts import JOINED, LABELS, ROWS
from toolkit.files.source import short_repr

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,99}")
MAX_LISTED_LABELS = 10  # in an error
USUAL_LABELS = 50  # more than these, and more than half the rows, are looked at: they may be texts or numbers of rows
LONG_LABEL = 40  # columns that half the labels take at least, if they are texts; a Chinese character takes two
LONG_LABEL_WORDS = 6


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return the distinct labels in order: as numbers if all of them are integers, else as strings."""
    distinct = set(labels)
    if all(INTEGER.fullmatch(label) for label in distinct):
        return sorted(distinct, key=int)
    return sorted(distinct)


def learn_labels(train: Table) -> list[str]:
    """Return the labels of the training file in order; UserError if they cannot be those of a classifier."""
    labels = sort_labels(train.each_label)
    rows = len(train.frame)
    separator = train.columns.label_separator
    if separator is not None:
        _check_label_sets(train, labels, separator)
    elif len(labels) < 2:
        raise UserError(LABELS["one_label"].fill(file=train.path, label=short_repr(labels[0])))
    if len(labels) > max(USUAL_LABELS, rows // 2) and _are_hardly_labels(labels, train.frame["text"]):
        problem = LABELS["hardly_labels"].fill(file=train.path, labels=len(labels), rows=rows)
        raise UserError(_with_hint(problem, find_joined(labels), separator))
    return labels


def _with_hint(problem: Text, joined: JoinedLabels | None, separator: str | None) -> Text:
    """Return a problem of labels, and what to do if it comes of several being joined.

    `separator` is the one that is looked for, None where a row has one label.
    """
    return problem if joined is None else JOINED["problem"].fill(problem=problem, hint=joined.hint(separator))


def _check_label_sets(train: Table, labels: Sequence[str], separator: str) -> None:
    """Raise UserError if no row has a label, or one has the separator in its name, by which predictions are joined."""
    if not labels:
        raise UserError(LABELS["no_labels"].fill(file=train.path))
    for label in labels:
        if separator in label:
            raise UserError(LABELS["has_separator"].fill(label=short_repr(label), separator=repr(separator)))


def _are_hardly_labels(labels: Sequence[str], texts: Iterable[str]) -> bool:
    """Return whether many labels, most of them of one row, are rather texts or the numbers of rows.

    A few rows for each of many labels are told from them by names that are short, shorter than the texts, and made of
    letters rather than of digits.
    """
    width = median(map(display_width, labels))
    words = median(len(label.split()) for label in labels)
    if width >= LONG_LABEL or words >= LONG_LABEL_WORDS or width >= median(map(display_width, texts)):
        return True
    characters = [character for label in labels for character in label if character.isalnum()]
    return 2 * sum(character.isdigit() for character in characters) >= len(characters)


# -- one spelling for each label --------------------------------------------------------------------------------------


def with_one_spelling(train: Table) -> Table:
    """Return the training table in which what certainly is one label is spelled alike."""
    spellings = train.each_label.unique()
    kind = kind_of(spellings)
    return _relabelled(train, {label: certain_form(label, kind) for label in spellings})


def with_new_names(table: Table, new_names: Mapping[str, str]) -> Table:
    """Return a table whose labels are renamed as --map_labels says, each once, so that two can change places.

    A new name is for the label as it is spelled in the file, or else for what it certainly is, such as 1 for 1.0.
    """
    new_names = {plain_label(old): plain_label(new) for old, new in new_names.items()}
    spellings = table.each_label.unique()
    kind = kind_of(spellings)
    mapping = {}
    for label in spellings:
        form = certain_form(label, kind)
        mapping[label] = new_names.get(label, new_names.get(form, label))
    return _relabelled(table, mapping)


def unused_names(tables: Iterable[Table], new_names: Mapping[str, str]) -> list[str]:
    """Return the labels that --map_labels renames and that no row of some tables has."""
    spellings: set[str] = set()
    for table in tables:
        labels = set(table.each_label)
        kind = kind_of(labels)
        spellings |= labels | {certain_form(label, kind) for label in labels}
    return [label for label in new_names if plain_label(label) not in spellings]


def spelled_as(table: Table, labels: Sequence[str]) -> Table:
    """Return a table in which what certainly is one of `labels` is spelled like it; others stay as they are."""
    kind = kind_of(labels)
    labels_of: dict[str, list[str]] = {}
    for label in labels:
        labels_of.setdefault(certain_form(label, kind), []).append(label)
    known = set(labels)
    mapping = {}
    for spelling in table.each_label.unique():
        candidates = [] if spelling in known else labels_of.get(certain_form(spelling, kind), [])
        mapping[spelling] = candidates[0] if len(candidates) == 1 else spelling
    return _relabelled(table, mapping)


def match_labels(table: Table, labels: Sequence[str], on_bad_rows: str) -> Table:
    """Return a table whose labels are spelled as `labels`, those of the training data.

    Rows with other labels are rejected if `on_bad_rows` is "skip" and some rows are left, else they are a UserError
    that lists them. Labels that are likely known ones in another spelling always are one: it says how to rename them.
    """
    table = spelled_as(table, labels)
    each_label = table.each_label
    unknown = each_label[~each_label.isin(labels)]
    if not len(unknown):
        return table
    likely = likely_spellings(unknown.unique(), labels)
    is_likely = unknown.isin(list(likely))
    strange = unknown[~is_likely]
    is_strange = _have_one_of(table, set(strange))
    problems = []
    if likely:
        problems.append(_other_spellings(table, unknown[is_likely], likely))
    if is_strange.all():
        problems.append(_unknown_labels(table, strange, labels))
    elif len(strange) and on_bad_rows != "skip":
        problems.append(LABELS["skip_unknown"].fill(problem=_unknown_labels(table, strange, labels)))
    if problems:
        raise UserError(*problems)
    return _without_unknown(table, is_strange, labels)


def _have_one_of(table: Table, labels: Set[str]) -> np.ndarray:
    """Return which rows (N,) bool of a table have one of some labels."""
    return np.array([not labels.isdisjoint(labels_of(label)) for label in table.frame["label"]], bool)


def _relabelled(table: Table, mapping: Mapping[str, str]) -> Table:
    """Return a table with its labels renamed, in its frame but not in the rows as they stand in the file."""
    if all(old == new for old, new in mapping.items()):
        return table
    new_labels = np.empty(len(table.frame), object)  # in which tuples stay what they are
    for row, label in enumerate(table.frame["label"]):
        new_labels[row] = mapping[label] if isinstance(label, str) else tuple(dict.fromkeys(map(mapping.get, label)))
    return replace(table, frame=table.frame.assign(label=new_labels))


def _without_unknown(table: Table, is_unknown: np.ndarray, known: Sequence[str]) -> Table:
    """Return a table in which the rows (N,) with unknown labels are among the rejected ones, in the file's order."""
    frame = table.frame
    unit = str(frame.index.name or "line")
    rejected = list(table.rejected)
    rows = zip(frame.index.tolist(), frame["label"], table.records or frame.to_dict("records"), strict=True)
    for line, label, cells in compress(rows, is_unknown):
        unknown = next(each for each in labels_of(label) if each not in known)
        reason = ROWS["unknown_label"].fill(label=short_repr(unknown))
        rejected.append(Rejected.at(str(table.path), unit, line, reason, cells))
    return table.part(~is_unknown, sorted(rejected, key=lambda row: (row.name, row.line)))


def _other_spellings(table: Table, rows: pd.Series, likely: Mapping[str, str]) -> Text:
    """Return the error about labels that are known ones but for case, width or decimal point."""
    count = count_of(int(_have_one_of(table, set(rows)).sum()), "row")
    option = map_labels_option(likely)
    return LABELS["other_spellings"].fill(file=table.path, rows=count, listed=_listed(rows), option=option)


def _unknown_labels(table: Table, unknown: pd.Series, known: Sequence[str]) -> Text:
    """Return the error about labels that are none of the known ones."""
    count = count_of(int(_have_one_of(table, set(unknown)).sum()), "row")
    problem = LABELS["unknown"].fill(file=table.path, rows=count, listed=_listed(unknown))
    return _with_hint(problem, find_joined_of(known, unknown), table.columns.label_separator)


def encode_labels(table: Table, labels: Sequence[str]) -> np.ndarray:
    """Return the label numbers (N,) of a table, or where rows may have several labels which they have, (N, C) bool.

    Raises UserError that lists labels which the training file does not have.
    """
    each_label = table.each_label
    unknown = each_label[~each_label.isin(labels)]
    if len(unknown):
        raise UserError(_unknown_labels(table, unknown, labels))
    label2id = {label: number for number, label in enumerate(labels)}
    column = table.frame["label"]
    if not table.columns.have_label_sets:
        return column.map(label2id).to_numpy(np.int64)
    matrix = np.zeros((len(column), len(labels)), bool)
    for row, names in enumerate(column):
        matrix[row, [label2id[name] for name in names]] = True
    return matrix


def _listed(labels: pd.Series) -> Text:
    """Return the different ones of some rows' labels, with the line where each first stands."""
    first = labels.drop_duplicates()
    unit = str(labels.index.name or "line")
    entries = [
        LABELS["at"].fill(label=short_repr(label), place=PLACES[unit].fill(number=line))
        for line, label in first.head(MAX_LISTED_LABELS).items()
    ]
    return shortened(entries, len(first), COMMA)


def split_table(train: Table, ratio: float, seed: int, together: np.ndarray | None = None) -> tuple[Table, Table]:
    """Return (training, validation) parts of a table, the same share of each label, as divided_table does.

    Rows with the same number in `together` (N,) stand in one part. Raises UserError if none can be held out.
    """
    label_ids = encode_labels(train, sorted(set(train.each_label)))
    held_out = hold_out(label_matrix(label_ids), ratio, seed, together)
    if not held_out.any():
        in_groups = together is not None and len(set(together.tolist())) < len(together)
        problem = LABELS["no_group_split" if in_groups else "no_split"]
        problem = problem.fill(file=train.path, column=train.columns.group)
        raise UserError(_with_hint(problem, find_joined(train.each_label), train.columns.label_separator))
    return divided_table(train, held_out)


def divided_table(train: Table, held_out: np.ndarray) -> tuple[Table, Table]:
    """Return (training, validation) parts of a table, both in the file's order, by which rows (N,) are held out."""
    valid = replace(train.part(held_out, []), held_out=held_out)
    return train.part(~held_out, train.rejected), valid
