from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from toolkit.data.tables import Table
from toolkit.evaluation import baselines
from toolkit.evaluation.baselines import (
    SimpleAnswers,
    baseline_lines,
    compare_with_model,
    simple_answers,
)
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.files.columns import Columns


def table(rows: list[tuple], name: str = "t", sha256: str = "1") -> Table:
    columns = ["text", "text_pair", "label"] if len(rows[0]) == 3 else ["text", "label"]
    return Table(Path(name), pd.DataFrame(rows, columns=columns, dtype=object), [], [], Columns(), sha256)


def compare(tables: dict) -> dict:
    answers = simple_answers(tables.get("train"), tables)
    return {name: of_table.scores(tables[name]) for name, of_table in answers.items()}


def reviews(count: int, seed: int = 0) -> list[tuple]:
    draw = np.random.default_rng(seed)
    words = {"pro": ["good", "nice", "fine"], "con": ["bad", "poor", "slow"]}
    labels = draw.choice(["pro", "con", "con"], count)
    return [(f"the {draw.choice(['soup', 'bed', 'bill'])} was {draw.choice(words[each])}", each) for each in labels]


def test_the_most_frequent_label_scores_its_share_and_logistic_regression_learns():
    found = compare({"train": table(reviews(200)), "valid": table(reviews(90, 1)), "test": table(reviews(60, 2))})
    truth = [label for _, label in reviews(90, 1)]
    assert found["valid"]["most_frequent_label"]["accuracy"] == pytest.approx(truth.count("con") / 90)
    assert found["valid"]["tfidf"] == found["test"]["tfidf"] == {"accuracy": 1.0, "macro_f1": 1.0}
    assert compare({}) == compare({"train": None, "test": table(reviews(60, 2))}) == {}


def test_of_labels_that_are_equally_frequent_it_is_the_first_in_order_whatever_the_order_of_the_rows():
    rows = [("one", "b"), ("two", "a")]
    for train in (rows, rows[::-1]):
        answers = simple_answers(table(train), {"test": table(rows)})["test"]
        assert answers.most_frequent_label.tolist() == ["a", "a"]


def test_it_is_scikit_learn_s_logistic_regression():
    draw = np.random.default_rng(0)
    noisy = [(text, label if draw.random() < 0.7 else "con") for text, label in reviews(150)]
    valid = reviews(80, 1)
    weights = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True)
    learned = LogisticRegression(C=10, max_iter=300).fit(
        weights.fit_transform([text for text, _ in noisy]), [label for _, label in noisy]
    )
    right = learned.predict(weights.transform([text for text, _ in valid])) == [label for _, label in valid]
    found = compare({"train": table(noisy), "valid": table(valid)})["valid"]["tfidf"]
    assert found["accuracy"] == pytest.approx(right.mean())


def test_texts_without_blanks_are_read_by_characters():
    rows = [(f"房间{'很干净' if number % 2 else '太脏了'}，{number}号", "ab"[number % 2]) for number in range(60)]
    assert compare({"train": table(rows[:40]), "valid": table(rows[40:])})["valid"]["tfidf"]["accuracy"] == 1.0


def test_both_texts_of_a_pair_are_read():
    rows = [("the same", text, label) for text, label in reviews(120)]
    assert compare({"train": table(rows[:80]), "valid": table(rows[80:])})["valid"]["tfidf"]["accuracy"] == 1.0


def test_where_there_is_nothing_to_learn_from_only_the_most_frequent_label_is_told():
    rows = [("!!!", "a"), ("???", "b"), ("...", "b")]
    found = compare({"train": table(rows), "valid": table(rows)})
    assert found == {"valid": {"most_frequent_label": {"accuracy": 2 / 3, "macro_f1": pytest.approx(0.4)}}}
    assert baseline_lines(found["valid"]) == [
        "for comparison: always the most frequent label has accuracy 0.6667, macro f1 0.4000"]  # fmt: skip
    assert baseline_lines({}) == []


def test_of_many_rows_a_random_part_is_looked_at(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_TRAINING_ROWS", 50)
    rows = [(f"it was {'good' if number % 2 else 'bad'}", "pro" if number % 2 else "con") for number in range(100)]
    assert compare({"train": table(rows), "valid": table(rows)})["valid"]["tfidf"]["accuracy"] == 1.0


def test_of_many_labels_it_is_scikit_learn_s_linear_support_vector_machine():
    draw = np.random.default_rng(0)
    words = [f"w{number}" for number in range(600)]
    rows = [
        (" ".join([*draw.choice(words[4 * label : 4 * label + 8], 2), *draw.choice(words, 4)]), f"label {label}")
        for label in draw.integers(140, size=1200).tolist()
    ]
    train = rows[:900]
    valid = rows[900:]
    weights = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True)
    learned = LinearSVC().fit(weights.fit_transform([text for text, _ in train]), [label for _, label in train])
    right = learned.predict(weights.transform([text for text, _ in valid])) == [label for _, label in valid]
    found = compare({"train": table(train), "valid": table(valid)})["valid"]["tfidf"]
    assert found["accuracy"] == pytest.approx(right.mean(), abs=0.005)
    assert found["accuracy"] > 0.3  # of 140 labels


def test_of_very_many_labels_fewer_rows_and_terms_are_looked_at(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_WORK", 50_000)
    monkeypatch.setattr(baselines, "MAX_WEIGHTS", 120 * 300)
    rows = [(f"word{number % 120} of {number}", str(number % 120)) for number in range(1200)]
    chosen = baselines._learn([text for text, _ in rows], np.array([label for _, label in rows], object))
    assert len(chosen[0].vocabulary_) == 300
    assert compare({"train": table(rows), "valid": table(rows)})["valid"]["tfidf"]["accuracy"] > 0.8


def test_with_more_labels_than_can_be_learned_only_the_most_frequent_one_is_told(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_LABELS", 100)
    rows = [(f"text {number}", str(number % 101)) for number in range(303)]
    assert set(compare({"train": table(rows), "valid": table(rows)})["valid"]) == {"most_frequent_label"}


def test_beside_a_model_each_method_has_its_scores_and_how_far_the_model_is_above_them():
    draw = np.random.default_rng(0)
    labels = np.array(["con", "pro"], object)
    label_ids = draw.integers(2, size=400)
    predicted = np.where(draw.random(400) < 0.9, label_ids, 1 - label_ids)
    scored = ScoredSet(np.eye(2)[predicted], label_ids, np.ones(400), ["con", "pro"], Decision())
    tfidf = labels[np.where(draw.random(400) < 0.7, label_ids, 1 - label_ids)]
    found = compare_with_model(scored, SimpleAnswers(most_frequent_label=labels[predicted], tfidf=tfidf))
    right = tfidf == labels[label_ids]
    assert found["tfidf"]["accuracy"] == pytest.approx(right.mean())
    difference = found["tfidf"]["difference"]["accuracy"]
    assert difference["difference"] == pytest.approx(scored.right.mean() - right.mean())
    assert 0 < difference["low"] < difference["difference"] < difference["high"]
    same = found["most_frequent_label"]["difference"]
    assert same["macro_f1"]["difference"] == 0.0
    assert -0.02 < same["macro_f1"]["low"] < 0 < same["macro_f1"]["high"] < 0.02
    assert compare_with_model(scored, None) == {}
