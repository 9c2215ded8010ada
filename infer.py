"""Write predictions and probabilities for unlabelled rows; python infer.py --help lists the options."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from toolkit.console import Log, bar
from toolkit.errors import UserError, run_script
from toolkit.files import file_ending, find_file
from toolkit.options import given_columns, inference_options
from toolkit.parts import Parts
from toolkit.predictions import ParquetFormat, TextFormat, choose_form, with_predictions
from toolkit.records import open_source, spooled
from toolkit.rows import Rejected, Row, read_rows, stop_or_report, usable_text, windows, write_rejected
from toolkit.run_info import fingerprint, read_run

STREAM_WINDOW = 256  # rows of a pipe that are sorted by length and answered together


def main() -> None:
    """Check the input, load the model, and classify one text, a stream or a file."""
    args = inference_options().parse_args()
    run = read_run(Path(args.model_dir))
    columns = given_columns(args, run["columns"], label=False)
    job = one_text(args, run) if args.text is not None else Job(args, run["labels"], columns)
    # Heavy imports come after the options and the first reading of the input, which answer a mistake at once.
    import utils
    from toolkit.batching import WINDOW
    from toolkit.metrics import softmax
    from toolkit.precision import choose_precision

    device = utils.choose_device(args.device)
    precision = choose_precision(args.precision, device)
    model, encoder, run = utils.load_model(Path(args.model_dir), device)

    def predict(rows: list[Row], on_batch: Callable[[int], object] = lambda rows: None) -> list[dict]:
        dataset, _ = utils.tokenize(encoder, utils.to_frame(rows))
        logits = utils.predict_logits(model, dataset, args.batch_size, precision, device, on_batch)
        return with_predictions([row.values for row in rows], softmax(logits), run["labels"])

    if args.text is not None:
        print(json.dumps(predict([job])[0], ensure_ascii=not sys.stdout.encoding.lower().startswith("utf")))
    elif job.output is None:
        job.stream(predict)
    else:
        job.write(predict, WINDOW, {"precision": precision.name, "device": device.type})


def one_text(args: Namespace, run: dict) -> Row:
    """Return the row that --text and --text_pair are; UserError if they are not what the model was trained on."""
    pairs = run["columns"]["text_pair"] is not None
    if args.input_file is not None or args.output_file is not None:
        raise UserError("--text stands alone: it is printed, not written, and takes no --input_file")
    if pairs != (args.text_pair is not None):
        raise UserError(
            f"this model was trained on {'pairs: give' if pairs else 'single texts: leave out'} --text_pair"
        )
    values = {"text": args.text} | ({"text_pair": args.text_pair} if pairs else {})
    for name, value in values.items():
        usable_text(value, f"--{name}")
    return Row(1, args.text, args.text_pair, None, values)


class Job:
    """What is read from where, and how and where it is written."""

    def __init__(self, args: Namespace, labels: list[str], columns: dict):
        self.args, self.labels, self.columns, self.log = args, labels, columns, Log(sys.stderr)
        if args.text_pair is not None:
            raise UserError("--text_pair goes with --text")
        found = args.input_file or find_file(args.data_dir, "unlabelled")
        if found is None:
            raise UserError(f"there is no unlabelled.csv (.tsv, .json, ...) in {args.data_dir}; --input_file names one")
        self.input, self.name = str(found), "standard input" if found == "-" else str(found)
        self.kind = (args.input_format or "txt") if self.input == "-" else None
        self.output = self.output_path()
        if self.input == "-" and self.output is not None:
            self.spool = spooled(sys.stdin.buffer)  # a file can be read twice, and found again by its content
            self.input = self.spool.name
        self.total = self.rejected = 0
        if self.input != "-":
            self.scan()

    def output_path(self) -> Path | None:
        """Return the file to write, None for standard output; UserError if it is in the way of another."""
        given = self.args.output_file or ("-" if self.input == "-" else None)
        if given == "-":
            return None
        path = Path(given or Path(self.args.model_dir).parent / f"predictions{file_ending(self.input)}")
        if self.input != "-" and path.exists() and path.samefile(self.input):
            raise UserError(f"--output_file {path} is the input file")
        if path.exists() and not self.args.overwrite:
            raise UserError(f"{path} is already there; --overwrite replaces it, --output_file names another place")
        return path

    def open(self):
        """Open the input."""
        return open_source(self.input, self.args.encoding, self.kind)

    def rows(self, source) -> Iterator[Row | Rejected]:
        """Yield the rows of an open input, under the input's name."""
        source.name = self.name
        return read_rows(source, self.columns["text"], self.columns["text_pair"], None)

    def scan(self) -> None:
        """Read the whole input once: count its rows, find the unusable ones, and collect the names of its columns."""
        names, rejected = {}, []
        with self.open() as source:
            names.update(dict.fromkeys(source.columns))
            for row in self.rows(source):
                self.total += 1
                if isinstance(row, Row):
                    names.update(dict.fromkeys(row.values))
                else:
                    rejected.append(row._replace(values=None))
            self.form = self.output_form(source.format, list(names))
        stop_or_report(rejected, self.total, self.args.on_bad_rows)
        self.total -= len(rejected)

    def output_form(self, given: str, names: list[str]) -> TextFormat | ParquetFormat:
        """Return how the output is written, for an input of format `given` with these columns."""
        parquet_input = Path(self.input) if given == "parquet" else None
        return choose_form(self.output, given, names, self.labels, self.args.excel_safe, parquet_input)

    def used(self, source, name_rejected: bool) -> Iterator[Row]:
        """Yield the usable rows and count the others; name those too, or end at the first, as --on_bad_rows says."""
        for row in self.rows(source):
            if isinstance(row, Row):
                yield row
                continue
            self.rejected += 1
            if name_rejected:
                stop_or_report([row], 0, self.args.on_bad_rows)
                self.log(f"left out: {row}")

    def stream(self, predict: Callable) -> None:
        """Write the predictions to standard output, some hundred rows at a time."""
        out, written = sys.stdout.buffer, 0
        with self.open() as source:
            form = self.output_form(source.format, source.columns) if self.input == "-" else self.form
            out.write(form.header)
            for window in windows(self.used(source, name_rejected=True), STREAM_WINDOW):
                out.write(form.separator * bool(written) + form.encode(predict(window)))
                out.flush()
                written += len(window)
        out.write(form.footer)
        out.flush()
        self.say_accounts(written)

    def write(self, predict: Callable, size: int, made_by: dict) -> None:
        """Write the predictions to a file by way of parts of `size` rows, so that a killed run goes on."""
        started, fresh, done, count = time.perf_counter(), 0, 0, 0
        parts = Parts(self.output, self.made_from() | made_by)
        with self.open() as source, bar(self.total, "predicting", "rows") as progress:
            for number, window in enumerate(windows(self.used(source, name_rejected=False), size)):
                if parts.path(number).exists():
                    progress.update(len(window))
                else:
                    parts.write(number, self.form.encode(predict(window, progress.update)))
                    fresh += len(window)
                count, done = number + 1, done + len(window)
        self.list_rejected(self.output.with_name(f"{self.output.name.split('.')[0]}.rejected_rows.csv"))
        parts.join(count, self.form)
        self.say_accounts(done, f" ({done - fresh:,} of them by an earlier run)" if fresh < done else "")
        speed = fresh / (time.perf_counter() - started)
        self.log(f"{speed:,.0f} rows a second; the predictions are in {self.output}")

    def list_rejected(self, path: Path) -> None:
        """Write the rows that were left out, read anew so that memory does not grow with them."""
        if not self.rejected:
            return write_rejected(path, ())
        with self.open() as source:
            return write_rejected(path, (row for row in self.rows(source) if isinstance(row, Rejected)))

    def say_accounts(self, done: int, found: str = "") -> None:
        """Say what became of every row."""
        total = done + self.rejected
        self.log(f"{self.name}: {total:,} rows = {done:,} predicted{found} + {self.rejected:,} rejected")

    def made_from(self) -> dict:
        """Return what decides the bytes of the output."""
        model_dir, names = Path(self.args.model_dir), ("batch_size", "encoding", "on_bad_rows", "excel_safe")
        weights = (model_dir / "model.safetensors").stat()
        return {
            "input": fingerprint(Path(self.input)),
            "run": fingerprint(model_dir / "run.json"),
            "weights": [weights.st_size, weights.st_mtime_ns],
            "columns": self.columns,
            "output": self.output.name,
            **{name: getattr(self.args, name) for name in names},
        }


if __name__ == "__main__":
    sys.exit(run_script(main))
