"""What is wrong with labelled files, or strange about them, before a model is trained on them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import count_of, joined
from toolkit.cli.console import Log
from toolkit.data.rows import Rejected
from toolkit.data.scripts import main_script
from toolkit.data.tables import Table
from toolkit.data.texts import ROWS
from toolkit.doctor.comparison import Comparison, compare_texts, nearly_equal_rows
from toolkit.doctor.duplicates import equal_groups, folded_label
from toolkit.doctor.findings import Finding
from toolkit.doctor.label_sets import joined_labels, strange_label_sets
from toolkit.doctor.labelled_rows import TRAIN, LabelledRows, number_rows
from toolkit.doctor.oddities import (
    missing_labels,
    most_frequent_script,
    odd_lengths,
    other_scripts,
    sorted_by_label,
    spellings,
    telling_length,
    uneven_labels,
)
from toolkit.doctor.texts import SAID
from toolkit.tokens.dataset import TokenFacts


def examine(
    tables: Mapping[str, Table],
    tokens: Mapping[str, TokenFacts],
    comparison: Comparison | None = None,
    together: np.ndarray | None = None,
) -> list[Finding]:
    """Return what there is to say about the tables "train" and others, and their tokens where there are some.

    `comparison` is that of their texts, if they were compared before; of training rows with the same number in
    `together` none is judged by the others.
    """
    comparison = compare_texts(tables) if comparison is None else comparison
    rows = comparison.number(tables)
    training_labels = tables["train"].each_label.tolist()
    findings = [
        *shared_texts(rows),
        *shared_groups(rows),
        *spellings(training_labels),
        *conflicting_labels(rows),
        *repeated_texts(rows),
        *nearly_equal_texts(rows, comparison),
        *strange_labels(rows),
    ]
    usual_script = None
    for table, name in enumerate(tables):
        scripts = [main_script(text) for text in rows.texts_of(table)]
        if table == TRAIN:
            usual_script = most_frequent_script(scripts)
        else:
            findings += missing_labels(training_labels, tables[name].each_label.tolist(), rows.names[table])
        if name in tokens:
            findings += odd_lengths(rows, table, tokens[name])
        findings += other_scripts(rows, table, scripts, usual_script)
    if tables["train"].columns.have_label_sets:
        return findings
    return [*findings, *telling_length(training_labels, tokens["train"].counts, together)]


def strange_labels(rows: LabelledRows) -> list[Finding]:
    """Return what is strange about the labels of the training rows as a whole."""
    train = rows.tables[TRAIN]
    if train.columns.have_label_sets:
        return [*strange_label_sets(train)]
    labels = rows.labels_of(TRAIN)
    return [*joined_labels(labels), *uneven_labels(labels), *sorted_by_label(labels, rows.names[TRAIN])]


def leaks(train: Table, test: Table) -> list[Finding]:
    """Return which texts of a test set are training texts too, but for blanks, width, case or Chinese script.

    And which of its rows are of a group of the training rows, where these are in groups.
    """
    rows = number_rows({"train": train, "test": test})
    return [*shared_texts(rows), *shared_groups(rows)]


def _pairs_with_earlier(
    numbers: Iterable[int], keys: Sequence[str], first_rows: Mapping[str, int]
) -> list[tuple[int, int]]:
    """Return those of some rows whose key an earlier file has, each with the first row there that has it."""
    return [(row, first_rows[keys[row]]) for row in numbers if keys[row] in first_rows]


def shared_texts(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the texts of a file that an earlier file has too."""
    for earlier, first_rows in enumerate(rows.first_rows):
        earlier_texts = set(rows.texts_of(earlier))
        for table in range(earlier + 1, len(rows.tables)):
            pairs = _pairs_with_earlier(rows.numbers(table), rows.normalized, first_rows)
            if not pairs:
                continue
            facts = {
                "rows": len(rows.numbers(table)),
                "file": rows.names[table],
                "other": rows.names[earlier],
                "exact": sum(rows.texts[row] in earlier_texts for row, _ in pairs),
            }
            kind = "leak" if earlier == TRAIN else "shared"
            yield Finding(kind, len(pairs), facts, rows.examples(pairs))


