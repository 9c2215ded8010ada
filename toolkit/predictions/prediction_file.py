"""Where predictions go: to a file by way of parts, to standard output some rows at a time, or one of them as json."""

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, Text, count_of, shortened
from toolkit.base.streams import StandardOutput, writes_utf8
from toolkit.cli.console import Log
from toolkit.cli.sections import InferenceOptions
from toolkit.cli.spoken_language import spoken_language
from toolkit.data.rows import Rejected, Row, cells_of, cut_into_windows, usable_text
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.files.columns import Columns
from toolkit.files.source import file_format, said_first, short_repr
from toolkit.predictions.added_columns import AddedColumns, PredictedRows, likeliest_count
from toolkit.predictions.parts import Parts
from toolkit.predictions.texts import COLUMNS, COMBINATIONS, OUTPUT, PREDICTING, ROWS
from toolkit.predictions.writers import (
    ExcelWriter,
    InputTable,
    TextWriter,
    choose_writer,
)

MAX_LISTED_COLUMNS = 5  # in an error
STREAM_WINDOW = 256  # rows of a stream that are sorted by length and predicted together
REJECTED_ENDING = ".rejected_rows.csv"


@dataclass(frozen=True)
class Window:
    """Rows that are written together, and the number of the window in its file."""

    number: int
    all_rows: Sequence[Row | Rejected]  # those that cannot be used have no prediction

    @property
    def rows(self) -> list[Row]:
        """Those that are predicted."""
        return [row for row in self.all_rows if isinstance(row, Row)]


class Predictions(ABC):
    """Rows to predict and where their predictions go: `write` takes those of each of the `windows`, then `finish`.

    `labels` are the model's, and `separator` is what stands between several of a row, None if each has one; `log` says
    on stderr what becomes of the rows.
    """

    def __init__(self, options: InferenceOptions, labels: Sequence[str], separator: str | None):
        self.options = options
        self.labels = labels
        top_k = likeliest_count(options.top_k, len(labels))
        self.added = AddedColumns(
            labels,
            top_k,
            options.prediction_prefix or "",
            separator=separator,
            may_abstain=options.abstention.is_wanted,
        )
        self.log = Log(sys.stderr, spoken_language(options.language))
        self.total = 0  # usable rows, where they can be counted beforehand
        self.columns: list[str] = []  # of the input, as far as they are known, without those that are replaced
        self.replaced: frozenset[str] = frozenset()  # columns of the input

    @abstractmethod
    def windows(self, made_by: Mapping) -> Iterator[Window]:
        """Yield the windows that are to be predicted; `made_by` says with which model and on what."""

    @abstractmethod
    def write(self, window: Window, predicted: PredictedRows) -> None:
        """Write what is predicted of the rows of a window."""

    def sample(self, step: int) -> list[Row]:
        """Return every `step`th of the usable rows, where they can be read more than once."""
        return []

    def advance(self, rows: int) -> None:  # noqa: B027 (not all show a progress bar)
        """Count so many rows of the window that is under way as predicted."""

    def finish(self) -> None:  # noqa: B027 (not all have something left to do)
        """Write and say what comes after the last window."""

    def predicted_rows(self, window: Window, predicted: PredictedRows) -> list[dict]:
        """Return the rows of a window as they are written."""
        values = [self._kept(row.values) for row in window.rows]
        rows = iter(self.added.fill(values, predicted))
        return [next(rows) if isinstance(row, Row) else self._unpredicted(row) for row in window.all_rows]

    def _unpredicted(self, row: Rejected) -> dict:
        """Return a row that cannot be used as it is written."""
        return self.added.leave_empty(self._kept(cells_of(row, self.columns)))

    def _kept(self, values: dict) -> dict:
        """Return the values of a row without those that are replaced."""
        if not self.replaced:
            return values
        return {column: value for column, value in values.items() if column not in self.replaced}

    def choose_columns(self, rows: UnlabelledRows, columns: Sequence[str]) -> None:
        """Decide which columns of the input are kept: with --overwrite all but those called as the added ones.

        Raises UserError if there are such columns, unless they are to be replaced.
        """
        taken = self.added.in_the_way(columns)
        if taken:
            self._replace(rows, taken)
        self.columns = [column for column in columns if column not in self.replaced]

    def _replace(self, rows: UnlabelledRows, taken: Sequence[str]) -> None:
        """Replace columns of the input; UserError if that is not wanted, or one of them has the texts."""
        names = [short_repr(name) for name in taken[:MAX_LISTED_COLUMNS]]
        noun = COLUMNS["column" if len(taken) == 1 else "columns"]
        columns = noun.fill(listed=shortened(names, len(taken), LIST_COMMA))
        keep_both = f"--prediction_prefix {self.added.prefix}new_"
        if set(taken) & set(rows.used_columns):
            raise UserError(COLUMNS["used"].fill(file=rows.name, columns=columns, keep_both=keep_both))
        if not self.options.overwrite:
            there = COLUMNS["there"] if len(taken) > 1 else COLUMNS["one_there"]
            raise UserError(there.fill(file=rows.name, columns=columns, keep_both=keep_both))
        self.replaced = frozenset(taken)
        self.log(COLUMNS["replaced"].fill(file=rows.name, columns=columns))


