"""Accuracy of recipes on a test set: what main.py chooses by itself, against Hugging Face Trainer's defaults.

    python benchmarks/recipe.py DIR [DIR ...] --rows 200 1000 0 --seeds 5 --results recipe.jsonl

DIR holds trainset.*, validset.* and testset.*; the training rows are cut to each number of --rows (0: all of them), the
same rows for every seed, and the validation rows to a quarter of that. Each run is a process of its own. A recipe is

    trainer            transformers.Trainer as it comes: 3 epochs, 5e-5, batches of 8, the last epoch
    auto               main.py without options
    tfidf              logistic regression on TF-IDF weights, as main.py has it for comparison
    features           logistic regression on what the frozen encoder gives, first token or mean by cross-validation
    setfit             SetFit with batches of 32 and one epoch of its pairs (pip install setfit; not for pairs of texts)
    NAME=OPTIONS       main.py with options, such as "slow=--learning_rate 5e-5 --epochs 3"

Results are added to a file, and what stands there is not run again, so the command can be stopped and repeated. The
tables have the mean and the standard deviation over the seeds, the paired difference to the first recipe with its 95%
interval (Student's t over the seeds), the processor time as a ratio to it, and, where test texts also stand in the
training set, the accuracy on the others. On a card, --jobs runs several at once.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.stats import t as student  # noqa: E402

VALID_SHARE = 0.25  # of the training rows
FEWEST_VALID_ROWS = 50
FILES = ("trainset", "validset", "testset")


@dataclass(frozen=True)
class Case:
    """What one run is of."""

    data: str
    rows: int  # 0: all
    recipe: str
    seed: int
    model: str


@dataclass(frozen=True)
class Result:
    """What came of a run."""

    case: Case
    accuracy: float
    cpu_seconds: float
    accuracy_of_new: float | None = None  # on test rows whose texts do not stand in the training set


def case_of(folder: Path, rows: int, recipe: str, seed: int, model: str) -> Case:
    """Return the case of a recipe and a seed; without chance in the recipe there is one case for all seeds."""
    return Case(folder.name, rows, recipe, 0 if recipe in WITHOUT_CHANCE else seed, model)


# -- data -------------------------------------------------------------------------------------------------------------


def read(folder: Path, stem: str) -> pd.DataFrame:
    """Return a labelled file of a folder as a table of text, text_pair if there is one, and label."""
    import utils
    from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
    from toolkit.files.source import find_file

    return utils.read_table(find_file(str(folder), stem), Columns(text_pair=TEXT_PAIR_IF_PRESENT)).frame


def cut(folder: Path, rows: int, test_rows: int, target: Path) -> Path:
    """Write the cut files of a data folder to a new one below `target`, if they are not there, and return it."""
    made = target / f"{folder.name}-{rows or 'all'}"
    if (made / "testset.csv").exists():
        return made
    made.mkdir(parents=True, exist_ok=True)
    train, valid, test = (read(folder, stem) for stem in FILES)
    if rows and rows < len(train):
        train = train.sample(rows, random_state=0)
        valid = valid.sample(min(len(valid), max(FEWEST_VALID_ROWS, int(VALID_SHARE * rows))), random_state=0)
    known = set(train["label"])
    valid = valid[valid["label"].isin(known)]
    test = test[test["label"].isin(known)]
    if test_rows and test_rows < len(test):
        test = test.sample(test_rows, random_state=0)
    for stem, frame in zip(FILES, (train, valid, test), strict=True):
        frame.to_csv(made / f"{stem}.csv", index=False)
    return made


# -- recipes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """A process that has ended: what it printed, and the processor seconds that it and its children took."""

    output: str
    cpu_seconds: float


def run_process(words: Sequence[object]) -> Finished:
    """Run a Python script and return what came of it; RuntimeError if it fails."""
    command = [sys.executable, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return Finished(output, usage.ru_utime + usage.ru_stime)


def run_main(folder: Path, case: Case, options: Sequence[str]) -> Result:
    """Run main.py with some options and return what came of it."""
    with tempfile.TemporaryDirectory() as output:
        files = ["--train_file", folder / "trainset.csv", "--valid_file", folder / "validset.csv"]
        files += ["--test_file", folder / "testset.csv", "--output_dir", output, "--explain_rows", 0]
        chosen = ["--model", case.model] if case.model else []
        finished = run_process([ROOT / "main.py", *files, *chosen, "--seed", case.seed, *options])
        predictions = pd.read_csv(Path(output) / "test" / "predictions.csv", dtype=str, keep_default_na=False)
    is_right = (predictions["label"] == predictions["prediction"]).to_numpy()
    return result(folder, case, is_right, finished.cpu_seconds)


def run_here(folder: Path, case: Case) -> Result:
    """Run one of the other methods in a process of its own and return what came of it."""
    finished = run_process([__file__, folder, "--one", json.dumps(asdict(case))])
    is_right = np.array([letter == "1" for letter in finished.output.split()[-1]])
    return result(folder, case, is_right, finished.cpu_seconds)


def result(folder: Path, case: Case, is_right: np.ndarray, cpu_seconds: float) -> Result:
    """Return the result of a case for which test rows are predicted right, (N,)."""
    train, test = (pd.read_csv(folder / f"{stem}.csv", dtype=str, keep_default_na=False) for stem in FILES[::2])
    is_new = ~test["text"].isin(train["text"]).to_numpy()
    accuracy_of_new = None if is_new.all() or not is_new.any() else float(is_right[is_new].mean())
    return Result(case, float(is_right.mean()), round(cpu_seconds, 1), accuracy_of_new)


def trainer(folder: Path, case: Case) -> np.ndarray:
    """Return which test rows transformers.Trainer with its defaults predicts right, (N,)."""
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

    tables = [pd.read_csv(folder / f"{stem}.csv", dtype=str, keep_default_na=False) for stem in FILES]
    labels = sorted(set(tables[0]["label"]))
    set_seed(case.seed)
    source = resolve_model(case.model or None)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(labels), dtype=torch.float32)

    def rows(table: pd.DataFrame) -> list[dict]:
        """Return the rows of a table as Trainer takes them."""
        pairs = table["text_pair"].tolist() if "text_pair" in table else None
        encoded = tokenizer(table["text"].tolist(), pairs, truncation=True, max_length=512)
        ids = [labels.index(label) for label in table["label"]]
        return [{**{name: encoded[name][i] for name in encoded}, "labels": ids[i]} for i in range(len(table))]

    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output_dir=output,
            seed=case.seed,
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
        prediction = loop.predict(rows(tables[2]))
    return prediction.predictions.argmax(1) == prediction.label_ids


def tfidf(folder: Path, _: Case) -> np.ndarray:
    """Return which test rows logistic regression on TF-IDF weights predicts right, (N,)."""
    import utils
    from toolkit.evaluation.baselines import simple_answers
    from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns

    columns = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
    tables = {name: utils.read_table(folder / f"{name}set.csv", columns) for name in ("train", "test")}
    answers = simple_answers(tables["train"], tables)["test"].tfidf
    return tables["test"].frame["label"].to_numpy(object) == answers


def features(folder: Path, case: Case) -> np.ndarray:
    """Return which test rows logistic regression on the better of two vectors of the frozen encoder predicts right."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from transformers import AutoModel, AutoTokenizer

    from toolkit.models.locate import resolve_model

    source = resolve_model(case.model or None)
    tokenizer = AutoTokenizer.from_pretrained(source)
    encoder = AutoModel.from_pretrained(source).eval()
    tables = [pd.read_csv(folder / f"{stem}.csv", dtype=str, keep_default_na=False) for stem in FILES]

    @torch.inference_mode()
    def vectors(table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return, (N, H) each, the hidden state of the first token and the mean of all."""
        parts: dict[str, list[np.ndarray]] = {"first": [], "mean": []}
        for start in range(0, len(table), 32):
            part = table[start : start + 32]
            pairs = part["text_pair"].tolist() if "text_pair" in part else None
            inputs = tokenizer(
                part["text"].tolist(), pairs, truncation=True, max_length=512, padding=True, return_tensors="pt"
            )
            hidden = encoder(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            parts["first"].append(hidden[:, 0].numpy())
            parts["mean"].append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    train, _, test = (vectors(table) for table in tables)
    labels = tables[0]["label"]
    choices = [
        (name, make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300)))
        for name in train
        for strength in (0.003, 0.01, 0.03, 0.1, 0.3)
    ]
    folds = KFold(5, shuffle=True, random_state=0)
    scores = [cross_val_score(model, train[name], labels, cv=folds).mean() for name, model in choices]
    name, model = choices[int(np.argmax(scores))]
    return model.fit(train[name], labels).predict(test[name]) == tables[2]["label"].to_numpy()


def setfit(folder: Path, case: Case) -> np.ndarray:
    """Return which test rows SetFit (Tunstall et al. 2022) predicts right, (N,)."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import set_seed

    from toolkit.models.locate import resolve_model

    set_seed(case.seed)
    tables = [pd.read_csv(folder / f"{stem}.csv", dtype=str, keep_default_na=False) for stem in FILES]
    labels = sorted(set(tables[0]["label"]))
    model = SetFitModel.from_pretrained(resolve_model(case.model or None), labels=labels)
    rows = Dataset.from_dict(
        {"text": tables[0]["text"].tolist(), "label": tables[0]["label"].map(labels.index).tolist()}
    )
    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output_dir=output, seed=case.seed, batch_size=32, num_epochs=1, report_to="none", show_progress_bar=False
        )
        Trainer(model=model, args=settings, train_dataset=rows).train()
    return np.asarray(model.predict(tables[2]["text"].tolist())) == tables[2]["label"].to_numpy()


