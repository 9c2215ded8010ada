"""The data doctor: what is wrong with labelled files, or strange about them, before a model is trained on them.

Rows of all tables are numbered through, the training rows first; a text of a pair is both its texts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.data.rows import Rejected
from toolkit.data.tables import Table, Tokens
from toolkit.doctor.duplicates import fold, near, same
from toolkit.doctor.findings import SHOWN, Finding, Location, say_findings
from toolkit.doctor.oddities import (
    missing_labels,
    odd_lengths,
    other_scripts,
    scripts_of,
    sorted_by_label,
    telling_length,
    uneven_labels,
)

__all__ = ["examine", "leaks", "say_findings", "without_leaked"]
BETWEEN = "\0"  # the texts of a pair, in none of which it can be
MOST = 100_000  # different texts among which is looked for nearly the same ones, the training texts evenly spaced


class Rows:
    """The rows of some tables, by name, "train" first: their texts as they stand and folded, labels, and places."""

    def __init__(self, tables: dict[str, Table]):
        self.tables = list(tables.values())
        short = {table.path.name for table in self.tables}
        distinct = len(short) == len({table.path for table in self.tables})
        self.names = [table.path.name if distinct else str(table.path) for table in self.tables]
        if "valid" in tables and tables["valid"].path == tables["train"].path:
            self.names[list(tables).index("valid")] += " (held out)"
        texts = [row for table in self.tables for row in table.frame.drop(columns="label").to_numpy()]
        self.texts = [BETWEEN.join(row) for row in texts]
        self.folded = [BETWEEN.join(map(fold, row)) for row in texts]
        self.labels = [label for table in self.tables for label in table.frame["label"]]
        self.owner = np.repeat(np.arange(len(self.tables)), [len(table.frame) for table in self.tables])
        self.starts = np.searchsorted(self.owner, np.arange(len(self.tables) + 1))
        # Of each table, for each folded text, the first row that has it.
        self.first = [{self.folded[row]: row for row in reversed(self.of(table))} for table in range(len(self.tables))]

    def of(self, table: int) -> range:
        """Return the numbers of a table's rows."""
        return range(self.starts[table], self.starts[table + 1])

    def labels_of(self, table: int) -> list[str]:
        """Return the labels of a table's rows."""
        return self.labels[self.starts[table] : self.starts[table + 1]]

    def show(self, row: int) -> Location:
        """Return where a row stands and what it says."""
        table = self.tables[self.owner[row]]
        index, text = table.frame.index, self.texts[row].replace(BETWEEN, " | ")
        line = int(index[row - self.starts[self.owner[row]]])
        return Location(self.names[self.owner[row]], index.name or "line", line, text, self.labels[row])

    def show_all(self, groups: Sequence[Sequence[int]]) -> list[list[Location]]:
        """Return the first few groups of rows as examples."""
        return [[self.show(row) for row in group] for group in groups[:SHOWN]]


def examine(tables: dict[str, Table], tokens: dict[str, Tokens]) -> list[Finding]:
    """Return what there is to say about the tables "train" and others, and their tokens where there are some."""
    rows = Rows(tables)
    train, findings = rows.labels_of(0), [*_between_files(rows), *_conflicts(rows), *_within_files(rows)]
    findings += [*_nearly_same(rows), *uneven_labels(train), *sorted_by_label(train, rows.names[0])]
    scripts, usual = scripts_of([rows.texts[row] for row in rows.of(0)])
    for number, (name, file) in enumerate(zip(tables, rows.names, strict=True)):
        if number:
            findings += missing_labels(train, rows.labels_of(number), file)
            scripts, _ = scripts_of([rows.texts[row] for row in rows.of(number)])

        def show(row: int, start: int = rows.starts[number]) -> Location:
            """Return where a row of this table stands, by its number in the table."""
            return rows.show(start + row)

        findings += odd_lengths(tokens[name], file, show) if name in tokens else []
        findings += other_scripts(scripts, usual, file, show)
    return [*findings, *telling_length(train, tokens["train"].counts)]


