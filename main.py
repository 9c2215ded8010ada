"""Fine-tune a BERT text classifier on labelled text; python main.py --help lists the options."""

import sys
import time
from argparse import Namespace
from pathlib import Path

from toolkit.atomic import write_json_lines
from toolkit.console import Log, TrainingBar, bar
from toolkit.errors import UserError, run_script
from toolkit.files import find_file
from toolkit.journal import Journal
from toolkit.options import training_options
from toolkit.rows import write_rejected
from toolkit.run_info import clear_run, data_facts, refuse_to_overwrite, versions


def main() -> None:
    """Read and check the data, train, keep the best model, and say what happened."""
    args = training_options().parse_args()
    if not args.resume and not args.check_data:
        refuse_to_overwrite(Path(args.output_dir), args.overwrite)
    import_the_rest()
    log = Log(sys.stdout)
    if args.resume:
        args = checkpoint.resumed_options(training_options(), Path(args.output_dir, "checkpoint"))
    device = utils.choose_device(args.device)
    precision = choose_precision(args.precision, device)
    source = pretrained.resolve_model(args.model)
    tables, labels = read_data(args, log)
    utils.set_seed(args.seed)
    model, tokenizer, new = utils.new_classifier(source, labels, args.dropout)
    pairs = "text_pair" in tables["train"].frame
    encoder = utils.make_encoder(tokenizer, model.config, model, args.max_length, args.truncation, pairs)
    tokenizer.model_max_length = encoder.max_length  # transformers.pipeline then truncates alike
    sets = encode_data(args, tables, labels, encoder, log)
    banner.say_model(log, args.model or pretrained.EMBEDDED, model, new)
    if args.check_data:
        log("the data is fit for training; nothing was written")
        return
    run = Run(args, log, tables, labels, sets, encoder)
    run.begin(utils.wrap(model, device), precision, device)
    run.train()
    run.finish()


def import_the_rest() -> None:
    """Import what takes seconds; called when the options are known to be right, so that --help is immediate."""
    global np, torch, utils, banner, batching, checkpoint, choose_precision, curves, metrics, pretrained, schedule
    global score_files, unknown
    import numpy as np
    import torch

    import utils
    from toolkit import banner, batching, checkpoint, curves, metrics, pretrained, schedule, score_files, unknown
    from toolkit.precision import choose_precision


def read_data(args: Namespace, log: Log) -> tuple[dict, list[str]]:
    """Return the tables called train, valid and, if --test_file names one, test; and the labels of the first."""
    train_file = args.train_file or find_file(args.data_dir, "trainset")
    valid_file = args.valid_file or (None if args.train_file else find_file(args.data_dir, "validset"))
    if train_file is None:
        raise UserError(f"there is no trainset.csv (.tsv, .json, ...) in {args.data_dir}; --train_file names another")
    columns = {"text": args.text_column, "text_pair": args.pair_column or "?", "label": args.label_column}
    files = {"train": train_file, "valid": valid_file, "test": args.test_file}
    tables = utils.read_tables(files, columns, args.encoding, args.on_bad_rows)
    for name, table in tables.items():
        log.item("data" * (name == "train"), table.accounts())
    labels = utils.learn_labels(tables["train"])
    if "test" in tables:
        score_files.score_columns(tables["test"].records, labels)
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
        unknown.check_unknown(encoder.tokenizer, table.texts, str(table.path), args.max_unknown)
        sets[name], full_lengths = utils.tokenize(encoder, table.frame, label_ids[name], str(table.path))
        if name == "train":
            banner.say_lengths(log, full_lengths, encoder.max_length, encoder.truncation)
    return sets


