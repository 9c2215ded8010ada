"""Write predictions and probabilities for unlabelled rows; python infer.py --help lists the options."""

from toolkit.base.interrupt import end_at_once_on_interrupt

if __name__ == "__main__":
    end_at_once_on_interrupt()

# ruff: noqa: E402
import sys
from dataclasses import dataclass
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.process import this_process
from toolkit.cli.exits import begin_script, run_script
from toolkit.cli.options import inference_options
from toolkit.cli.sections import InferenceOptions
from toolkit.compute.batches import WINDOW
from toolkit.models.model_files import ModelFiles
from toolkit.predictions.prediction_file import Predictions, open_predictions
from toolkit.predictions.texts import COMBINATIONS, MERGED
from toolkit.runs.averaged_runs import as_one_run, read_runs


@dataclass(frozen=True)
class Inference:
    """Which models predict, and where the predictions of which rows go (None: another process writes them)."""

    models: list[ModelFiles]
    predictions: Predictions | None


def read_options() -> InferenceOptions:
    """Return the options of the command line; UserError for a mistake or no model directory."""
    options = inference_options()
    read_runs(list(map(Path, options.model_dirs)), options.columns)
    if options.merge is not None and len(options.model_dirs) > 1:
        raise UserError(COMBINATIONS["merge"])
    return options


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
    PREPARED = prepare(OPTIONS) if this_process().size == 1 and OPTIONS.merge is None else None

import numpy as np

import utils
from toolkit.cli.console import Log
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import Processes
from toolkit.data.tables import to_frame
from toolkit.layers.int8 import every


def main(options: InferenceOptions, prepared: Inference | None = None) -> None:
    """Load the models, and write what it predicts for one text, a stream or a file; or write the whole model."""
    if options.merge is not None:
        utils.write_whole_model(Path(options.model_dirs[0]), Path(options.merge))
        Log(sys.stderr, spoken_language(options.language))(MERGED.fill(folder=options.merge))
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
    decision = ensemble.decision
    if machine.precision.name == "int8" and options.prediction.min_agreement:
        frame = to_frame(predictions.sample(every(predictions.total)))
        for line in ensemble.check_int8(frame, options.prediction.min_agreement):
            predictions.log(line)
    files = [model.as_json() for model in models]
    precisions = [predictor.machine.precision.name for predictor in ensemble.predictors]
    made_by = {
        "model": files[0] if len(files) == 1 else files,
        "precision": precisions[0] if len(precisions) == 1 else precisions,
        "device": machine.device.type,
        "threads": machine.thread_count,
    }
    for window in predictions.windows(made_by):
        logits = np.zeros((0, len(ensemble.labels)), np.float32)
        if window.rows:
            logits = ensemble.predict(to_frame(window.rows), predictions.advance).logits
        predictions.write(window, decision.probabilities(logits), decision.label_ids(logits))
    predictions.finish()


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS, PREPARED)))