def leaks(train: Table, test: Table) -> list[Finding]:
    """Return what of a test set stands in the training table, but for blanks, width, case or Chinese script."""
    return list(_between_files(Rows({"train": train, "test": test})))


def _between_files(rows: Rows) -> Iterator[Finding]:
    """Yield the texts of a file that stand in an earlier one too."""
    for other, there in enumerate(rows.first):
        as_they_stand = {rows.texts[row] for row in rows.of(other)}
        for table in range(other + 1, len(rows.tables)):
            found = [row for row in rows.of(table) if rows.folded[row] in there]
            exact = sum(rows.texts[row] in as_they_stand for row in found)
            facts = {"rows": len(rows.of(table)), "file": rows.names[table], "other": rows.names[other], "exact": exact}
            if found:
                pairs = [(row, there[rows.folded[row]]) for row in found]
                yield Finding("shared" if other else "leak", len(found), facts, rows.show_all(pairs))


def _conflicts(rows: Rows) -> Iterator[Finding]:
    """Yield the texts that have several labels."""
    found = [group for group in same(rows.folded) if len({rows.labels[row] for row in group}) > 1]
    pairs = [(row, next(r for r in more if rows.labels[r] != rows.labels[row])) for row, *more in found]
    if found:
        yield Finding("conflicts", sum(map(len, found)), {"texts": len(found)}, rows.show_all(pairs))


def _within_files(rows: Rows) -> Iterator[Finding]:
    """Yield the texts that stand more than once in a file."""
    for table, (name, first) in enumerate(zip(rows.names, rows.first, strict=True)):
        found = [(row, first[rows.folded[row]]) for row in rows.of(table) if first[rows.folded[row]] != row]
        if found:
            facts = {"rows": len(rows.of(table)), "file": name}
            yield Finding("duplicates", len(found), facts, rows.show_all(found))


def nearly_same(rows: Rows) -> Iterator[tuple[int, int]]:
    """Yield (row, an earlier row) for texts that are nearly the same; of equal texts the first one stands for all."""
    first = {text: row for there in reversed(rows.first) for text, row in there.items()}
    different = np.array(sorted(first.values()), int)
    train = rows.owner[different] == 0
    step = max(1, -(-int(train.sum()) // max(MOST - int((~train).sum()), 1)))
    different = different[~train | (np.arange(len(different)) % step == 0)]
    for number, other in near([rows.folded[row] for row in different], rows.owner[different]):
        yield int(different[number]), int(different[other])


def _nearly_same(rows: Rows) -> Iterator[Finding]:
    """Yield the texts that are nearly the same as an earlier one of their file, or as one of the training rows."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, like in nearly_same(rows):
        found.setdefault((int(rows.owner[row]), int(rows.owner[like])), []).append((row, like))
    for (table, other), pairs in sorted(found.items()):
        facts = {"rows": len(rows.of(table)), "file": rows.names[table]}
        if table == other:
            yield Finding("near_duplicates", len(pairs), facts, rows.show_all(pairs))
        elif other == 0:
            yield Finding("near_leak", len(pairs), facts | {"other": rows.names[0]}, rows.show_all(pairs))


def without_leaked(tables: dict[str, Table], log: Log) -> Table:
    """Return the training table without the rows whose texts, once folded, stand in another table; say how many.

    They are among its rejected rows. Raises UserError if no row is left.
    """
    rows = Rows(tables)
    elsewhere = set(rows.folded[rows.starts[1] :])
    keep = np.array([rows.folded[row] not in elsewhere for row in rows.of(0)], bool)
    others = " or ".join(rows.names[1:])
    if not keep.any():
        raise UserError(f"--drop_leaked: every row of {rows.names[0]} stands in {others} too")
    log.item("", f"{(~keep).sum():,} rows of {rows.names[0]} are left out: they stand in {others} too (--drop_leaked)")
    train, reason = tables["train"], "stands in another file too (--drop_leaked)"
    unit = train.frame.index.name or "line"
    gone = [Rejected(str(train.path), unit, line, reason, dict(row)) for line, row in train.frame[~keep].iterrows()]
    return train.part(keep, [*train.rejected, *gone])
