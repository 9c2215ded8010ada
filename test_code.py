"""Score the saved model on a labelled test set; python test_code.py --help lists the options."""

import sys
from argparse import Namespace
from pathlib import Path

from toolkit.base.disk import DirectoryLock
from toolkit.base.process import Process, this_process
from toolkit.cli.console import Log
from toolkit.cli.exits import run_script
from toolkit.cli.options import scoring_parser
from toolkit.cli.sections import ColumnOptions, options_from
from toolkit.data.files import need_file
from toolkit.data.rows import Columns
from toolkit.runs.run_json import ModelFiles, read_run


def main() -> None:
    """Check the options, and score the model where nobody else writes scores."""
    args, process = scoring_parser().parse_args(), this_process()
    model_dir = Path(args.model_dir)
    model_files = ModelFiles.in_directory(model_dir)
    run, folder = read_run(model_dir), Path(args.output_dir or model_dir.parent) / "test"
    with DirectoryLock(folder, process.is_main) as lock:
        score(args, process, model_files, run, lock)


def score(args: Namespace, process: Process, model_files: ModelFiles, run: dict, lock: DirectoryLock) -> None:
    """Read the test set, predict its labels, and write and show how right they are."""
    model_dir, folder = Path(args.model_dir), lock.folder
    test_file = need_file(args.test_file, args.data_dir, "testset", "--test_file") if process.is_main else None
    # Heavy imports come after the options, so that --help and a mistyped option are answered at once.
    import utils
    from toolkit.compute.machine import choose_machine
    from toolkit.compute.memory import RowLimit
    from toolkit.compute.processes import Processes
    from toolkit.data.labels import encode_labels
    from toolkit.evaluation.baselines import simple_answers, training_table
    from toolkit.evaluation.compare import compare_runs, read_other
    from toolkit.evaluation.decision import decision_of
    from toolkit.models.int8 import every
    from toolkit.report.explanations import Explainer, explain_errors
    from toolkit.report.scores import score_columns, score_lines, write_report, write_scores

    log = Log(sys.stdout if process.is_main else None)
    with Processes(process) as processes:
        machine = choose_machine(args.device, args.precision, processes)
        batch_size = processes.broadcast(args.batch_size)
        limit = RowLimit(log=log)
        if not processes.is_main:
            saved = utils.load_model(model_dir, machine, args.fast)
            model_files.check()
            return utils.help_predict(utils.Predictor(saved.model, machine, batch_size, limit))
        columns = Columns.from_json(run["columns"]).renamed(options_from(ColumnOptions, vars(args)))
        table = utils.read_table(Path(test_file), columns, args.encoding, args.on_bad_rows, keep_records=True)
        log.item("data", table.accounts())
        encode_labels(table, run["labels"])  # what is wrong with the file is said before the model is loaded
        score_columns(table.records, run["labels"])
        other = read_other(args.compare, table, run["labels"])
        saved = utils.load_model(model_dir, machine, args.fast)
        run, encoder = saved.run, saved.encoder
        predictor = utils.Predictor(saved.model, machine, batch_size, limit)
        model_files.check()
        decision = decision_of(run, args.calibrated, args.threshold)
        together = f", {processes.size} processes" * (processes.size > 1)
        log.item(
            "model",
            f"{model_dir}, from {run['base_model']}, on {machine.device.type} in {machine.precision.name}{together}",
        )
        if machine.precision.name == "int8" and args.min_agreement:
            frame = table.frame.iloc[:: every(len(table.frame))]
            log.item("", utils.check_int8(predictor, encoder, frame, decision, args.min_agreement))
        found = utils.score_table(predictor, encoder, table, run["labels"], decision)
        utils.release_helpers(predictor)
        del saved, predictor  # to explain its errors the model is loaded once more, as it was saved
    train = training_table(run, lambda *what: utils.read_table(*what, on_bad_rows="skip"))
    answers = simple_answers({"train": train, "test": table}).get("test", {})
    comparison = compare_runs(other, found.label_ids, found.predicted, len(found.labels))
    lock.take()
    scores = write_scores(folder, found, table, run, model_dir, train, answers, more=comparison)
    log("\n".join(["", *score_lines(scores)]))
    explainer = Explainer(model_dir, encoder, machine.device)
    explanations = explain_errors(found, table, explainer, args.explain_rows, log)
    write_report(folder, found, scores, table, run, args.report_language, explanations)
    log(f"the scores are in {folder / 'metrics.json'}; {folder / 'report.html'} shows what they are worth")
    wrong = f"the {(~found.right).sum():,} rows that are wrong, most confident first"
    return log(f"{folder / 'predictions.csv'} begins with {wrong}")


if __name__ == "__main__":
    sys.exit(run_script(main))
