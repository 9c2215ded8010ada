"""What --trim_vocabulary saves: the processor's time of a step, and the size of the model directory.

    python benchmarks/vocabulary.py DIR [--model multilingual] [--rows 1000] [--rounds 5]

DIR holds trainset.* and validset.*. The whole model and the one with a cut vocabulary take turns in one process: each
round is one pass over --rows training rows, the same batches for both; the first round, which warms up, is left out.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import utils  # noqa: E402
from toolkit.compute.batches import training_batches  # noqa: E402
from toolkit.compute.machine import choose_machine  # noqa: E402
from toolkit.compute.processes import ALONE  # noqa: E402
from toolkit.data.labels import encode_labels, learn_labels  # noqa: E402
from toolkit.data.tables import Table  # noqa: E402
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402
from toolkit.models.trained_part import TrainedPart, freeze  # noqa: E402
from toolkit.models.vocabulary import cut_embeddings  # noqa: E402
from toolkit.tokens.encoder import make_encoder  # noqa: E402
from toolkit.tokens.trimming import trim_vocabulary  # noqa: E402
from toolkit.training.learner import Learner, StepSettings  # noqa: E402
from toolkit.training.optimizer import make_optimizer  # noqa: E402

BATCH_SIZE = 16


class Run:
    """A model and its training rows."""

    def __init__(self, tables: dict[str, Table], source: str, rows: int, trims: bool):
        machine = choose_machine("cpu", "auto", ALONE)
        labels = learn_labels(tables["train"])
        utils.set_seed(1)
        new = utils.new_classifier(source, labels, None)
        self.tokenizer = new.tokenizer
        encoder = make_encoder(new.tokenizer, new.model.config, None, "longest_first", pairs=False)
        if trims:
            frames = {name: table.frame for name, table in tables.items()}
            trimmed = trim_vocabulary(encoder, new.model.config, frames)
            cut_embeddings(new.model, trimmed.vocabulary)
            self.tokenizer = trimmed.encoder.tokenizer
            encoder = trimmed.encoder
        frame = tables["train"].frame.head(rows)
        label_ids = encode_labels(tables["train"], labels)[:rows]
        self.train = utils.tokenize(encoder, frame, label_ids).dataset
        self.model = new.model
        frozen = freeze(new.model, TrainedPart.from_option("all"))
        optimizer = make_optimizer(new.model, 0.01, (0.9, 0.999), 1e-8)
        settings = StepSettings(lambda step: 1e-5)
        self.learner = Learner(new.model, optimizer, machine.precision.scaler(), settings, machine, frozen=frozen)

    def round(self, number: int) -> float:
        """Return the processor's seconds of a pass over the rows."""
        batches = training_batches(self.train.lengths, BATCH_SIZE, 1, number)
        started = time.process_time()
        utils.train_one_epoch(self.learner, self.train, batches, lambda *_: None)
        return time.process_time() - started

    def megabytes(self) -> float:
        """Return the size of the model directory without the files that describe the run."""
        with tempfile.TemporaryDirectory() as folder:
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            return sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default="multilingual")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = resolve_model(args.model)
    tables = {name: utils.read_table(find_file(args.folder, f"{name}set"), Columns(text_pair=TEXT_PAIR_IF_PRESENT))
              for name in ("train", "valid")}  # fmt: skip
    runs = {name: Run(tables, source, args.rows, name == "cut") for name in ("whole", "cut")}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(args.rounds + 1):
        for name, run in runs.items():
            seconds[name].append(run.round(number))
    steps = -(-args.rows // BATCH_SIZE)
    for name, run in runs.items():
        step = statistics.median(seconds[name][1:]) / steps
        rows = run.model.get_input_embeddings().weight.shape[0]
        print(f"{name:<6} {rows:>8,} tokens  {run.megabytes():7.1f} MB  {1000 * step:7.1f} ms of processor time a step")
    ratios = np.sort(np.array(seconds["whole"][1:]) / np.array(seconds["cut"][1:]))
    print(f"ratio of steps: {np.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); {args.rows:,} rows")


if __name__ == "__main__":
    main()
