"""report.html has a page for whatever was scored, with its numbers and what went wrong."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.browser import figure_at
from tests.conftest import run_facts
from toolkit.base.languages import Text
from toolkit.data.tables import Table
from toolkit.doctor.examine import leaks
from toolkit.evaluation.baselines import simple_answers
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.files.columns import Columns
from toolkit.models.model_files import ModelFiles
from toolkit.report.advice import Advice
from toolkit.report.explanations import Explanations
from toolkit.report.page import write_report
from toolkit.report.scores import ScoredRun, score_lines, write_scores
from toolkit.report.texts import PAGE


def written(
    folder: Path,
    found: ScoredSet,
    language: str = "en",
    train: Table | None = None,
    explanations: Explanations = Explanations(),  # noqa: B008 - frozen
    **run,
) -> tuple[dict, str]:
    """What metrics.json and report.html have of a scored table, whose texts are all different."""
    names = np.array(found.labels, object)[found.label_ids]
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(len(names))], "label": names}, dtype=object)
    frame.index.name = "line"
    table = Table(Path("t.csv"), frame, [], frame.to_dict("records"), Columns(), "0")
    model = folder / "bert_classifier"
    model.mkdir()
    (model / "model.safetensors").touch()
    facts = run_facts(base_model="b", labels=found.labels, **run)
    (model / "run.json").write_text(json.dumps(facts.as_json()))
    answers = simple_answers(train, {"test": table}).get("test")
    scored_run = ScoredRun(found, table, facts, ModelFiles.in_directory(model), train, answers)
    scores = write_scores(folder / "test", scored_run)
    write_report(folder / "test", scored_run, scores, explanations, language)
    assert score_lines(scores)
    return scores, (folder / "test" / "report.html").read_text(encoding="utf-8")


def drawn(rows: int, labels: int, right: float = 0.8, threshold: float | None = None) -> ScoredSet:
    draw = np.random.default_rng(0)
    label_ids = np.arange(rows) % labels
    answers = np.where(draw.random(rows) < right, label_ids, draw.integers(labels, size=rows))
    logits = (3 * np.eye(labels)[answers] + draw.random((rows, labels))).astype(np.float32)
    decision = Decision(1.5, 1.5, 1, threshold)
    return ScoredSet(logits, label_ids, np.full(rows, 5), [f"label {i}" for i in range(labels)], decision)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "found",
    [drawn(300, 25), drawn(1, 2), drawn(40, 2, right=1.0), drawn(40, 2, threshold=0.3), drawn(50, 3)],
    ids=["many labels", "one row", "no error", "threshold", "three labels"],
)
def test_whatever_was_scored_there_is_a_page_with_its_numbers(tmp_path, found, language):
    scores, page = written(tmp_path, found, language)
    for name, text in re.findall(r'data-figure="([^"]+)">([^<]+)<', page):
        value = figure_at(scores, name)
        assert text == ("–" if value is None else f"{value:.{len(text.partition('.')[2])}f}"), name
    assert page.count('<li data-cell="') >= min(len(found.label_ids), 200, max((~found.right).sum(), 1))
    assert ("</noscript>" in page) == ("thresholds" in scores) == (len(found.labels) == 2)


@pytest.mark.parametrize(
    ("language", "problem", "said"),
    [
        (
            "en",
            "no_memory",
            "No words are marked: there was too little memory to find out which ones mattered (&lt;b&gt;).",
        ),
        ("en", "failed", "No words are marked: finding out which ones mattered failed (&lt;b&gt;)."),
        ("zh", "no_memory", "没有标出起作用的词：内存不足，无法计算（&lt;b&gt;）。"),
        ("zh", "failed", "没有标出起作用的词：计算失败（&lt;b&gt;）。"),
    ],
)
def test_a_page_without_explanations_says_why(tmp_path, language, problem, said):
    _, page = written(
        tmp_path, drawn(40, 2), language, explanations=Explanations(problem=problem, reason=Text("<b>", "<b>"))
    )
    assert page.count(said) == 1
    (tmp_path / "sound").mkdir()
    _, page = written(tmp_path / "sound", drawn(40, 2), language)
    assert "unexplained" not in page


@pytest.mark.parametrize(("language", "said"), [("en", "not marked: 2."), ("zh", "有 2 行太长")])
def test_a_page_says_how_many_rows_were_too_long_to_be_explained(tmp_path, language, said):
    _, page = written(tmp_path, drawn(40, 2), language, explanations=Explanations(left_out=2))
    assert page.count(said) == 1


def test_of_many_labels_the_pairs_that_are_mixed_up_most_can_be_pressed(tmp_path):
    scores, page = written(tmp_path, drawn(2000, 25))
    pressed = re.findall(r'<button type="button" class="cell" data-cell="(\d+)-(\d+)"', page)
    matrix = np.array(scores["confusion_matrix"]) * (1 - np.eye(25, dtype=int))
    assert len(pressed) == 40
    assert min(matrix[int(i), int(j)] for i, j in pressed) >= np.sort(matrix.ravel())[-41]


def test_one_label_alone_is_no_trouble(tmp_path):
    found = drawn(30, 2)
    alone = ScoredSet(
        np.array([[2.0, 0.0]] * 30, np.float32), np.zeros(30, int), found.token_counts, found.labels, found.decision
    )
    scores, page = written(tmp_path, alone, options={"metric": "mcc"})
    assert scores["intervals"]["mcc"] is None
    assert scores["headline"]["metric"] == "accuracy"
    assert "between 0.0% and 0.0%" not in page


def test_a_training_whose_scores_are_all_perfect_can_be_drawn(tmp_path):
    score = dict.fromkeys(("accuracy", "macro_f1", "mcc"), 1.0) | dict.fromkeys(("train_loss", "valid_loss"), 0.0)
    history = [{"step": 10 * epoch, "epoch": float(epoch), **score} for epoch in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    _, page = written(tmp_path, drawn(40, 2, right=1.0), metrics=history[0])
    assert page.count('<section id="course">') == 1


def test_what_was_not_checked_is_not_called_sound_and_a_leak_is_told_once(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    found, sound, gone = drawn(30, 2), PAGE["nothing_found"].en, PAGE["not_checked"].en
    scores, page = written(tmp_path / "a", found, findings=[])
    assert scores["findings"] is None
    assert (sound in page, gone in page) == (False, True)
    frame = pd.DataFrame({"text": ["other one", "other two"], "label": ["label 0", "label 1"]}, dtype=object)
    train = Table(Path("train.csv"), frame, [], [], Columns(), "1")
    scores, page = written(tmp_path / "b", found, train=train, findings=[])
    assert scores["findings"] == []
    assert (sound in page, gone in page) == (True, False)
    leaked = replace(train, frame=frame.assign(text=["TEXT 1", "text  2"]))
    texts = pd.DataFrame({"text": [f"text {i}" for i in range(30)], "label": "x"})
    leak = leaks(leaked, Table(Path("t.csv"), texts, [], [], Columns(), ""))
    scores, page = written(tmp_path / "c", found, train=leaked, findings=[each.as_json() for each in leak])
    assert [each["kind"] for each in scores["findings"]] == ["leak"]
    assert page.count(leak[0].sentence()) == 1
    assert "6.7% of the test rows (2) are also in the training file" in page
    advice = [Advice("bad", "leaked", {"count": 2, "share": 2 / 30}), Advice("look", "not_checked", {})]
    assert [line for line in score_lines(scores, advice) if line.startswith("warning: ")] == [
        "warning: 6.7% of the test rows (2) are also in the training file, word for word or nearly"
    ]
    assert "当心：2 行测试数据（6.7%）也出现在训练文件里，或几乎相同" in score_lines(scores, advice, "zh")