def rejected_path(output: Path) -> Path:
    """Return where the rows that an output leaves out are listed: beside it, and no other output's list is there.

    For predictions.csv that is predictions.rejected_rows.csv; any other name is kept whole, as in
    predictions.jsonl.rejected_rows.csv, since two outputs may differ in nothing but their endings. Raises UserError
    for an output that is named as such a list.
    """
    if output.name.endswith(REJECTED_ENDING):
        raise UserError(OUTPUT["reserved"].fill(path=output, ending=REJECTED_ENDING))
    stem = output.name.removesuffix(".csv")
    if _is_output_name(stem):  # as of a.jsonl.csv, whose list would be that of a.jsonl
        stem = output.name
    return output.with_name(stem + REJECTED_ENDING)


def _is_output_name(name: str) -> bool:
    try:
        file_format(name)
    except UserError:
        return False
    return True


class SinglePrediction(Predictions):
    """The prediction of --text, and --text_pair for a model of pairs, which is printed as json."""

    def __init__(self, options: InferenceOptions, labels: Sequence[str], columns: Columns):
        super().__init__(options, labels, columns.label_separator)
        self.added = replace(self.added, as_list=True)
        pairs = columns.text_pair is not None
        if options.input_file is not None or options.output_file is not None:
            raise UserError(COMBINATIONS["text"])
        if _compares_int8(options):
            raise UserError(COMBINATIONS["int8_text"])
        if pairs and options.text_pair is None:
            raise UserError(COMBINATIONS["pairs"])
        if options.text_pair is not None and not pairs:
            raise UserError(COMBINATIONS["single_texts"])
        values = {"text": options.text or ""}
        if options.text_pair is not None:
            values["text_pair"] = options.text_pair
        for name, value in values.items():
            usable_text(value, f"--{name}")
        self.row = Row(1, values["text"], options.text_pair, None, values)

    def windows(self, made_by: Mapping) -> Iterator[Window]:
        """Yield the one window of the one row."""
        yield Window(0, [self.row])

    def write(self, window: Window, predicted: PredictedRows) -> None:
        """Print the row with its prediction."""
        (row,) = self.predicted_rows(window, predicted)
        print(json.dumps(row, ensure_ascii=not writes_utf8(sys.stdout)))


class PredictionStream(Predictions):
    """Predictions that are written to standard output, some hundred rows at a time, of a file or of a pipe."""

    def __init__(self, options: InferenceOptions, labels: Sequence[str], rows: UnlabelledRows):
        super().__init__(options, labels, rows.columns.label_separator)
        self.rows = rows
        self.output = StandardOutput()
        self.written = 0  # rows
        if not rows.is_pipe:
            contents = rows.scan()
            self.total = contents.rows
            self.choose_columns(rows, contents.columns)
            self._choose_writer(contents.format)  # what it refuses is said before a model is loaded
        elif _compares_int8(options):
            raise UserError(COMBINATIONS["int8_pipe"])

    def _choose_writer(self, input_format: str) -> TextWriter:
        table = InputTable(input_format, self.columns, self.rows.written_names)
        writer = choose_writer(None, table, self.added, self.options.excel_safe)
        assert isinstance(writer, TextWriter)  # others are refused
        return writer

    def windows(self, made_by: Mapping) -> Iterator[Window]:
        """Write the header and yield the windows; a row that cannot be used ends it or is named on stderr."""
        with self.rows.open() as source:
            if self.rows.is_pipe:
                self.choose_columns(self.rows, source.columns)
            self.writer = self._choose_writer(source.format)
            self.added = replace(self.added, as_list=self.writer.holds_lists)
            self.output.write(self.writer.header)
            rows = self._without_bad_rows(self.rows.read(source))
            for number, window in enumerate(cut_into_windows(rows, STREAM_WINDOW)):
                yield Window(number, window)

    def sample(self, step: int) -> list[Row]:
        """Return every `step`th of the usable rows."""
        return self.rows.sample(step)

    def _without_bad_rows(self, rows: Iterator[Row | Rejected]) -> Iterator[Row | Rejected]:
        """Yield the rows that can be used; end at the first other one, or name and keep it, as --on_bad_rows says."""
        for row in rows:
            if isinstance(row, Row):
                yield row
            elif self.rows.keeps_bad_rows:
                self.log(ROWS["no_prediction"].fill(row=row.problem))
                yield row
            elif row.stops and self.options.reading.on_bad_rows == "stop":
                raise UserError(row.problem)
            else:
                self.log(ROWS["left_out"].fill(row=row.problem))

    def write(self, window: Window, predicted: PredictedRows) -> None:
        """Write the rows of a window with their predictions."""
        if window.number:
            self.output.write(self.writer.separator)
        self.output.write(self.writer.encode(self.predicted_rows(window, predicted)))
        self.written += len(window.rows)

    def finish(self) -> None:
        """Write what stands below the rows and say what became of them."""
        self.output.write(self.writer.footer)
        self.log(_accounts(self.rows, self.written))


