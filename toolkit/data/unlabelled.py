"""The unlabelled rows of a file or a pipe, gone through more than once, and what of them cannot be used."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from toolkit.base.disk import fingerprint, stream_fingerprint
from toolkit.base.errors import UserError
from toolkit.data.files import Source, file_format
from toolkit.data.reading import Spool, open_source, standard_input
from toolkit.data.rows import Columns, Rejected, Row, read_rows, stop_or_report, write_rejected

REJECTED = ".rejected_rows.csv"


def rejected_path(output: Path) -> Path:
    """Return where the rows that an output leaves out are listed: beside it, and no other output's list is there.

    For predictions.csv that is predictions.rejected_rows.csv; any other name is kept whole, as in
    predictions.jsonl.rejected_rows.csv, since two outputs may differ in nothing but their endings. Raises UserError
    for an output that is named as such a list.
    """
    if output.name.endswith(REJECTED):
        raise UserError(f"--output_file {output}: names that end in {REJECTED} are for lists of rows that are left out")
    stem = output.name.removesuffix(".csv")
    if _is_output_name(stem):  # as of a.jsonl.csv, whose list would be that of a.jsonl
        stem = output.name
    return output.with_name(stem + REJECTED)


def _is_output_name(name: str) -> bool:
    try:
        file_format(name)
    except UserError:
        return False
    return True


class Input:
    """Rows to classify; `path` "-" is standard input, which is in `kind` format, txt if None.

    `columns` has no label. `rejected` counts the rows that were left out of those gone through so far.
    """

    def __init__(self, path: str, columns: Columns, encoding: str | None, on_bad_rows: str, kind: str | None):
        self.path, self.name = path, "standard input" if path == "-" else path
        self.columns, self.encoding, self.on_bad_rows = columns, encoding, on_bad_rows
        self.kind = (kind or "txt") if path == "-" else None
        self.rejected = 0
        self.spool: Spool | None = None

    def keep(self) -> None:
        """Put all of standard input into a temporary file, which can be read twice and has a fingerprint."""
        self.spool = Spool(standard_input())

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self.spool is not None:
            self.spool.close()

    def open(self) -> Source:
        """Open the input for one reading."""
        return open_source(self.path, self.encoding, self.kind, self.spool)

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once."""
        return self.path == "-" and self.spool is None

    def fingerprint(self) -> str:
        """Return the sha256 of its bytes."""
        if self.spool is None:
            return fingerprint(Path(self.path))
        with self.spool.open() as stream:
            return stream_fingerprint(stream)

    def scan(self) -> tuple[int, str, list[str]]:
        """Read it all once and return the number of usable rows, the format, and the names of all columns.

        Raises UserError that lists the rows that cannot be used, unless they are to be skipped.
        """
        names, rejected, total = {}, [], 0
        with self.open() as source:
            names.update(dict.fromkeys(source.columns))
            for row in self._rows(source):
                total += 1
                if isinstance(row, Row):
                    names.update(dict.fromkeys(row.values))
                else:
                    rejected.append(row._replace(values=None))
        stop_or_report(rejected, total, self.on_bad_rows)
        return total - len(rejected), source.format, list(names)

    def usable(self, source: Source, on_rejected=lambda row: None) -> Iterator[Row]:
        """Yield the usable rows of the open input; count the others and hand them to `on_rejected`."""
        for row in self._rows(source):
            if isinstance(row, Row):
                yield row
            else:
                self.rejected += 1
                on_rejected(row)

    def sample(self, step: int) -> list[Row]:
        """Return every `step`th of the usable rows."""
        with self.open() as source:
            return list(islice((row for row in self._rows(source) if isinstance(row, Row)), 0, None, step))

    def list_rejected(self, path: Path) -> None:
        """Write the rows that were left out, read anew so that memory does not grow with them."""
        if not self.rejected:
            return write_rejected(path, ())
        with self.open() as source:
            return write_rejected(path, (row for row in self._rows(source) if isinstance(row, Rejected)))

    def _rows(self, source: Source) -> Iterator[Row | Rejected]:
        return read_rows(source, self.columns)
