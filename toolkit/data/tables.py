"""The rows of a labelled file as a DataFrame, with what is needed to find each of them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data.files import file_format
from toolkit.data.rows import Columns, Rejected, Row

FRAME_COLUMNS = ("text", "text_pair", "label")


@dataclass
class Table:
    """The rows of a labelled file: `frame` has text[, text_pair], label, and the line each row begins on as its index.

    `records` are the rows as they stand in the file, where they were asked for.
    """

    path: Path
    frame: pd.DataFrame
    rejected: list[Rejected]
    records: list[dict]
    columns: Columns
    sha256: str  # of the file when it was read

    @property
    def record_columns(self) -> Columns:
        """What the columns are called in `records`: those of a txt file are always text and label."""
        return Columns() if file_format(self.path) == "txt" else self.columns

    def named_records(self) -> list[dict]:
        """Return the rows as they stand in the file, the columns of a txt file being called as in `columns`."""
        if self.record_columns == self.columns:
            return self.records
        return [{self.columns.text: row["text"], self.columns.label: row["label"]} for row in self.records]

    @property
    def texts(self) -> list[str]:
        """All texts, first and second ones."""
        return self.frame.drop(columns="label").to_numpy().ravel().tolist()

    def part(self, keep: np.ndarray, rejected: list[Rejected]) -> "Table":
        """Return the table of the rows that `keep` (N,) bool says, with other rejected ones."""
        return replace(self, frame=self.frame[keep], records=[*compress(self.records, keep)], rejected=rejected)

    def accounts(self) -> str:
        """Return the accounting of the file's rows in words."""
        used, rejected = len(self.frame), len(self.rejected)
        return f"{self.path}: {used + rejected:,} rows = {used:,} used + {rejected:,} rejected"


def to_frame(rows: Sequence[Row], unit: str = "line") -> pd.DataFrame:
    """Return rows as a DataFrame of text, text_pair, label with the line (or what `unit` says) as its index."""
    index = pd.Index([row.line for row in rows], name=unit)
    return pd.DataFrame({name: [getattr(row, name) for row in rows] for name in FRAME_COLUMNS}, index, dtype=object)