class PredictionFile(Predictions):
    """Predictions that are written to a file, in parts first, so that a run that was killed can be continued.

    A pipe is kept in a temporary file before anything is predicted.
    """

    def __init__(
        self, options: InferenceOptions, labels: Sequence[str], rows: UnlabelledRows, path: Path, window_size: int
    ):
        super().__init__(options, labels, rows.columns.label_separator)
        self.path = path
        self.rows = rows
        self.window_size = window_size
        if rows.is_pipe:
            rows.keep()
        contents = rows.scan()
        self.total = contents.rows
        self.choose_columns(rows, contents.columns)
        table = InputTable(contents.format, self.columns, rows.written_names)
        self.writer = choose_writer(path, table, self.added, options.excel_safe, rows.arrow_schema)
        self.added = replace(self.added, as_list=isinstance(self.writer, TextWriter) and self.writer.holds_lists)
        if isinstance(self.writer, ExcelWriter):
            self.writer.check(self.total)
        self.made_from = {
            "input": rows.fingerprint(),
            "columns": rows.columns.as_json(),
            "read_as": [contents.format, self.columns],
            "output": path.name,
            "batch_size": options.prediction.batch_size,
            "encoding": options.reading.encoding,
            "table": asdict(options.reading.table),
            "on_bad_rows": options.reading.on_bad_rows,
            "excel_safe": options.excel_safe,
            "fast": options.prediction.machine.fast,
            "calibrated": options.prediction.calibrated,
            "threshold": options.prediction.threshold,
        }
        if options.rank is not None:
            self.made_from["rank"] = options.rank
        if self.added.prefix:
            self.made_from["prediction_prefix"] = self.added.prefix
        if self.added.likeliest is not None:
            self.made_from["likeliest_labels"] = self.added.likeliest
        self.window_count = 0
        self.row_count = 0  # of all windows, those without a prediction left out
        self.fresh_count = 0  # of those that were yet to be predicted

    def windows(self, made_by: Mapping) -> Iterator[Window]:
        """Yield the windows that no earlier run has predicted which was made from and by the same."""
        self.started = time.perf_counter()
        if self.rows.fingerprint() != self.made_from["input"]:
            raise UserError(OUTPUT["changed"].fill(file=self.rows.shown_name))
        self.parts = Parts(self.path, self.made_from | dict(made_by))
        with self.rows.open() as source, self.log.bar(self.total, PREDICTING, "rows") as self.progress_bar:
            for number, rows in enumerate(cut_into_windows(self.rows.read_to_write(source), self.window_size)):
                window = Window(number, rows)
                count = len(window.rows)
                if self.parts.path(number).exists():
                    self.advance(count)
                else:
                    yield window
                    self.fresh_count += count
                self.window_count += 1
                self.row_count += count

    def sample(self, step: int) -> list[Row]:
        """Return every `step`th of the usable rows."""
        return self.rows.sample(step)

    def advance(self, rows: int) -> None:
        """Move the progress bar on."""
        self.progress_bar.update(rows)

    def write(self, window: Window, predicted: PredictedRows) -> None:
        """Keep the rows of a window with their predictions as a part of the file."""
        self.parts.write(window.number, self.writer.encode(self.predicted_rows(window, predicted)))

    def join_parts(self) -> None:
        """Put the file that its parts make in its place."""
        self.parts.join(self.window_count, self.writer)

    def finish(self) -> None:
        """Put the file in its place, list the rows that are not in it beside it, and say what became of all of them."""
        listed = rejected_path(self.path)
        self.rows.list_rejected(listed)
        self.join_parts()
        self.rows.close()
        self.log(_accounts(self.rows, self.row_count, by_earlier_run=self.row_count - self.fresh_count))
        if self.rows.rejected:
            self.log(ROWS["reasons"].fill(file=listed, rows=count_of(self.rows.rejected, "row")))
        speed = self.fresh_count / (time.perf_counter() - self.started)
        self.log(ROWS["speed"].fill(speed=speed, file=self.path))


def _compares_int8(options: InferenceOptions) -> bool:
    """Return whether what int8 predicts is to be compared with what fp32 predicts before it is used."""
    return options.prediction.machine.precision == "int8" and bool(options.prediction.min_agreement)


def _accounts(rows: UnlabelledRows, predicted: int, by_earlier_run: int = 0) -> Text:
    """Return what became of every row in words."""
    earlier = ROWS["earlier"].fill(count=by_earlier_run) if by_earlier_run else ""
    return ROWS["accounts"].fill(
        file=rows.shown_name,
        taken_for=said_first(rows.taken_for),
        rows=count_of(predicted + rows.rejected, "row"),
        predicted=predicted,
        earlier=earlier,
        others=rows.rejected,
        kind=ROWS["without_prediction" if rows.rejected and rows.keeps_bad_rows else "rejected"],
    )
