"""The texts of some rows, which is all that a model reads of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.data.rows import Row


@dataclass(frozen=True)
class RowTexts:
    """The texts of N rows, and the second ones of pairs."""

    first: Sequence[str]
    second: Sequence[str] | None = None  # None: there are no pairs

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "RowTexts":
        """Return the texts of rows, all of which are pairs if the first one is."""
        first = [row.text for row in rows]
        second = [row.text_pair or "" for row in rows]
        pairs = bool(rows) and rows[0].text_pair is not None
        return cls(first, second if pairs else None)

    def __len__(self) -> int:
        return len(self.first)
