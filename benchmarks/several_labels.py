"""Micro and macro F1 where a row may have several labels: main.py against Hugging Face's run_classification recipe.

    python benchmarks/several_labels.py DIR --rows 3000 --seeds 3 --results several_labels.jsonl --splits 200

DIR holds trainset.*, validset.* and testset.* whose labels stand in one column with --separator between them. Training
and test rows are cut to --rows and --test_rows (0: all of them), the validation rows to a quarter of the training rows,
the same rows for every seed. Each run is a process of its own. A recipe is

    auto               main.py --multi_label without other options; at 0.5 it stands in the tables a second time
    trainer            what examples/pytorch/text-classification/run_classification.py of transformers does: a new head,
                       the mean of the binary cross-entropy, batches of 8, no warmup, the last epoch, a label where its
                       logit is above 0; from the same weights, with the epochs and the rate of `auto` with its seed
    NAME=OPTIONS       main.py --multi_label with options, such as "macro=--metric macro_f1"

The trainer pads to the longest row of a batch, which costs it less time than the script's padding to 128. Results are
added to a file, and what stands there is not run again. The tables have the mean and the standard deviation over the
seeds, the paired difference to the trainer with its 95% interval (Student's t over the seeds), and the processor time
as a ratio to it. F1 is scikit-learn's, from the written predictions.

With --splits N, validation and test rows as the model of `auto` with seed 0 scores them are put together and parted N
times at random: thresholds are chosen on --choose_by of the rows (as many as the validation set has), and scored on
these and on the others. Then it is tried which score of a row tells best that its predicted set is wrong, and on the
same splits if the answers of `--abstain_for` are as often wholly right as it says. That needs all probabilities, so at
most 100 labels.
"""

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402
from scipy import special  # noqa: E402
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score  # noqa: E402

from benchmarks.recipe import FEWEST_VALID_ROWS, FILES, VALID_SHARE, interval, run_process  # noqa: E402

METRICS = ("micro_f1", "macro_f1")
FEW = 1e-12  # nearest that a probability comes to 0 or 1


@dataclass(frozen=True)
class Case:
    """What one run is of."""

    data: str
    rows: int  # 0: all
    recipe: str
    seed: int


@dataclass(frozen=True)
class Result:
    """What came of a run; F1 of the labels that are predicted, and of those with a probability of at least 0.5."""

    case: Case
    micro_f1: float
    macro_f1: float
    half_micro_f1: float
    half_macro_f1: float
    mean_average_precision: float
    cpu_seconds: float
    epochs: int
    learning_rate: float


# -- data -------------------------------------------------------------------------------------------------------------


def cut(folder: Path, args: argparse.Namespace) -> Path:
    """Write the cut files of a data folder to a new one below --cut_dir, if they are not there, and return it."""
    import utils
    from toolkit.files.columns import Columns
    from toolkit.files.source import find_file

    made = args.cut_dir / f"{folder.name}-{args.rows or 'all'}-{args.test_rows or 'all'}"
    if (made / "testset.csv").exists():
        return made
    made.mkdir(parents=True, exist_ok=True)
    columns = Columns(label_separator=args.separator)
    train, valid, test = (utils.read_table(find_file(str(folder), stem), columns).frame for stem in FILES)
    if args.rows and args.rows < len(train):
        train = train.sample(args.rows, random_state=0)
        valid = valid.sample(min(len(valid), max(FEWEST_VALID_ROWS, int(VALID_SHARE * args.rows))), random_state=0)
    if args.test_rows and args.test_rows < len(test):
        test = test.sample(args.test_rows, random_state=0)
    known = set(train["label"].explode().dropna())
    for stem, frame in zip(FILES, (train, valid, test), strict=True):
        are_known = frame["label"].map(known.issuperset)
        joined = frame[["text", "label"]].assign(label=frame["label"].map(args.separator.join))
        joined[are_known].to_csv(made / f"{stem}.csv", index=False)
    return made


def read_labels(frame: pd.DataFrame, column: str, labels: Sequence[str], separator: str) -> np.ndarray:
    """Return which labels the cells of a column have, (N, C) bool."""
    sets = [set(cell.split(separator)) for cell in frame[column]]
    return np.array([[label in names for label in labels] for names in sets])


def f1(truth: np.ndarray, predicted: np.ndarray, metric: str) -> float:
    """Return micro or macro F1 of predictions (N, C)."""
    return float(f1_score(truth, predicted, average=metric.removesuffix("_f1"), zero_division=0))


