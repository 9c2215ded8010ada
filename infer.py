"""Write predictions and probabilities for unlabelled rows; python infer.py --help lists the options."""

from toolkit.base.interrupt import end_at_once_on_interrupt

if __name__ == "__main__":
    end_at_once_on_interrupt()

# ruff: noqa: E402
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from toolkit.base.errors import UserError
from toolkit.base.languages import count_of
from toolkit.base.process import this_process
from toolkit.cli.console import Log
from toolkit.cli.exits import begin_script, run_script
from toolkit.cli.options import inference_options
from toolkit.cli.sections import InferenceOptions
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.batches import WINDOW
from toolkit.data.row_texts import RowTexts
from toolkit.evaluation.abstention import AnswerRule
from toolkit.evaluation.answering import answer_rule
from toolkit.evaluation.ensemble import Ensemble, TablePrediction
from toolkit.evaluation.tasks import AnyDecision
from toolkit.models.model_files import ModelFiles
from toolkit.predictions.added_columns import PredictedRows
from toolkit.predictions.outputs import open_predictions
from toolkit.predictions.prediction_file import Predictions
from toolkit.predictions.ranked_file import RankedFile
from toolkit.predictions.texts import COMBINATIONS, MERGED, RANKED
from toolkit.runs.averaged_runs import as_one_run, read_runs
from toolkit.serving.engine import takes_onnx
from toolkit.serving.exported_model import load_exported_ensemble


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
    if options.abstention.abstain_unknown is not None:
        raise UserError(COMBINATIONS["label_sets"].fill(option="--abstain_unknown"))


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


def main(options: InferenceOptions) -> None:
    """Load the models, and write what they predict for one text, a stream or a file; or write the whole model.

    A mistake is answered before torch is imported, which takes seconds and which an exported model does without.
    """
    if not options.predicts:
        write_model(options)
        return
    processes = this_process().size
    # Of several processes the main one does not read before the others have come.
    prepared = prepare(options) if processes == 1 else None
    rows = prepared.predictions.total if prepared is not None and prepared.predictions is not None else 0
    if takes_onnx(options, processes, rows, has_torch=find_spec("torch") is not None):
        assert prepared is not None, "it takes none of several processes"
        predict_by_onnx(options, prepared)
    else:
        predict_by_torch(options, prepared)


def write_model(options: InferenceOptions) -> None:
    """Write the model of a directory as a whole, or as ONNX."""
    import utils  # noqa: PLC0415 - see main

    log = Log(sys.stderr, spoken_language(options.language))
    folder = Path(options.model_dirs[0])
    if options.merge is not None:
        utils.write_whole_model(folder, Path(options.merge))
        log(MERGED.fill(folder=options.merge))
    else:
        utils.export_onnx(folder, options, log)


def predict_by_onnx(options: InferenceOptions, inference: Inference) -> None:
    """Predict with exported models, for which torch is not needed."""
    assert inference.predictions is not None, "the one process reads"
    log = Log(sys.stderr, spoken_language(options.language))
    folders = [model.directory for model in inference.models]
    ensemble = load_exported_ensemble(folders, options.prediction, log)
    for model in inference.models:
        model.check()
    predict(options, inference.predictions, ensemble, inference.models)


def predict_by_torch(options: InferenceOptions, prepared: Inference | None) -> None:
    """Predict with the models themselves, in all processes together."""
    import utils  # noqa: PLC0415 - see main
    from toolkit.compute.machine import choose_machine  # noqa: PLC0415
    from toolkit.compute.processes import Processes  # noqa: PLC0415
    from toolkit.layers.int8 import every  # noqa: PLC0415

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
        predictions = inference.predictions
        if predictions is None:
            utils.help_predict(ensemble.predictors)
            return
        min_agreement = options.prediction.min_agreement
        if ensemble.predictors[0].machine.precision.name == "int8" and min_agreement:
            sample = RowTexts.of_rows(predictions.sample(every(predictions.total)))
            for line in utils.check_int8(ensemble, sample, min_agreement):
                predictions.log(line)
        predict(options, predictions, ensemble, models)
        utils.release_helpers(machine)


def predict(options: InferenceOptions, predictions: Predictions, ensemble: Ensemble, models: list[ModelFiles]) -> None:
    """Predict the rows a window at a time."""
    rule = answer_rule(ensemble, [model.directory for model in models], options.abstention, predictions.log)
    for model in models:
        model.check()
    made_by = origin(ensemble, models)
    if rule is not None:
        made_by["answered"] = asdict(rule)
    for window in predictions.windows(made_by):
        predicted = PredictedRows.nothing(len(ensemble.labels))
        if window.rows:
            prediction = ensemble.predict(RowTexts.of_rows(window.rows), predictions.advance)
            predicted = decide(prediction, ensemble.decision, rule)
        predictions.write(window, predicted)
    if isinstance(predictions, RankedFile):
        rank(predictions, models)
    predictions.finish()


def origin(ensemble: Ensemble, models: list[ModelFiles]) -> dict[str, Any]:
    """Return by what the rows are predicted; a run that was killed goes on where that is the same."""
    files = [model.as_json() for model in models]
    computed_on = [predictor.computed_on for predictor in ensemble.predictors]
    precisions = [each.precision for each in computed_on]
    made_by = {
        "model": files[0] if len(files) == 1 else files,
        "precision": precisions[0] if len(precisions) == 1 else precisions,
        "device": computed_on[0].device,
        "threads": computed_on[0].threads,
    }
    if computed_on[0].engine != "torch":
        made_by["engine"] = computed_on[0].engine
    return made_by


def rank(predictions: RankedFile, models: list[ModelFiles]) -> None:
    """Put the rows in the order in which a person should label them."""
    # The search for near duplicates takes a second to import, and predicting without --rank has no use for it.
    import utils  # noqa: PLC0415
    from toolkit.doctor.labelling_order import CHECKED_ROWS, labelling_order, least_sure  # noqa: PLC0415

    margins = predictions.margins()
    texts = predictions.texts(least_sure(margins)[:CHECKED_ROWS])
    order = labelling_order(margins, texts, utils.labelled_texts([model.directory for model in models]))
    predictions.put_in_order(order.numbers)
    predictions.log(RANKED.fill(repeats=count_of(order.repeats, "row")))


def decide(prediction: TablePrediction, decision: AnyDecision, rule: AnswerRule | None) -> PredictedRows:
    """Return which labels are predicted, and which of the rows `rule` leaves without (None: none of them)."""
    logits = prediction.logits
    uncertain = None
    if rule is not None:
        uncertain = rule.uncertain(decision.confidence(logits), prediction.energies)
    return PredictedRows(
        decision.probabilities(logits), decision.label_ids(logits), uncertain, decision.margins(logits)
    )


if __name__ == "__main__":
    begin_script()
    sys.exit(run_script(lambda: main(read_options())))
