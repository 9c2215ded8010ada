"""What to do when the memory runs out: fewer rows at once, and the same again."""

import gc
from collections.abc import Callable, Iterator

import numpy as np
import torch

from toolkit.base.errors import UserError, first_line, is_out_of_memory

NO_LIMIT = 1 << 40  # rows


class _Attempt:
    """A context that takes the exception of memory that ran out, and notes what it says."""

    shortage = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> bool:
        self.shortage = first_line(error) if is_out_of_memory(error) else ""
        return bool(self.shortage)


class RowLimit:
    """How many rows go through a model at once (None: any number); halved when the memory runs out.

    `on_change` gets a line that says so.
    """

    def __init__(self, rows: int | None = None, on_change: Callable[[str], None] = lambda line: None):
        self.rows, self.on_change = rows, on_change

    def attempts(self, rows: int, before_next: Callable[[], None] = lambda: None) -> Iterator[_Attempt]:
        """Yield contexts in which to work on `rows` rows, cut to the limit, until the memory suffices for it.

        What is in a context begins anew each time, after `before_next`. Raises UserError if it does not suffice for
        a single row.
        """
        while True:
            attempt = _Attempt()
            yield attempt
            if not attempt.shortage:
                return
            now = min(rows, self.rows or rows)
            if now <= 1:
                raise UserError(
                    f"out of memory with a single row at once ({attempt.shortage}); a shorter --max_length takes less"
                )
            self.rows = -(-now // 2)
            before_next()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self.on_change(f"out of memory with {now:,} rows at once; going on with {self.rows:,}")

    def tighten(self, rows: int) -> None:
        """Take the limit that another process has found, if it is a lower one."""
        if rows < (self.rows or NO_LIMIT):
            self.rows = rows
            self.on_change(f"out of memory in another process; going on with {rows:,} rows at once")

    def cut(self, rows: np.ndarray, devices: int = 1) -> list[np.ndarray]:
        """Cut row numbers into pieces within the limit, which is that of each of `devices`."""
        most = self.rows and self.rows * devices
        return np.array_split(rows, -(-len(rows) // most)) if most and len(rows) else [rows]
