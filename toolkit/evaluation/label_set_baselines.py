"""What simple methods reach where a row may have several labels: a BERT is worth as much as it is better than these.

The methods are the most frequent set of labels for every row, and on TF-IDF weights a linear support vector machine for
each label against the rest.

N rows, C labels.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from toolkit.data.labels import encode_labels
from toolkit.data.tables import Table
from toolkit.evaluation.baselines import MAX_LABELS, MAX_TERMS, MAX_TRAINING_ROWS, MAX_WEIGHTS, joined_texts, vectorizer
from toolkit.evaluation.label_set_metrics import set_difference_intervals
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.evaluation.thresholds import set_f1

MAX_WORK = 5_000_000  # rows times labels, from which support vectors take some ten seconds to learn


@dataclass(frozen=True)
class LabelSetAnswers:
    """The labels (N, C) bool that simple methods give the N rows of a table; tfidf is None if it could not learn."""

    labels: Sequence[str]
    most_frequent_set: np.ndarray
    tfidf: np.ndarray | None

    def by_method(self) -> dict[str, np.ndarray]:
        """Return the answers of each method that has some, by the names of METHODS."""
        answers = {"most_frequent_set": self.most_frequent_set}
        if self.tfidf is not None:
            answers["tfidf"] = self.tfidf
        return answers

    def scores(self, table: Table) -> dict[str, dict[str, float]]:
        """Return for each method its micro and macro F1 on the labelled table, in the form of run.json."""
        truth = encode_labels(table, self.labels)
        return {method: _scores(truth, answers) for method, answers in self.by_method().items()}


def label_set_answers(
    train: Table | None, tables: Mapping[str, Table], labels: Sequence[str]
) -> dict[str, LabelSetAnswers]:
    """Return, for each of `tables` but `train` itself, what the methods answer that have learned from `train`.

    Without a training table there are no answers.
    """
    if train is None:
        return {}
    truth = encode_labels(train, labels)
    [(most_frequent, _)] = Counter(map(bytes, truth)).most_common(1)
    constant = np.frombuffer(most_frequent, bool)
    pipeline = _learn(joined_texts(train), truth)
    answers = {}
    for name, table in tables.items():
        if table is train:
            continue
        texts = joined_texts(table)
        answers[name] = LabelSetAnswers(
            labels,
            most_frequent_set=np.tile(constant, (len(texts), 1)),
            tfidf=None if pipeline is None else pipeline.predict(texts).astype(bool).reshape(len(texts), -1),
        )
    return answers


def compare_label_sets_with_model(scored: ScoredLabelSets, answers: LabelSetAnswers | None) -> dict[str, dict]:
    """Return for each method its scores on a scored table and how far the model's are above them.

    In the form of metrics.json; {} if there are no answers. The differences have 95% intervals.
    """
    baselines = {}
    for method, predicted in ({} if answers is None else answers.by_method()).items():
        differences = set_difference_intervals(scored.label_ids, scored.predicted, predicted)
        baselines[method] = {
            **_scores(scored.label_ids, predicted),
            "difference": {name: asdict(differences[name]) for name in ("micro_f1", "macro_f1")},
        }
    return baselines


def _learn(texts: Sequence[str], truth: np.ndarray) -> Pipeline | None:
    """Return a classifier that has learned which labels (N, C) bool texts have, None if there is nothing to learn."""
    label_count = truth.shape[1]
    if label_count > MAX_LABELS:
        return None
    most_rows = min(MAX_TRAINING_ROWS, MAX_WORK // label_count)
    chosen = np.sort(np.random.default_rng(0).permutation(len(texts))[:most_rows])
    chosen_texts = [texts[row] for row in chosen]
    classifier = OneVsRestClassifier(LinearSVC(random_state=0))
    pipeline = make_pipeline(vectorizer(chosen_texts, min(MAX_TERMS, MAX_WEIGHTS // label_count)), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a label that no row has, or all; or not yet converged: it is a comparison
        try:
            return pipeline.fit(chosen_texts, truth[chosen].astype(int))
        except ValueError:  # there are no words at all
            return None


def _scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return {metric: set_f1(truth, predicted, metric) for metric in ("micro_f1", "macro_f1")}
