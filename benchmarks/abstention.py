"""Whether `infer.py --abstain_for` keeps its promise, and how many texts of no known kind are caught.

    python benchmarks/abstention.py MODEL_DIR DATA_DIR [--accuracy 0.95 ...] [--unknown FILE] [--sets 200]

MODEL_DIR is what main.py has written for DATA_DIR, which has trainset.*, validset.* and testset.*. Validation sets are
drawn anew in two ways: with replacement from the validation rows, which have chosen the best epoch, so that the test
rows, which have not, are all scored by each; and without replacement from the validation and the test rows together, of
which the others are then scored. Of each set the temperature is fitted and the threshold found.

FILE has texts that are of none of the labels. For several scores, the threshold is the one below which a share of
0.05 of the validation rows lies.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

import utils  # noqa: E402
from toolkit.base.process import this_process  # noqa: E402
from toolkit.cli.console import Log  # noqa: E402
from toolkit.cli.sections import ReadingOptions, TableOptions  # noqa: E402
from toolkit.compute.machine import choose_machine  # noqa: E402
from toolkit.compute.processes import Processes  # noqa: E402
from toolkit.data.labels import encode_labels, match_labels  # noqa: E402
from toolkit.evaluation.abstention import energies_of, find_answers, find_least_energy  # noqa: E402
from toolkit.evaluation.decision import Decision, fit_temperature, softmax  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402

READING = ReadingOptions(None, "skip", TableOptions())
LOST = 0.05  # share of the validation rows


@dataclass(frozen=True)
class Rows:
    """Predicted rows: logits (N, C), what the last layer reads (N, H), and the labels (N,) if they have any."""

    logits: np.ndarray
    vectors: np.ndarray
    label_ids: np.ndarray | None


def predict(saved: utils.SavedClassifier, file: Path, has_labels: bool = True, vectors: bool = False) -> Rows:
    """Return what a model makes of a file."""
    columns = saved.run.columns if has_labels else saved.run.columns.unlabelled()
    table = utils.read_table(file, columns, READING)
    label_ids = None
    if has_labels:
        table = match_labels(table, saved.run.labels, "skip")
        label_ids = encode_labels(table, saved.run.labels)
    dataset = utils.tokenize(saved.encoder, table.frame).dataset
    predictor = saved.predictor(32, Log(None))
    logits = utils.predict_logits(predictor, dataset)
    return Rows(logits, utils.head_inputs(predictor, dataset) if vectors else logits[:0], label_ids)


def measure_promise(valid: Rows, test: Rows, accuracies: list[float], sets: int) -> None:
    """Print in how many resampled validation sets the answered test rows are as accurate as wanted."""
    together = Rows(
        np.concatenate([valid.logits, test.logits]),
        valid.logits,
        np.concatenate([valid.label_ids, test.label_ids]),
    )
    rows = len(valid.label_ids)
    print(f"validation rows {rows:,}, accuracy {(valid.logits.argmax(1) == valid.label_ids).mean():.4f}")
    print(f"test rows {len(test.label_ids):,}, accuracy {(test.logits.argmax(1) == test.label_ids).mean():.4f}")
    print("| validation sets | wanted | refused | test rows answered | their accuracy | as wanted in |")
    print("|---|---|---|---|---|---|")
    draw = np.random.default_rng(0)
    results: dict[tuple[str, float], list] = {}
    for _ in range(sets):
        chosen = draw.integers(0, rows, rows)
        order = draw.permutation(len(together.label_ids))
        cases = {
            "of the validation rows": (part(valid, chosen), test),
            "of both": (part(together, order[:rows]), part(together, order[rows:])),
        }
        for name, (found_on, scored) in cases.items():
            decision = Decision(fit_temperature(found_on.logits, found_on.label_ids))
            for accuracy in accuracies:
                results.setdefault((name, accuracy), []).append(answer(decision, found_on, scored, accuracy))
    for (name, accuracy), entries in sorted(results.items()):
        kept = np.array([entry for entry in entries if entry is not None]).reshape(-1, 2)
        good = int((kept[:, 1] >= accuracy).sum()) + sets - len(kept)
        means = kept.mean(axis=0) if len(kept) else [0.0, 0.0]
        refused = f"{sets - len(kept)} of {sets}"
        print(f"| {name} | {accuracy} | {refused} | {means[0]:.1%} | {means[1]:.4f} | {good / sets:.1%} |", flush=True)


def part(rows: Rows, chosen: np.ndarray) -> Rows:
    """Return some of the rows."""
    return Rows(rows.logits[chosen], rows.vectors[:0], rows.label_ids[chosen])


def answer(decision: Decision, found_on: Rows, scored: Rows, accuracy: float) -> tuple[float, float] | None:
    """Return which share of scored rows is answered, and how accurate it is; None if that is refused."""
    right = decision.label_ids(found_on.logits) == found_on.label_ids
    answers = find_answers(decision.confidence(found_on.logits), right, accuracy)
    if answers is None:
        return None
    answered = decision.confidence(scored.logits) >= answers.threshold
    right = decision.label_ids(scored.logits) == scored.label_ids
    return answered.mean(), right[answered].mean() if answered.any() else 1.0


def mahalanobis(train: Rows) -> Callable[[Rows], np.ndarray]:
    """Return the score of Lee et al. 2018: minus the squared distance to the nearest mean of a label's vectors."""
    vectors = train.vectors.astype(np.float64)
    means = np.stack([vectors[train.label_ids == label].mean(axis=0) for label in np.unique(train.label_ids)])
    of_row = np.searchsorted(np.unique(train.label_ids), train.label_ids)
    apart = vectors - means[of_row]
    values, directions = np.linalg.eigh(apart.T @ apart / len(apart))
    scale = directions[:, values > 1e-9 * values[-1]] / np.sqrt(values[values > 1e-9 * values[-1]])

    def score(rows: Rows) -> np.ndarray:
        scaled = rows.vectors.astype(np.float64) @ scale
        centres = means @ scale
        squares = (scaled**2).sum(1)[:, None] - 2 * scaled @ centres.T + (centres**2).sum(1)
        return -squares.min(axis=1)

    return score