def ranking(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean average precision of scores (N, C) over the labels that some rows have."""
    is_there = truth.any(axis=0)
    return float(average_precision_score(truth[:, is_there], scores[:, is_there], average="macro"))


# -- recipes ----------------------------------------------------------------------------------------------------------


def run_main(folder: Path, case: Case, args: argparse.Namespace) -> Result:
    """Run main.py and return what came of it; scores of validation and test rows are kept for --splits."""
    _, _, options = case.recipe.partition("=")
    with tempfile.TemporaryDirectory() as output:
        files = ["--train_file", folder / "trainset.csv", "--valid_file", folder / "validset.csv"]
        files += ["--test_file", folder / "testset.csv", "--output_dir", output, "--explain_rows", 0]
        words = ["--multi_label", "--label_separator", args.separator, "--seed", case.seed, *shlex.split(options)]
        finished = run_process([ROOT / "main.py", *files, *words])
        model = Path(output) / "bert_classifier"
        run = json.loads((model / "run.json").read_text(encoding="utf-8"))
        frame = pd.read_csv(Path(output) / "test" / "predictions.csv", dtype=str, keep_default_na=False)
        labels = run["labels"]
        truth = read_labels(frame, "label", labels, args.separator)
        predicted = read_labels(frame, "prediction", labels, args.separator)
        probability = frame[[f"prob_{label}" for label in labels]].to_numpy(float)
        kept = load_file(model / "validation_scores.safetensors")
    kept["log_odds"] = kept.pop("logits") / run["metrics"]["temperature"]
    kept["test_log_odds"] = np.ascontiguousarray(special.logit(probability.clip(FEW, 1 - FEW)))
    kept["test_label_ids"] = truth.astype(np.int32)
    if (case.recipe, case.seed) == ("auto", 0):
        save_file(kept, folder / "scores.safetensors")
    half = probability >= 0.5
    return Result(
        case,
        *(f1(truth, predicted, metric) for metric in METRICS),
        *(f1(truth, half, metric) for metric in METRICS),
        ranking(truth, probability),
        round(finished.cpu_seconds, 1),
        run["options"]["epochs"],
        run["options"]["learning_rate"],
    )


def run_trainer(folder: Path, case: Case, like: Result, args: argparse.Namespace) -> Result:
    """Run the other recipe in a process of its own, with the epochs and the rate of another result."""
    words = [__file__, folder, "--one", json.dumps(asdict(like)), "--separator", args.separator]
    finished = run_process([*words, "--one_seed", case.seed])
    micro, macro, mean_precision = json.loads(finished.output.splitlines()[-1])
    return Result(
        case,
        micro,
        macro,
        micro,
        macro,
        mean_precision,
        round(finished.cpu_seconds, 1),
        like.epochs,
        like.learning_rate,
    )


def trainer(folder: Path, like: Result, seed: int, separator: str) -> list[float]:
    """Return micro F1, macro F1 and mean average precision of transformers.Trainer on the test rows."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from toolkit.compute.device import choose_device
    from toolkit.compute.precision import choose_precision
    from toolkit.models.locate import resolve_model

    tables = [pd.read_csv(folder / f"{stem}.csv", dtype=str, keep_default_na=False) for stem in FILES[::2]]
    labels = sorted({label for cell in tables[0]["label"] for label in cell.split(separator) if label})
    set_seed(seed)
    source = resolve_model(None)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForSequenceClassification.from_pretrained(
        source, num_labels=len(labels), problem_type="multi_label_classification", dtype=torch.float32
    )

    def rows(table: pd.DataFrame) -> list[dict]:
        """Return the rows of a table as Trainer takes them."""
        encoded = tokenizer(table["text"].tolist(), truncation=True, max_length=128)
        truth = read_labels(table, "label", labels, separator).astype(float).tolist()
        return [{**{name: encoded[name][i] for name in encoded}, "labels": truth[i]} for i in range(len(table))]

    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output_dir=output,
            seed=seed,
            num_train_epochs=like.epochs,
            learning_rate=like.learning_rate,
            bf16=choose_precision("auto", choose_device("auto")).name == "bf16",
            use_cpu=not torch.cuda.is_available(),
            per_device_eval_batch_size=32,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        collator = DataCollatorWithPadding(tokenizer)
        loop = Trainer(model, settings, data_collator=collator, train_dataset=rows(tables[0]))
        loop.train()
        prediction = loop.predict(rows(tables[1]))
    truth = prediction.label_ids > 0
    scores = [f1(truth, prediction.predictions > 0, metric) for metric in METRICS]
    return [*scores, ranking(truth, prediction.predictions)]


# -- results ----------------------------------------------------------------------------------------------------------


def read_results(path: Path) -> dict[Case, Result]:
    """Return the results of a file by their cases."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    results = [Result(**(entry | {"case": Case(**entry["case"])})) for entry in map(json.loads, lines)]
    return {result.case: result for result in results}


def run_missing(folder: Path, results: dict[Case, Result], args: argparse.Namespace) -> None:
    """Run the cases of a data folder that have no result yet, and add theirs to the results and to the file."""
    made = cut(folder, args)
    for seed in range(args.seeds):
        for recipe in args.recipes:
            case = Case(made.name, args.rows, recipe, seed)
            if case in results:
                continue
            if recipe == "trainer":
                result = run_trainer(made, case, results[Case(made.name, args.rows, "auto", seed)], args)
            else:
                result = run_main(made, case, args)
            results[case] = result
            with args.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
            print(f"{case}: {result.micro_f1:.4f} {result.macro_f1:.4f} in {result.cpu_seconds} s", flush=True)


def print_table(folder: Path, results: dict[Case, Result], args: argparse.Namespace) -> None:
    """Print the scores of each recipe on a data folder, against those of the trainer."""
    name = cut(folder, args).name
    heads = ["micro F1", "difference", "macro F1", "difference", "mean average precision", "difference"]
    print(f"\n| {name} | {' | '.join(heads)} | processor time |\n|{'---|' * (len(heads) + 2)}")
    by_recipe = {
        recipe: [results[Case(name, args.rows, recipe, seed)] for seed in range(args.seeds)] for recipe in args.recipes
    }
    base = by_recipe["trainer"]
    for recipe, of_seeds in by_recipe.items():
        title = recipe.partition("=")[0]
        print_line(
            title,
            [[each.micro_f1, each.macro_f1, each.mean_average_precision, each.cpu_seconds] for each in of_seeds],
            base,
        )
        if recipe != "trainer":
            halves = [
                [each.half_micro_f1, each.half_macro_f1, each.mean_average_precision, each.cpu_seconds]
                for each in of_seeds
            ]
            print_line(f"{title}, at 0.5", halves, base)


def print_line(title: str, values: Sequence[Sequence[float]], base: Sequence[Result]) -> None:
    """Print the line of a recipe, with the scores and the processor seconds of each seed."""
    cells = []
    for number, metric in enumerate((*METRICS, "mean_average_precision")):
        scores = [of_seed[number] for of_seed in values]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        gain = interval([score - getattr(other, metric) for score, other in zip(scores, base, strict=True)])
        cells += [f"{100 * statistics.mean(scores):.1f} ± {100 * spread:.1f}", gain]
    ratio = sum(of_seed[-1] for of_seed in values) / sum(other.cpu_seconds for other in base)
    print(f"| {title} | {' | '.join(cells)} | {ratio:.2f} |")


# -- thresholds -------------------------------------------------------------------------------------------------------


def print_splits(folder: Path, args: argparse.Namespace) -> None:
    """Print what thresholds for each label change on rows they are chosen on and on new ones, against a common 0.5."""
    scores = load_file(cut(folder, args) / "scores.safetensors")
    log_odds = np.concatenate([scores["log_odds"], scores["test_log_odds"]])
    truth = np.concatenate([scores["label_ids"], scores["test_label_ids"]]) > 0
    print(f"\n{args.splits} splits of {len(truth)} rows\n")
    print("| chosen by | metric | 0.5 | a common one | `auto` | gain on rows chosen by | gain | worst | below |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in args.choose_by or [len(scores["log_odds"])]:
        for metric in METRICS:
            random = np.random.default_rng(0)
            orders = [random.permutation(len(truth)) for _ in range(args.splits)]
            values = [split_scores(log_odds, truth, order, count, metric) for order in orders]
            chosen_half, _, chosen_auto, new_half, new_common, new_auto = np.array(values).T
            gain = new_auto - new_half
            print(
                f"| {count} | {metric} | {new_half.mean():.3f} | {new_common.mean():.3f} | {new_auto.mean():.3f} "
                f"| {(chosen_auto - chosen_half).mean():+.3f} | {gain.mean():+.3f} | {gain.min():+.3f} "
                f"| {(gain < 0).sum()} of {args.splits} |",
                flush=True,
            )


def print_sureness(folder: Path, args: argparse.Namespace) -> None:
    """Print which score of a row tells best that its predicted set is wrong, and if --abstain_for keeps its word.

    Thresholds are those that the validation rows choose; the first table is of the test rows.
    """
    from toolkit.evaluation.abstention import find_answers
    from toolkit.evaluation.thresholds import choose_thresholds

    scores = load_file(cut(folder, args) / "scores.safetensors")
    log_odds = np.concatenate([scores["log_odds"], scores["test_log_odds"]])
    truth = np.concatenate([scores["label_ids"], scores["test_label_ids"]]) > 0
    count = len(scores["log_odds"])
    edges = special.logit(choose_thresholds(log_odds[:count], truth[:count], "micro_f1"))
    right = ((log_odds >= edges) == truth).all(axis=1)
    print("\n| score of a row | ROC-AUC of wrong ones |\n|---|---|")
    for name, sureness in sureness_of(log_odds[count:], edges).items():
        print(f"| {name} | {roc_auc_score(right[count:], sureness):.3f} |")
    print(f"\n| --abstain_for, {args.splits} splits | refused | answered | wholly right | as wanted in |")
    print("|---|---|---|---|---|")
    for wanted in (0.5, 0.6, 0.7):
        random = np.random.default_rng(0)
        outcomes = []
        for _ in range(args.splits):
            order = random.permutation(len(truth))
            chosen, new = order[:count], order[count:]
            own = special.logit(choose_thresholds(log_odds[chosen], truth[chosen], "micro_f1"))
            is_right = ((log_odds >= own) == truth).all(axis=1)
            chance = sureness_of(log_odds, own)["probability of the set"]
            answers = find_answers(chance[chosen], is_right[chosen], wanted)
            if answers is not None:
                answered = new[chance[new] >= answers.threshold]
                outcomes.append((len(answered) / len(new), is_right[answered].mean()))
        shares, reached = np.array(outcomes).reshape(-1, 2).T
        kept = args.splits - int((reached < wanted).sum())
        means = f"{shares.mean():.1%} | {reached.mean():.3f}" if len(outcomes) else "- | -"
        print(f"| {wanted} | {args.splits - len(outcomes)} | {means} | {kept / args.splits:.1%} |")


def sureness_of(log_odds: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores (N,) of how sure a model is of its predictions for log-odds (N, C) with thresholds (C,)."""
    probability = special.expit(log_odds)
    entropy = special.entr(probability) + special.entr(1 - probability)
    return {
        "probability of the set": np.where(log_odds >= edges, probability, 1 - probability).prod(axis=1),
        "least distance to a threshold": np.abs(probability - special.expit(edges)).min(axis=1),
        "least distance in log-odds": np.abs(log_odds - edges).min(axis=1),
        "entropy, negative": -entropy.sum(axis=1),
        "probability of the likeliest label": probability.max(axis=1),
    }


def split_scores(log_odds: np.ndarray, truth: np.ndarray, order: np.ndarray, count: int, metric: str) -> list[float]:
    """Return F1 at 0.5, at the best common threshold and at thresholds for each label, on two parts of the rows.

    These are the first rows of an order, by which the thresholds are chosen, and the others.
    """
    from toolkit.evaluation.thresholds import choose_thresholds, set_f1

    chosen, new = order[:count], order[count:]
    own = special.logit(choose_thresholds(log_odds[chosen], truth[chosen], metric))
    grid = np.linspace(-4, 4, 81)
    common = grid[int(np.argmax([set_f1(truth[chosen], log_odds[chosen] >= edge, metric) for edge in grid]))]
    return [
        set_f1(truth[part], log_odds[part] >= edge, metric) for part in (chosen, new) for edge in (0.0, common, own)
    ]


def main() -> None:
    """Run what has not been run yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--test_rows", type=int, default=0)
    parser.add_argument("--recipes", nargs="+", default=["auto", "trainer"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--separator", default=";")
    parser.add_argument("--splits", type=int, default=0)
    parser.add_argument("--choose_by", type=int, nargs="+", help="rows to choose thresholds by")
    parser.add_argument("--results", type=Path, default=Path("several_labels.jsonl"))
    parser.add_argument("--cut_dir", type=Path, default=Path(tempfile.gettempdir()) / "several-labels-data")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--one_seed", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        like = Result(**json.loads(args.one))
        print(json.dumps(trainer(args.folders[0], like, args.one_seed, args.separator)))
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    results = read_results(args.results)
    for folder in args.folders:
        run_missing(folder, results, args)
        print_table(folder, results, args)
        if args.splits:
            print_splits(folder, args)
            print_sureness(folder, args)


if __name__ == "__main__":
    main()
