"""Rows with several labels, by the scripts as a user runs them."""

import csv
import json
from pathlib import Path

import pytest
from transformers import pipeline

from tests.conftest import ended, processes, script
from toolkit.runs.run_json import read_run

TOPICS = {"food": ["food", "soup"], "place": ["room", "bed", "place"], "thing": ["phone", "lamp", "chair"]}
TONES = {"praise": ["good", "great", "nice"], "blame": ["bad", "awful", "dirty"]}
ON_CPU = ["--device", "cpu", "--precision", "fp32"]
KILLED = """
import os
import utils
predict_logits, evaluations = utils.predict_logits, []

def patched(*given):
    evaluations.append(1)
    if len(evaluations) == 2:
        os._exit(9)
    return predict_logits(*given)

utils.predict_logits = patched
"""
LABELS = ["blame", "food", "place", "praise", "thing"]


def rows() -> list[tuple[str, list[str]]]:
    """Return texts of topics and tones, some of which have none or both, with the labels that say which."""
    made = []
    for topic, nouns in TOPICS.items():
        for noun in nouns:
            for tone, words in TONES.items():
                made += [(f"the {noun} was {word}", [topic, tone]) for word in words]
            made += [(f"{noun} and {noun}", [topic]), (f"very {noun} good but bad", [topic, "praise", "blame"])]
    made += [(text, []) for text in ("we was they", "he was it", "the the the", "she and he", "was it not")]
    return [made[(i * 29) % len(made)] for i in range(len(made))]


