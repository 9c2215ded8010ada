"""Speed of prediction: infer.py and what else one could use for it, from csv to csv, in turn in one run.

    python benchmarks/infer.py DIR [--model_dir MODEL_DIR] [--rows N] [--rounds R] [--clock CLOCK] [--peers NAME ...]

DIR holds trainset.*, validset.* and testset.*; the rows are those of the test set. MODEL_DIR is what main.py wrote;
without one, main.py trains for an epoch first. Each predicts in a process of its own, in turn, from the reading of the
csv to the end of the writing; loading packages, the model and the engine is not counted. Seconds are the wall clock's,
or with --clock processor those of the processor, which other work on the machine lengthens less. Prints medians: rows a
second, the ratio to the first one's, the share of rows with the label that fp32 gives, and the largest difference of a
probability from fp32's. The other engines get batches of 32 rows as they come, padded to the longest, and "sorted" ones
by length first; their ONNX files are those of infer.py --export. They need onnx, onnxscript, onnxruntime, openvino,
nncf and sentence-transformers; what is missing is left out.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from toolkit.evaluation.decision import softmax  # noqa: E402

BATCH = 32
Seconds = dict[str, float]  # of each clock
NEEDS = {"CrossEncoder": "sentence_transformers", "ONNX": "onnxruntime", "OpenVINO": "openvino"}


def texts_of(frame: pd.DataFrame) -> list:
    """Return what a tokenizer takes: texts, and where there are pairs, the second ones."""
    return [frame[name].tolist() for name in ("text", "text_pair") if name in frame]


def write(frame: pd.DataFrame, probabilities: np.ndarray, labels: list[str], output: Path) -> None:
    """Write what infer.py writes: the columns as they were, the label, and the probabilities."""
    frame = frame.assign(prediction=[labels[i] for i in probabilities.argmax(1)])
    for number, label in enumerate(labels):
        frame[f"prob_{label}"] = probabilities[:, number]
    frame.to_csv(output, index=False)


def clocks() -> Seconds:
    """Return the seconds of the wall's clock, and of the processor for this process and those it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall": time.perf_counter(),
        "processor": time.process_time() + children.ru_utime + children.ru_stime,
    }


def since(started: Seconds) -> Seconds:
    """Return the seconds that have passed on each clock."""
    return {name: now - started[name] for name, now in clocks().items()}


def timed(source: Path, output: Path, labels: list[str], predict: Callable) -> Seconds:
    """Read, predict and write, and return the seconds of each clock."""
    started = clocks()
    frame = pd.read_csv(source, dtype=str, keep_default_na=False)
    write(frame, predict(frame), labels, output)
    return since(started)


def ours(model_dir: Path, source: Path, output: Path, labels: list[str], *options: str) -> Seconds:
    """Predict by infer.py, and return the seconds of each clock that it takes longer than for a single row."""
    single, seconds = output.with_name("single.csv"), []
    pd.read_csv(source, dtype=str, keep_default_na=False).head(1).to_csv(single, index=False)
    for rows, written in ((source, output), (single, output.with_name("single_predicted.csv"))):
        command = [sys.executable, ROOT / "infer.py", "--model_dir", model_dir, "--input_file", rows, "--output_file",
                   written, "--overwrite", "--device", "cpu", "--no-calibrated", *options]  # fmt: skip
        started = clocks()
        subprocess.run([*map(str, command)], check=True, capture_output=True)
        seconds.append(since(started))
    return {name: seconds[0][name] - seconds[1][name] for name in seconds[0]}


def pipeline(model_dir: Path, source: Path, output: Path, labels: list[str], batch: int) -> Seconds:
    """Predict by transformers.pipeline."""
    import transformers

    classify = transformers.pipeline("text-classification", str(model_dir), top_k=None, batch_size=batch, device="cpu")

    def predict(frame: pd.DataFrame) -> np.ndarray:
        names = ("text", "text_pair")[: 2 if "text_pair" in frame else 1]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*texts_of(frame), strict=True)]
        scores = classify(rows if len(names) == 2 else [row["text"] for row in rows], truncation=True)
        found = [{each["label"]: each["score"] for each in row} for row in scores]
        return np.array([[row[label] for label in labels] for row in found])

    return timed(source, output, labels, predict)


