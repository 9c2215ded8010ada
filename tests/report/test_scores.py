"""What is written and printed of a scored test set: the order of the rows, the table on the screen, the history."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from wcwidth import wcswidth

from tests.conftest import run_facts
from toolkit.base.errors import UserError
from toolkit.base.languages import LANGUAGES
from toolkit.data.tables import Table
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.files.columns import Columns
from toolkit.models.model_files import ModelFiles
from toolkit.report.scores import ScoredRun, read_history, score_lines, write_scores
from toolkit.report.texts import SCREEN

LABELS = ["好评", "b"]


@pytest.fixture
def scored_run(tmp_path) -> ScoredRun:
    """Six rows, of which those on lines 3, 5 and 6 are wrong."""
    logits = np.array([[1, 0], [0, 1], [0, 3], [0, 2], [0, 1], [2, 0]], np.float32)
    label_ids = np.array([0, 0, 1, 0, 0, 0])
    records = [{"id": str(i), "text": f"text {i}", "label": LABELS[label]} for i, label in enumerate(label_ids)]
    frame = pd.DataFrame(records, dtype=object)[["text", "label"]]
    frame.index = pd.Index(range(2, 8), name="line")
    model_dir = tmp_path / "bert_classifier"
    model_dir.mkdir()
    (model_dir / "model.safetensors").touch()
    (model_dir / "run.json").write_text("{}")
    table = Table(Path("t.csv"), frame, [], records, Columns(), "0")
    scored = ScoredSet(logits, label_ids, np.full(6, 5), LABELS, Decision(1.0, 1.0, 1, None))
    return ScoredRun(scored, table, run_facts(labels=LABELS), ModelFiles.in_directory(model_dir), None, None)


def test_scores_of_a_model_that_was_replaced_meanwhile_are_not_written(scored_run, tmp_path):
    (scored_run.model_dir / "model.safetensors").write_bytes(b"another")
    with pytest.raises(UserError, match="the model was replaced while it was read; start again"):
        write_scores(tmp_path / "test", scored_run)
    assert not (tmp_path / "test").exists()


def test_predictions_begin_with_the_most_confident_errors_and_go_on_in_the_order_of_the_file(scored_run, tmp_path):
    write_scores(tmp_path / "test", scored_run)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "test" / "predictions.csv").read_text(encoding="utf-8"))))
    assert [(row["line"], row["correct"]) for row in rows] == [
        ("5", "no"), ("3", "no"), ("6", "no"), ("2", "yes"), ("4", "yes"), ("7", "yes"),
    ]  # fmt: skip
    assert list(rows[0]) == ["id", "text", "label", "prediction", "prob_好评", "prob_b", "correct", "line"]
    assert all((row["prediction"] == row["label"]) == (row["correct"] == "yes") for row in rows)
    assert [int(row["id"]) + 2 for row in rows] == [int(row["line"]) for row in rows]


def test_a_page_of_other_scores_is_removed(scored_run, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "report.html").touch()
    write_scores(tmp_path / "test", scored_run)
    assert not (tmp_path / "test" / "report.html").exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_on_the_screen_is_aligned_also_under_chinese_labels(scored_run, tmp_path, language):
    scores = write_scores(tmp_path / "test", scored_run)
    lines = score_lines(scores, language=language)
    table = lines[: lines.index("")]
    assert len({wcswidth(line) for line in table}) == 1
    assert table[1].split() == ["好评", "1.0000", "0.4000", "0.5714", "5"]
    matrix = lines[lines.index(next(line for line in lines if line.startswith(SCREEN["true_as"][language]))) :][:3]
    assert len({wcswidth(line) for line in matrix}) == 1
    assert [line.split() for line in matrix[1:]] == [["好评", "2", "3"], ["b", "0", "1"]]


@pytest.mark.parametrize("label", ["a\nb", "a\tb", "a\r\nb", "a\x0bb\u2028c"])
def test_a_line_break_in_a_label_breaks_no_line_on_the_screen(scored_run, tmp_path, label):
    labels = ["好评", label]
    plain = score_lines(write_scores(tmp_path / "plain", scored_run))
    odd_run = replace(
        scored_run,
        scored=replace(scored_run.scored, labels=labels),
        run=run_facts(labels=labels),
    )
    lines = score_lines(write_scores(tmp_path / "odd", odd_run))
    assert len(lines) == len(plain)
    assert all(line.isprintable() for line in lines)
    assert len({wcswidth(line) for line in lines[: lines.index("")]}) == 1


def test_the_history_is_that_of_the_run_the_model_is_from(tmp_path):
    model_dir = tmp_path / "bert_classifier"
    model_dir.mkdir()
    assert read_history(model_dir) == []
    entries = [{"step": 1, "accuracy": 0.5}, {"step": 2, "accuracy": 0.7}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert read_history(model_dir) == []
    (model_dir / "run.json").write_text(json.dumps({"metrics": entries[1]}))
    assert read_history(model_dir) == entries
    (model_dir / "run.json").write_text(json.dumps({"metrics": {"step": 2, "accuracy": 0.8}}))
    assert read_history(model_dir) == []
    (tmp_path / "metrics.jsonl").write_text("{")
    assert read_history(model_dir) == []
