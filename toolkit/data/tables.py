"""The rows of a labelled file as a DataFrame, with what is needed to find each of them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.base.languages import Text, count_of
from toolkit.data.row_texts import RowTexts
from toolkit.data.rows import PAIR_SEPARATOR, Rejected, Row
from toolkit.data.texts import TABLES
from toolkit.files.columns import Columns
from toolkit.files.source import said_first


@dataclass
class Table:
    """The rows of a labelled file, or of one without labels that is learned from."""

    path: Path
    frame: pd.DataFrame  # text[, text_pair][, label]; its index is the line each row begins on
    rejected: list[Rejected]
    records: list[dict]  # the rows as they stand in the file; none where they were not asked for
    columns: Columns
    sha256: str  # of the file when it was read
    taken_for: list[str | Text] = field(
        default_factory=list
    )  # what is said of how it was read, where that is not obvious
    written_names: Mapping[str, str] = field(default_factory=dict)  # of columns that the file calls otherwise
    groups: np.ndarray | None = None  # (N,) of str, as the rows of `frame`; "": in no group; None: there is no column
    held_out: np.ndarray | None = None  # (rows of the file,) which ones these are, where others are trained on
    has_fixed_columns: bool = False  # its records call them text and label whatever `columns` calls them

    @property
    def record_columns(self) -> Columns:
        """What the columns are called in `records`."""
        return Columns() if self.has_fixed_columns else self.columns

    @property
    def each_label(self) -> pd.Series:
        """The labels of all rows one after the other, with the line of its row each; rows may have several or none."""
        return self.frame["label"].explode().dropna()

    @property
    def label_names(self) -> list[str]:
        """The label of each row as a message shows it; several of a row in order, with the separator between them."""
        separator = self.columns.label_separator or ""
        return [separator.join(sorted(labels_of(label))) for label in self.frame["label"]]

    def named_records(self) -> list[dict]:
        """Return the rows as they stand in the file, with its columns called as in `columns`."""
        if self.record_columns == self.columns:
            return self.records
        names = {"text": self.columns.text, "label": self.columns.label}
        return [{names.get(name, name): value for name, value in record.items()} for record in self.records]

    @property
    def group_names(self) -> np.ndarray:
        """The groups (N,) of all rows, "" where there is none."""
        return np.full(len(self.frame), "", object) if self.groups is None else self.groups

    @property
    def texts(self) -> list[str]:
        """All texts, first and second ones."""
        return self.frame.drop(columns="label", errors="ignore").to_numpy().ravel().tolist()

    @property
    def whole_texts(self) -> list[str]:
        """The text of each row, the two of a pair as one."""
        texts = self.frame["text"].tolist()
        if "text_pair" not in self.frame or self.columns.text_pair is None:
            return texts
        pairs = self.frame["text_pair"].tolist()
        return [f"{text}{PAIR_SEPARATOR}{pair}" for text, pair in zip(texts, pairs, strict=True)]

    def part(self, keep: np.ndarray, rejected: list[Rejected]) -> "Table":
        """Return the table of the rows that `keep` (N,) bool selects, with other rejected ones."""
        records = list(compress(self.records, keep))
        groups = None if self.groups is None else self.groups[keep]
        return replace(self, frame=self.frame[keep], records=records, rejected=rejected, groups=groups)

    def accounts(self) -> Text:
        """Return in words what the file was taken for, how many rows it has, and what became of them."""
        used = len(self.frame)
        rejected = len(self.rejected)
        rows = count_of(used + rejected, "row")
        taken_for = said_first(self.taken_for)
        return TABLES["accounts"].fill(file=self.path, taken_for=taken_for, rows=rows, used=used, rejected=rejected)


def labels_of(label: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels of a row by its cell in the column label of a table, whether rows have one or several."""
    return label if isinstance(label, tuple) else (label,)


def texts_of(frame: pd.DataFrame) -> RowTexts:
    """Return the texts of a table with the columns text and, for pairs, text_pair."""
    return RowTexts(frame["text"].tolist(), frame["text_pair"].tolist() if "text_pair" in frame else None)


def to_frame(rows: Sequence[Row], unit: str = "line") -> pd.DataFrame:
    """Return rows as a DataFrame of text, text_pair, label with the line (or what `unit` says) as its index."""
    lines = [row.line for row in rows]
    are_numbers = all(isinstance(line, int) for line in lines)
    index = pd.Index(np.array(lines, np.int64 if are_numbers else object), name=unit)
    columns = {
        "text": [row.text for row in rows],
        "text_pair": [row.text_pair for row in rows],
        "label": [row.label for row in rows],
    }
    return pd.DataFrame(columns, index, dtype=object)