def cross_encoder(model_dir: Path, source: Path, output: Path, labels: list[str]) -> Seconds:
    """Predict pairs by sentence-transformers' CrossEncoder, which also takes single texts as pairs with nothing."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(model_dir), device="cpu")

    def predict(frame: pd.DataFrame) -> np.ndarray:
        rows = list(zip(*texts_of(frame), strict=True)) if "text_pair" in frame else texts_of(frame)[0]
        return softmax(model.predict(rows, batch_size=BATCH, activation_fn=None, show_progress_bar=False))

    return timed(source, output, labels, predict)


def in_batches(model_dir: Path, run: Callable[[dict], np.ndarray], in_order: bool) -> Callable:
    """Return how to predict a table by an engine that `run`s numpy arrays (B, L) and gives logits."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)

    def predict(frame: pd.DataFrame) -> np.ndarray:
        encoded = tokenizer(*texts_of(frame), truncation=True)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        order = np.argsort(lengths)[::-1] if in_order else np.arange(len(lengths))
        logits = [None] * len(order)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH].tolist()
            batch = tokenizer.pad({name: [encoded[name][i] for i in rows] for name in encoded}, return_tensors="np")
            for row, found in zip(rows, run({name: values.astype(np.int64) for name, values in batch.items()}),
                                  strict=True):  # fmt: skip
                logits[row] = found
        return softmax(np.stack(logits))

    return predict


def exported(model_dir: Path, source: Path, name: str = "model.onnx") -> Path:
    """Return the model as an ONNX file, exported by infer.py if it is not yet there."""
    path = model_dir / "onnx" / name
    if not path.exists():
        command = [sys.executable, ROOT / "infer.py", "--model_dir", model_dir, "--export", "onnx", "--input_file",
                   source, "--no-calibrated", "--min_agreement", "0"]  # fmt: skip
        subprocess.run([*map(str, command)], check=True, capture_output=True)
    return path


def onnx(model_dir: Path, source: Path, output: Path, labels: list[str], int8: bool, in_order: bool) -> Seconds:
    """Predict by ONNX Runtime, with weights of fp32 or of int8 (dynamically quantized)."""
    from toolkit.serving.onnx_predictor import OnnxSession

    session = OnnxSession(exported(model_dir, source, "model_quantized.onnx" if int8 else "model.onnx"))
    predict = in_batches(model_dir, session.logits, in_order)
    return timed(source, output, labels, predict)


def openvino(model_dir: Path, source: Path, output: Path, labels: list[str], int8: bool, in_order: bool) -> Seconds:
    """Predict by OpenVINO, which computes in bf16 where the processor does; or in int8 (NNCF, calibrated)."""
    import openvino as ov

    core, path = ov.Core(), exported(model_dir, source)
    model = core.read_model(path)
    if int8:
        import nncf
        from transformers import AutoTokenizer

        tokenizer, frame = AutoTokenizer.from_pretrained(model_dir), pd.read_csv(source, dtype=str).head(300)
        rows = [tokenizer(*row, truncation=True, return_tensors="np") for row in zip(*texts_of(frame), strict=True)]
        names = {name for each in model.inputs for name in each.get_names()}
        rows = nncf.Dataset([{name: values for name, values in row.items() if name in names} for row in rows])
        model = nncf.quantize(model, rows, model_type=nncf.ModelType.TRANSFORMER)
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    predict = in_batches(model_dir, lambda batch: compiled(batch)[0].copy(), in_order)
    return timed(source, output, labels, predict)


PEERS = {
    "this project": lambda *given: ours(*given, "--engine", "torch"),
    "this project, --precision fp32": lambda *given: ours(*given, "--engine", "torch", "--precision", "fp32"),
    "this project, --engine onnx": lambda *given: exported(*given[:2]) and ours(*given, "--engine", "onnx"),
    "this project, --precision int8": lambda *given: ours(*given, "--precision", "int8", "--min_agreement", "0"),
    "this project, --no-fast": lambda *given: ours(*given, "--no-fast"),
    "pipeline, batch 1": lambda *given: pipeline(*given, 1),
    "pipeline, batch 8": lambda *given: pipeline(*given, 8),
    "pipeline, batch 32": lambda *given: pipeline(*given, 32),
    "pipeline, batch 128": lambda *given: pipeline(*given, 128),
    "CrossEncoder": cross_encoder,
    "ONNX Runtime fp32": lambda *given: onnx(*given, int8=False, in_order=False),
    "ONNX Runtime fp32, sorted": lambda *given: onnx(*given, int8=False, in_order=True),
    "ONNX Runtime int8, sorted": lambda *given: onnx(*given, int8=True, in_order=True),
    "OpenVINO": lambda *given: openvino(*given, int8=False, in_order=False),
    "OpenVINO, sorted": lambda *given: openvino(*given, int8=False, in_order=True),
    "OpenVINO int8, sorted": lambda *given: openvino(*given, int8=True, in_order=True),
}