def measure_unknown(train: Rows, valid: Rows, test: Rows, unknown: Rows, temperature: float) -> None:
    """Print how many texts of no known kind each score catches."""
    scores: dict[str, Callable[[Rows], np.ndarray]] = {
        "calibrated probability": lambda rows: softmax(rows.logits, temperature).max(axis=1),
        "energy": lambda rows: energies_of(rows.logits),
        "Mahalanobis distance": mahalanobis(train),
    }
    print("| score | test rows lost | unknown texts caught | ROC-AUC |")
    print("|---|---|---|---|")
    for name, score in scores.items():
        threshold = find_least_energy(score(valid), LOST)
        of_test = score(test)
        of_unknown = score(unknown)
        is_known = np.repeat([1, 0], [len(of_test), len(of_unknown)])
        area = roc_auc_score(is_known, np.concatenate([of_test, of_unknown]))
        lost = (of_test < threshold).mean()
        caught = (of_unknown < threshold).mean()
        print(f"| {name} | {lost:.1%} | {caught:.1%} | {area:.4f} |")


def main() -> None:
    """Predict the files, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accuracy", type=float, nargs="*", default=[0.9, 0.95, 0.98])
    parser.add_argument("--unknown", type=Path, metavar="FILE", help="texts of none of the labels")
    parser.add_argument("--sets", type=int, default=200, metavar="N")
    args = parser.parse_args()
    with Processes(this_process()) as processes:
        saved = utils.load_model(args.model_dir, choose_machine("auto", "auto", processes))
        wants_vectors = args.unknown is not None
        stems = ["trainset", "validset", "testset"] if wants_vectors else ["validset", "testset"]
        files = {stem: Path(find_file(args.folder, stem)) for stem in stems}
        rows = {stem: predict(saved, file, vectors=wants_vectors) for stem, file in files.items()}
        if wants_vectors:
            unknown = predict(saved, args.unknown, has_labels=False, vectors=True)
            temperature = saved.run.metrics["temperature"]
            measure_unknown(rows["trainset"], rows["validset"], rows["testset"], unknown, temperature)
        if args.accuracy:
            measure_promise(rows["validset"], rows["testset"], args.accuracy, args.sets)


if __name__ == "__main__":
    main()