METHODS = {"trainer": trainer, "tfidf": tfidf, "features": features, "setfit": setfit}
WITHOUT_CHANCE = ("tfidf", "features")  # a seed changes nothing: they are run once


def run(folder: Path, case: Case) -> Result:
    """Run a case and return what came of it."""
    if case.recipe in METHODS:
        return run_here(folder, case)
    _, _, options = case.recipe.partition("=")
    return run_main(folder, case, shlex.split(options))


# -- results ----------------------------------------------------------------------------------------------------------


def read_results(path: Path) -> dict[Case, Result]:
    """Return the results of a file by their cases."""
    lines = path.read_text().splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    results = [Result(**(entry | {"case": Case(**entry["case"])})) for entry in entries]
    return {result.case: result for result in results}


def interval(differences: Sequence[float]) -> str:
    """Return the mean of paired differences in points with its 95% interval."""
    mean = 100 * statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.1f}"
    half = 100 * student.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def accuracies(results: dict[Case, Result], cases: Sequence[Case]) -> list[float]:
    """Return the accuracy of each case, as long as all of them are there."""
    return [results[case].accuracy for case in cases] if all(case in results for case in cases) else []


def print_tables(results: dict[Case, Result], args: argparse.Namespace) -> None:
    """Print a table for each number of rows."""
    seeds = range(args.seeds)
    for rows in args.rows:
        print(
            f"\n{rows or 'All'} training rows\n\n"
            "| data | recipe | accuracy | difference | processor time | new texts |\n|---|---|---|---|---|---|"
        )
        by_recipe: dict[str, list[list[float]]] = {}  # accuracies by seed, for each data set
        for folder in args.folders:
            for recipe in args.recipes:
                cases = [case_of(folder, rows, recipe, seed, args.model) for seed in seeds]
                first = [case_of(folder, rows, args.recipes[0], seed, args.model) for seed in seeds]
                values, base = accuracies(results, cases), accuracies(results, first)
                if not values or not base:
                    continue
                by_recipe.setdefault(recipe, []).append(values)
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                cpu = sum(results[c].cpu_seconds for c in cases) / sum(results[c].cpu_seconds for c in first)
                gain = interval([a - b for a, b in zip(values, base, strict=True)])
                name = recipe.partition("=")[0]
                accuracy = f"{100 * statistics.mean(values):.1f} ± {100 * spread:.1f}"
                new = [results[case].accuracy_of_new for case in cases]
                of_new = "" if None in new else f"{100 * statistics.mean(new):.1f}"
                print(f"| {folder.name} | {name} | {accuracy} | {gain} | {cpu:.2f} | {of_new} |")
        of_first = by_recipe.get(args.recipes[0], [])
        for recipe, values_by_set in by_recipe.items():
            if len(values_by_set) == len(of_first) > 1:
                means = [statistics.mean(of_seed) for of_seed in zip(*values_by_set, strict=True)]
                base = [statistics.mean(of_seed) for of_seed in zip(*of_first, strict=True)]
                gain = interval([a - b for a, b in zip(means, base, strict=True)])
                print(f"| mean | {recipe.partition('=')[0]} | {100 * statistics.mean(means):.1f} | {gain} | | |")


