"""Train, save and ask each kind of model of tests/models/architectures.py, and print the table of docs/models.md.

    python -m tests.models_table                        all of them
    python -m tests.models_table BERT "GPT-2"           some of them

The models are tiny and random; what is called is what main.py and infer.py call. It takes some ten seconds a model.
"""

import argparse
import contextlib
import csv
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers import pipeline

import infer
import main as training
from tests.models.architectures import ARCHITECTURES, BY_NAME, SENTENCES, Architecture, save
from toolkit.base.errors import UserError
from toolkit.cli.options import fine_tuning_options, inference_options
from toolkit.layers.fast_bert import make_fast
from toolkit.layers.int8 import int8_share, make_int8
from toolkit.models.configuration import make_usable
from toolkit.models.pretrained import load_classifier, load_config
from toolkit.runs.run_json import read_run

LABELS = ("a", "b", "c")
SAME = 1e-5  # largest difference of a probability
COLUMNS = ("trains", "batches", "as transformers.pipeline", "pairs", "resume", "bf16", "int8", "onnx", "fast path")
OPTIONS = ["--precision", "fp32", "--max_unknown", "1", "--scheduler", "constant", "--warmup_ratio", "0"]


@dataclass
class Notes:
    """The explanations below the table, each once."""

    sentences: list[str] = field(default_factory=list)

    def refer(self, sentence: str) -> str:
        """Return the mark of a sentence."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return f"[{self.sentences.index(sentence) + 1}]"


@dataclass(frozen=True)
class Data:
    """A folder of labelled rows, and the rows that are asked about: texts of 1 to 90 words, or pairs of them."""

    folder: Path
    pairs: bool

    @property
    def rows(self) -> list[dict[str, str]]:
        """The unlabelled rows."""
        with (self.folder / "unlabelled.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


def write_data(folder: Path, pairs: bool) -> Data:
    """Write 24 training, 12 validation and 16 unlabelled rows."""
    words = [word for sentence in SENTENCES for word in re.findall(r"\w+", sentence)]
    draw = np.random.default_rng(0)
    names = ["text", "text_pair"] if pairs else ["text"]
    folder.mkdir()
    for name, count in (("trainset", 24), ("validset", 12), ("unlabelled", 16)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([*names, *(["label"] if name != "unlabelled" else [])])
            for number in range(count):
                sizes = (90 if number % 7 == 6 else 1 + int(draw.integers(12)), 1 + int(draw.integers(6)))
                texts = [" ".join(draw.choice(words, size)) for size in sizes[: len(names)]]
                writer.writerow([*texts, *([LABELS[number % 3]] if name != "unlabelled" else [])])
    return Data(folder, pairs)


# -- what is asked of a model -----------------------------------------------------------------------------------------


def quietly(work: Callable[[], object]) -> str:
    """Do something without a word; return why it cannot be done, "" if it could."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            work()
        except UserError as error:
            return re.sub(r"model /\S+: |--(precision|export) \w+: ", "", error.lines()[0])
    return ""


def fine_tune(model: Path, data: Data, output: Path, *options: str) -> str:
    """Run main.py in this process; return why it cannot be done."""
    words = ["--model", str(model), "--data_dir", str(data.folder), "--output_dir", str(output), "--epochs", "1"]
    return quietly(lambda: training.main(fine_tuning_options([*words, *OPTIONS, *options])))


def predict(output: Path, data: Data, *options: str) -> str:
    """Run infer.py in this process; return why it cannot be done."""
    words = ["--data_dir", str(data.folder), "--model_dir", str(output / "bert_classifier"), "--overwrite"]
    words += ["--no-calibrated", "--min_agreement", "0", "--precision", "fp32", *options]
    return quietly(lambda: infer.main(inference_options(words)))


