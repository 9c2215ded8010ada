"""What simple methods reach on the same rows: whether a BERT is worth it is the difference to these.

The most frequent label for every row; and logistic regression on TF-IDF weights of words and pairs of words, or of runs
of one to three characters where the texts are in a script without blanks between words.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.data.labels import split_table
from toolkit.data.rows import Columns
from toolkit.data.scripts import main_script
from toolkit.data.tables import Table
from toolkit.evaluation.intervals import difference_intervals
from toolkit.evaluation.metrics import ScoredSet

WITHOUT_BLANKS = {"Chinese", "Japanese", "Thai", "Lao", "Khmer", "Myanmar"}
MOST_ROWS = 50_000  # that it learns from, a random part, and
MOST_TERMS = 100_000  # the most frequent ones, and
MOST_LABELS = 100  # with more of them it is not tried, so that it stays a matter of seconds
STRENGTH = 10.0  # inverse of the regularization; 1, scikit-learn's own, is too weak for TF-IDF weights
NAMES = {"most_frequent_label": "always the most frequent label", "tfidf": "TF-IDF and logistic regression"}


def simple_answers(tables: dict[str, Table | None]) -> dict[str, dict[str, np.ndarray]]:
    """Return for each table but "train" the labels (N,) that each of NAMES gives its rows, having learned from that.

    A method that cannot learn from these texts, without words, say, is left out; without "train" there is nothing.
    """
    if tables.get("train") is None:
        return {}
    labels = tables["train"].frame["label"].to_numpy(object)
    most_frequent = Counter(labels.tolist()).most_common(1)[0][0]
    learned, found = _learn(_texts(tables["train"]), labels), {}
    for name, table in tables.items():
        if name != "train":
            found[name] = {"most_frequent_label": np.full(len(table.frame), most_frequent, object)}
            found[name] |= {"tfidf": learned.predict(_texts(table))} if learned else {}
    return found


def score_answers(tables: dict[str, Table], answers: dict[str, dict[str, np.ndarray]]) -> dict[str, dict]:
    """Return for each table, and each method that gave these answers, its accuracy and macro_f1."""
    return {
        name: {method: _scores(tables[name].frame["label"].to_numpy(object), given) for method, given in of.items()}
        for name, of in answers.items()
    }


def beside_model(found: ScoredSet, answers: dict[str, np.ndarray]) -> dict[str, dict]:
    """Return for each method its accuracy and macro_f1 on a scored table, and how far the model's differ from them.

    These are {difference, low, high}: the model's less the method's, with the 95% interval.
    """
    names, result = np.array(found.labels, object), {}
    number = {label: i for i, label in enumerate(found.labels)}
    for method, given in answers.items():
        theirs = np.array([number[label] for label in given])
        differences = difference_intervals(found.label_ids, found.predicted, theirs, 0, len(names))
        kept = {name: differences[name] for name in ("accuracy", "macro_f1")}
        result[method] = _scores(names[found.label_ids], given) | {"difference": kept}
    return result


def training_table(run: dict, read: Callable[[Path, Columns, str | None], Table]) -> Table | None:
    """Return the training table of `run`, a run.json, None if the file is no longer what it was.

    `read` reads a file, with these columns in this encoding. Rows that were held out to validate are held out here too;
    where rows were dropped (--drop_leaked) there is None.
    """
    with suppress(UserError, OSError, LookupError, TypeError):  # no such file, or a run.json that says less
        train, valid, options = run["data"]["train"], run["data"]["valid"], run["options"]
        path = Path(train["file"])
        if fingerprint(path) == train["sha256"] and not options.get("drop_leaked"):
            there = read(path, Columns.from_json(run["columns"]), options["encoding"])
            if valid["file"] == train["file"] and not options["valid_file"]:
                split_seed = options_from(FineTuningOptions, options).split_seed
                there, _ = split_table(there, options["valid_ratio"], split_seed)
            return there
    return None


def _texts(table: Table) -> list[str]:
    return [" ".join(texts) for texts in table.frame.drop(columns="label").to_numpy()]


def _learn(texts: Sequence[str], labels: np.ndarray):
    """Return a pipeline that has learned the labels of some texts, None if there is nothing in them to learn."""
    if len(set(labels)) > MOST_LABELS:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(len(texts))[:MOST_ROWS])
    texts, labels = [texts[row] for row in chosen], labels[chosen]
    characters = Counter(map(main_script, texts)).most_common(1)[0][0] in WITHOUT_BLANKS
    words = {"ngram_range": (1, 2), "token_pattern": r"\w+"}  # those of one letter count
    how = {"analyzer": "char", "ngram_range": (1, 3)} if characters else words
    weights = TfidfVectorizer(sublinear_tf=True, max_features=MOST_TERMS, dtype=np.float32, **how)
    with warnings.catch_warnings(), suppress(ValueError):  # no words at all, or one label in what is looked at
        warnings.simplefilter("ignore")  # nearly as many labels as rows, or not yet converged: it is a comparison
        return make_pipeline(weights, LogisticRegression(C=STRENGTH, max_iter=300)).fit(texts, labels)
    return None


def _scores(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float(accuracy_score(truth, answers)),
        "macro_f1": float(f1_score(truth, answers, average="macro", zero_division=0)),
    }


def lines(found: dict[str, dict]) -> list[str]:
    """Return what the methods reach on a table, a line each."""
    return [
        f"for comparison: {NAMES[method]} has accuracy {scores['accuracy']:.4f}, macro f1 {scores['macro_f1']:.4f}"
        for method, scores in found.items()
    ]
