"""How many of the labels that were made wrong main.py --find_label_errors finds, against ranking rows by their loss.

    python benchmarks/label_noise.py DIR [--rows N] [--share S] [--folds K] [--seed S] [--epochs N]

DIR holds trainset.* and validset.*. A random part of them, N training rows and a sixth as many to validate on, is
written with a share of the labels replaced by another one, and looked through by main.py. The rows of label_errors.csv
are compared with two rankings by loss, each of them cut where it has found as many of the wrong labels:

- in-sample: main.py trains as usual with the same options, and its model gives the loss of the rows it was trained on;
- out-of-sample: the loss of each row by the model that has not seen it, so the order of label_errors.csv without
  confident learning's decision which rows are wrong.

The in-sample loss tells of training rows alone, so in the second table these are the only ones that count.
"""

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import main as script  # noqa: E402
from benchmarks.accuracy import read, run  # noqa: E402
from toolkit.cli.options import fine_tuning_options  # noqa: E402
from toolkit.doctor import label_errors  # noqa: E402

FILTERS = ("confident_learning", "prune_by_noise_rate", "both", "low_self_confidence", "predicted_neq_given")


def part_of(frame: pd.DataFrame, rows: int, share: float, draw: np.random.Generator) -> pd.DataFrame:
    """Return random rows of a table, in its order, a share of them with another label, and what it was in `right`."""
    part = frame.iloc[np.sort(draw.permutation(len(frame))[:rows])].reset_index(drop=True)
    labels, part["right"] = np.array(sorted(set(frame["label"]))), part["label"]
    wrong = draw.permutation(len(part))[: round(share * len(part))]
    numbers = np.searchsorted(labels, part["label"].to_numpy(str)[wrong])
    part.loc[wrong, "label"] = labels[(numbers + draw.integers(1, len(labels), len(wrong))) % len(labels)]
    return part


def search(options: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Run main.py --find_label_errors here, and return the label numbers (N,) and probabilities (N, C) it went by."""
    likely_errors = label_errors.likely_errors
    inputs = []

    def likely_errors_noted(label_ids: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Find the likely errors and note by what they were found."""
        inputs.append((label_ids, probabilities))
        return likely_errors(label_ids, probabilities)

    label_errors.likely_errors = likely_errors_noted
    try:
        script.main(fine_tuning_options(["--find_label_errors", *options]))
    finally:
        label_errors.likely_errors = likely_errors
    return inputs[0]


def ranked(loss: np.ndarray, wrong: np.ndarray, found: int) -> float:
    """Return the precision of the rows with the highest loss (N,), as many as have `found` of the wrong ones (N,)."""
    hits = np.cumsum(wrong[np.argsort(-loss, kind="stable")])
    return found / (np.searchsorted(hits, found) + 1)


def precision_recall(rows: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Return the share of the wrong ones among some rows (N,) bool, and their share of all wrong ones (N,) bool."""
    return float((rows & wrong).sum() / max(rows.sum(), 1)), float((rows & wrong).sum() / wrong.sum())


def loss_in_sample(data: Path, options: list[str]) -> np.ndarray:
    """Train on the training rows as usual and return the loss (N,) of each of them by the model that is kept."""
    output = data / "usual"
    run([ROOT / "main.py", *options, "--output_dir", output])
    scored = ["--model_dir", output / "bert_classifier", "--test_file", data / "trainset.csv", "--no-calibrated"]
    run([ROOT / "test_code.py", *scored])
    found = pd.read_csv(output / "test" / "predictions.csv", dtype={"label": str}).sort_values("line")
    return -np.log([row[f"prob_{row['label']}"] for _, row in found.iterrows()])


def main() -> None:
    """Print what was found, and how well other ways do with the same rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--model", help="as main.py's")
    args = parser.parse_args()
    draw, parts = np.random.default_rng(args.seed), {}
    with tempfile.TemporaryDirectory() as where:
        data = Path(where)
        for name, rows in (("trainset", args.rows), ("validset", args.rows // 6)):
            parts[name] = part_of(read(args.folder, name).frame, rows, args.share, draw)
            parts[name].to_csv(data / f"{name}.csv", index=False, quoting=csv.QUOTE_ALL)
        options = ["--data_dir", where, "--epochs", str(args.epochs), "--seed", str(args.seed)]
        options += ["--model", args.model] if args.model else []
        started = time.perf_counter()
        label_ids, probabilities = search([*options, "--folds", str(args.folds), "--output_dir", where])
        seconds = time.perf_counter() - started
        written = pd.read_csv(data / "label_errors.csv")
        in_sample = loss_in_sample(data, options)
    everything = pd.concat(parts.values())
    wrong, train = (everything["label"] != everything["right"]).to_numpy(), np.arange(len(everything)) < args.rows
    numbers = written["line"] - 2 + args.rows * written["file"].str.endswith("validset.csv")
    listed = np.isin(np.arange(len(wrong)), numbers)
    report(label_ids, probabilities, listed, wrong, train, in_sample)
    print(f"\n{len(wrong):,} rows, {wrong.sum():,} of them with a wrong label; {seconds:.0f} s for label_errors.csv")


def report(label_ids, probabilities, listed, wrong, train, in_sample) -> None:
    """Print the tables: the choice of rows by each of cleanlab's filters, and label_errors.csv beside the rankings."""
    from cleanlab.filter import find_label_issues

    print("\n| filter | rows | precision | recall |\n|---|---|---|---|")
    for name in FILTERS:
        rows = find_label_issues(label_ids, probabilities, filter_by=name, n_jobs=1)
        precision, recall = precision_recall(rows, wrong)
        print(f"| {name} | {rows.sum()} | {precision:.1%} | {recall:.1%} |")
    precision, recall = precision_recall(listed, wrong)
    print(f"| label_errors.csv | {listed.sum()} | {precision:.1%} | {recall:.1%} |")
    found = int((listed & wrong & train).sum())
    out_of_sample = -np.log(probabilities[np.arange(len(label_ids)), label_ids])[train]
    precision, recall = precision_recall(listed[train], wrong[train])
    print("\n| training rows | precision | recall |\n|---|---|---|")
    print(f"| label_errors.csv | {precision:.1%} | {recall:.1%} |")
    print(f"| highest loss out of sample | {ranked(out_of_sample, wrong[train], found):.1%} | {recall:.1%} |")
    print(f"| highest loss in sample | {ranked(in_sample, wrong[train], found):.1%} | {recall:.1%} |")


if __name__ == "__main__":
    main()
