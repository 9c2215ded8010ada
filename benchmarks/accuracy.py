"""Accuracy of this project against Hugging Face Trainer: same model, data, options and seeds, on a test set.

    python benchmarks/accuracy.py DIR [DIR ...] --seeds 5

DIR holds trainset.*, validset.* and testset.*. For each seed both are trained, one after the other: this project by its
scripts, Trainer with dynamic padding; both batch rows of like length and keep the epoch that is best on the validation
set. The table at the end has the mean and the standard deviation over the seeds. Trainer needs the package accelerate.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed  # noqa: E402

import utils  # noqa: E402
from toolkit.compute.device import choose_device  # noqa: E402
from toolkit.compute.precision import choose_precision  # noqa: E402
from toolkit.data.labels import encode_labels, learn_labels  # noqa: E402
from toolkit.data.tables import Table  # noqa: E402
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402

COLUMNS = Columns(text_pair=TEXT_PAIR_IF_PRESENT)


class Rows(torch.utils.data.Dataset):
    """Tokenized rows as Trainer takes them: dictionaries of lists."""

    def __init__(self, tokenizer, table, label_ids, max_length: int = 512):
        pairs = table.frame["text_pair"].tolist() if "text_pair" in table.frame else None
        self.encoded = tokenizer(table.frame["text"].tolist(), pairs, truncation=True, max_length=max_length)
        self.label_ids = label_ids.tolist()

    def __len__(self):
        return len(self.label_ids)

    def __getitem__(self, i):
        return {**{name: values[i] for name, values in self.encoded.items()}, "labels": self.label_ids[i]}


def ours(folder: Path, model: str | None, seed: int, args: argparse.Namespace, where: Path) -> float:
    """Return the test accuracy after main.py and test_code.py."""
    chosen = ["--model", model] if model else []
    options = ["--epochs", args.epochs, "--batch_size", args.batch_size, "--learning_rate", args.learning_rate]
    run([ROOT / "main.py", "--data_dir", folder, "--output_dir", where, "--seed", seed, *options, *chosen])
    run([ROOT / "test_code.py", "--data_dir", folder, "--output_dir", where, "--model_dir", where / "bert_classifier"])
    return json.loads((where / "test" / "metrics.json").read_text())["accuracy"]


def run(command: list) -> None:
    """Run a script of this project and stop if it fails."""
    subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)


def read(folder: Path, stem: str) -> Table:
    """Return the table of a folder whose file is called so."""
    return utils.read_table(find_file(folder, stem), COLUMNS)


def grouped_by_length() -> dict:
    """Return the options by which Trainer batches rows of like length."""
    new = "train_sampling_strategy" in TrainingArguments.__dataclass_fields__  # its name since transformers 5
    return {"train_sampling_strategy": "group_by_length"} if new else {"group_by_length": True}


def trainer(folder: Path, model: str | None, seed: int, args: argparse.Namespace, where: Path) -> float:
    """Return the test accuracy after Trainer, with the options that main.py has by default."""
    tables = [read(folder, stem) for stem in ("trainset", "validset", "testset")]
    labels = learn_labels(tables[0])
    set_seed(seed)
    new = utils.new_classifier(resolve_model(model), labels, None)
    network, tokenizer = new.model, new.tokenizer
    sets = [Rows(tokenizer, table, encode_labels(table, labels)) for table in tables]
    steps = args.epochs * -(-len(sets[0]) // args.batch_size)
    settings = TrainingArguments(
        **grouped_by_length(),
        output_dir=str(where),
        num_train_epochs=args.epochs,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=32,
        learning_rate=args.learning_rate,
        weight_decay=0.01,
        warmup_steps=-(-steps // 10),
        bf16=choose_precision("auto", choose_device("auto")).name == "bf16",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
    )

    def accuracy(prediction) -> dict:
        return {"accuracy": float((np.argmax(prediction.predictions, axis=1) == prediction.label_ids).mean())}

    loop = Trainer(
        network,
        settings,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=sets[0],
        eval_dataset=sets[1],
        compute_metrics=accuracy,
    )
    loop.train()
    return loop.evaluate(sets[2])["eval_accuracy"]


def main() -> None:
    """Train both for every data set and seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", help="as main.py's")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=5e-5)
    args = parser.parse_args()
    table = ["| data | this project | Trainer | difference | standard deviation of Trainer |", "|---|---|---|---|---|"]
    for folder in args.folders:
        found = {"ours": [], "trainer": []}
        for seed in range(args.seeds):
            for name, train in (("ours", ours), ("trainer", trainer)):
                with tempfile.TemporaryDirectory() as where:
                    found[name].append(train(folder, args.model, seed, args, Path(where)))
                print(f"{folder.name} seed {seed} {name}: {found[name][-1]:.4f}", flush=True)
        means = {name: statistics.mean(values) for name, values in found.items()}
        spread = {name: statistics.stdev(values) if args.seeds > 1 else 0.0 for name, values in found.items()}
        cells = [f"{means[name]:.4f} ± {spread[name]:.4f}" for name in found]
        difference = f"{means['ours'] - means['trainer']:+.4f}"
        table.append(f"| {folder.name} | {cells[0]} | {cells[1]} | {difference} | {spread['trainer']:.4f} |")
    print("\n".join(table))


if __name__ == "__main__":
    main()
