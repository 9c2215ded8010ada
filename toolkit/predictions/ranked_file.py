"""Predictions that are written in the order in which a person should label the rows.

What is predicted is kept in parts first, as of any file, and the rows themselves are read anew when their order is
known: some of them at a time, so that memory does not grow with them.

B rows of a window, C labels, N usable rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from safetensors.numpy import load, save

from toolkit.base.disk import write_bytes
from toolkit.data.rows import PAIR_SEPARATOR, Rejected, Row, cut_into_windows
from toolkit.predictions.added_columns import PredictedRows
from toolkit.predictions.prediction_file import PredictionFile, Window

ROWS_AT_ONCE = 50_000  # that are held in memory; the input is read once for each so many


class RankedFile(PredictionFile):
    """A PredictionFile whose rows stand in another order than in their file; `put_in_order` says in which."""

    def write(self, window: Window, predicted: PredictedRows) -> None:
        """Keep what is predicted of the rows of a window."""
        tensors = {name: np.ascontiguousarray(value) for name, value in vars(predicted).items() if value is not None}
        self.parts.write(window.number, save(tensors))

    def margins(self) -> np.ndarray:
        """Return the margin (N,) of each usable row."""
        kept = [self._predicted(number).margins for number in range(self.window_count)]
        return np.concatenate([np.zeros(0), *(margins for margins in kept if margins is not None)])

    def texts(self, numbers: np.ndarray) -> list[str]:
        """Return the texts of some usable rows, by their numbers (K,); those of pairs as one."""
        rows = self._rows_of(numbers)
        return [row.text if row.text_pair is None else f"{row.text}{PAIR_SEPARATOR}{row.text_pair}" for row in rows]

    def put_in_order(self, order: np.ndarray) -> None:
        """Write the usable rows by their numbers (N,), and behind them those that cannot be used, as parts."""
        self.written = 0
        for start in range(0, len(order), ROWS_AT_ONCE):
            numbers = order[start : start + ROWS_AT_ONCE]
            rows = self._rows_of(numbers)
            predicted = self._predicted_of(numbers)
            for first in range(0, len(rows), self.window_size):
                piece = slice(first, first + self.window_size)
                self._write_part(rows[piece], predicted.select(piece))
        unusable = (row for _, row in self._read() if isinstance(row, Rejected))
        for window in cut_into_windows(unusable, self.window_size):
            self._write_part(window, PredictedRows.nothing(len(self.labels)))

    def join_parts(self) -> None:
        """Put the file that its parts make in its place."""
        self.parts.join(self.written, self.writer, ranked=True)

    def _write_part(self, rows: Sequence[Row | Rejected], predicted: PredictedRows) -> None:
        content = self.writer.encode(self.predicted_rows(Window(self.written, rows), predicted))
        write_bytes(self.parts.path(self.written, ranked=True), content)
        self.written += 1

    def _read(self) -> Iterator[tuple[int, Row | Rejected]]:
        """Yield the rows that are written, each with its number among the usable ones if it is one of them."""
        number = 0
        with self.rows.open() as source:
            for row in self.rows.again(source):
                yield number, row
                number += isinstance(row, Row)

    def _rows_of(self, numbers: np.ndarray) -> list[Row]:
        """Return some usable rows by their numbers (K,)."""
        places = {number: place for place, number in enumerate(numbers.tolist())}
        rows: dict[int, Row] = {}
        for number, row in self._read():
            if number in places and isinstance(row, Row):
                rows[places[number]] = row
                if len(rows) == len(places):
                    break
        return [rows[place] for place in range(len(places))]

    def _predicted_of(self, numbers: np.ndarray) -> PredictedRows:
        """Return what was predicted of some usable rows, by their numbers (K,)."""
        chosen = np.sort(numbers)
        pieces = []
        start = 0
        for part in range(self.window_count):
            predicted = self._predicted(part)
            count = len(predicted.label_ids)
            within = chosen[(chosen >= start) & (chosen < start + count)] - start
            pieces.append(predicted.select(within))
            start += count
        together = PredictedRows.join(pieces)
        return together.select(np.argsort(np.argsort(numbers, kind="stable"), kind="stable"))

    def _predicted(self, part: int) -> PredictedRows:
        tensors = load(self.parts.path(part).read_bytes())
        return PredictedRows(**tensors)
