"""The unlabelled rows of a file or a pipe, gone through more than once, and what of them cannot be used."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.base.disk import stream_fingerprint
from toolkit.base.languages import Text
from toolkit.cli.sections import ReadingOptions
from toolkit.data.rows import Rejected, Row, read_rows, stop_if_rejected, write_rejected
from toolkit.files.columns import Columns
from toolkit.files.inputs import input_fingerprint
from toolkit.files.source import PACKED, TEXT_FORMATS, Source, file_ending, format_of_name, shown_name
from toolkit.files.texts import STANDARD_INPUT
from toolkit.formats.column_names import find_columns
from toolkit.formats.dialects import TableReading
from toolkit.formats.reading import Spool, open_source, standard_input


class Contents(NamedTuple):
    """What is in a file: the number of usable rows, its format, and the names of all columns."""

    rows: int
    format: str
    columns: list[str]


class UnlabelledRows:
    """Rows to classify; `path` "-" is standard input, which is in the format `pipe_format`, txt if None.

    `columns` has no label. `rejected` counts the rows that were left out of those gone through so far;
    `written_names` says how the file writes the names of its columns, once it was opened.
    """

    def __init__(self, path: str, columns: Columns, reading: ReadingOptions, pipe_format: str | None):
        self.path = path
        self.name = STANDARD_INPUT.en if path == "-" else path
        self.shown_name = shown_name(self.name)
        self.columns = columns
        self.reading = reading
        self.format = (pipe_format or "txt") if path == "-" else None
        self.rejected = 0
        self._taken_for: tuple[list[str | Text], list[str | Text]] = (
            [],
            [],
        )  # of the file and of its columns, once it was opened
        self.arrow_schema: Any = None  # of a parquet or arrow file, once it was opened
        self.spool: Spool | None = None
        self.written_names: Mapping[str, str] = {}
        self._own_columns = columns  # as they are called in the file

    @property
    def keeps_bad_rows(self) -> bool:
        """Whether rows that cannot be used are given back too, without a prediction."""
        return self.reading.on_bad_rows == "keep"

    @property
    def used_columns(self) -> list[str]:
        """The columns from which texts are read, as they are called in the file, once it was opened."""
        return self._own_columns.names

    @property
    def taken_for(self) -> list[str | Text]:
        """What is said of how the file was read; of several files it is complete once all were."""
        of_file, of_columns = self._taken_for
        return [*of_file, *of_columns]

    @property
    def is_pipe(self) -> bool:
        """Whether they can be read only once."""
        return self.path == "-" and self.spool is None

    def keep(self) -> None:
        """Put all of standard input into a temporary file, which can be read twice and has a fingerprint."""
        self.spool = Spool(standard_input())

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self.spool is not None:
            self.spool.close()

    def fingerprint(self) -> str:
        """Return the sha256 of the file or files, or of the pipe that was kept."""
        if self.spool is None:
            return input_fingerprint(Path(self.path))
        with self.spool.open() as stream:
            return stream_fingerprint(stream)

    def open(self) -> Source:
        """Open the file for one reading; UserError if it is not clear which columns are meant."""
        known = TableReading.from_options(self.reading.table, self.columns.wanted, with_label=False)
        source = open_source(self.path, self.reading.encoding, self.format, self.spool, known)
        try:
            own_columns = find_columns(source, self.columns)
        except BaseException:
            source.__exit__()
            raise
        self._own_columns = own_columns.columns
        self._taken_for = (source.taken_for, own_columns.taken_for)
        self.written_names = source.written_names
        self.arrow_schema = source.arrow_schema
        return source

    def output_ending(self) -> str:
        """Return the ending of the name under which predictions of the file are written, in its format if it can be.

        That is the file's own ending, but for files that are written otherwise than they are read.
        """
        ending = file_ending(self.path)
        with self.open() as source:
            kind = source.format
        named = format_of_name(self.path)
        is_written_so = named == kind or (named, kind) == ("json", "jsonl")  # .json files may be either
        can_be_packed = kind in TEXT_FORMATS and ending.endswith(".gz")
        return ending if is_written_so and (can_be_packed or not ending.endswith(PACKED)) else f".{kind}"

    def scan(self) -> Contents:
        """Read it all once and return what is in it.

        Raises UserError that lists the rows that cannot be used, unless they are to be skipped or kept.
        """
        rejected = []
        total = 0
        with self.open() as source:
            columns = dict.fromkeys(source.columns)
            for row in self._rows(source):
                total += 1
                if isinstance(row, Row):
                    columns.update(dict.fromkeys(row.values))
                else:
                    rejected.append(row._replace(values=None))
                    if self.keeps_bad_rows and isinstance(row.values, dict):
                        columns.update(dict.fromkeys(row.values))
        stop_if_rejected(rejected, total, self.reading.on_bad_rows)
        return Contents(total - len(rejected), source.format, list(columns))

    def read(self, source: Source) -> Iterator[Row | Rejected]:
        """Yield the rows of the opened file and count those that are rejected."""
        for row in self._rows(source):
            if isinstance(row, Rejected):
                self.rejected += 1
            yield row

    def again(self, source: Source) -> Iterator[Row | Rejected]:
        """Yield what read_to_write does, of a file that was gone through before, and count nothing."""
        return (row for row in self._rows(source) if self.keeps_bad_rows or isinstance(row, Row))

    def read_to_write(self, source: Source) -> Iterator[Row | Rejected]:
        """Yield the rows of the opened file that are written: those that can be used, and others if they are kept."""
        return (row for row in self.read(source) if self.keeps_bad_rows or isinstance(row, Row))

    def sample(self, step: int) -> list[Row]:
        """Return every `step`th of the usable rows."""
        with self.open() as source:
            usable = (row for row in self._rows(source) if isinstance(row, Row))
            return list(islice(usable, 0, None, step))

    def list_rejected(self, path: Path) -> None:
        """Write the rows that were left out, read anew so that memory does not grow with them."""
        if not self.rejected:
            write_rejected(path, ())
            return
        with self.open() as source:
            write_rejected(path, (row for row in self._rows(source) if isinstance(row, Rejected)))

    def _rows(self, source: Source) -> Iterator[Row | Rejected]:
        return read_rows(source, self._own_columns)