def cases_of(args: argparse.Namespace) -> dict[Case, Path]:
    """Return all cases that are asked for with their data folders, those of a seed together."""
    return {
        case_of(folder, rows, recipe, seed, args.model): folder
        for seed in range(args.seeds)
        for rows in args.rows
        for folder in args.folders
        for recipe in args.recipes
    }


def run_missing(results: dict[Case, Result], args: argparse.Namespace) -> None:
    """Run the cases that have no result yet, and add theirs to the results and to the file."""
    missing = {case: folder for case, folder in cases_of(args).items() if case not in results}
    with ThreadPoolExecutor(args.jobs) as pool:
        running = {}
        for case, folder in missing.items():
            running[pool.submit(run, cut(folder, case.rows, args.test_rows, args.cut_dir), case)] = case
        for future in as_completed(running):
            case = running[future]
            if future.exception() is not None:
                print(f"{case}: {future.exception()}", file=sys.stderr, flush=True)
                continue
            results[case] = future.result()
            with args.results.open("a") as file:
                file.write(json.dumps(asdict(results[case])) + "\n")
            print(f"{case}: {results[case].accuracy:.4f} in {results[case].cpu_seconds} s", flush=True)


def main() -> None:
    """Run what has not been run yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000])
    parser.add_argument("--recipes", nargs="+", default=["trainer", "auto"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", default="", help="as main.py's")
    parser.add_argument("--results", type=Path, default=Path("recipe.jsonl"))
    parser.add_argument("--cut_dir", type=Path, default=Path(tempfile.gettempdir()) / "recipe-data")
    parser.add_argument("--jobs", type=int, default=1, help="cases that run at once")
    parser.add_argument("--test_rows", type=int, default=2000, help="a random part of more test rows (0: all)")
    parser.add_argument("--only_print", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        case = Case(**json.loads(args.one))
        print("".join("01"[int(right)] for right in METHODS[case.recipe](args.folders[0], case)))
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    results = read_results(args.results)
    if not args.only_print:
        run_missing(results, args)
    print_tables(results, args)


if __name__ == "__main__":
    main()
