"""When the memory runs out, the same work is repeated with fewer rows at once."""

import gc
import sys
from collections.abc import Iterator
from types import TracebackType

import numpy as np

from toolkit.base.errors import TooLittleMemory, first_line, is_out_of_memory
from toolkit.base.languages import Text, count_of
from toolkit.cli.console import Log

NO_LIMIT = 1 << 40  # rows
FEWER_ROWS = Text(
    "out of memory with {rows:,} rows at once; continuing with {fewer:,}",
    "一次 {rows:,} 行时内存不足；改为一次 {fewer:,} 行，继续",
)
FEWER_ROWS_ELSEWHERE = Text(
    "out of memory in another process; continuing with {rows} at once", "另一个进程内存不足；改为一次 {rows}，继续"
)
NOT_EVEN_ONE_ROW = Text(
    "out of memory with a single row at once ({reason}); a smaller --max_length needs less",
    "一次只算一行内存也不足（{reason}）；请减小 --max_length",
)


def release_memory() -> None:
    """Free what only refers to itself, and give back what is kept of a CUDA card's memory for later tensors."""
    gc.collect()
    torch = sys.modules.get("torch")  # which an exported model does without
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


class Attempt:
    """A context in which to work on so many rows at once; it catches the exception if the memory runs out.

    `shortage` is the message of that exception, "" if there was none.
    """

    def __init__(self, rows: int):
        self.rows = rows
        self.shortage = ""

    @property
    def will_be_repeated(self) -> bool:
        """Whether the memory ran out, and may suffice for fewer rows."""
        return self.shortage != "" and self.rows > 1

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None and is_out_of_memory(error):
            self.shortage = first_line(error)
        return self.shortage != ""


class RowLimit:
    """How many rows go through a model at once on a device (None: any number); halved when the memory runs out.

    `log` gets a line that says so. With `equal_lengths` only rows of one length do, because padding would change what
    the model makes of them.
    """

    def __init__(self, rows: int | None = None, log: Log | None = None, equal_lengths: bool = False):
        self.rows = rows
        self.log = log or Log(None)
        self.equal_lengths = equal_lengths

    def attempts(self, rows: int) -> Iterator[Attempt]:
        """Yield contexts in which to work on `rows` rows, cut to the limit, until the memory suffices for it.

        The work in a context is repeated from its beginning. Raises TooLittleMemory if even one row does not fit.
        """
        while True:
            attempt = Attempt(min(rows, self.rows or rows))
            yield attempt
            if not attempt.shortage:
                return
            if not attempt.will_be_repeated:
                raise TooLittleMemory(NOT_EVEN_ONE_ROW.fill(reason=attempt.shortage))
            self.rows = -(-attempt.rows // 2)
            release_memory()
            self.log(FEWER_ROWS.fill(rows=attempt.rows, fewer=self.rows))

    def tighten(self, rows: int) -> None:
        """Take over the limit of another process if it is lower."""
        if rows < (self.rows or NO_LIMIT):
            self.rows = rows
            self.log(FEWER_ROWS_ELSEWHERE.fill(rows=count_of(rows, "row")))

    def on_devices(self, count: int) -> int | None:
        """Return how many rows `count` devices together hold at once; None for any number."""
        return None if self.rows is None else self.rows * count

    def cut(self, rows: np.ndarray, devices: int = 1) -> list[np.ndarray]:
        """Cut row numbers into parts within the limit, which is that of each of `devices`."""
        limit = self.on_devices(devices)
        if limit is None or not len(rows):
            return [rows]
        return np.array_split(rows, -(-len(rows) // limit))