def shared_groups(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the rows of a file whose group an earlier file has too."""
    for earlier in range(len(rows.tables)):
        first_rows: dict[str, int] = {}
        for row in rows.numbers(earlier):
            first_rows.setdefault(rows.groups[row], row)
        first_rows.pop("", None)
        for table in range(earlier + 1, len(rows.tables)):
            pairs = _pairs_with_earlier(rows.numbers(table), rows.groups, first_rows)
            if not pairs:
                continue
            facts = {
                "rows": len(rows.numbers(table)),
                "file": rows.names[table],
                "other": rows.names[earlier],
                "groups": len({first for _, first in pairs}),
                "column": rows.tables[earlier].columns.group,
            }
            yield Finding(
                "group_leak" if earlier == TRAIN else "shared_groups", len(pairs), facts, rows.examples(pairs)
            )


def conflicting_labels(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the texts that have several labels, not counting spellings of one."""
    folded = {label: folded_label(label) for label in set(rows.labels)}
    count = 0
    pairs = []
    for group in equal_groups(rows.normalized):
        first = group[0]
        others = [row for row in group if folded[rows.labels[row]] != folded[rows.labels[first]]]
        if others:
            count += len(group)
            pairs.append((first, others[0]))
    if pairs:
        yield Finding("conflicts", count, {"texts": len(pairs)}, rows.examples(pairs))


def repeated_texts(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the texts that occur more than once in a file."""
    for table, first_rows in enumerate(rows.first_rows):
        pairs = [(row, first_rows[rows.normalized[row]]) for row in rows.numbers(table)]
        pairs = [(row, first) for row, first in pairs if first != row]
        if pairs:
            facts = {"rows": len(rows.numbers(table)), "file": rows.names[table]}
            yield Finding("duplicates", len(pairs), facts, rows.examples(pairs))


def nearly_equal_texts(rows: LabelledRows, comparison: Comparison) -> Iterator[Finding]:
    """Yield the texts that are nearly equal to an earlier one of their file, or to a training text."""
    pairs_of: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (table, earlier table): pairs of rows
    for row, earlier in nearly_equal_rows(rows, comparison):
        tables = (int(rows.table_of[row]), int(rows.table_of[earlier]))
        pairs_of.setdefault(tables, []).append((row, earlier))
    for (table, earlier_table), pairs in sorted(pairs_of.items()):
        facts = {"rows": len(rows.numbers(table)), "file": rows.names[table]}
        if table == earlier_table:
            yield Finding("near_duplicates", len(pairs), facts, rows.examples(pairs))
        elif earlier_table == TRAIN:
            facts["other"] = rows.names[TRAIN]
            yield Finding("near_leak", len(pairs), facts, rows.examples(pairs))


def without_leaked(tables: dict[str, Table], log: Log, comparison: Comparison | None = None) -> Table:
    """Return the training table without the rows whose normalized texts, or groups, another table has too.

    Says how many. They are among its rejected rows. `comparison` is that of the texts, if they were compared before.
    Raises UserError if no row is left.
    """
    rows = number_rows(tables) if comparison is None else comparison.number(tables)
    train = tables["train"]
    is_copy = _are_elsewhere(rows, rows.normalized)
    is_of_group = _are_elsewhere(rows, rows.groups) & ~is_copy & (train.group_names != "")
    keep = ~is_copy & ~is_of_group
    others = joined(rows.names[1:], SAID["or"])
    name = rows.names[TRAIN]
    if not keep.any():
        raise UserError(SAID["all_groups_leaked" if is_of_group.any() else "all_leaked"].fill(file=name, others=others))
    log.item("", SAID["leaked"].fill(rows=count_of(int(is_copy.sum()), "row"), file=name, others=others))
    if train.groups is not None:
        log.item("", SAID["group_leaked"].fill(rows=count_of(int(is_of_group.sum()), "row"), file=name, others=others))
    leaked = train.frame[~keep]
    unit = str(leaked.index.name or "line")
    reasons = [ROWS["leaked" if copied else "group_leaked"] for copied in is_copy[~keep]]
    rejected = [
        Rejected.at(str(train.path), unit, line, reason, cells)
        for line, reason, cells in zip(leaked.index.tolist(), reasons, leaked.to_dict("records"), strict=True)
    ]
    return train.part(keep, [*train.rejected, *rejected])


def _are_elsewhere(rows: LabelledRows, values: Sequence[str]) -> np.ndarray:
    """Return which training rows (M,) have a value of `values` (N,) that a row of another table has."""
    elsewhere = set(values[rows.starts[1] :])
    return np.array([values[row] in elsewhere for row in rows.numbers(TRAIN)], bool)
