"""What training a part of the embedded model costs and gains: the time of an epoch, and the accuracy on a test set.

    python benchmarks/training_parts.py speed DIR --part top:3
    python benchmarks/training_parts.py accuracy DIR [DIR ...] --rows 1000 --seeds 2 --runs all@5e-5 top:3@1e-4

DIR holds trainset.*, validset.* and testset.*. For the time, epochs of the whole model and of the part take turns in
one process; each is one pass over --rows training rows and one over the validation rows, and the first epoch, which
warms up, is left out. The ratio is that of the processor's time. For the accuracy each run is one of main.py with
--test_file, on the first --rows rows of the training file; a run is named by --train and --learning_rate.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import utils  # noqa: E402
from toolkit.cli.console import Log  # noqa: E402
from toolkit.compute.batches import training_batches  # noqa: E402
from toolkit.compute.machine import choose_machine  # noqa: E402
from toolkit.compute.processes import ALONE  # noqa: E402
from toolkit.data.labels import encode_labels, learn_labels  # noqa: E402
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402
from toolkit.models.trained_part import TrainedPart, freeze  # noqa: E402
from toolkit.tokens.default_model import ChosenModel  # noqa: E402
from toolkit.tokens.encoder import make_encoder  # noqa: E402
from toolkit.tokens.probe import Fit  # noqa: E402
from toolkit.training.learner import Learner, StepSettings  # noqa: E402
from toolkit.training.optimizer import make_optimizer  # noqa: E402
from toolkit.training.training_data import TrainingData  # noqa: E402

COLUMNS = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
BATCH_SIZE = 16


class Run:
    """A model of which a part is trained, and its data."""

    def __init__(self, folder: Path, part: str, rows: int, precision: str):
        self.machine = choose_machine("cpu", precision, ALONE)
        source = resolve_model(None)
        tables = {name: utils.read_table(find_file(folder, f"{name}set"), COLUMNS) for name in ("train", "valid")}
        labels = learn_labels(tables["train"])
        utils.set_seed(1)
        new = utils.new_classifier(source, labels, None)
        pairs = "text_pair" in tables["train"].frame
        encoder = make_encoder(new.tokenizer, new.model.config, None, "longest_first", pairs)
        ids = {name: encode_labels(table, labels) for name, table in tables.items()}
        sets = {name: utils.tokenize(encoder, table.frame, ids[name]).dataset for name, table in tables.items()}
        train = sets["train"].select(np.arange(min(rows, len(sets["train"]))))
        frozen = freeze(new.model, TrainedPart.from_option(part))
        optimizer = make_optimizer(new.model, 0.01, (0.9, 0.999), 1e-8)
        settings = StepSettings(lambda step: 1e-5)
        scaler = self.machine.precision.scaler()
        self.learner = Learner(new.model, optimizer, scaler, settings, self.machine, frozen=frozen)
        data = TrainingData(ChosenModel(source, source), labels, train, sets["valid"], Fit(512, False, precision))
        started = time.process_time()
        self.data = utils.keep_frozen_states(self.learner, data, BATCH_SIZE, Log(None))
        self.first_seconds = time.process_time() - started

    def epoch(self, number: int) -> tuple[float, float]:
        """Return the processor's seconds of an epoch, and of the evaluation after it."""
        train = self.data.train
        started = time.process_time()
        batches = training_batches(train.lengths, BATCH_SIZE, 1, number)
        utils.train_one_epoch(self.learner, train, batches, lambda *_: None)
        trained = time.process_time()
        utils.predict_logits(utils.Predictor(self.learner.model, self.machine, BATCH_SIZE), self.data.valid)
        return trained - started, time.process_time() - trained


def compare_speed(args: argparse.Namespace) -> None:
    """Print the time of an epoch of the whole model and of a part, side by side."""
    runs = {part: Run(args.folders[0], part, args.rows, args.precision) for part in ("all", args.part)}
    seconds: dict[str, list[tuple[float, float]]] = {part: [] for part in runs}
    for number in range(args.epochs + 1):
        for part, run in runs.items():
            seconds[part].append(run.epoch(number))
    whole, part = (np.array(seconds[name][1:]) for name in runs)  # (epochs, 2)
    for name, array in zip(runs, (whole, part), strict=True):
        steps, evaluation = np.median(array, axis=0)
        print(f"{name:<8} an epoch {steps:.2f} s, its evaluation {evaluation:.2f} s")
    ratios = np.sort(whole.sum(1) / part.sum(1))
    print(f"{args.part}: the frozen layers once, for all epochs: {runs[args.part].first_seconds:.2f} s")
    print(f"ratio of epochs with their evaluation: {np.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print(f"ratio of epochs alone: {np.median(whole[:, 0] / part[:, 0]):.2f}; {args.rows:,} rows, {args.precision}")


def accuracy(folder: Path, run: str, seed: int, args: argparse.Namespace, where: Path) -> tuple[float, int]:
    """Return the test accuracy of a run such as top:3@1e-4, and the bytes of its weights."""
    part, _, rate = run.partition("@")
    output = where / f"{folder.name}-{run.replace(':', '-')}-{seed}"
    train = where / f"{folder.name}-{args.rows}.jsonl"
    if not train.is_file():
        table = utils.read_table(find_file(folder, "trainset"), COLUMNS)
        table.frame.head(args.rows).to_json(train, orient="records", lines=True, force_ascii=False)
    files = ["--train_file", train, "--valid_file", find_file(folder, "validset")]
    files += ["--test_file", find_file(folder, "testset")]
    more = ["--learning_rate", rate, "--epochs", args.epochs, "--seed", seed, "--explain_rows", 0]
    command = [sys.executable, ROOT / "main.py", *files, "--output_dir", output, "--train", part, *more]
    command += ["--precision", args.precision, *args.more.split()]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    size = sum(path.stat().st_size for path in (output / "bert_classifier").glob("*.safetensors"))
    return json.loads((output / "test" / "metrics.json").read_text())["accuracy"], size


def compare_accuracy(args: argparse.Namespace) -> None:
    """Print the test accuracy of each run, its mean over the seeds, and the difference to the first run."""
    with tempfile.TemporaryDirectory() as where:
        for folder in args.folders:
            means: list[float] = []
            for run in args.runs:
                results = [accuracy(folder, run, seed, args, Path(where)) for seed in range(1, args.seeds + 1)]
                scores = [score for score, _ in results]
                means.append(statistics.fmean(scores))
                listed = " ".join(f"{score:.4f}" for score in scores)
                size = f"{results[0][1] / 1e6:.2f} MB"
                print(
                    f"{folder.name:<15} {run:<14} {means[-1]:.4f} ({listed}) {means[-1] - means[0]:+.4f} {size}",
                    flush=True,
                )


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "accuracy"])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--part", default="top:3")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--runs", nargs="+", default=["all@5e-5", "top:3@1e-4", "lora@5e-4", "head@1e-3"])
    parser.add_argument("--more", default="", help="further options of main.py, in one word")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "speed":
        compare_speed(args)
    else:
        compare_accuracy(args)


if __name__ == "__main__":
    main()
