"""Score the saved model on a labelled test set; python test_code.py --help lists the options."""

from toolkit.base.interrupt import end_at_once_on_interrupt

if __name__ == "__main__":
    end_at_once_on_interrupt()

# ruff: noqa: E402
import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.base.errors import UserError
from toolkit.base.process import this_process
from toolkit.cli.exits import begin_script, run_script
from toolkit.cli.options import scoring_options
from toolkit.cli.sections import ScoringOptions
from toolkit.files.source import need_file
from toolkit.models.model_files import ModelFiles
from toolkit.runs.averaged_runs import as_one_run, read_runs
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import SEVERAL_MODELS


def read_options() -> ScoringOptions:
    """Return the options of the command line; UserError for a mistake, no model directory or no test file."""
    options = scoring_options()
    read_runs(list(map(Path, options.model_dirs)), options.columns)
    if len(options.model_dirs) > 1 and options.output_dir is None:
        raise UserError(SEVERAL_MODELS.fill(count=len(options.model_dirs)))
    if this_process().is_main:
        find_test_file(options)
    return options


def find_test_file(options: ScoringOptions) -> Path:
    """Return the labelled file to score; UserError if there is none."""
    return Path(need_file(options.test_file, options.data_dir, "testset", "--test_file"))


if __name__ == "__main__":  # a mistake and --help are answered before the imports below, which take seconds
    begin_script()
    OPTIONS = read_options()
    gc.disable()  # what is imported stays, and to look through it for garbage again and again takes a sixth of the time

import utils
from toolkit.base.disk import DirectoryLock
from toolkit.base.languages import LIST_COMMA, Text, count_of, joined
from toolkit.cli.console import Log
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.machine import Machine, choose_machine
from toolkit.compute.processes import Processes
from toolkit.data.labels import match_labels, unused_names, with_new_names
from toolkit.data.tables import Table, texts_of
from toolkit.evaluation.compare import OtherRun, compare_runs, read_other
from toolkit.evaluation.scored_set import ScoredLabelSets, ScoredSet
from toolkit.evaluation.tasks import task_of
from toolkit.layers.int8 import every
from toolkit.predictions.added_columns import scored_columns
from toolkit.report.texts import SCREEN
from toolkit.training.banner import say_rows, say_unused_names

if TYPE_CHECKING:  # it imports scikit-learn, which takes seconds, and which the test set need not wait for
    from toolkit.report.explanations import Explainer


@dataclass(frozen=True)
class ScoredTest:
    """A test set with what the model of a directory, or several together, predict of it."""

    table: Table
    scored: ScoredSet | ScoredLabelSets
    run: RunFacts  # of the model, or of several as one
    models: list[ModelFiles]
    explainer: "Explainer"
    other: OtherRun | None  # of --compare


def main(options: ScoringOptions) -> None:
    """Read the test set, predict its labels, and write and show how right they are."""
    process = this_process()
    log = Log(sys.stdout if process.is_main else None, spoken_language(options.language))
    folder = Path(options.output_dir or Path(options.model_dirs[0]).parent) / "test"
    with DirectoryLock(folder, process.is_main) as lock:
        with Processes(process) as processes:
            test = predict_test_set(options, processes, log)
        if test is not None:
            lock.take()
            report(options, folder, test, log)


def predict_test_set(options: ScoringOptions, processes: Processes, log: Log) -> ScoredTest | None:
    """Predict the test set in all processes together; the result is the main one's."""
    machine = choose_machine(options.prediction.machine.device, options.prediction.machine.precision, processes)
    batch_size = processes.broadcast(options.prediction.batch_size)
    folders = list(map(Path, options.model_dirs))
    models = list(map(ModelFiles.in_directory, folders))
    test_set = read_test_set(options, log) if machine.is_main else None
    ensemble = utils.load_ensemble(folders, machine, options.prediction, batch_size, log)
    for model in models:
        model.check()
    if test_set is None:
        utils.help_predict(ensemble.predictors)
        return None
    machine = ensemble.predictors[0].machine
    log.item("model", describe_models(folders, test_set.run.base_model, machine))
    if machine.precision.name == "int8" and options.prediction.min_agreement:
        frame = test_set.table.frame
        sample = texts_of(frame.iloc[:: every(len(frame))])
        for line in utils.check_int8(ensemble, sample, options.prediction.min_agreement):
            log.item("", line)
    scored = utils.score_table(ensemble, test_set.table)
    utils.release_helpers(machine)
    from toolkit.report.explanations import Explainer  # noqa: PLC0415 - see above

    explainer = Explainer(ensemble.members[0].encoder, machine.device, bool(test_set.run.equal_lengths))
    return ScoredTest(test_set.table, scored, test_set.run, models, explainer, test_set.other)


def describe_models(folders: Sequence[Path], base_model: str, machine: Machine) -> Text:
    """Return which models predict, and on what."""
    models = joined(map(str, folders), LIST_COMMA)
    if len(folders) > 1:
        models = SCREEN["mean_of"].fill(models=models)
    device = machine.device.type
    line = SCREEN["model"].fill(models=models, base_model=base_model, device=device, precision=machine.precision.name)
    if machine.processes.size == 1:
        return line
    return SCREEN["together"].fill(model=line, processes=count_of(machine.processes.size, "process"))


@dataclass(frozen=True)
class TestSet:
    """A labelled table to score, the run of the model or of several as one, and the run of --compare."""

    table: Table
    run: RunFacts
    other: OtherRun | None


def read_test_set(options: ScoringOptions, log: Log) -> TestSet:
    """Read the test set, and the run of --compare; UserError for what is wrong, before the model is loaded."""
    run = as_one_run(read_runs(list(map(Path, options.model_dirs)), options.columns))
    columns = run.columns.renamed(options.columns)
    reading = options.reading
    file = find_test_file(options)
    table = utils.read_table(file, columns, reading, keep_records=True)
    new_names = options.map_labels or {}
    unused = unused_names([table], new_names)
    table = with_new_names(table, run.new_label_names | new_names)
    table = match_labels(table, run.labels, reading.on_bad_rows)
    say_rows(log, "data", table)
    say_unused_names(log, unused)
    scored_columns(table.records, run.labels)
    return TestSet(table, run, read_other(options.compare, table, run.labels))


def report(options: ScoringOptions, folder: Path, test: ScoredTest, log: Log) -> None:
    """Write metrics.json, predictions.csv and report.html, and say what is in them."""
    from toolkit.report.results import write_results  # noqa: PLC0415 - as Explainer
    from toolkit.report.scores import ScoredRun  # noqa: PLC0415

    table = test.table
    scored = test.scored
    run = test.run
    train = utils.read_training_table(run)
    answers = task_of(run).simple_answers(train, {"test": table}).get("test")
    comparison = compare_runs(test.other, scored.label_ids, scored.predicted, len(scored.labels))
    first, *others = test.models
    scored_run = ScoredRun(scored, table, run, first, train, answers, comparison, others)
    write_results(folder, scored_run, test.explainer, options.report, log)
    log(SCREEN["scores_in"].fill(metrics=folder / "metrics.json", report=folder / "report.html"))
    errors = int((~scored.right).sum())
    log(SCREEN["predictions_in"].fill(file=folder / "predictions.csv", errors=errors))


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    sys.exit(run_script(lambda: main(OPTIONS)))
