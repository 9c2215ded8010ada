"""What simple methods reach on the same rows: a BERT is worth as much as it is better than these.

The methods are the most frequent label for every row (the first in order, of labels that are equally frequent), and a
linear classifier on TF-IDF weights: of words and pairs of words, or of runs of one to three characters where the texts
are in a script without blanks between words. The classifier is logistic regression; of more than 100 labels a linear
support vector machine for each against the rest, which is as good (150 intents of 7,500 rows, test accuracy 0.895 and
0.892) in a tenth of the time (0.6 and 7.3 seconds of the processor).
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from toolkit.data.scripts import main_script
from toolkit.data.tables import Table
from toolkit.evaluation.intervals import difference_intervals
from toolkit.evaluation.metrics import macro_f1
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.evaluation.texts import BASELINES, METHODS

SCRIPTS_WITHOUT_BLANKS = {"Chinese", "Japanese", "Thai", "Lao", "Khmer", "Myanmar"}
MAX_TRAINING_ROWS = 50_000  # a random part of more is learned from
MAX_TERMS = 100_000  # the most frequent ones
FEW_LABELS = 100  # up to which it is logistic regression, whose time grows too fast with their number
MAX_LABELS = 2000  # with more of them no classifier is tried
MAX_WORK = 20_000_000  # rows times labels, from which support vectors take some ten seconds to learn
MAX_WEIGHTS = 25_000_000  # terms times labels, of eight bytes each
INVERSE_REGULARIZATION = 10.0  # scikit-learn's own, 1, is too weak for TF-IDF weights


@dataclass(frozen=True)
class SimpleAnswers:
    """The labels (N,) that simple methods give the N rows of a table; tfidf is None if it could not learn."""

    most_frequent_label: np.ndarray
    tfidf: np.ndarray | None

    def by_method(self) -> dict[str, np.ndarray]:
        """Return the answers of each method that has some, by the names of METHODS."""
        answers = {"most_frequent_label": self.most_frequent_label}
        if self.tfidf is not None:
            answers["tfidf"] = self.tfidf
        return answers

    def scores(self, table: Table) -> dict[str, dict[str, float]]:
        """Return for each method its accuracy and macro_f1 on the labelled table, in the form of run.json."""
        truth = table.frame["label"].to_numpy(object)
        return {method: _scores(truth, labels) for method, labels in self.by_method().items()}


def simple_answers(train: Table | None, tables: Mapping[str, Table]) -> dict[str, SimpleAnswers]:
    """Return, for each of `tables` but `train` itself, what the methods answer that have learned from `train`.

    Without a training table there are no answers.
    """
    if train is None:
        return {}
    texts = joined_texts(train)
    labels = train.frame["label"].to_numpy(object)
    different_labels, label_ids = np.unique(labels, return_inverse=True)
    constant = DummyClassifier(strategy="most_frequent").fit(texts, label_ids)
    pipeline = _learn(texts, labels)
    answers = {}
    for name, table in tables.items():
        if table is not train:
            texts = joined_texts(table)
            answers[name] = SimpleAnswers(
                most_frequent_label=different_labels[constant.predict(texts)],
                tfidf=None if pipeline is None else pipeline.predict(texts),
            )
    return answers


def compare_with_model(scored: ScoredSet, answers: SimpleAnswers | None) -> dict[str, dict]:
    """Return for each method its scores on a scored table and how far the model's are above them.

    In the form of metrics.json; {} if there are no answers. The differences have 95% intervals.
    """
    if answers is None:
        return {}
    labels = np.array(scored.labels, object)
    label2id = {label: i for i, label in enumerate(scored.labels)}
    baselines = {}
    for method, method_labels in answers.by_method().items():
        method_ids = np.array([label2id[label] for label in method_labels])
        # f1, the score of one label, is left out, so any label will do.
        differences = difference_intervals(scored.label_ids, scored.predicted, method_ids, 0, len(labels))
        baselines[method] = {
            **_scores(labels[scored.label_ids], method_labels),
            "difference": {name: asdict(differences[name]) for name in ("accuracy", "macro_f1")},
        }
    return baselines


def joined_texts(table: Table) -> list[str]:
    """Return the texts of each row as one."""
    return [" ".join(texts) for texts in table.frame.drop(columns="label").to_numpy()]


def _learn(texts: Sequence[str], labels: np.ndarray) -> Pipeline | None:
    """Return a classifier that has learned the labels (N,) of texts, None if there is nothing to learn."""
    label_count = len(set(labels))
    if label_count > MAX_LABELS:
        return None
    has_few = label_count <= FEW_LABELS
    most_rows = MAX_TRAINING_ROWS if has_few else min(MAX_TRAINING_ROWS, MAX_WORK // label_count)
    most_terms = MAX_TERMS if has_few else min(MAX_TERMS, MAX_WEIGHTS // label_count)
    chosen = np.sort(np.random.default_rng(0).permutation(len(texts))[:most_rows])
    chosen_texts = [texts[row] for row in chosen]
    few = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=300)
    pipeline = make_pipeline(vectorizer(chosen_texts, most_terms), few if has_few else LinearSVC(random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly as many labels as rows, or not yet converged: it is a comparison
        try:
            return pipeline.fit(chosen_texts, labels[chosen])
        except ValueError:  # there are no words at all, or the chosen rows have only one label
            return None


def vectorizer(texts: Sequence[str], most_terms: int) -> TfidfVectorizer:
    """Return what weighs words and pairs of words, or runs of characters where most texts have no blanks."""
    [(script, _)] = Counter(map(main_script, texts)).most_common(1)
    if script in SCRIPTS_WITHOUT_BLANKS:
        terms = {"analyzer": "char", "ngram_range": (1, 3)}
    else:
        terms = {"ngram_range": (1, 2), "token_pattern": r"\w+"}  # words of one letter count too
    return TfidfVectorizer(sublinear_tf=True, max_features=most_terms, dtype=np.float32, **terms)


def _scores(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    return {"accuracy": float(accuracy_score(truth, answers)), "macro_f1": macro_f1(truth, answers)}


def baseline_lines(baselines: Mapping[str, Mapping], language: str = "en") -> list[str]:
    """Return what the methods reach on a table, a line each; `baselines` are its scores by method, as in run.json."""
    return [
        BASELINES["comparison" if "accuracy" in scores else "label_sets"].fill(method=METHODS[method], **scores)[
            language
        ]
        for method, scores in baselines.items()
    ]
