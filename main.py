"""Fine-tune a BERT text classifier on labelled text; python main.py --help lists the options."""

import sys
import time
from argparse import Namespace
from pathlib import Path

from toolkit.console import Log, TrainingBar, bar
from toolkit.errors import run_script
from toolkit.files import find_file, need_file
from toolkit.journal import Journal
from toolkit.launch import our_place
from toolkit.options import training_options
from toolkit.run_info import describe_run, refuse_to_overwrite, versions


def main() -> None:
    """Check the options, find the other processes of the run, and train with them."""
    args, place = training_options().parse_args(), our_place()
    if place.is_first and not args.resume and not args.check_data:
        refuse_to_overwrite(Path(args.output_dir), args.overwrite)
    import_the_rest()
    with World(place) as world:
        fine_tune(args, world)


def import_the_rest() -> None:
    """Import what takes seconds; called when the options are known to be right, so that --help is immediate."""
    global np, torch, utils, banner, batching, checkpoint, metrics, pretrained, schedule
    global RunFiles, World, check_unknown, common_precision, score_columns, score_lines, write_scores
    import numpy as np
    import torch

    import utils
    from toolkit import banner, batching, checkpoint, metrics, pretrained, schedule
    from toolkit.precision import common_precision
    from toolkit.run_files import RunFiles
    from toolkit.score_files import score_columns, score_lines, write_scores
    from toolkit.unknown import check_unknown
    from toolkit.world import World


def fine_tune(args: Namespace, world) -> None:
    """Read and check the data, train, keep the best model, and say what happened; all but training is the first's."""
    log = Log(sys.stdout if world.is_first else None)
    args = Namespace(**world.first(lambda: checkpoint.resumed_options(args, training_options(), log)))
    device = utils.choose_device(args.device, world.place)
    precision = common_precision(args.precision, device, world)
    source = pretrained.resolve_model(args.model)
    tables, labels = read_data(args, log) if world.is_first else ({}, None)
    utils.set_seed(args.seed)
    model, tokenizer, new = utils.new_classifier(source, labels := world.share(labels), args.dropout)
    encoder, sets = None, {}
    if world.is_first:
        pairs = "text_pair" in tables["train"].frame
        encoder = utils.make_encoder(tokenizer, model.config, model, args.max_length, args.truncation, pairs)
        tokenizer.model_max_length = encoder.max_length  # transformers.pipeline then truncates alike
        sets = encode_data(args, tables, labels, encoder, log)
        banner.say_model(log, args.model or pretrained.EMBEDDED, model, new)
    if args.check_data:
        log("the data is fit for training; nothing was written")
        return
    sets = {name: utils.share_dataset(world, sets.get(name)) for name in ("train", "valid")}
    run = Run(args, log, world, tables, labels, sets, encoder)
    run.begin(model, precision, device)
    run.train()
    run.finish()


def read_data(args: Namespace, log: Log) -> tuple[dict, list[str]]:
    """Return the tables called train, valid and, if --test_file names one, test; and the labels of the first."""
    train_file = need_file(args.train_file, args.data_dir, "trainset", "--train_file")
    valid_file = args.valid_file or (None if args.train_file else find_file(args.data_dir, "validset"))
    columns = {"text": args.text_column, "text_pair": args.pair_column or "?", "label": args.label_column}
    files = {"train": train_file, "valid": valid_file, "test": args.test_file}
    tables = utils.read_tables(files, columns, args.encoding, args.on_bad_rows)
    for name, table in tables.items():
        log.item("data" * (name == "train"), table.accounts())
    labels = utils.learn_labels(tables["train"])
    if "test" in tables:
        score_columns(tables["test"].records, labels)
    if not valid_file:
        tables["train"], tables["valid"] = utils.split_table(tables["train"], args.valid_ratio, args.seed)
        log.item("", f"{len(tables['valid'].frame):,} of these rows are held out to validate (--valid_ratio)")
    return tables, labels


def encode_data(args: Namespace, tables: dict, labels: list[str], encoder, log: Log) -> dict:
    """Check that the tokenizer knows the texts, tokenize every table, and say what is in the training rows."""
    label_ids = {name: utils.encode_labels(table, labels) for name, table in tables.items()}
    banner.say_labels(log, labels, label_ids["train"])
    sets = {}
    for name, table in tables.items():
        check_unknown(encoder.tokenizer, table.texts, str(table.path), args.max_unknown)
        sets[name], full_lengths = utils.tokenize(encoder, table.frame, label_ids[name], str(table.path))
        if name == "train":
            banner.say_lengths(log, full_lengths, encoder.max_length, encoder.truncation)
    return sets


