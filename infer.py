"""Write predictions and probabilities for unlabelled rows; python infer.py --help lists the options."""

from toolkit.base.interrupt import end_at_once_on_interrupt

if __name__ == "__main__":
    end_at_once_on_interrupt()

# ruff: noqa: E402
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.process import this_process
from toolkit.cli.exits import begin_script, run_script
from toolkit.cli.options import inference_options
from toolkit.cli.sections import InferenceOptions
from toolkit.compute.batches import WINDOW
from toolkit.models.model_files import ModelFiles
from toolkit.predictions.added_columns import PredictedRows
from toolkit.predictions.outputs import open_predictions
from toolkit.predictions.prediction_file import Predictions
from toolkit.predictions.ranked_file import RankedFile
from toolkit.predictions.texts import COMBINATIONS, MERGED, RANKED
from toolkit.runs.averaged_runs import as_one_run, read_runs


@dataclass(frozen=True)
class Inference:
    """Which models predict, and where the predictions of which rows go (None: another process writes them)."""

    models: list[ModelFiles]
    predictions: Predictions | None


def read_options() -> InferenceOptions:
    """Return the options of the command line; UserError for a mistake or no model directory."""
    options = inference_options()
    runs = read_runs(list(map(Path, options.model_dirs)), options.columns)
    if runs[0].columns.have_label_sets:
        refuse_with_label_sets(options)
    if options.merge is not None and len(options.model_dirs) > 1:
        raise UserError(COMBINATIONS["merge"])
    if options.export is not None:
        refuse_with_export(options)
    return options


def refuse_with_label_sets(options: InferenceOptions) -> None:
    """Raise UserError for options that are for one label a row."""
    named = {
        "--export": options.export,
        "--rank": options.rank,
        "--abstain_below": options.abstention.abstain_below,
        "--abstain_for": options.abstention.abstain_for,
        "--abstain_unknown": options.abstention.abstain_unknown,
    }
    unsupported = [name for name, value in named.items() if value is not None]
    if unsupported:
        raise UserError(*(COMBINATIONS["label_sets"].fill(option=name) for name in unsupported))


def refuse_with_export(options: InferenceOptions) -> None:
    """Raise UserError for options of a prediction, which --export does not make."""
    conflicting = [name for name in ("text", "output_file", "merge") if getattr(options, name) is not None]
    if len(options.model_dirs) > 1:
        conflicting.append("model_dir")
    if conflicting:
        raise UserError(*(COMBINATIONS["export"].fill(other=f"--{name}") for name in conflicting))


def prepare(options: InferenceOptions) -> Inference:
    """Look at the models and, in the main process, at the input and the output; UserError for what is wrong with it."""
    folders = list(map(Path, options.model_dirs))
    models = list(map(ModelFiles.in_directory, folders))
    if not this_process().is_main:
        return Inference(models, None)
    run = as_one_run(read_runs(folders, options.columns))
    columns = run.columns.renamed(options.columns).unlabelled()
    return Inference(models, open_predictions(options, columns, run.labels, WINDOW))


if __name__ == "__main__":  # a mistake and --help are answered before the imports below, which take seconds
    begin_script()
    OPTIONS = read_options()
    # Of several processes the main one does not read before the others have come.
    PREPARED = prepare(OPTIONS) if this_process().size == 1 and OPTIONS.predicts else None

import utils
from toolkit.base.languages import count_of
from toolkit.cli.console import Log
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import Processes
from toolkit.data.tables import to_frame
from toolkit.evaluation.abstention import AnswerRule
from toolkit.evaluation.tasks import AnyDecision
from toolkit.layers.int8 import every


def main(options: InferenceOptions, prepared: Inference | None = None) -> None:
    """Load the models, and write what it predicts for one text, a stream or a file; or write the whole model."""
    if options.merge is not None:
        utils.write_whole_model(Path(options.model_dirs[0]), Path(options.merge))
        Log(sys.stderr, spoken_language(options.language))(MERGED.fill(folder=options.merge))
        return
    if options.export is not None:
        utils.export_onnx(Path(options.model_dirs[0]), options, Log(sys.stderr, spoken_language(options.language)))
        return
    with Processes(this_process()) as processes:
        machine = choose_machine(options.prediction.machine.device, options.prediction.machine.precision, processes)
        batch_size = processes.broadcast(options.prediction.batch_size)
        inference = prepared or prepare(options)
        models = inference.models
        seen = [model.run for model in models]
        if processes.broadcast(seen) != seen:
            named = " ".join(options.model_dirs)
            raise UserError(COMBINATIONS["other_models"].fill(folders=named))
        log = Log(sys.stderr if machine.is_main else None, spoken_language(options.language))
        folders = [model.directory for model in models]
        ensemble = utils.load_ensemble(folders, machine, options.prediction, batch_size, log)
        for model in models:
            model.check()
        if inference.predictions is None:
            utils.help_predict(ensemble.predictors)
        else:
            predict(options, inference.predictions, ensemble, models)
            utils.release_helpers(machine)


def predict(
    options: InferenceOptions, predictions: Predictions, ensemble: utils.Ensemble, models: list[ModelFiles]
) -> None:
    """Predict the rows a window at a time, in all processes together."""
    machine = ensemble.machine
    if machine.precision.name == "int8" and options.prediction.min_agreement:
        frame = to_frame(predictions.sample(every(predictions.total)))
        for line in ensemble.check_int8(frame, options.prediction.min_agreement):
            predictions.log(line)
    rule = utils.answer_rule(ensemble, [model.directory for model in models], options.abstention, predictions.log)
    for model in models:
        model.check()
    files = [model.as_json() for model in models]
    precisions = [predictor.machine.precision.name for predictor in ensemble.predictors]
    made_by = {
        "model": files[0] if len(files) == 1 else files,
        "precision": precisions[0] if len(precisions) == 1 else precisions,
        "device": machine.device.type,
        "threads": machine.thread_count,
    }
    if rule is not None:
        made_by["answered"] = asdict(rule)
    for window in predictions.windows(made_by):
        predicted = PredictedRows.nothing(len(ensemble.labels))
        if window.rows:
            prediction = ensemble.predict(to_frame(window.rows), predictions.advance)
            predicted = decide(prediction, ensemble.decision, rule)
        predictions.write(window, predicted)
    if isinstance(predictions, RankedFile):
        rank(predictions, models)
    predictions.finish()


def rank(predictions: RankedFile, models: list[ModelFiles]) -> None:
    """Put the rows in the order in which a person should label them."""
    # The search for near duplicates takes a second to import, and predicting without --rank has no use for it.
    from toolkit.doctor.labelling_order import CHECKED_ROWS, labelling_order, least_sure  # noqa: PLC0415

    margins = predictions.margins()
    texts = predictions.texts(least_sure(margins)[:CHECKED_ROWS])
    order = labelling_order(margins, texts, utils.labelled_texts([model.directory for model in models]))
    predictions.put_in_order(order.numbers)
    predictions.log(RANKED.fill(repeats=count_of(order.repeats, "row")))


def decide(prediction: utils.TablePrediction, decision: AnyDecision, rule: AnswerRule | None) -> PredictedRows:
    """Return which labels are predicted, and which of the rows `rule` leaves without (None: none of them)."""
    logits = prediction.logits
    uncertain = None
    if rule is not None:
        uncertain = rule.uncertain(decision.confidence(logits), prediction.energies)
    return PredictedRows(
        decision.probabilities(logits), decision.label_ids(logits), uncertain, decision.margins(logits)
    )


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS, PREPARED)))
