"""What is said of a score in situations that users meet: the sentence that each must bring, and those it must not.

The scores are those of test_code.py, computed from logits and labels that are made up for the situation.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.conftest import run_facts
from toolkit.evaluation.baselines import SimpleAnswers, compare_with_model
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.diagnostics import reliability
from toolkit.evaluation.metrics import full_scores
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.report.advice import advise, headline

COURSE = [
    {"step": 10, "epoch": 1.0, "accuracy": 0.80, "valid_loss": 0.50},
    {"step": 20, "epoch": 2.0, "accuracy": 0.85, "valid_loss": 0.45},
]
OVERFITTING = [COURSE[0] | {"valid_loss": 0.45}, COURSE[1] | {"valid_loss": 0.51}]


@dataclass(frozen=True)
class Situation:
    """A scored test set and its run, with what must be said of it and what must not."""

    label_ids: np.ndarray  # (N,)
    logits: np.ndarray  # (N, C)
    said: dict[str, tuple[str, str]]  # a kind of advice, with parts of its English and its Chinese
    unsaid: tuple[str, ...] = ()
    tfidf: np.ndarray | None = None  # (N,) numbers of the labels that TF-IDF gives
    temperature: float = 1.0
    history: list[dict] = field(default_factory=list)


def rows_of(counts: list[int]) -> np.ndarray:
    """Return the labels of rows, so many of each."""
    return np.repeat(np.arange(len(counts)), counts)


def answering(answers: np.ndarray, labels: int, sureness: float = 3.0) -> np.ndarray:
    """Return logits that give these labels, all with one confidence."""
    return sureness * np.eye(labels)[answers]


def with_errors(label_ids: np.ndarray, errors: int, labels: int) -> np.ndarray:
    """Return answers of which so many, spread over the rows, are wrong by one label."""
    answers = label_ids.copy()
    wrong = np.linspace(0, len(answers) - 1, errors).astype(int)
    answers[wrong] = (answers[wrong] + 1) % labels
    return answers


def on_one_side(label_ids: np.ndarray) -> np.ndarray:
    """Return logits that rank rows of two labels well, but give all of them label 0."""
    noise = np.random.default_rng(0).normal(0, 0.5, len(label_ids))
    return np.stack([np.full(len(label_ids), 6.0), label_ids + noise], axis=1)


def several_missed() -> np.ndarray:
    """Return answers to 12 rows of each of 20 labels; the rows of the last 5 are never recognized."""
    answers = rows_of([12] * 20)
    answers[answers >= 15] -= 15
    return answers


TWO = rows_of([150, 150])
SKEWED = rows_of([184, 116])
SITUATIONS = {
    "one label for every row": Situation(
        SKEWED, answering(np.zeros(300, int), 2),
        {"collapsed": ("every row is predicted a", "每一条都被预测为 a"), "worse_than_simple": ("TF-IDF", "TF-IDF")},
        ("nothing_learned", "precise", "weak_recall", "weak_length", "calibrated", "ranks_well", "never_found"),
        tfidf=with_errors(SKEWED, 50, 2),
    ),
    "one label for every row, which a threshold would mend": Situation(
        SKEWED, on_one_side(SKEWED),
        {"collapsed": ("tells nothing apart", "没有区分开"), "ranks_well": ("--threshold auto", "threshold auto")},
    ),
    "labels swapped": Situation(
        rows_of([40, 40]), answering(1 - rows_of([40, 40]), 2),
        {"swapped": ("the labels look swapped: 0.0% of the rows are right", "标签像是弄反了")},
        ("precise", "nothing_learned", "weak_recall"),
    ),
    "one label in the test file": Situation(
        rows_of([60, 0]), answering(with_errors(rows_of([60, 0]), 6, 2), 2),
        {"one_label": ("all test rows have the label a, none b", "测试数据全是 a，没有 b")},
        ("collapsed", "swapped"),
    ),
    "all right": Situation(
        TWO, answering(TWO, 2, 8.0), {"perfect": ("all 300 test rows are right, which is rare", "这很少见")},
    ),
    "five rows": Situation(
        rows_of([3, 2]), answering(with_errors(rows_of([3, 2]), 1, 2), 2),
        {"wide": ("with 5 test rows", "只有 5 行测试数据"), "few_rows_of_all": ("each of the 2 labels", "2 个标签")},
        ("perfect", "precise"),
    ),
    "labels that are never found": Situation(
        rows_of([12] * 20), answering(several_missed(), 20),
        {"never_found": ("no row of these labels is recognized: p, q, r, s, t", "没有一条被认出来：p, q, r, s, t")},
        ("few_rows", "few_rows_of_all", "collapsed", "weak_recall"),
    ),
    "few rows of every label": Situation(
        rows_of([3] * 20), answering(with_errors(rows_of([3] * 20), 6, 20), 20),
        {"few_rows_of_all": ("each of the 20 labels has fewer than 10 test rows", "20 个标签的测试数据都不足 10 条")},
        ("few_rows",),
    ),
    "still learning": Situation(
        TWO, answering(with_errors(TWO, 45, 2), 2), {"still_learning": ("try more --epochs", "可以增加 --epochs")},
        ("overfits",), history=COURSE,
    ),
    "overfitting": Situation(
        TWO, answering(with_errors(TWO, 45, 2), 2),
        {"overfits": ("went up from 0.45 after epoch 1 to 0.51", "从第 1 轮后的 0.45 升到了 0.51")},
        ("still_learning",), history=OVERFITTING,
    ),
    "calibration made it worse": Situation(
        TWO, answering(with_errors(TWO, 45, 2), 2, 1.7346), {"calibrated_worse": ("worse here", "变差了")},
        ("calibrated_unevenly",), temperature=4.0,
    ),
    "worse than guessing": Situation(
        rows_of([250, 50]), answering(with_errors(rows_of([250, 50]), 120, 2), 2),
        {"worse_than_constant": ("always predicting the most frequent label is better", "反而更好")},
        ("nothing_learned", "collapsed"),
    ),
    "a better baseline": Situation(
        TWO, answering(with_errors(TWO, 90, 2), 2),
        {"worse_than_simple": ("TF-IDF and a linear classifier reach accuracy 95.0%", "95.0%")},
        ("worth_it", "nothing_learned"), tfidf=with_errors(TWO, 15, 2),
    ),
    "a good model": Situation(
        rows_of([800, 800]), answering(with_errors(rows_of([800, 800]), 80, 2), 2, 2.944),
        {"worth_it": ("a BERT is worth it here", "在这里值得用 BERT"), "precise": ("pin the score down", "足以确定")},
        ("perfect", "overfits", "calibrated_worse", "never_found", "untested", "one_label", "swapped", "collapsed"),
        tfidf=with_errors(rows_of([800, 800]), 300, 2),
    ),
}  # fmt: skip


def content_of_metrics(situation: Situation) -> dict[str, Any]:
    """Return what metrics.json says of a situation."""
    count = situation.logits.shape[1]
    labels = [chr(ord("a") + number) for number in range(count)]
    decision = Decision(temperature=situation.temperature, written_temperature=situation.temperature)
    tokens = np.full(len(situation.logits), 9)
    scored = ScoredSet(situation.logits, situation.label_ids, tokens, labels, decision)
    names = np.array(labels, object)
    most_frequent = np.full(len(tokens), names[np.bincount(situation.label_ids).argmax()], object)
    tfidf = None if situation.tfidf is None else names[situation.tfidf]
    scores = full_scores(scored)
    return scores | {
        "headline": headline(scores, "accuracy", labels[1]),
        "baselines": compare_with_model(scored, SimpleAnswers(most_frequent, tfidf)),
        "reliability": {"after": [part.as_json() for part in reliability(scored.probabilities, scored.label_ids)]},
        "findings": [],
        "slices": [],
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_brings_the_sentence_that_it_must_and_none_that_misleads(name):
    situation = SITUATIONS[name]
    scores = content_of_metrics(situation)
    run = run_facts(
        labels=scores["labels"],
        metrics={"accuracy": scores["accuracy"], "step": 20},
        options={"metric": "accuracy", "epochs": 2},
    )
    told = {piece.kind: piece for piece in advise(scores, run, situation.history)}
    for kind, (english, chinese) in situation.said.items():
        assert kind in told, sorted(told)
        assert english in f"{told[kind].sentence()} -> {told[kind].advice()}"
        assert chinese in f"{told[kind].sentence('zh')} -> {told[kind].advice('zh')}"
    assert not set(situation.unsaid) & set(told)