class Run:
    """One training run: what it works on, and how far it has come."""

    def __init__(self, args: Namespace, log: Log, world, tables: dict, labels: list[str], sets: dict, encoder):
        self.args, self.log, self.world, self.tables, self.labels = args, log, world, tables, labels
        self.sets, self.encoder, self.journal = sets, encoder, Journal()
        self.files = RunFiles(Path(args.output_dir), writes=world.is_first)
        self.lengths = sets["train"].tensors[2].numpy()
        self.positive = metrics.positive_id(labels, args.positive_label, args.metric)
        self.steps_an_epoch = -(-len(self.lengths) // args.batch_size)

    def begin(self, model, precision, device) -> None:
        """Make the optimizer, go on from a checkpoint if asked to, open the run directory and say what will happen."""
        args, world, log = self.args, self.world, self.log
        factor = schedule.learning_rate_factor(args.scheduler, args.epochs * self.steps_an_epoch, args.warmup_ratio)
        betas, micro = (args.adam_beta1, args.adam_beta2), args.micro_batch_size
        optimizer = utils.make_optimizer(model.to(device), args.weight_decay, betas, args.adam_epsilon)
        self.state = (model, optimizer, precision.scaler())  # what a checkpoint holds
        self.about = {"precision": precision.name, "device": str(device), "processes": world.size}
        if world.is_first:
            run = (args.model or pretrained.EMBEDDED, self.tables, self.labels, self.positive, self.encoder, vars(args))
            self.about |= describe_run(*run)
        if args.resume:
            self.journal = checkpoint.resume(self.files.checkpoint_dir, self.state, self.about, world)
        self.learner = utils.Learner(
            model=utils.wrap(model, device, world),
            optimizer=optimizer,
            learning_rate=lambda step: args.learning_rate * factor(step),
            precision=precision,
            scaler=self.state[2],
            device=device,
            micro_batch_size=micro,
            max_grad_norm=args.max_grad_norm,
            step=self.journal.step,
            seed=args.seed,
            world=world,
        )
        self.how = {"batch_size": micro or args.batch_size, "precision": precision, "device": device, "world": world}
        self.files.open(log, [row for table in self.tables.values() for row in table.rejected], args.resume)
        share = banner.say_steps(log, self.lengths, args.batch_size, args.epochs, args.seed, self.journal.step)
        self.about["padding_share"] = share
        banner.say_machine(log, self.learner.model, device, world.size, precision.name)
        if not args.resume:
            self.files.begin(self.about)

    def train(self) -> None:
        """Train to the last epoch or until it no longer helps, evaluating and saving on the way."""
        args, journal = self.args, self.journal
        progress = TrainingBar(args.epochs * self.steps_an_epoch, journal.step)
        for epoch in range(journal.epoch, args.epochs):
            batches = batching.training_batches(self.lengths, args.batch_size, args.seed, epoch)
            while journal.batch < len(batches) and not 0 < args.early_stopping <= journal.stale:
                steps = journal.steps_to_pause(len(batches), (args.eval_steps, args.save_steps))
                part, losses, started = batches[journal.batch :][:steps], [], time.perf_counter()
                utils.train_one_epoch(self.learner, self.sets["train"], part, progress.stepper(losses))
                rows, loss_sum = np.concatenate(part), self.world.mean(torch.stack(losses).sum()).item()
                seconds = time.perf_counter() - started
                journal.count(steps, len(rows), int(self.lengths[rows].sum()), loss_sum, seconds)
                if journal.batch == len(batches) or (args.eval_steps and journal.step % args.eval_steps == 0):
                    self.evaluate()
                self.files.save(self.state, journal, self.about)
            journal.epoch, journal.batch = epoch + 1, 0
        progress.close()
        if journal.step < args.epochs * self.steps_an_epoch:
            self.log(f"stopped early: {journal.stale} evaluations without a better one (--early_stopping)")

    def evaluate(self) -> None:
        """Score the validation set, note the result, and keep the model if it is the best so far."""
        learner, dataset, journal = self.learner, self.sets["valid"], self.journal
        with bar(len(dataset), "evaluating", "rows") as progress:
            logits = utils.predict_logits(learner.model, dataset, on_batch=progress.update, **self.how)
        found = self.world.first(lambda: metrics.quick_scores(logits, dataset.tensors[3].numpy(), self.positive))
        rate = learner.learning_rate(journal.step - 1)
        is_best = journal.note(found, self.args.metric, self.steps_an_epoch, rate)
        if is_best and self.world.is_first:
            utils.save_model(self.files.model_dir, learner.model, self.encoder.tokenizer, self.facts())
        self.files.write_history(journal)
        self.log(journal.last_line(self.args.metric))

    def facts(self) -> dict:
        """Return the content of run.json."""
        return {**self.about, "metrics": self.journal.best(), **self.journal.speed(), "versions": versions()}

    def finish(self) -> None:
        """Write what is only known at the end, draw the curves, score the test file, and say where everything is."""
        if self.world.is_first:
            utils.describe_model(self.files.model_dir, self.facts())
        self.files.draw(self.journal, self.args.metric)
        speed = "{train_seconds:.0f} s, {real_tokens_per_second:,.0f} tokens a second".format(**self.journal.speed())
        self.log(f"trained for {speed}; the best model is in {self.files.model_dir}")
        table = self.tables.get("test")
        if self.args.test_file:
            found = utils.score_saved(self.files.model_dir, self.learner.model, table, **self.how)
        if table:
            write_scores(self.files.test_dir, found, table, self.facts(), self.files.model_dir)
            self.log("\n".join(["", *score_lines(found.scores)]))


if __name__ == "__main__":
    sys.exit(run_script(main))
