"""Training speed: this project, Hugging Face Trainer and a loop over texts padded to the longest, in turn in one run.

    python benchmarks/train.py DIR [--model MODEL] [--rows N] [--rounds R] [--epochs E] [--max_length L]

DIR holds trainset.* and validset.*. In each round each of them fine-tunes the same weights on the same rows with the
same batch size, learning rate, schedule and number of epochs, in a process of its own, in turn. Only training steps are
timed. Prints medians: seconds, tokens a second (padding left out), the share of padding, the share of the machine's
measured peak of matrix products that those tokens' products took, and the accuracy on the validation set. Trainer needs
the package accelerate.
"""

import argparse
import json
import os
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
import torch.nn.functional as F  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    set_seed,
)
from transformers.trainer_pt_utils import get_length_grouped_indices  # noqa: E402

import utils  # noqa: E402
from benchmarks.accuracy import Rows, read  # noqa: E402
from toolkit.compute.batches import padding_share  # noqa: E402
from toolkit.compute.device import choose_device  # noqa: E402
from toolkit.compute.precision import DTYPES, choose_precision  # noqa: E402
from toolkit.data.labels import encode_labels, learn_labels  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402
from toolkit.models.pretrained import load_tokenizer  # noqa: E402

DEVICE = choose_device("auto")
BEST = choose_precision("auto", DEVICE)


class Work:
    """What all of them are given: a folder with trainset.csv, validset.csv and the weights to begin with."""

    def __init__(self, folder: Path, args: argparse.Namespace):
        self.folder, self.args = folder, args
        self.tables = [read(folder, stem) for stem in ("trainset", "validset")]
        self.labels = learn_labels(self.tables[0])
        self.tokenizer = load_tokenizer(str(folder / "model"))

    def rows(self) -> list[Rows]:
        """Return the tokenized tables, each row as long as it is."""
        return [
            Rows(self.tokenizer, table, encode_labels(table, self.labels), self.args.max_length)
            for table in self.tables
        ]

    def model(self):
        """Return the model of the weights to begin with."""
        return AutoModelForSequenceClassification.from_pretrained(self.folder / "model")


def ours(work: Work) -> dict:
    """Train by main.py."""
    args, output = work.args, work.folder / "output"
    options = {"data_dir": work.folder, "model": work.folder / "model", "output_dir": output, "epochs": args.epochs,
               "batch_size": args.batch_size, "learning_rate": args.learning_rate, "seed": args.seed,
               "max_length": args.max_length}  # fmt: skip
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, str(ROOT / "main.py"), "--overwrite", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run = json.loads((output / "bert_classifier" / "run.json").read_text())
    last = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
    found = {"seconds": run["train_seconds"], "padding": run["padding_share"], "accuracy": last["accuracy"]}
    return found | {"tokens": run["train_seconds"] * run["real_tokens_per_second"]}


class Watch(TrainerCallback):
    """Notes when Trainer's first step begins and its last one ends."""

    def on_step_begin(self, args, state, control, **_):
        """Start the clock."""
        self.began = getattr(self, "began", time.perf_counter())

    def on_step_end(self, args, state, control, **_):
        """Stop the clock."""
        self.ended = time.perf_counter()


class Grouping(Trainer):
    """Trainer that groups rows by length as it would if there were many: within 50 batches, however few there are."""

    def _get_train_sampler(self, *_):
        lengths = [len(row["input_ids"]) for row in self.train_dataset]
        return get_length_grouped_indices(lengths, self.args.train_batch_size, mega_batch_mult=50)