def difference(output: Path, data: Data) -> float:
    """Return by how much the probabilities of infer.py differ from those that transformers gives row by row."""
    classify = pipeline("text-classification", model=str(output / "bert_classifier"), top_k=None, device="cpu")
    largest = 0.0
    with (output / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        predicted = list(csv.DictReader(stream))
    for row, ours in zip(data.rows, predicted, strict=True):
        answer = classify(row if data.pairs else row["text"], truncation=True)
        for entry in answer[0] if isinstance(answer[0], list) else answer:
            largest = max(largest, abs(entry["score"] - float(ours[f"prob_{entry['label']}"])))
    return largest


def agrees(model: Path, data: Data, output: Path, notes: Notes) -> str:
    """Return whether infer.py and transformers agree on a model after training."""
    problem = fine_tune(model, data, output) or predict(output, data)
    if problem:
        return f"no {notes.refer(problem)}"
    apart = difference(output, data)
    return "yes" if apart <= SAME else f"no ({apart:.0e})"


def resumes(model: Path, data: Data, folder: Path) -> str:
    """Return whether two epochs give the same weights to the last bit if the run ends between them and goes on."""
    problem = fine_tune(model, data, folder / "whole", "--epochs", "2")
    problem = problem or fine_tune(model, data, folder / "parts")
    problem = problem or fine_tune(model, data, folder / "parts", "--epochs", "2", "--resume")
    if problem:
        return f"no ({problem})"
    states = [load_file(folder / name / "checkpoint" / newest_weights(folder / name)) for name in ("whole", "parts")]
    return "yes" if all(torch.equal(states[0][name], states[1][name]) for name in states[0]) else "no"


def newest_weights(output: Path) -> str:
    """Return the name of the file of weights in a checkpoint."""
    files = sorted((output / "checkpoint").glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    return files[-1].name


def in_int8(model: Path, output: Path, data: Data, notes: Notes) -> str:
    """Return whether a model predicts in int8, and which share of its encoder does."""
    problem = predict(output, data, "--precision", "int8")
    if problem:
        return f"no {notes.refer(problem)}"
    config = load_config(str(model))
    make_usable(config)
    loaded = load_classifier(str(output / "bert_classifier")).model
    make_int8(loaded)
    share = int8_share(loaded)
    return "yes" if share > 0.99 else f"{share:.0%} of it"


def as_onnx(output: Path, data: Data, notes: Notes) -> str:
    """Return whether a model is exported, and infer.py predicts with it as with torch."""
    model_dir = output / "bert_classifier"
    words = ["--model_dir", str(model_dir), "--export", "onnx", "--input_file", str(data.folder / "unlabelled.csv")]
    problem = quietly(lambda: infer.main(inference_options([*words, "--min_agreement", "0"])))
    if problem:
        return f"no {notes.refer(problem)}"
    chances = {}
    for engine in ("torch", "onnx"):
        problem = predict(output, data, "--engine", engine)
        if problem:
            return f"the file alone {notes.refer(problem.replace(str(model_dir), 'the directory'))}"
        with (output / "predictions.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        chances[engine] = np.array([[float(row[f"prob_{label}"]) for label in LABELS] for row in rows])
    apart = np.abs(chances["onnx"] - chances["torch"]).max()
    return "yes" if apart <= SAME else f"no ({apart:.0e})"


def has_fast_path(output: Path) -> str:
    """Return whether what the head does not read is left out."""
    return "yes" if make_fast(load_classifier(str(output / "bert_classifier")).model) else "no"


def look_at(architecture: Architecture, texts: Data, pairs: Data, folder: Path, notes: Notes) -> list[str]:
    """Return the cells of a model's row."""
    if not architecture.is_there:
        return ["not in this version of transformers", *[""] * (len(COLUMNS) - 1)]
    model = save(architecture, folder / "model", LABELS)
    output = folder / "output"
    problem = fine_tune(model, texts, output)
    if problem:
        return [f"no {notes.refer(problem)}", *[""] * (len(COLUMNS) - 1)]
    run = read_run(output / "bert_classifier")
    batches = "of one length" if run.equal_lengths else "padded"
    problem = fine_tune(model, texts, folder / "bf16", "--precision", "bf16")
    problem = problem or predict(folder / "bf16", texts, "--precision", "bf16")
    return [
        "yes",
        batches,
        agrees(model, texts, folder / "texts", notes),
        agrees(model, pairs, folder / "pairs", notes),
        resumes(model, texts, folder),
        f"no {notes.refer(problem)}" if problem else "yes",
        in_int8(model, output, texts, notes),
        as_onnx(folder / "pairs", pairs, notes),
        has_fast_path(output),
    ]


# -- the table --------------------------------------------------------------------------------------------------------


def markdown_table(rows: dict[str, list[str]], notes: Notes) -> str:
    """Return the table of docs/models.md, with what it refers to below it."""
    lines = [f"| model | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    explained = [f"- [{number}] {sentence}" for number, sentence in enumerate(notes.sentences, 1)]
    return "\n".join([*lines, "", *explained])


def main(words: Sequence[str]) -> int:
    """Look at each model and print the table; return 0 if all agree with transformers as far as they train."""
    parser = argparse.ArgumentParser(prog="python -m tests.models_table", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models, as the table names them; none: all")
    args = parser.parse_args(words)
    unknown = sorted(set(args.names) - set(BY_NAME))
    if unknown:
        parser.error(f"no model {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    notes = Notes()
    rows: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        texts = write_data(root / "texts", pairs=False)
        pairs = write_data(root / "pairs", pairs=True)
        for number, architecture in enumerate(ARCHITECTURES):
            if not args.names or architecture.name in args.names:
                print(architecture.name, file=sys.stderr, flush=True)
                rows[architecture.name] = look_at(architecture, texts, pairs, root / str(number), notes)
    print(f"{markdown_table(rows, notes)}\n\ntorch {torch.__version__}, transformers {transformers.__version__}")
    return int(any(cell.startswith("no") for cells in rows.values() for cell in cells[2:4]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