def available(name: str) -> bool:
    """Say whether the packages that one of them needs are there."""
    needed = [package for word, package in NEEDS.items() if name.startswith(word)]
    needed += ["onnx"] * ("ONNX" in name or "onnx" in name or name.startswith("OpenVINO")) + ["nncf"] * name.startswith(
        "OpenVINO int8"
    )
    return all(importlib.util.find_spec(package) for package in needed)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model_dir", type=Path, help="what main.py wrote (default: train for an epoch first)")
    parser.add_argument("--model", help="as main.py's, where there is no --model_dir")
    parser.add_argument("--rows", type=int, help="take so many rows of the test set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=[name for name in PEERS if available(name)])
    parser.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:  # in a process of its own
        labels = json.loads((args.model_dir / "run.json").read_text())["labels"]
        seconds = PEERS[args.one](args.model_dir, args.folder / "rows.csv", args.folder / f"{args.one}.csv", labels)
        print(json.dumps(seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        model_dir, labels = prepare(Path(folder), args)
        exact = ("--engine", "torch", "--no-fast", "--precision", "fp32")
        ours(model_dir, Path(folder, "rows.csv"), Path(folder, "fp32.csv"), labels, *exact)
        found = {name: [] for name in args.peers}
        for turn in range(args.rounds):
            for name in args.peers[turn % len(found) :] + args.peers[: turn % len(found)]:
                found[name].append(apart(name, Path(folder), model_dir)[args.clock])
                print(f"round {turn + 1} {name}: {found[name][-1]:.2f} s", flush=True)
        print(table(found, Path(folder), labels))


def prepare(folder: Path, args: argparse.Namespace) -> tuple[Path, list[str]]:
    """Put the rows and the model into a folder; return the model directory and its labels."""
    from benchmarks.accuracy import read

    frame = read(args.folder, "testset").frame.drop(columns="label")
    (frame.head(args.rows) if args.rows else frame).to_csv(folder / "rows.csv", index=False)
    if args.model_dir is None:
        options = ["--model", args.model] if args.model else []
        command = [sys.executable, ROOT / "main.py", "--data_dir", args.folder, "--output_dir", folder, "--epochs", 1]
        subprocess.run([*map(str, command), *options], check=True, stdout=subprocess.DEVNULL)
    model_dir = folder / "bert_classifier"
    if args.model_dir is not None:
        shutil.copytree(args.model_dir, model_dir, ignore=shutil.ignore_patterns("onnx"))
    return model_dir, json.loads((model_dir / "run.json").read_text())["labels"]


def apart(name: str, folder: Path, model_dir: Path) -> Seconds:
    """Let one of them predict in a process of its own, and return the seconds of each clock."""
    command = [sys.executable, __file__, str(folder), "--model_dir", str(model_dir), "--one", name]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def table(found: dict[str, list[float]], folder: Path, labels: list[str]) -> str:
    """Return the medians as a table; the ratio is that of the seconds to those of the first one, round by round."""
    exact = pd.read_csv(folder / "fp32.csv", dtype={"prediction": str})
    names, first = [f"prob_{label}" for label in labels], next(iter(found.values()))
    lines = ["| | rows a second | ratio | labels as in fp32 | largest difference |", "|---|---|---|---|---|"]
    for name, seconds in found.items():
        theirs = pd.read_csv(folder / f"{name}.csv", dtype={"prediction": str})
        ratio = statistics.median(one / ours for one, ours in zip(seconds, first, strict=True))
        lines.append(
            f"| {name} | {len(exact) / statistics.median(seconds):,.0f} | {ratio:.2f} "
            f"| {(theirs['prediction'] == exact['prediction']).mean():.2%} "
            f"| {(theirs[names] - exact[names]).abs().to_numpy().max():.1e} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
