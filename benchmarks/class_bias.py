"""What `--threshold auto` gains with more than two labels, by the number of validation rows and the skew of the labels.

    python benchmarks/class_bias.py DATA_DIR [--skew POWER] [--leave_out ";"] [--train_rows N] [--draws 20]

DATA_DIR has trainset.*, validset.* and testset.*. The classifier is logistic regression on TF-IDF weights, which is
trained in seconds. For each number of validation rows, that many are drawn, the temperature and the bias are chosen on
them, and the whole test set is predicted with and without the bias.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import f1_score  # noqa: E402

import utils  # noqa: E402
from toolkit.cli.sections import ReadingOptions  # noqa: E402
from toolkit.evaluation.decision import Decision  # noqa: E402
from toolkit.evaluation.metrics import DecisionSettings, quick_scores  # noqa: E402
from toolkit.files.columns import Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402

VALIDATION_ROWS = (100, 300, 1000, 3000, 10_000)
WORDS = {"ngram_range": (1, 2), "token_pattern": r"\w+"}
CHARACTERS = {"analyzer": "char", "ngram_range": (1, 2)}


def read(folder: Path, stem: str, leave_out: str | None) -> pd.DataFrame:
    """Return the texts and labels of a file, without rows whose label holds `leave_out`."""
    frame = utils.read_table(find_file(folder, stem), Columns(), ReadingOptions(None, "skip")).frame
    return frame if leave_out is None else frame[~frame["label"].str.contains(leave_out, regex=False)]


def skewed(frame: pd.DataFrame, labels: list[str], power: float) -> pd.DataFrame:
    """Return a part of the rows such that the k-th label has k ** -power times the rows of the first."""
    rows = frame["label"].value_counts()
    parts = []
    for number, label in enumerate(labels, start=1):
        size = min(rows[label], max(3, int(rows.max() * number**-power)))
        parts.append(frame[frame["label"] == label].sample(size, random_state=0))
    return pd.concat(parts)


def main() -> None:
    """Print a line for each number of validation rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--skew", type=float, default=0.0, metavar="POWER", help="0: the rows as they are")
    parser.add_argument("--leave_out", metavar="TEXT", help="leave out rows whose label holds this")
    parser.add_argument("--train_rows", type=int, metavar="N", help="train on so many (off: all)")
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="validation sets of each size")
    parser.add_argument("--characters", action="store_true", help="weigh characters, for texts without blanks")
    args = parser.parse_args()
    frames = {stem: read(args.folder, stem, args.leave_out) for stem in ("trainset", "validset", "testset")}
    train = frames["trainset"]
    if args.train_rows is not None:
        train = train.sample(args.train_rows, random_state=0)
    labels = sorted(set(train["label"]))
    frames = {stem: frame[frame["label"].isin(labels)] for stem, frame in (frames | {"trainset": train}).items()}
    if args.skew:
        order = np.random.default_rng(0).permutation(labels).tolist()
        frames = {stem: skewed(frame, order, args.skew) for stem, frame in frames.items()}
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=100_000, **(CHARACTERS if args.characters else WORDS))
    inputs = {"trainset": vectorizer.fit_transform(frames["trainset"]["text"])}
    inputs |= {stem: vectorizer.transform(frames[stem]["text"]) for stem in ("validset", "testset")}
    truth = {stem: np.array([labels.index(label) for label in frame["label"]]) for stem, frame in frames.items()}
    regression = LogisticRegression(C=10.0, max_iter=300).fit(inputs["trainset"], truth["trainset"])
    logits = {stem: regression.decision_function(inputs[stem]).astype(np.float32) for stem in ("validset", "testset")}
    plain = f1_score(truth["testset"], logits["testset"].argmax(axis=1), average="macro")
    print(f"{len(labels)} labels; rows: " + ", ".join(f"{stem} {len(frame):,}" for stem, frame in frames.items()))
    print(f"macro F1 on the test set without a bias: {plain:.3f}")
    print("| validation rows | kept | mean change of macro F1 | worst | best | seconds |")
    print("|---|---|---|---|---|---|")
    for rows in sorted({min(rows, len(truth["validset"])) for rows in VALIDATION_ROWS}):
        gains = []
        began = time.perf_counter()
        draws = 1 if rows == len(truth["validset"]) else args.draws
        for draw in range(draws):
            chosen = np.random.default_rng(draw).permutation(len(truth["validset"]))[:rows]
            settings = DecisionSettings(1, "auto", "macro_f1", labels)
            scores = quick_scores(logits["validset"][chosen], truth["validset"][chosen], settings)
            if "bias" in scores:
                bias = tuple(scores["bias"].values())
                predicted = Decision(scores["temperature"], bias=bias).label_ids(logits["testset"])
                gains.append(f1_score(truth["testset"], predicted, average="macro") - plain)
        seconds = (time.perf_counter() - began) / draws
        changes = np.array(gains + [0.0] * (draws - len(gains)))
        spread = f"{changes.mean():+.3f} | {changes.min():+.3f} | {changes.max():+.3f}"
        print(f"| {rows:,} | {len(gains)} of {draws} | {spread} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