@pytest.fixture
def topics(tmp_path) -> Path:
    """A data folder of such rows, with a semicolon between the labels: 45 training, 12 validation, 12 test rows."""
    folder = tmp_path / "topics"
    folder.mkdir()
    made = rows()
    for name, part in (("trainset", made[:45]), ("validset", made[45:57]), ("testset", made[57:])):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("text", "label"), *((text, ";".join(labels)) for text, labels in part)])
    texts = [{"id": number, "text": text} for number, (text, _) in enumerate(made)]
    (folder / "unlabelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    return folder


@pytest.fixture
def command(topics, english_bert) -> list:
    rates = ["--learning_rate", "3e-3", "--batch_size", "8", *ON_CPU]
    return ["--data_dir", topics, "--model", english_bert, "--epochs", "5", "--multi_label", *rates]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def table(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_is_trained_scored_and_asked_for_predictions_that_agree(command, topics, tmp_path):
    output = tmp_path / "out"
    trained = script("main.py", *command, "--output_dir", output, "--test_file", topics / "testset.csv").stdout
    model = output / "bert_classifier"
    run = read(model / "run.json")
    assert run["labels"] == LABELS
    assert run["columns"] == {"text": "text", "text_pair": None, "label": "label", "label_separator": ";"}
    assert list(run["metrics"]["thresholds"]) == LABELS
    assert "positive_label" not in run
    assert read(model / "config.json")["problem_type"] == "multi_label_classification"
    assert "micro f1" in trained
    assert set(run["baselines"]["valid"]) == {"most_frequent_set", "tfidf"}
    assert "| loss | micro F1 | macro F1 |" in (model / "README.md").read_text(encoding="utf-8")
    scores = read(output / "test" / "metrics.json")
    assert scores["micro_f1"] > scores["baselines"]["most_frequent_set"]["micro_f1"] + 0.2
    assert "What is missed and what is added" in (output / "test" / "report.html").read_text(encoding="utf-8")
    script("test_code.py", "--model_dir", model, "--data_dir", topics, "--output_dir", tmp_path / "again", *ON_CPU)
    again = read(tmp_path / "again" / "test" / "metrics.json")
    assert [again[name] for name in ("micro_f1", "loss", "per_label")] == [
        scores[name] for name in ("micro_f1", "loss", "per_label")
    ]

    script("infer.py", "--model_dir", model, "--data_dir", topics, "--no-calibrated", *ON_CPU)
    lines = (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    predicted = {row["text"]: row for row in map(json.loads, lines)}
    truth = dict(rows())
    classify = pipeline("text-classification", model=str(model), top_k=None)
    texts = list(truth)[:20]
    for text, entries in zip(texts, classify(texts), strict=True):
        of_pipeline = {entry["label"]: entry["score"] for entry in entries}
        ours = {label: predicted[text][f"prob_{label}"] for label in LABELS}
        assert of_pipeline == pytest.approx(ours, abs=1e-5)

    scored = {row["text"]: row for row in table(output / "test" / "predictions.csv")}
    for text, row in scored.items():
        assert row["prediction"] == ";".join(predicted[text]["prediction"])
        assert (row["correct"] == "yes") == (set(predicted[text]["prediction"]) == set(truth[text]))


def test_columns_of_labels_and_another_separator_give_the_same_run(command, topics, tmp_path):
    of_columns = tmp_path / "columns"
    of_columns.mkdir()
    for name in ("trainset", "validset"):
        read_rows = table(topics / f"{name}.csv")
        with (of_columns / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(["text", *LABELS])
            for row in read_rows:
                csv.writer(stream).writerow([row["text"], *(int(name in row["label"].split(";")) for name in LABELS)])
    words = ["--epochs", "1", "--output_dir"]
    script("main.py", *command, *words, tmp_path / "one")
    options = ["--label_columns", *LABELS, "--label_separator", " + "]
    script("main.py", *command, *words, tmp_path / "two", "--data_dir", of_columns, *options)
    runs = [read_run(tmp_path / name / "bert_classifier") for name in ("one", "two")]
    assert runs[0].metrics["valid_loss"] == runs[1].metrics["valid_loss"]
    assert runs[1].columns.label_columns == tuple(LABELS)
    models = [tmp_path / name / "bert_classifier" for name in ("one", "two")]
    text = "the bed was bad and the food was good"
    words = ["--model_dir", models[1], "--threshold", "0"]
    said = script("infer.py", *words, "--input_file", "-", input=f"{text}\n").stdout
    assert said.split("\t")[1] == " + ".join(LABELS)
    assert json.loads(script("infer.py", *words, "--text", text).stdout)["prediction"] == LABELS
    check_unsure_rows(models[0], topics / "unlabelled.jsonl", tmp_path / "unsure.jsonl")
    mean = ["--model_dir", *models, "--data_dir", topics, "--output_dir", tmp_path / "mean"]
    script("test_code.py", *mean)
    assert read(tmp_path / "mean" / "test" / "metrics.json")["loss"] > 0
    said = script("test_code.py", "--model_dir", models[0], "--data_dir", topics, "--compare", tmp_path / "mean").stdout
    assert f"against {tmp_path / 'mean'}: micro f1 +0.0000" in said  # both models of the mean are this one
    assert "McNemar p = 1: 0 rows right in this run only" in said
    assert '<section id="comparison">' in (tmp_path / "one" / "test" / "report.html").read_text(encoding="utf-8")


def test_labels_that_are_likely_wrong_are_listed_with_those_that_would_be_right(command, topics, tmp_path):
    pytest.importorskip("cleanlab")
    lines = table(topics / "trainset.csv")
    planted = {lines[number]["text"] for number in (3, 11)}
    for line in lines:
        if line["text"] in planted:
            line["label"] = ""
    with (topics / "trainset.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *((line["text"], line["label"]) for line in lines)])
    words = ["--find_label_errors", "--folds", "3", "--epochs", "8", "--output_dir", tmp_path / "out"]
    said = script("main.py", *command, *words).stdout
    found = table(tmp_path / "out" / "label_errors.csv")
    assert list(found[0]) == [
        "text", "label", "suggested_label", *(f"prob_{label}" for label in LABELS), "label_quality", "file", "line",
    ]  # fmt: skip
    assert planted & {row["text"] for row in found}
    for row in found:
        assert set(row["label"].split(";")) != set(row["suggested_label"].split(";"))
    assert f"line {found[0]['line']}" in said


def check_unsure_rows(model: Path, rows: Path, output: Path) -> None:
    """Check that rows come in the order of the probability of their predicted set, and are empty where it is below."""
    words = ["infer.py", "--model_dir", model, "--input_file", rows, "--output_file", output]
    done = script(*words, "--abstain_unknown", "0.05", status=2)
    assert done.stderr == "error: --abstain_unknown does not support several labels a row yet; leave it out\n"
    script(*words, "--rank", "uncertain", "--abstain_below", "0.2", *ON_CPU)
    thresholds = read_run(model).metrics["thresholds"]
    repeats = 0
    before = 0.0
    for row in map(json.loads, output.read_text(encoding="utf-8").splitlines()):
        chance = 1.0
        for label, threshold in thresholds.items():
            probability = row[f"prob_{label}"]
            chance *= probability if probability >= threshold else 1 - probability
        assert row["uncertain"] == (chance < 0.2)
        assert (row["prediction"] is None) == row["uncertain"]
        repeats += chance < before - 1e-9  # from here on the rows nearly equal earlier ones, or training rows
        before = chance
    assert repeats == 1


def test_a_run_that_was_killed_is_resumed_to_the_same_scores_and_thresholds(command, tmp_path):
    options = ["--epochs", "3", "--pooling", "own", "--head_start", "random"]
    script("main.py", *command, *options, "--output_dir", tmp_path / "whole")
    script("main.py", *command, *options, "--output_dir", tmp_path / "killed", before=KILLED, status=9)
    resumed = script("main.py", "--output_dir", tmp_path / "killed", "--resume")
    assert "of them done" in resumed.stdout
    whole, killed = (read_run(tmp_path / name / "bert_classifier").metrics for name in ("whole", "killed"))
    assert {**whole, "train_seconds": 0} == {**killed, "train_seconds": 0}


def test_two_processes_train_and_predict_what_one_does(command, topics, tmp_path):
    words = ["--dropout", "0", "--epochs", "2"]
    script("main.py", *command, *words, "--output_dir", tmp_path / "one")
    with processes(2, "main.py", *command, *words, "--output_dir", tmp_path / "two") as run:
        assert [status for status, _ in ended(run)] == [0, 0]
    metrics = [read_run(tmp_path / name / "bert_classifier").metrics for name in ("one", "two")]
    assert metrics[0]["valid_loss"] == pytest.approx(metrics[1]["valid_loss"], abs=1e-4)


def test_the_best_of_several_seeds_is_kept_with_the_scores_of_all(command, topics, tmp_path):
    words = ["--epochs", "1", "--seeds", "2", "--test_file", topics / "testset.csv", "--output_dir", tmp_path / "out"]
    said = script("main.py", *command, *words).stdout
    seeds = read(tmp_path / "out" / "seeds.json")
    assert set(seeds["mean"]) == {"micro_f1", "macro_f1", "test_micro_f1", "test_macro_f1"}
    assert "test micro f1" in said
