"""What is wrong with labelled files, or strange about them, before a model is trained on them."""

from collections.abc import Iterator

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import count_of, joined
from toolkit.cli.console import Log
from toolkit.data.rows import Rejected
from toolkit.data.scripts import main_script
from toolkit.data.tables import Table
from toolkit.data.texts import ROWS
from toolkit.doctor.duplicates import equal_groups, folded_label, near_duplicates
from toolkit.doctor.findings import Finding
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

MAX_COMPARED_TEXTS = 100_000  # among which nearly equal ones are looked for; of more, training texts evenly spaced


def examine(tables: dict[str, Table], tokens: dict[str, TokenFacts]) -> list[Finding]:
    """Return what there is to say about the tables "train" and others, and their tokens where there are some."""
    rows = number_rows(tables)
    training_labels = rows.labels_of(TRAIN)
    findings = [
        *shared_texts(rows),
        *spellings(training_labels),
        *conflicting_labels(rows),
        *repeated_texts(rows),
        *nearly_equal_texts(rows),
        *uneven_labels(training_labels),
        *sorted_by_label(training_labels, rows.names[TRAIN]),
    ]
    usual_script = None
    for table, name in enumerate(tables):
        scripts = [main_script(text) for text in rows.texts_of(table)]
        if table == TRAIN:
            usual_script = most_frequent_script(scripts)
        else:
            findings += missing_labels(training_labels, rows.labels_of(table), rows.names[table])
        if name in tokens:
            findings += odd_lengths(rows, table, tokens[name])
        findings += other_scripts(rows, table, scripts, usual_script)
    return [*findings, *telling_length(training_labels, tokens["train"].counts)]


def leaks(train: Table, test: Table) -> list[Finding]:
    """Return which texts of a test set are training texts too, but for blanks, width, case or Chinese script."""
    return list(shared_texts(number_rows({"train": train, "test": test})))


def shared_texts(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the texts of a file that an earlier file has too."""
    for earlier, first_rows in enumerate(rows.first_rows):
        earlier_texts = set(rows.texts_of(earlier))
        for table in range(earlier + 1, len(rows.tables)):
            pairs = [
                (row, first_rows[rows.normalized[row]])
                for row in rows.numbers(table)
                if rows.normalized[row] in first_rows
            ]
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


def nearly_equal_texts(rows: LabelledRows) -> Iterator[Finding]:
    """Yield the texts that are nearly equal to an earlier one of their file, or to a training text."""
    pairs_of: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (table, earlier table): pairs of rows
    for row, earlier in nearly_equal_rows(rows):
        tables = (int(rows.table_of[row]), int(rows.table_of[earlier]))
        pairs_of.setdefault(tables, []).append((row, earlier))
    for (table, earlier_table), pairs in sorted(pairs_of.items()):
        facts = {"rows": len(rows.numbers(table)), "file": rows.names[table]}
        if table == earlier_table:
            yield Finding("near_duplicates", len(pairs), facts, rows.examples(pairs))
        elif earlier_table == TRAIN:
            facts["other"] = rows.names[TRAIN]
            yield Finding("near_leak", len(pairs), facts, rows.examples(pairs))


def nearly_equal_rows(rows: LabelledRows) -> Iterator[tuple[int, int]]:
    """Yield (row, an earlier row) for texts that are nearly equal; of equal texts the first one stands for all."""
    first_of_all: dict[str, int] = {}
    for row, text in enumerate(rows.normalized):
        first_of_all.setdefault(text, row)
    distinct = np.array(list(first_of_all.values()), int)  # (D,) row numbers, ascending
    is_train = rows.table_of[distinct] == TRAIN
    training_texts = int(is_train.sum())
    room = max(MAX_COMPARED_TEXTS - (len(distinct) - training_texts), 1)
    step = max(1, -(-training_texts // room))
    compared = distinct[~is_train | (np.arange(len(distinct)) % step == 0)]
    for number, earlier in near_duplicates([rows.normalized[row] for row in compared], rows.table_of[compared]):
        yield int(compared[number]), int(compared[earlier])


def without_leaked(tables: dict[str, Table], log: Log) -> Table:
    """Return the training table without the rows whose normalized texts another table has too; say how many.

    They are among its rejected rows. Raises UserError if no row is left.
    """
    rows = number_rows(tables)
    texts_elsewhere = set(rows.normalized[rows.starts[1] :])
    keep = np.array([rows.normalized[row] not in texts_elsewhere for row in rows.numbers(TRAIN)], bool)
    others = joined(rows.names[1:], SAID["or"])
    if not keep.any():
        raise UserError(SAID["all_leaked"].fill(file=rows.names[TRAIN], others=others))
    left_out = count_of(int((~keep).sum()), "row")
    log.item("", SAID["leaked"].fill(rows=left_out, file=rows.names[TRAIN], others=others))
    train = tables["train"]
    leaked = train.frame[~keep]
    unit = str(leaked.index.name or "line")
    rejected = [
        Rejected.at(str(train.path), unit, line, ROWS["leaked"], cells)
        for line, cells in zip(leaked.index.tolist(), leaked.to_dict("records"), strict=True)
    ]
    return train.part(keep, [*train.rejected, *rejected])
