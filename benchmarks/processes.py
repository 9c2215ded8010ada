"""Speed of training by two processes against one, each with one thread.

    python benchmarks/processes.py DIR [--model MODEL] [--batch_size ROWS ...]

DIR holds trainset.*. Two processes take steps of the loop of main.py on the same batches in three ways, in turn: the
first one alone; both together, each with half of every batch; and both apart, each with the whole batch and a model of
its own, which shows what the machine itself gives. The efficiency is the time of one alone over twice that of both.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402

import utils  # noqa: E402
from toolkit.base.process import this_process  # noqa: E402
from toolkit.cli.exits import run_script  # noqa: E402
from toolkit.compute.batches import training_batches  # noqa: E402
from toolkit.compute.machine import Machine  # noqa: E402
from toolkit.compute.precision import choose_precision  # noqa: E402
from toolkit.compute.processes import ALONE, Processes  # noqa: E402
from toolkit.data.labels import encode_labels, learn_labels  # noqa: E402
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402
from toolkit.tokens.encoder import make_encoder  # noqa: E402
from toolkit.training.learner import Learner, StepSettings  # noqa: E402
from toolkit.training.optimizer import make_optimizer  # noqa: E402

CPU = torch.device("cpu")


def learner_of(args: argparse.Namespace, labels: list[str], processes: Processes) -> tuple:
    """Return a learner with a model of its own, that model, and its tokenizer."""
    utils.set_seed(0)
    new = utils.new_classifier(resolve_model(args.model), labels, None)
    model, tokenizer = new.model, new.tokenizer
    machine = Machine(CPU, choose_precision(args.precision, CPU), processes)
    optimizer = make_optimizer(model, 0.01, (0.9, 0.999), 1e-8)
    settings = StepSettings(lambda step: 1e-5)
    scaler = machine.precision.scaler()
    learner = Learner(machine.wrap_for_training(model), optimizer, scaler, settings, machine)
    return learner, model, tokenizer


def measure(args: argparse.Namespace, batch_size: int, processes: Processes) -> dict[str, float]:
    """Return the seconds of a step, medians, in each of the three ways."""
    columns = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
    table = utils.read_table(find_file(args.folder, "trainset"), columns)
    labels = learn_labels(table)
    alone, model, tokenizer = learner_of(args, labels, ALONE)
    together, *_ = learner_of(args, labels, processes)
    pairs = "text_pair" in table.frame
    encoder = make_encoder(tokenizer, model.config, args.max_length, "longest_first", pairs)
    tokenized = utils.tokenize(encoder, table.frame, encode_labels(table, labels))
    dataset, lengths = tokenized.dataset, tokenized.full_lengths
    batches = training_batches(lengths, batch_size, seed=0, epoch=0)[: args.steps + 2]
    seconds = {"one": [], "together": [], "apart": []}
    for batch in batches:
        for name, learner in (("one", alone), ("together", together), ("apart", alone)):
            dist.barrier()
            started = time.perf_counter()
            if name != "one" or processes.is_main:
                utils.train_one_epoch(learner, dataset, [batch], lambda *step: None)
            dist.barrier()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times[2:]) for name, times in seconds.items()}  # the first steps warm up


def main() -> None:
    """Start two processes of this script, measure in them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="as main.py's")
    parser.add_argument("--batch_size", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--max_length", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    if "RANK" not in os.environ:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        sys.exit(subprocess.call([*launcher, *sys.argv], env=os.environ | {"OMP_NUM_THREADS": "1"}))
    torch.set_num_threads(1)
    with Processes(this_process()) as processes:
        if processes.is_main:
            print("| batch size | one, s a step | together | apart | efficiency | the machine gives |", flush=True)
            print("|---|---|---|---|---|---|", flush=True)
        for batch_size in args.batch_size:
            found = measure(args, batch_size, processes)
            if processes.is_main:
                times = " | ".join(f"{found[name]:.3f}" for name in ("one", "together", "apart"))
                efficiency, machine = found["one"] / found["together"] / 2, found["one"] / found["apart"]
                print(f"| {batch_size} | {times} | {efficiency:.3f} | {machine:.3f} |", flush=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
