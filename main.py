"""Fine-tune a BERT text classifier on labelled text; python main.py --help lists the options."""

from toolkit.base.interrupt import end_at_once_on_interrupt

if __name__ == "__main__":
    end_at_once_on_interrupt()

# ruff: noqa: E402
import gc
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from toolkit.base.process import this_process
from toolkit.cli.exits import begin_script, run_script
from toolkit.cli.options import fine_tuning_options
from toolkit.cli.sections import FineTuningOptions
from toolkit.runs.paths import (
    RunPaths,
    refuse_to_merge,
    refuse_to_overwrite,
    refuse_to_replace_base,
    refuse_to_replace_teachers,
)
from toolkit.runs.run_json import read_run


def read_options() -> FineTuningOptions:
    """Return the options of the command line; UserError for a mistake in them, and for a run that is in the way."""
    options = fine_tuning_options()
    for teacher in options.training.teaching.teacher or ():
        read_run(Path(teacher), "--teacher")
    if this_process().is_main and options.trains_a_run and not options.output.resume:
        refuse_to_overwrite(Path(options.output.output_dir), options.output.overwrite)
        refuse_to_replace_base(Path(options.output.output_dir), options.model.model, options.training.train)
        refuse_to_replace_teachers(Path(options.output.output_dir), options.training.teaching.teacher)
        if options.output.merge is not None:
            refuse_to_merge(Path(options.output.merge), options.training.train)
    return options


if __name__ == "__main__":  # a mistake and --help are answered before the imports below, which take seconds
    begin_script()
    OPTIONS = read_options()
    gc.disable()  # what is imported stays, and to look through it for garbage again and again takes a sixth of the time

import numpy as np
import torch

import utils
from toolkit.base.disk import DirectoryLock
from toolkit.base.languages import count_of
from toolkit.cli.command import next_command
from toolkit.cli.console import Log, TrainingBar
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.batches import training_batches
from toolkit.compute.machine import Machine, choose_machine
from toolkit.compute.processes import Processes
from toolkit.doctor.label_errors import begin_search, prepare_error_list
from toolkit.evaluation.class_bias import bias_lines
from toolkit.evaluation.tasks import Answers
from toolkit.files.source import has_file
from toolkit.models.model_files import ModelFiles
from toolkit.report.verdict import judge
from toolkit.runs.directory import RunDirectory
from toolkit.runs.resume import resumed_options
from toolkit.runs.seeds import each_seed
from toolkit.tokens.dataset import concatenate
from toolkit.training.banner import say_model
from toolkit.training.stop_signals import PredictionInterrupted
from toolkit.training.texts import BARS, MODEL, RUN
from toolkit.training.trainer import Trainer, TrainingData, begin_training


def main(options: FineTuningOptions) -> None:
    """Read the data once, and fine-tune a model on it for each seed."""
    data = None
    with Processes(this_process()) as processes:
        stream = sys.stdout if processes.is_main else None
        language = spoken_language(options.output.language)
        data_log = Log(stream, language)
        for seed_options, seeds in each_seed(options, processes):
            log = Log(stream, language)
            writes = processes.is_main and options.trains_a_run
            with RunDirectory(Path(seed_options.output.output_dir), writes, seeds) as directory:
                run_options = resumed_options(seed_options, processes, log, is_one_of_several=seeds is not None)
                directory.want_event_file(run_options.output.tensorboard)
                machine = choose_machine(run_options.machine.device, run_options.machine.precision, processes)
                if data is None:
                    data = utils.prepare_data(run_options, machine, data_log)
                machine = machine.in_precision(data.fit.precision)
                log.include(data_log)  # in the train.log of each run
                if run_options.data.find_label_errors:
                    find_label_errors(run_options, machine, data, directory, log)
                else:
                    fine_tune(run_options, machine, data, directory, log)
        if options.output.merge is not None and processes.is_main and options.trains_a_run:
            utils.write_whole_model(RunPaths(Path(options.output.output_dir)).model_dir, Path(options.output.merge))
            data_log(RUN["merged"].fill(folder=options.output.merge))


def fine_tune(
    options: FineTuningOptions, machine: Machine, data: TrainingData, directory: RunDirectory, log: Log
) -> None:
    """Train a model, keep the best one, and say what happened."""
    if options.data.check_data:
        new_classifier(options, data, log)  # to say which it is
        count = len(data.findings)
        log(RUN["fit_but"].fill(findings=count_of(count, "finding")) if count else RUN["fit"])
        return
    new = new_model(options, machine, data, log)
    run = begin_training(options, machine, data, directory, log, new.model)
    run.whole = new.whole
    del new  # the run has the model, and lets go of it before the test file is scored
    train(run)
    finish(run)


