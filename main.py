"""Fine-tune a BERT text classifier on labelled text; python main.py --help lists the options."""

import gc
import sys
import time
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from toolkit.base.disk import DirectoryLock
from toolkit.base.process import this_process
from toolkit.cli.console import Log, TrainingBar, bar
from toolkit.cli.exits import run_script
from toolkit.cli.options import fine_tuning_options
from toolkit.cli.sections import ColumnOptions, FineTuningOptions, options_from
from toolkit.data.rows import Columns
from toolkit.runs.progress import Progress
from toolkit.runs.run_json import describe_run, refuse_to_overwrite, versions


def main() -> None:
    """Check the options, find the other processes of the run, and train with them."""
    options, process = fine_tuning_options(), this_process()
    is_run = options.trains_a_run
    if process.is_main and not options.output.resume and is_run:
        refuse_to_overwrite(Path(options.output.output_dir), options.output.overwrite)
    import_the_rest()
    with Processes(process) as processes:
        for own, whole in seeds.each_seed(options, processes):
            with RunDirectory(Path(own.output.output_dir), process.is_main and is_run, whole) as files:
                fine_tune(own, processes, files)


def import_the_rest() -> None:
    """Import what takes seconds; called when the options are known to be right, so that --help is immediate."""
    global utils, RunDirectory, Processes, choose_machine, banner, baselines, batching, broadcast_dataset, make_encoder
    global bad_steps, label_errors, learning, memory, metrics, optimizing, pretrained, reading, resuming, score_files
    global concatenate, explaining, seeds, stopping
    import utils  # noqa: I001
    from toolkit.runs import banner
    from toolkit.evaluation import baselines
    from toolkit.compute import batches as batching
    from toolkit.training import bad_steps
    from toolkit.training import learner as learning
    from toolkit.doctor import label_errors
    from toolkit.compute import memory
    from toolkit.evaluation import metrics
    from toolkit.models import pretrained
    from toolkit.doctor import labelled_files as reading
    from toolkit.runs import resume as resuming
    from toolkit.training import optimizer as optimizing
    from toolkit.report import explanations as explaining
    from toolkit.report import scores as score_files
    from toolkit.runs import seeds
    from toolkit.training import stop_signals as stopping
    from toolkit.compute.machine import choose_machine
    from toolkit.tokens.dataset import broadcast_dataset, concatenate
    from toolkit.tokens.encoder import make_encoder
    from toolkit.runs.directory import RunDirectory
    from toolkit.compute.processes import Processes


def fine_tune(options: FineTuningOptions, processes, files) -> None:
    """Read and check the data, train, keep the best model, and say what happened; all but training is the first's."""
    log = Log(sys.stdout if processes.is_main else None)
    values = processes.on_main(lambda: resuming.resumed_options(options, log).as_dict())
    options = options_from(FineTuningOptions, values, options.given)
    args = Namespace(**options.as_dict())
    files.want_scalars(args.tensorboard)
    machine = choose_machine(args.device, args.precision, processes)
    source = pretrained.resolve_model(args.model)
    tables, beside, labels = read_data(args, options.split_seed, log) if processes.is_main else ({}, {}, None)
    utils.set_seed(args.seed)
    labels = processes.broadcast(labels)
    new = utils.new_classifier(source, labels, args.dropout, args.fast)
    model, tokenizer = new.model, new.tokenizer
    encoder, sets, findings = None, {}, []
    if processes.is_main:
        pairs = "text_pair" in tables["train"].frame
        encoder = make_encoder(tokenizer, model.config, args.max_length, args.truncation, pairs)
        pretrained.limit_tokenizer(tokenizer, encoder.max_length)  # transformers.pipeline then truncates alike
        sets, tokens = utils.tokenize_labelled(encoder, tables, labels, args.max_unknown)
        findings = reading.look_at_data(log, tables | beside, tokens, labels, encoder, sets, args.check_data)
        banner.say_model(log, args.model or pretrained.EMBEDDED, source, model, new.new_weights)
    if args.check_data:
        log("the data is fit for training; nothing was written")
        return
    sets = {name: broadcast_dataset(processes, sets.get(name)) for name in ("train", "valid")}
    data = (tables, labels, sets, encoder, findings)
    if args.find_label_errors:
        error_list = None
        if processes.is_main:
            error_list = label_errors.prepare_error_list(Path(args.output_dir), tables, labels)
        dataset = concatenate(sets["train"], sets["valid"])
        search = label_errors.begin_search(processes, dataset, error_list, args.folds, args.seed)
        logits = []
        for fold in search.folds:
            log(str(fold))
            data = (search.tables(fold), labels, search.datasets(fold), encoder, [])
            logits.append(held_out_logits(args, log, machine, files, data, source))
            gc.collect()  # a model and its optimizer, which refer to each other, before the next are made
        search.finish(log, logits)
        return
    run = Run(args, log, machine, files, data, model)
    with stopping.StopSignals(processes, run.limit) as run.signals:
        run.train()
    run.finish()


