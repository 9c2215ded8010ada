"""How good a classifier gets when rows are labelled in one order or another, of which `infer.py --rank` has one.

    python benchmarks/labelling.py DATA_DIR [--rounds 6] [--rows 100] [--draws 3]

DATA_DIR has trainset.* and testset.*. The classifier is logistic regression on TF-IDF weights, which is trained in
seconds. It begins with some rows drawn at random; in each round it is trained anew, and the rows of the trainset that
stand first in its order are labelled. The table has the accuracy on the test set after each round.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from scipy.stats import entropy  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

import utils  # noqa: E402
from toolkit.cli.sections import ReadingOptions  # noqa: E402
from toolkit.doctor.labelling_order import labelling_order, least_sure  # noqa: E402
from toolkit.files.columns import Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402


def margins(probabilities: np.ndarray) -> np.ndarray:
    """Return the margins (N,) between the two largest of probabilities (N, C)."""
    ranked = np.sort(probabilities, axis=1)
    return ranked[:, -1] - ranked[:, -2]


Order = Callable[[np.ndarray, list[str], np.random.Generator], np.ndarray]
ORDERS: dict[str, Order] = {
    "random": lambda chances, texts, draw: draw.permutation(len(chances)),
    "entropy": lambda chances, texts, draw: least_sure(-entropy(chances, axis=1)),
    "margin": lambda chances, texts, draw: least_sure(margins(chances)),
    "margin, near duplicates last": lambda chances, texts, draw: apart(margins(chances), texts),
}


def apart(of_rows: np.ndarray, texts: list[str]) -> np.ndarray:
    """Return the order of infer.py."""
    return labelling_order(of_rows, [texts[row] for row in least_sure(of_rows)]).numbers


def main() -> None:
    """Print a line for each order."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--rows", type=int, default=100, help="that are labelled in a round, and at the beginning")
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    reading = ReadingOptions(None, "skip")
    train, test = (
        utils.read_table(find_file(args.folder, s), Columns(), reading).frame for s in ("trainset", "testset")
    )
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"\w+")
    inputs = vectorizer.fit_transform(train["text"])
    test_inputs = vectorizer.transform(test["text"])
    labels = train["label"].to_numpy(str)
    print(f"| labelled rows | {' | '.join(str(args.rows * (n + 1)) for n in range(args.rounds))} |")
    print("|---" * (args.rounds + 1) + "|")
    for name, order in ORDERS.items():
        accuracies = np.zeros((args.draws, args.rounds))
        for seed in range(args.draws):
            draw = np.random.default_rng(seed)
            labelled = draw.permutation(len(labels))[: args.rows]
            for number in range(args.rounds):
                model = LogisticRegression(C=10.0, max_iter=100).fit(inputs[labelled], labels[labelled])
                accuracies[seed, number] = (model.predict(test_inputs) == test["label"].to_numpy(str)).mean()
                others = np.setdiff1d(np.arange(len(labels)), labelled)
                ranked = order(model.predict_proba(inputs[others]), train["text"].iloc[others].tolist(), draw)
                labelled = np.concatenate([labelled, others[ranked[: args.rows]]])
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in accuracies.mean(axis=0))} |", flush=True)


if __name__ == "__main__":
    main()
