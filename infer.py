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
from toolkit.runs.run_json import read_run


@dataclass(frozen=True)
class Inference:
    """Which model predicts, and where the predictions of which rows go (None: another process writes them)."""

    model_files: ModelFiles
    predictions: Predictions | None


def read_options() -> InferenceOptions:
    """Return the options of the command line; UserError for a mistake or no model directory."""
    options = inference_options()
    read_run(Path(options.model_dir))
    return options


def prepare(options: InferenceOptions) -> Inference:
    """Look at the model and, in the main process, at the input and the output; UserError for what is wrong with it."""
    model_files = ModelFiles.in_directory(Path(options.model_dir))
    if not this_process().is_main:
        return Inference(model_files, None)
    run = read_run(Path(options.model_dir))
    columns = run.columns.renamed(options.columns).unlabelled()
    return Inference(model_files, open_predictions(options, columns, run.labels, WINDOW))


if __name__ == "__main__":  # a mistake and --help are answered before the imports below, which take seconds
    begin_script()
    OPTIONS = read_options()
    # Of several processes the main one does not read before the others have come.
    PREPARED = prepare(OPTIONS) if this_process().size == 1 and OPTIONS.merge is None else None

import numpy as np

import utils
from toolkit.cli.console import Log
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import Processes
from toolkit.data.tables import to_frame
from toolkit.evaluation.decision import decision_of
from toolkit.layers.int8 import every


def main(options: InferenceOptions, prepared: Inference | None = None) -> None:
    """Load the model, and write what it predicts for one text, a stream or a file; or write the whole model."""
    if options.merge is not None:
        utils.write_whole_model(Path(options.model_dir), Path(options.merge))
        Log(sys.stderr)(f"the whole model is in {options.merge}")
        return
    with Processes(this_process()) as processes:
        machine = choose_machine(options.prediction.machine.device, options.prediction.machine.precision, processes)
        batch_size = processes.broadcast(options.prediction.batch_size)
        inference = prepared or prepare(options)
        model_files = inference.model_files
        if processes.broadcast(model_files.run) != model_files.run:
            raise UserError(f"--model_dir {options.model_dir}: the processes see different models there; start again")
        saved = utils.load_model(model_files.directory, machine, options.prediction.machine.fast)
        model_files.check()
        predictor = saved.predictor(batch_size, Log(sys.stderr if machine.is_main else None))
        if inference.predictions is None:
            utils.help_predict(predictor)
        else:
            predict(options, inference.predictions, saved, predictor, model_files)
            utils.release_helpers(predictor)


def predict(
    options: InferenceOptions,
    predictions: Predictions,
    saved: utils.SavedClassifier,
    predictor: utils.Predictor,
    model_files: ModelFiles,
) -> None:
    """Predict the rows a window at a time, in all processes together."""
    machine = predictor.machine
    decision = decision_of(saved.run, options.prediction.calibrated, options.prediction.threshold)
    if machine.precision.name == "int8" and options.prediction.min_agreement:
        frame = to_frame(predictions.sample(every(predictions.total)))
        min_agreement = options.prediction.min_agreement
        predictions.log(utils.check_int8(predictor, saved.encoder, frame, decision, min_agreement))
    made_by = {
        "model": model_files.as_json(),
        "precision": machine.precision.name,
        "device": machine.device.type,
        "threads": machine.thread_count,
    }
    for window in predictions.windows(made_by):
        logits = np.zeros((0, len(saved.run.labels)), np.float32)
        if window.rows:
            dataset = utils.tokenize(saved.encoder, to_frame(window.rows)).dataset
            logits = utils.predict_together(predictor, dataset, predictions.advance)
        predictions.write(window, decision.probabilities(logits), decision.label_ids(logits))
    predictions.finish()


if __name__ == "__main__":
    sys.exit(run_script(lambda: main(OPTIONS, PREPARED)))