def trainer(work: Work, fast: bool, compiled: bool = False) -> dict:
    """Train by Trainer: as it is, or with all that makes it faster here."""
    args, (train, valid) = work.args, work.rows()
    faster = {
        "bf16": BEST.name == "bf16",
        "optim": "adamw_torch_fused",
        "torch_compile": compiled,
    }
    steps = args.epochs * -(-len(train) // args.batch_size)
    settings = TrainingArguments(
        **(faster if fast else {}), output_dir=str(work.folder / "trainer"), num_train_epochs=args.epochs,
        per_device_train_batch_size=args.batch_size, per_device_eval_batch_size=32, learning_rate=args.learning_rate,
        weight_decay=0.01, warmup_steps=-(-steps // 10), save_strategy="no", logging_strategy="no",
        use_cpu=DEVICE.type == "cpu", seed=args.seed, report_to=[], disable_tqdm=True,
    )  # fmt: skip
    lengths, slots = [], [0]
    collate = DataCollatorWithPadding(work.tokenizer)

    def counted(rows: list[dict]) -> dict:
        if counted.training:
            lengths.extend(len(row["input_ids"]) for row in rows)
            slots[0] += len(rows) * max(len(row["input_ids"]) for row in rows)
        return collate(rows)

    set_seed(args.seed)
    counted.training, watch = True, Watch()
    loop = (Grouping if fast else Trainer)(
        work.model(), settings, data_collator=counted, train_dataset=train, callbacks=[watch],
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())},
    )  # fmt: skip
    loop.train()
    counted.training = False
    accuracy = loop.evaluate(valid)["eval_accuracy"]
    tokens = sum(lengths)
    return {"seconds": watch.ended - watch.began, "padding": 1 - tokens / slots[0], "accuracy": accuracy,
            "tokens": tokens}  # fmt: skip


