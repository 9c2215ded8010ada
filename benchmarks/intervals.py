"""How often the 95% intervals of metrics.json hold the true score, over simulated test sets.

python benchmarks/intervals.py [--draws 1000]
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from toolkit.evaluation.intervals import score_intervals, weighted_scores  # noqa: E402

NAMES = {"accuracy": "accuracy", "macro_f1": "macro F1", "mcc": "MCC"}
SETTINGS = [  # labels, accuracy, how many times as frequent a label is as the one before, test rows
    (2, 0.85, 1.0, 100),
    (2, 0.85, 1.0, 1000),
    (2, 0.97, 1.0, 300),
    (2, 0.9, 0.2, 500),
    (5, 0.8, 0.7, 500),
    (10, 0.85, 0.8, 1000),
    (14, 0.9, 0.7, 1000),
]


def population(labels: int, accuracy: float, common: float, draw: np.random.Generator) -> np.ndarray:
    """Return the chance (C, C) of each true and predicted label, where errors go to some labels more than to others."""
    chances = np.zeros((labels, labels))
    for label in range(labels):
        others = [other for other in range(labels) if other != label]
        chances[label, others] = (1 - accuracy) * draw.dirichlet(np.ones(labels - 1))
        chances[label, label] = accuracy
    chances *= (common ** np.arange(labels))[:, None]
    return chances / chances.sum()


def main() -> None:
    """Print how often each interval holds the score of the population."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=1000, metavar="N", help="test sets of each kind")
    args = parser.parse_args()
    print("| labels | accuracy | rarest label | rows |", " | ".join(NAMES.values()), "|")
    print("|---|---|---|---|" + "---|" * len(NAMES))
    for labels, accuracy, common, rows in SETTINGS:
        draw = np.random.default_rng(labels * rows)
        chances = population(labels, accuracy, common, draw)
        true, predicted = np.divmod(np.arange(labels**2), labels)
        truth, inside = weighted_scores(chances.reshape(1, -1), true, predicted, 1), dict.fromkeys(NAMES, 0)
        for _ in range(args.draws):
            cells = draw.choice(labels**2, rows, p=chances.ravel())
            found = score_intervals(true[cells], predicted[cells], 1, labels)
            for name in NAMES:
                inside[name] += found[name].low <= truth[name][0] <= found[name].high
        shares = " | ".join(f"{inside[name] / args.draws:.1%}" for name in NAMES)
        print(f"| {labels} | {accuracy} | {chances.sum(axis=1).min():.1%} | {rows:,} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