def new_model(options: FineTuningOptions, machine: Machine, data: TrainingData, log: Log) -> utils.NewClassifier:
    """Return the pretrained model with a new head, ready to be trained, and say which it is."""
    new = new_classifier(options, data, log)
    if utils.starts_by_probe(new, options.model, data):
        utils.start_head(new.model, data, machine, options.machine.fast)
    return new


def new_classifier(options: FineTuningOptions, data: TrainingData, log: Log) -> utils.NewClassifier:
    """Return the pretrained model with a new head, which depends on the seed, and say which it is."""
    utils.set_seed(options.training.seed)
    new = utils.pretrained_classifier(options, data)
    if data.pooling == "mean":
        utils.pool_mean(new)
    if utils.starts_by_probe(new, options.model, data):
        new.notes.append(MODEL["probe"])
    notes = [*data.model.notes, *new.notes, *data.fit.notes]
    say_model(log, data.model.name, data.model.source, new.weight_count, new.new_weights, notes)
    return new


def train(run: Trainer) -> None:
    """Train to the last epoch or until it no longer helps, evaluating and saving on the way."""
    options = run.options.training
    progress = run.progress
    run.data = utils.keep_frozen_states(run.learner, run.data, options.batch_size, run.log)
    progress_bar = TrainingBar(run.total_steps, progress.step, run.log.language)
    with run.signals:
        for epoch in range(progress.epoch, run.recipe.epochs):
            batches = training_batches(run.data.train.row_lengths, options.batch_size, options.seed, epoch)
            while not progress.epoch_done(len(batches), run.recipe.early_stopping):
                take_steps(run, batches, progress_bar)
                if progress.evaluation_due(len(batches), run.recipe.eval_steps) and not run.signals.should_stop():
                    evaluate(run)
                run.save()
            progress.begin_epoch(epoch + 1)
    progress_bar.close()
    if progress.step < run.total_steps:
        run.log(RUN["stopped_early"].fill(evaluations=count_of(progress.stale, "evaluation")))


def take_steps(run: Trainer, batches: list[np.ndarray], progress_bar: TrainingBar) -> None:
    """Take the steps until the next evaluation or save, fewer if the run is asked to stop."""
    options = run.options.training
    progress = run.progress
    if progress.evaluation_due(len(batches), run.recipe.eval_steps):
        return  # it was asked to stop before this evaluation was through
    started = time.perf_counter()
    loss_sums: list[torch.Tensor] = []
    steps = progress.steps_to_pause(len(batches), (run.recipe.eval_steps, options.save_steps))
    next_batches = batches[progress.batch :][:steps]
    wanted = run.bad_steps.until_too_many(run.signals.until_stop(next_batches))
    utils.train_one_epoch(run.learner, run.data.train, wanted, progress_bar.stepper(loss_sums))
    run.bad_steps.count(wait=True)
    lengths = [run.data.train.row_lengths[rows] for rows in next_batches[: len(loss_sums)]]
    mean_sums = run.machine.processes.all_reduce_mean(loss_sums)
    progress.count(mean_sums, lengths, time.perf_counter() - started)


def evaluate(run: Trainer) -> None:
    """Score the validation set, note the result, and keep the model if it is the best so far."""
    options = run.options.training
    progress = run.progress
    valid = run.data.valid
    fast = run.options.machine.fast
    predictor = utils.Predictor(run.learner.model, run.machine, options.batch_size, run.learner.limit, packs=fast)
    with run.log.bar(valid.row_count, BARS["evaluating"], "rows") as progress_bar, suppress(PredictionInterrupted):
        on_batch = run.signals.add_stop_check(progress_bar.update)
        run.valid_logits = utils.predict_logits(predictor, valid, on_batch)
    if run.signals.should_stop():
        return
    scores = None
    if run.machine.is_main:
        scores = run.task.quick_scores(run.valid_logits, valid.label_ids, run.data.together.get("valid"))
    scores = run.machine.processes.broadcast(scores)
    rate = run.learner.settings.learning_rate(progress.step - 1)
    is_best = progress.note(scores, options.metric, run.steps_per_epoch, rate)
    if is_best and run.directory.writes:
        tokenizer = run.data.main_encoder.tokenizer
        with run.with_all_tokens():
            kept = run.validation_scores()
            utils.save_model(run.directory.paths.model_dir, run.model, tokenizer, run.run_facts(), kept, waits=True)
    run.directory.write_history(progress)
    run.log(progress.last_line(options.metric, run.log.language))