class Run:
    """One training run: what it works on, how far it has come, and what it leaves in its directory."""

    def __init__(self, args: Namespace, log: Log, tables: dict, labels: list[str], sets: dict, encoder):
        self.args, self.log, self.tables, self.labels = args, log, tables, labels
        self.sets, self.encoder, self.journal, self.folder = sets, encoder, Journal(), Path(args.output_dir)
        self.model_dir, self.checkpoint_dir = self.folder / "bert_classifier", self.folder / "checkpoint"
        self.lengths = sets["train"].tensors[2].numpy()
        self.positive = metrics.positive_id(labels, args.positive_label, args.metric)
        self.steps_an_epoch = -(-len(self.lengths) // args.batch_size)
        self.about = {"options": vars(args), "data": data_facts(tables)}

    def begin(self, model, precision, device) -> None:
        """Make the optimizer, go on from a checkpoint if asked to, open the run directory and say what will happen."""
        args, log = self.args, self.log
        factor = schedule.learning_rate_factor(args.scheduler, args.epochs * self.steps_an_epoch, args.warmup_ratio)
        betas, micro = (args.adam_beta1, args.adam_beta2), args.micro_batch_size
        self.learner = utils.Learner(
            model=model,
            optimizer=utils.make_optimizer(model, args.weight_decay, betas, args.adam_epsilon),
            learning_rate=lambda step: args.learning_rate * factor(step),
            precision=precision,
            scaler=precision.scaler(),
            device=device,
            micro_batch_size=micro and micro * utils.device_count(model),
            max_grad_norm=args.max_grad_norm,
        )
        self.how = {"batch_size": args.micro_batch_size or args.batch_size, "precision": precision, "device": device}
        self.state = (utils.unwrap(model), self.learner.optimizer, self.learner.scaler)  # what a checkpoint holds
        self.about |= {"precision": precision.name, "device": str(device)}
        if args.resume:
            self.journal = checkpoint.load_checkpoint(self.checkpoint_dir, *self.state, self.about)
            self.learner.step = self.journal.step
        else:
            clear_run(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        log.open(self.folder / "train.log", append=args.resume)
        rejected = [row for table in self.tables.values() for row in table.rejected]
        write_rejected(self.folder / "rejected_rows.csv", rejected)
        share = banner.say_steps(log, self.lengths, args.batch_size, args.epochs, args.seed, self.journal.step)
        self.about["padding_share"] = share
        banner.say_machine(log, model, device, precision.name)

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
                rows, loss_sum = np.concatenate(part), torch.stack(losses).sum().item()
                seconds = time.perf_counter() - started
                journal.count(steps, len(rows), int(self.lengths[rows].sum()), loss_sum, seconds)
                if journal.batch == len(batches) or (args.eval_steps and journal.step % args.eval_steps == 0):
                    self.evaluate()
                checkpoint.save_checkpoint(self.checkpoint_dir, *self.state, journal, self.about)
            journal.epoch, journal.batch = epoch + 1, 0
        progress.close()
        if journal.step < args.epochs * self.steps_an_epoch:
            self.log(f"stopped early: {journal.stale} evaluations without a better one (--early_stopping)")

    def evaluate(self) -> None:
        """Score the validation set, note the result, and keep the model if it is the best so far."""
        learner, dataset, journal = self.learner, self.sets["valid"], self.journal
        with bar(len(dataset), "evaluating", "rows") as progress:
            logits = utils.predict_logits(learner.model, dataset, on_batch=progress.update, **self.how)
        found = metrics.quick_scores(logits, dataset.tensors[3].numpy(), self.positive)
        rate = learner.learning_rate(journal.step - 1)
        if journal.note(found, self.args.metric, self.steps_an_epoch, rate):
            utils.save_model(self.model_dir, learner.model, self.encoder.tokenizer, self.facts())
        write_json_lines(self.folder / "metrics.jsonl", journal.history)
        self.log(journal.last_line(self.args.metric))

    def facts(self) -> dict:
        """Return the content of run.json."""
        journal = self.journal
        return {
            "base_model": self.args.model or pretrained.EMBEDDED,
            "labels": self.labels,
            "positive_label": self.labels[self.positive],
            "columns": self.tables["train"].columns,
            "max_length": self.encoder.max_length,
            "truncation": self.encoder.truncation,
            "metrics": journal.best(),
            "train_seconds": round(journal.train_seconds, 3),
            "real_tokens_per_second": round(journal.real_tokens / journal.train_seconds, 1),
            **self.about,
            "versions": versions(),
        }

    def finish(self) -> None:
        """Write what is only known at the end, draw the curves, score the test file, and say where everything is."""
        facts, log = self.facts(), self.log
        utils.describe_model(self.model_dir, facts)
        curves.draw_curves(self.folder / "curves.png", self.journal.history, self.args.metric, self.journal.best_step)
        speed = f"{facts['train_seconds']:.0f} s, {facts['real_tokens_per_second']:,.0f} tokens a second"
        log(f"trained for {speed}; the best model is in {self.model_dir}")
        if "test" in self.tables:
            model, encoder, run = utils.load_model(self.model_dir, self.learner.device)
            found = utils.score_table(model, encoder, self.tables["test"], run, **self.how)
            score_files.write_scores(self.folder / "test", found, self.tables["test"], run, self.model_dir)
            log("\n".join(["", *score_files.score_lines(found.scores)]))


if __name__ == "__main__":
    sys.exit(run_script(main))