def padded(work: Work) -> dict:
    """Train by the loop that is often written: all texts padded to the longest, fp32, batches in random order."""
    args, sets = work.args, []
    for rows in work.rows():
        batch = work.tokenizer.pad({name: rows.encoded[name] for name in rows.encoded}, return_tensors="pt")
        sets.append(torch.utils.data.TensorDataset(*batch.values(), torch.tensor(rows.label_ids)))
        names = list(batch)
    set_seed(args.seed)
    model = work.model().to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    loader = torch.utils.data.DataLoader(sets[0], args.batch_size, shuffle=True)
    total = args.epochs * len(loader)
    schedule = get_linear_schedule_with_warmup(optimizer, -(-total // 10), total)
    model.train()
    started, tokens, slots = time.perf_counter(), 0, 0
    for _ in range(args.epochs):
        for *inputs, label_ids in loader:
            inputs = {name: tensor.to(DEVICE) for name, tensor in zip(names, inputs, strict=True)}
            F.cross_entropy(model(**inputs).logits, label_ids.to(DEVICE)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            tokens, slots = tokens + int(inputs["attention_mask"].sum()), slots + inputs["attention_mask"].numel()
    seconds = time.perf_counter() - started
    model.eval()
    right = 0
    with torch.inference_mode():
        for *inputs, label_ids in torch.utils.data.DataLoader(sets[1], 32):
            inputs = {name: tensor.to(DEVICE) for name, tensor in zip(names, inputs, strict=True)}
            right += int((model(**inputs).logits.argmax(1).cpu() == label_ids).sum())
    return {"seconds": seconds, "padding": 1 - tokens / slots, "accuracy": right / len(sets[1]), "tokens": tokens}


PEERS = {
    "this project": ours,
    "Trainer, fastest": lambda work: trainer(work, fast=True),
    "Trainer, compiled": lambda work: trainer(work, fast=True, compiled=True),
    "Trainer, default": lambda work: trainer(work, fast=False),
    "padded loop": padded,
}


def peak(dtype: torch.dtype) -> float:
    """Return the floating point operations a second of matrix products of this machine, the best of some."""
    is_card = DEVICE.type == "cuda"
    size = 8192 if is_card else 2048
    a, b = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        a @ b
        if is_card:
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def products(config, lengths: np.ndarray) -> float:
    """Return the floating point operations of the matrix products of one step forward and backward over some rows.

    All layers count whole, also where this project leaves out a part of the last one.
    """
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    tokens, squares = int(lengths.sum()), int((lengths.astype(np.int64) ** 2).sum())
    return 3.0 * layers * (2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * hidden * squares)


def some_batches(train, args: argparse.Namespace):
    """Return a part of a table: batches of rows of like length, evenly spread over 50 of them.

    So that grouping by length finds in the part rows as like as it would in the whole.
    """
    pool = train.sample(min(50 * args.batch_size, len(train)), random_state=args.seed)
    tokenizer = load_tokenizer(resolve_model(args.model))
    texts = [pool[name].tolist() for name in ("text", "text_pair") if name in pool]
    lengths = np.array([min(len(ids), args.max_length) for ids in tokenizer(*texts)["input_ids"]])
    batches = np.array_split(np.argsort(lengths, kind="stable"), -(-len(pool) // args.batch_size))
    places = np.linspace(0, len(batches) - 1, -(-args.rows // args.batch_size)).round().astype(int)
    rows = np.concatenate([batches[place] for place in places])
    return pool.iloc[np.random.default_rng(args.seed).permutation(rows)]


def prepare(folder: Path, args: argparse.Namespace) -> float:
    """Fill a folder with the rows and the weights that all begin with, and return the operations of the training."""
    train, valid = (read(args.folder, stem).frame for stem in ("trainset", "validset"))
    chosen = some_batches(train, args) if args.rows else train
    chosen.to_csv(folder / "trainset.csv", index=False)
    (valid.head(args.valid_rows) if args.valid_rows else valid).to_csv(folder / "validset.csv", index=False)
    labels = learn_labels(read(folder, "trainset"))
    utils.set_seed(args.seed)
    new = utils.new_classifier(resolve_model(args.model), labels, None)
    model, tokenizer = new.model, new.tokenizer
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    work = Work(folder, args)
    lengths = np.array([len(ids) for ids in work.rows()[0].encoded["input_ids"]])
    random = np.random.default_rng(0).permutation(len(lengths))
    batches = [random[i : i + args.batch_size] for i in range(0, len(random), args.batch_size)]
    print(f"{len(lengths):,} rows, {lengths.mean():.1f} tokens on average, longest {lengths.max()}, in random batches "
          f"{padding_share(lengths, batches):.1%} padding; {BEST.name} on {DEVICE}, {torch.get_num_threads()} threads",
          flush=True)  # fmt: skip
    return products(model.config, lengths) * args.epochs


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="as main.py's")
    parser.add_argument("--rows", type=int, help="take so many training rows")
    parser.add_argument("--valid_rows", type=int, help="take so many validation rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--max_length", type=int, default=512)
    parser.add_argument("--learning_rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="(default: all but the compiled Trainer)")
    parser.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:  # in a process of its own
        print(json.dumps(PEERS[args.one](Work(args.folder, args))))
        return
    names = args.peers or [name for name in PEERS if name != "Trainer, compiled"]
    found, peaks = {name: [] for name in names}, {name: [] for name in {"fp32", BEST.name}}
    with tempfile.TemporaryDirectory() as folder:
        operations = prepare(Path(folder), args)
        for turn in range(args.rounds):
            for name in peaks:
                peaks[name].append(peak(DTYPES[name]))
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found[name].append(apart(name, Path(folder), args))
                print(f"round {turn + 1} {name}: {found[name][-1]}", flush=True)
    print(table(found, {name: statistics.median(values) for name, values in peaks.items()}, operations))


def apart(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Let one of them train in a process of its own and return what it found."""
    given = {"epochs", "batch_size", "max_length", "learning_rate", "seed"}
    options = [str(word) for key, value in vars(args).items() if key in given for word in (f"--{key}", value)]
    command = [sys.executable, __file__, str(folder), "--one", name, *options]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def table(found: dict[str, list[dict]], peaks: dict[str, float], operations: float) -> str:
    """Return the medians as a table; the ratio is that of the seconds to this project's, round by round."""
    lines = [
        "| | seconds | ratio | tokens a second | padding | of the peak | accuracy |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    first = next(iter(found))
    for name, runs in found.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        ratio = statistics.median(
            run["seconds"] / other["seconds"] for run, other in zip(runs, found[first], strict=True)
        )
        speed = statistics.median(run["tokens"] / run["seconds"] for run in runs)
        fast = name in ("this project", "Trainer, fastest", "Trainer, compiled")
        share = operations / seconds / peaks[BEST.name if fast else "fp32"]
        last = runs[-1]
        lines.append(
            f"| {name} | {seconds:.1f} | {ratio:.2f} | {speed:,.0f} | {last['padding']:.1%} | {share:.0%} "
            f"| {statistics.median(run['accuracy'] for run in runs):.4f} |"
        )
    shown = ", ".join(f"{name} {value / 1e9:,.0f}" for name, value in peaks.items())
    return "\n".join([f"peak of matrix products, GFLOP/s: {shown}", *lines])


if __name__ == "__main__":
    main()