def finish(run: Trainer) -> None:
    """Write what is only known at the end, draw the curves, score the test file, and say where everything is."""
    # It imports scikit-learn, which takes seconds, and which the data need not wait for.
    from toolkit.evaluation.baselines import baseline_lines  # noqa: PLC0415

    tables = run.data.tables
    model_dir = run.directory.paths.model_dir
    answers = run.task.simple_answers(tables.get("train"), tables)
    baselines = {name: of_table.scores(tables[name]) for name, of_table in answers.items()}
    verdict = None
    if run.facts is not None:
        run.facts = replace(run.facts, baselines=baselines)
        verdict = judge(run.run_facts(), run.progress.history, tables["train"], run.options)
        run.facts = replace(run.facts, verdict=None if verdict is None else verdict.as_json())
        utils.describe_model(model_dir, run.run_facts())
    run.directory.draw(run.progress, run.options.training.metric)
    language = run.log.language
    decided = bias_lines(run.progress.best(), run.options.training.metric, language)
    for line in [*decided, *baseline_lines(baselines.get("valid", {}), language)]:
        run.log(line)
    run.log(run.progress.kept_line(run.options.training.metric, language))
    run.log(RUN["trained"].fill(speed=run.progress.speed_words(), folder=model_dir))
    if run.options.data.test_file is not None:
        score_test_file(run, answers)
    if verdict is not None:
        for line in verdict.lines(language):
            run.log(line)
    elif run.options.training.seeds == 1:
        has_test_rows = run.options.data.test_file is None and has_file(run.options.data.data_dir, "testset")
        run.log(RUN["next"].fill(command=next_command(model_dir, run.options.data.data_dir, has_test_rows)))


def score_test_file(run: Trainer, answers: Mapping[str, Answers]) -> None:
    """Score --test_file with the model that was kept, in all processes together.

    `answers` are those of simple methods, by table.
    """
    # They import scikit-learn, as in finish.
    from toolkit.report.explanations import Explainer  # noqa: PLC0415
    from toolkit.report.results import write_results  # noqa: PLC0415
    from toolkit.report.scores import ScoredRun  # noqa: PLC0415

    options = run.options
    machine = run.machine
    paths = run.directory.paths
    batch_size = options.training.batch_size
    limit = run.learner.limit
    model = run.release()
    if model is not None:
        utils.help_score(utils.Predictor(model, machine, batch_size, limit), options.machine.fast)
        return
    table = run.data.tables["test"]
    model_files = ModelFiles.in_directory(paths.model_dir)
    scored = utils.score_saved(paths.model_dir, table, machine, batch_size, limit, options.machine.fast)
    with DirectoryLock(paths.test_dir) as lock:
        lock.take()
        train_table = run.data.tables["train"]
        scored_run = ScoredRun(scored, table, run.run_facts(), model_files, train_table, answers["test"])
        explainer = Explainer(run.data.main_encoder, machine.device, run.data.fit.equal_lengths)
        write_results(paths.test_dir, scored_run, explainer, options.report, run.log)


def find_label_errors(
    options: FineTuningOptions, machine: Machine, data: TrainingData, directory: RunDirectory, log: Log
) -> None:
    """Predict each labelled row by a model that has not seen it, and list the rows whose labels are likely wrong."""
    error_list = None
    if machine.is_main:
        error_list = prepare_error_list(Path(options.output.output_dir), data.tables, data.labels, data.together)
    rows = concatenate(data.train, data.valid)
    search = begin_search(machine.processes, rows, error_list, options.data.folds, options.training.seed)
    new_classifier(options, data, log)  # to say which it is; each fold begins with one of its own
    logits = []
    for fold in search.folds:
        log(fold.words)
        datasets = search.datasets(fold)
        fold_data = replace(
            data,
            tables=search.tables(fold),
            train=datasets["train"],
            valid=datasets["valid"],
            findings=(),
            together=search.together(fold),
        )
        new = new_model(options, machine, fold_data, Log(None))
        run = begin_training(options, machine, fold_data, directory, log, new.model)
        train(run)
        logits.append(run.valid_logits)
        del new, run
        gc.collect()  # a model and its optimizer, which refer to each other, before the next are made
    search.finish(log, logits)


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    sys.exit(run_script(lambda: main(OPTIONS)))
