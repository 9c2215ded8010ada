"""The rows of several tables, numbered through, so that a row of one can be compared with a row of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.data.rows import PAIR_SEPARATOR
from toolkit.data.tables import Table
from toolkit.doctor.duplicates import normalize
from toolkit.doctor.findings import MAX_EXAMPLES, Location
from toolkit.doctor.texts import HELD_OUT

TRAIN = 0  # the number of the training table: it comes first


@dataclass(frozen=True)
class LabelledRows:
    """The N rows of T tables, numbered from 0 through all of them; the two texts of a pair count as one text."""

    tables: list[Table]
    names: list[str]  # (T,) what each table's file is called in messages
    texts: list[str]  # (N,) as they stand in the files
    normalized: list[str]  # (N,) without what makes no difference to a reader
    labels: list[str]  # (N,) as they are shown where a row may have several
    groups: list[str]  # (N,) what stands in --group_column; "": in no group
    table_of: np.ndarray  # (N,) the number of the table that each row is in
    starts: np.ndarray  # (T + 1,) the number of each table's first row, then N
    first_rows: list[dict[str, int]]  # (T,) of each table: normalized text: the first row that has it

    def numbers(self, table: int) -> range:
        """Return the numbers of a table's rows."""
        return range(self.starts[table], self.starts[table + 1])

    def texts_of(self, table: int) -> list[str]:
        """Return the texts of a table's rows as they stand in the file."""
        return self.texts[self.starts[table] : self.starts[table + 1]]

    def labels_of(self, table: int) -> list[str]:
        """Return the labels of a table's rows."""
        return self.labels[self.starts[table] : self.starts[table + 1]]

    def location(self, row: int) -> Location:
        """Return where a row stands and what it says."""
        number = self.table_of[row]
        index = self.tables[number].frame.index
        (line,) = index[[row - self.starts[number]]].tolist()
        text = self.texts[row].replace(PAIR_SEPARATOR, " | ")
        return Location(self.names[number], str(index.name or "line"), line, text, self.labels[row])

    def examples(self, groups: Sequence[Sequence[int]]) -> list[list[Location]]:
        """Return the locations of the first few groups of rows."""
        return [[self.location(row) for row in group] for group in groups[:MAX_EXAMPLES]]


def normalized_texts(tables: Mapping[str, Table]) -> dict[str, str]:
    """Return all texts of tables without what makes no difference to a reader, by what they are in the files."""
    return {text: normalize(text) for table in tables.values() for text in table.texts}


def number_rows(tables: Mapping[str, Table], known: Mapping[str, str] | None = None) -> LabelledRows:
    """Return the rows of tables by name, "train" first; `known` are their normalized_texts if they are known."""
    known = normalized_texts(tables) if known is None else known
    texts: list[str] = []
    normalized: list[str] = []
    labels: list[str] = []
    groups: list[str] = []
    starts = [0]
    first_rows: list[dict[str, int]] = []
    for table in tables.values():
        for cells in table.frame.drop(columns="label").to_numpy():
            texts.append(PAIR_SEPARATOR.join(cells))
            normalized.append(PAIR_SEPARATOR.join(known[cell] for cell in cells))
        labels += table.label_names
        groups += table.group_names.tolist()
        first_rows.append({})
        for row in range(starts[-1], len(texts)):
            first_rows[-1].setdefault(normalized[row], row)
        starts.append(len(texts))
    return LabelledRows(
        tables=list(tables.values()),
        names=_file_names(tables),
        texts=texts,
        normalized=normalized,
        labels=labels,
        groups=groups,
        table_of=np.repeat(np.arange(len(tables)), np.diff(starts)),
        starts=np.array(starts),
        first_rows=first_rows,
    )


def _file_names(tables: Mapping[str, Table]) -> list[str]:
    """Return the names of the tables' files, with their folders only where two files are called alike."""
    paths = [table.path for table in tables.values()]
    are_distinct = len({path.name for path in paths}) == len(set(paths))
    names = [path.name if are_distinct else str(path) for path in paths]
    if "valid" in tables and tables["valid"].path == tables["train"].path:
        number = list(tables).index("valid")
        names[number] = HELD_OUT.en.format(file=names[number])
    return names