def read_data(args: Namespace, split_seed: int, log: Log) -> tuple[dict, dict, list[str]]:
    """Return the tables called train, valid and, if --test_file names one, test; one beside them; and the labels."""
    given = {"train": args.train_file, "valid": args.valid_file, "test": args.test_file}
    columns = Columns.to_train_on(options_from(ColumnOptions, vars(args)))
    return reading.read_data(
        utils.read_table, log, given, args.data_dir, columns, args.encoding, args.on_bad_rows,
        valid_ratio=args.valid_ratio, seed=split_seed, drop_leaked=args.drop_leaked,
        keep_records=args.find_label_errors,
    )  # fmt: skip


def held_out_logits(args: Namespace, log: Log, machine, files, data: tuple, source: str):
    """Train a new model on the training rows of `data`, and return its logits (N, C) of the rows held out."""
    utils.set_seed(args.seed)
    model = utils.new_classifier(source, data[1], args.dropout, args.fast).model
    run = Run(args, log, machine, files, data, model)
    with stopping.StopSignals(machine.processes, run.limit, resumable=False) as run.signals:
        run.train()
    return run.logits


class Run:
    """One training run: what it works on, and how far it has come."""

    def __init__(self, args: Namespace, log: Log, machine, files, data: tuple, model):
        self.args, self.log, self.files, self.progress = args, log, files, Progress()
        self.machine, self.processes, processes = machine, machine.processes, machine.processes
        precision, device = machine.precision, machine.device
        self.tables, self.labels, self.sets, self.encoder, _ = data
        self.lengths = self.sets["train"].lengths
        self.positive = metrics.positive_id(self.labels, args.positive_label, args.metric, args.threshold)
        self.steps_an_epoch = -(-len(self.lengths) // args.batch_size)
        schedule = optimizing.Schedule(
            args.learning_rate, args.scheduler, args.epochs * self.steps_an_epoch, args.warmup_ratio
        )
        betas = (args.adam_beta1, args.adam_beta2)
        optimizer = optimizing.make_optimizer(model.to(device), args.weight_decay, betas, args.adam_epsilon)
        self.state = (model, optimizer, precision.scaler())  # what a checkpoint holds
        self.about = {"precision": precision.name, "device": str(device), "processes": processes.size}
        if processes.is_main:
            self.about |= describe_run(args.model or pretrained.EMBEDDED, data, self.positive, vars(args))
        if args.resume:
            self.progress = resuming.resume(self.files.checkpoint_dir, self.state, self.about, processes)
        self.limit = memory.RowLimit(self.progress.row_limit or args.micro_batch_size, log)
        settings = learning.StepSettings(schedule.learning_rate, args.max_grad_norm, args.seed)
        self.learner = learning.Learner(
            machine.wrap_for_training(model), optimizer, self.state[2], settings, machine, self.limit,
            self.progress.step,
        )  # fmt: skip
        self.bad_steps = bad_steps.BadStepMonitor(
            self.learner.guard, self.progress, log, self.tables.get("train"), args.max_bad_steps
        )
        self.predictor = utils.Predictor(self.learner.model, machine, args.batch_size, self.limit)
        steps = (self.lengths, args.batch_size, args.epochs, args.seed, self.progress.step)
        self.about["padding_share"] = banner.say_steps(log, model, *steps)
        banner.say_machine(log, self.learner.model, device, processes.size, precision.name)
        self.files.open(log, self.tables, self.about, args.resume)

    def train(self) -> None:
        """Train to the last epoch or until it no longer helps, evaluating and saving on the way."""
        args, progress = self.args, self.progress
        progress_bar = TrainingBar(args.epochs * self.steps_an_epoch, progress.step)
        for epoch in range(progress.epoch, args.epochs):
            batches = batching.training_batches(self.lengths, args.batch_size, args.seed, epoch)
            while not progress.epoch_done(len(batches), args.early_stopping):
                self.take_steps(batches, progress_bar)
                if progress.evaluation_due(len(batches), args.eval_steps) and not self.signals.should_stop():
                    self.evaluate()
                progress.row_limit = self.limit.rows  # so that a resumed run need not find it again
                self.files.save(self.state, progress, self.about)
                self.bad_steps.stop_if_too_many()
                self.signals.raise_if_stopping(progress.step, str(self.files.named))
            progress.epoch, progress.batch = epoch + 1, 0
        progress_bar.close()
        if progress.step < args.epochs * self.steps_an_epoch:
            self.log(f"stopped early: {progress.stale} evaluations without a better one (--early_stopping)")

    def take_steps(self, batches: list, progress_bar: TrainingBar) -> None:
        """Take the steps until the next evaluation or save, fewer if the run is asked to stop."""
        args, progress, losses, started = self.args, self.progress, [], time.perf_counter()
        if progress.evaluation_due(len(batches), args.eval_steps):
            return  # it was asked to stop before this evaluation was through
        steps = progress.steps_to_pause(len(batches), (args.eval_steps, args.save_steps))
        part = batches[progress.batch :][:steps]
        wanted = self.bad_steps.until_too_many(self.signals.until_stop(part))
        utils.train_one_epoch(self.learner, self.sets["train"], wanted, progress_bar.stepper(losses))
        self.bad_steps.count(wait=True)
        taken = [self.lengths[rows] for rows in part[: len(losses)]]
        progress.count(self.processes.all_reduce_mean(losses), taken, time.perf_counter() - started)

    def evaluate(self) -> None:
        """Score the validation set, note the result, and keep the model if it is the best so far."""
        learner, dataset, progress = self.learner, self.sets["valid"], self.progress
        with bar(len(dataset), "evaluating", "rows") as progress_bar, suppress(stopping.PredictionInterrupted):
            on_batch = self.signals.add_stop_check(progress_bar.update)
            self.logits = utils.predict_logits(self.predictor, dataset, on_batch)
        if self.signals.should_stop():
            return
        about = (dataset.label_ids, self.positive, self.args.threshold, self.args.metric)
        found = self.processes.on_main(lambda: metrics.quick_scores(self.logits, *about))
        is_best = progress.note(
            found, self.args.metric, self.steps_an_epoch, learner.settings.learning_rate(progress.step - 1)
        )
        if is_best and self.files.writes:
            utils.save_model(self.files.model_dir, learner.model, self.encoder.tokenizer, self.facts(), waits=True)
        self.files.write_history(progress)
        self.log(progress.last_line(self.args.metric))

    def facts(self) -> dict:
        """Return the content of run.json."""
        return {**self.about, "metrics": self.progress.best(), **self.progress.speed(), "versions": versions()}

    def finish(self) -> None:
        """Write what is only known at the end, draw the curves, score the test file, and say where everything is."""
        answers = baselines.simple_answers(self.tables)
        self.about["baselines"] = simple = baselines.score_answers(self.tables, answers)
        args, model_dir, table, folder = self.args, self.files.model_dir, self.tables.get("test"), self.files.test_dir
        if self.processes.is_main:
            utils.describe_model(model_dir, self.facts())
        self.files.draw(self.progress, args.metric)
        trained = f"trained for {self.progress.speed_line()}; the best model is in {model_dir}"
        self.log("\n".join([*baselines.lines(simple.get("valid", {})), trained]))
        if args.test_file and (found := utils.score_saved(model_dir, self.end_training(), table, args.fast)):
            with DirectoryLock(folder) as lock:
                lock.take()
                what = (table, self.facts())
                scores = score_files.write_scores(
                    folder, found, *what, model_dir, self.tables["train"], answers["test"]
                )
                self.log("\n".join(["", *score_files.score_lines(scores)]))
                explainer = explaining.Explainer(model_dir, self.encoder, self.machine.device)
                explanations = explaining.explain_errors(found, table, explainer, args.explain_rows, self.log)
                score_files.write_report(folder, found, scores, *what, args.report_language, explanations)

    def end_training(self):
        """Free the memory that training held, and return the predictor without it.

        In the main process, which loads the best model, the weights of this one are freed too. The others, which may
        not see the directory, get the best weights into it.
        """
        model = self.learner.release()
        if self.machine.is_main:
            model.to("meta")
        predictor = replace(self.predictor, model=model)
        del self.learner, self.bad_steps, self.state, self.predictor
        memory.release_memory()
        return predictor


if __name__ == "__main__":
    sys.exit(run_script(main))
