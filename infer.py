"""Write predictions and probabilities for unlabelled rows; python infer.py --help lists the options."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.process import this_process
from toolkit.cli.console import Log, bar
from toolkit.cli.exits import run_script
from toolkit.cli.options import inference_parser
from toolkit.cli.sections import ColumnOptions, options_from
from toolkit.data.files import file_ending, need_file
from toolkit.data.parts import Parts
from toolkit.data.rows import Columns, Rejected, Row, stop_or_report, usable_text, windows
from toolkit.data.unlabelled import Input, rejected_path
from toolkit.data.writers import ParquetWriter, TextWriter, choose_writer, with_predictions
from toolkit.runs.run_facts import RunFacts
from toolkit.runs.run_json import ModelFiles, read_run

STREAM_WINDOW = 256  # rows of a pipe that are sorted by length and answered together


def main() -> None:
    """Check the input, load the model, and classify one text, a stream or a file."""
    args, process = inference_parser().parse_args(), this_process()
    model_files = ModelFiles.in_directory(Path(args.model_dir))
    run = read_run(Path(args.model_dir))
    columns = run.columns.renamed(options_from(ColumnOptions, vars(args))).unlabelled()
    # Of several processes only the first reads and writes, and not before the others have come.
    job = first_reading(args, run, columns) if process.size == 1 else None
    # Heavy imports come after the options and the first reading of the input, which answer a mistake at once.
    import utils
    from toolkit.compute.batches import WINDOW
    from toolkit.compute.machine import choose_machine
    from toolkit.compute.memory import RowLimit
    from toolkit.compute.processes import Processes
    from toolkit.data.tables import to_frame
    from toolkit.evaluation.decision import decision_of
    from toolkit.models.int8 import every

    with Processes(process) as processes:
        machine = choose_machine(args.device, args.precision, processes)
        batch_size = processes.broadcast(args.batch_size)
        if processes.broadcast(model_files.run) != model_files.run:
            raise UserError(f"--model_dir {args.model_dir}: the processes see different models there; start again")
        limit = RowLimit(log=Log(sys.stderr if processes.is_main else None))
        if processes.is_main and job is None:
            job = first_reading(args, run, columns)
        saved = utils.load_model(Path(args.model_dir), machine, args.fast)
        run, encoder = saved.run, saved.encoder
        predictor = utils.Predictor(saved.model, machine, batch_size, limit)
        model_files.check()
        decision = decision_of(run, args.calibrated, args.threshold)

        if machine.precision.name == "int8" and args.min_agreement and processes.is_main:
            frame = to_frame(job.input.sample(every(job.total)))
            job.log(utils.check_int8(predictor, encoder, frame, decision, args.min_agreement))

        def predict(rows: list[Row], on_batch: Callable[[int], object] = lambda rows: None) -> list[dict]:
            """Return the values of each row and what is predicted of it."""
            logits = utils.predict_together(predictor, utils.tokenize(encoder, to_frame(rows)).dataset, on_batch)
            answers = decision.probabilities(logits), decision.label_ids(logits)
            return with_predictions([row.values for row in rows], *answers, run.labels)

        if not processes.is_main:
            utils.help_predict(predictor)
        elif args.text is not None:
            print(json.dumps(predict([job])[0], ensure_ascii=not sys.stdout.encoding.lower().startswith("utf")))
        elif job.output is None:
            job.stream(predict)
        else:
            made_by = {"model": model_files.as_json(), "precision": machine.precision.name}
            job.write(predict, WINDOW, made_by | {"device": machine.device.type, "threads": machine.thread_count})
            job.input.close()
        if processes.is_main:
            utils.release_helpers(predictor)


def first_reading(args: Namespace, run: RunFacts, columns: Columns):
    """Return the row that --text is, or the Job; UserError for what is wrong with the input or in the way."""
    return one_text(args, run) if args.text is not None else Job(args, run.labels, columns)


def one_text(args: Namespace, run: RunFacts) -> Row:
    """Return the row that --text and --text_pair are; UserError if they are not what the model was trained on."""
    pairs = run.pairs
    if args.input_file is not None or args.output_file is not None:
        raise UserError("--text stands alone: it is printed, not written, and takes no --input_file")
    if args.precision == "int8" and args.min_agreement:
        raise UserError("--precision int8 is compared with fp32 on rows of a file; --min_agreement 0 goes without")
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

    def __init__(self, args: Namespace, labels: list[str], columns: Columns):
        self.args, self.labels, self.log = args, labels, Log(sys.stderr)
        if args.text_pair is not None:
            raise UserError("--text_pair goes with --text")
        found = need_file(args.input_file, args.data_dir, "unlabelled", "--input_file")
        self.input = Input(str(found), columns, args.encoding, args.on_bad_rows, args.input_format)
        self.output = self.output_path()
        if self.input.is_pipe and self.output is not None:
            self.input.keep()
        if self.input.is_pipe and args.precision == "int8" and args.min_agreement:
            raise UserError(
                "--precision int8 is compared with fp32 on rows of a file; a pipe needs an --output_file, "
                "or --min_agreement 0, which goes without"
            )
        if not self.input.is_pipe:
            self.total, self.kind, self.names = self.input.scan()
            self.form = self.output_form(self.kind, self.names)

    def output_path(self) -> Path | None:
        """Return the file to write, None for standard output; UserError if it is in the way of another."""
        source = self.input.path
        given = self.args.output_file or ("-" if source == "-" else None)
        if given == "-":
            return None
        path = Path(given or Path(self.args.model_dir).parent / f"predictions{file_ending(source)}")
        if source != "-" and path.exists() and path.samefile(source):
            raise UserError(f"--output_file {path} is the input file")
        listed = rejected_path(path)
        if source != "-" and listed.exists() and listed.samefile(source):
            raise UserError(f"{listed} is the input file; the rows that --output_file {path} leaves out go there")
        if path.exists() and not self.args.overwrite:
            raise UserError(f"{path} is already there; --overwrite replaces it, --output_file names another place")
        return path

    def output_form(self, kind: str, names: list[str]) -> TextWriter | ParquetWriter:
        """Return how the output is written, for an input of format `kind` with these columns."""
        parquet_input = Path(self.input.path) if kind == "parquet" else None
        return choose_writer(self.output, kind, names, self.labels, self.args.excel_safe, parquet_input)

    def stream(self, predict: Callable) -> None:
        """Write the predictions to standard output, some hundred rows at a time."""
        out, written = sys.stdout.buffer, 0
        with self.input.open() as source:
            form = self.output_form(source.format, source.columns) if self.input.is_pipe else self.form
            out.write(form.header)
            for window in windows(self.input.usable(source, self.name_rejected), STREAM_WINDOW):
                out.write(form.separator * bool(written) + form.encode(predict(window)))
                out.flush()
                written += len(window)
        out.write(form.footer)
        out.flush()
        self.say_accounts(written)

    def name_rejected(self, row: Rejected) -> None:
        """Say that a row of a stream is left out, or end at the first one, as --on_bad_rows says."""
        stop_or_report([row], 0, self.args.on_bad_rows)
        self.log(f"left out: {row}")

    def write(self, predict: Callable, size: int, made_by: dict) -> None:
        """Write the predictions to a file by way of parts of `size` rows, so that a killed run goes on."""
        started, fresh, done, count = time.perf_counter(), 0, 0, 0
        parts = Parts(self.output, self.made_from() | made_by)
        with self.input.open() as source, bar(self.total, "predicting", "rows") as progress_bar:
            for number, window in enumerate(windows(self.input.usable(source), size)):
                if parts.path(number).exists():
                    progress_bar.update(len(window))
                else:
                    parts.write(number, self.form.encode(predict(window, progress_bar.update)))
                    fresh += len(window)
                count, done = number + 1, done + len(window)
        self.input.list_rejected(rejected_path(self.output))
        parts.join(count, self.form)
        self.say_accounts(done, f" ({done - fresh:,} of them by an earlier run)" if fresh < done else "")
        speed = fresh / (time.perf_counter() - started)
        self.log(f"{speed:,.0f} rows a second; the predictions are in {self.output}")

    def say_accounts(self, done: int, found: str = "") -> None:
        """Say what became of every row."""
        rejected = self.input.rejected
        self.log(f"{self.input.name}: {done + rejected:,} rows = {done:,} predicted{found} + {rejected:,} rejected")

    def made_from(self) -> dict:
        """Return what decides the bytes of the output, besides the model and what it is computed on."""
        names = ("batch_size", "encoding", "on_bad_rows", "excel_safe", "fast", "calibrated", "threshold")
        return {
            "input": self.input.fingerprint(),
            "columns": self.input.columns.as_json(),
            "read_as": [self.kind, self.names],
            "output": self.output.name,
            **{name: getattr(self.args, name) for name in names},
        }


if __name__ == "__main__":
    sys.exit(run_script(main))
