"""How much a threshold for each label gains on new rows, where a row may have several labels.

python infer.py --no-calibrated --model_dir MODEL --input_file LABELLED.jsonl --output_file predictions.jsonl
python benchmarks/thresholds.py predictions.jsonl

Thresholds are chosen on random rows of the file, whose column label holds the labels with a semicolon between them, and
scored on its others: those of 0.5, a common one, and those of --threshold auto.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from sklearn.metrics import f1_score  # noqa: E402

from toolkit.evaluation.thresholds import choose_thresholds  # noqa: E402


def main() -> None:
    """Print a line for each number of rows to choose by and each metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--draws", type=int, default=12)
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.predictions.read_text(encoding="utf-8").splitlines()]
    labels = [name.removeprefix("prob_") for name in rows[0] if name.startswith("prob_")]
    probability = np.array([[row[f"prob_{label}"] for label in labels] for row in rows]).clip(1e-9, 1 - 1e-9)
    truth = np.array([[label in row["label"].split(";") for label in labels] for row in rows])
    odds = np.log(probability) - np.log1p(-probability)
    random = np.random.default_rng(1)
    for count in (100, 300, 1000):
        for metric in ("micro_f1", "macro_f1"):
            scores = [scores_of(odds, truth, random.permutation(len(rows)), count, metric) for _ in range(args.draws)]
            half, common, own = np.mean(scores, axis=0)
            worst = np.min(np.array(scores)[:, 2] - np.array(scores)[:, 0])
            print(f"{count:5} {metric}  0.5 {half:.3f}  common {common:.3f}  auto {own:.3f}  worst gain {worst:+.3f}")


def scores_of(odds: np.ndarray, truth: np.ndarray, order: np.ndarray, count: int, metric: str) -> list[float]:
    """Return the scores on new rows with thresholds of 0.5, a common one and own ones, chosen on `count` rows."""
    chosen, new = order[:count], order[count:]
    thresholds = choose_thresholds(odds[chosen], truth[chosen], metric)
    edges = np.linspace(-4, 4, 81)
    of_edges = [f1(truth[chosen], odds[chosen] >= edge, metric) for edge in edges]
    common = edges[int(np.argmax(of_edges))]
    own = np.log(thresholds) - np.log1p(-thresholds)
    return [f1(truth[new], odds[new] >= edge, metric) for edge in (0.0, common, own)]


def f1(truth: np.ndarray, predicted: np.ndarray, metric: str) -> float:
    """Return micro or macro F1."""
    return float(f1_score(truth, predicted, average=metric.removesuffix("_f1"), zero_division=0))


if __name__ == "__main__":
    main()
