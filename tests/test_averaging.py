"""The mean of several models: by infer.py and test_code.py, against what transformers.pipeline gives for each."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk
from transformers import pipeline

import infer
import test_code
import utils
from tests.conftest import WORDS, processes, run_facts
from toolkit.base.errors import UserError
from toolkit.cli.options import inference_options, scoring_options
from toolkit.runs.run_json import read_run

LABELS = ["x", "y", "z"]
PLAIN = ["--precision", "fp32", "--device", "cpu", "--min_agreement", "0"]


def saved(folder, pretrained, labels, length: int, **metrics):
    """Save a model with a random head for these labels."""
    torch.manual_seed(length)
    new = utils.new_classifier(str(pretrained), labels, None)
    with torch.no_grad():
        for name, weight in new.model.named_parameters():
            if "classifier" in name:
                weight.normal_(0, 0.5)
    new.tokenizer.model_max_length = length
    scores = {"accuracy": 0.5, "macro_f1": 0.5, "valid_loss": 1.0, "mcc": 0.1} | metrics
    data = {"train": {"file": "gone.csv", "rows": 9}, "valid": {"file": "gone.csv", "rows": 3}}
    run = run_facts(labels=labels, positive_label=labels[1], max_length=length, metrics=scores, data=data)
    utils.save_model(folder, new.model, new.tokenizer, run)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory, english_bert, distilbert):
    """Three models of two kinds whose labels stand in other orders and whose texts are cut at other lengths."""
    folder = tmp_path_factory.mktemp("models")
    return [
        saved(folder / "a" / "bert_classifier", english_bert, LABELS, 32, temperature=2.0),
        saved(folder / "b" / "bert_classifier", distilbert, ["z", "x", "y"], 12, temperature=0.5),
        saved(folder / "c" / "bert_classifier", english_bert, ["y", "z", "x"], 64, temperature=1.3),
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A labelled file of texts of 1 to 40 words."""
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(30):
            writer.writerow([" ".join(draw.choice(WORDS, 1 + (number * 7) % 40)), LABELS[draw.integers(3)]])
    return path


def by_transformers(models, texts, calibrated: bool = True) -> np.ndarray:
    """Return the mean of the probabilities (N, 3) of some models, each of which is asked by transformers alone."""
    means = np.zeros((len(texts), len(LABELS)))
    for model in models:
        temperature = read_run(model).metrics["temperature"] if calibrated else 1.0
        classify = pipeline("text-classification", str(model), top_k=None, device="cpu", function_to_apply="none")
        for row, entries in enumerate(classify(texts, truncation=True)):
            logits = {entry["label"]: entry["score"] / temperature for entry in entries}
            powers = np.exp([logits[label] for label in LABELS])
            means[row] += powers / powers.sum() / len(models)
    return means


def inferred(tmp_path, models, rows, *words) -> pd.DataFrame:
    output = tmp_path / "out.csv"
    options = ["--model_dir", *models, "--input_file", rows, "--output_file", output, "--overwrite", *PLAIN, *words]
    infer.main(inference_options(list(map(str, options))))
    return pd.read_csv(output)


def scored(tmp_path, models, rows, *words) -> dict:
    options = ["--model_dir", *models, "--test_file", rows, "--output_dir", tmp_path, *PLAIN, *words]
    test_code.main(scoring_options(list(map(str, options))))
    return json.loads((tmp_path / "test" / "metrics.json").read_text(encoding="utf-8"))


def probabilities(frame: pd.DataFrame) -> np.ndarray:
    return frame[[f"prob_{label}" for label in LABELS]].to_numpy()


@pytest.mark.parametrize("words", [[], ["--no-calibrated"]], ids=["calibrated", "not"])
def test_infer_writes_the_mean_of_what_transformers_gives_for_each_model(tmp_path, models, rows, words):
    frame = inferred(tmp_path, models, rows, *words)
    wanted = by_transformers(models, frame["text"].tolist(), calibrated=not words)
    assert np.abs(probabilities(frame) - wanted).max() < 1e-5
    assert frame["prediction"].tolist() == [LABELS[number] for number in wanted.argmax(axis=1)]


def test_a_score_and_the_written_predictions_are_those_of_the_same_mean(tmp_path, models, rows, capsys):
    frame = inferred(tmp_path, models, rows)
    scores = scored(tmp_path, models, rows)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(frame["label"], frame["prediction"]))
    truth = [LABELS.index(label) for label in frame["label"]]
    assert scores["loss"] == pytest.approx(sk.log_loss(truth, probabilities(frame), labels=[0, 1, 2]), rel=1e-6)
    by_line = pd.read_csv(tmp_path / "test" / "predictions.csv").sort_values("line")
    assert by_line["prediction"].tolist() == frame["prediction"].tolist()
    assert np.abs(probabilities(by_line) - probabilities(frame)).max() < 1e-8
    said = capsys.readouterr().out
    assert f"model      the mean of {models[0]}, {models[1]}, {models[2]}, from x, on cpu in fp32" in said
    assert "without explanations: words are marked for one model, and this is the mean of several" in said


def test_metrics_json_and_the_report_name_all_models(tmp_path, models, rows):
    scores = scored(tmp_path, models, rows)
    entries = [scores["model"], *scores["model"]["averaged_with"]]
    assert [entry["directory"] for entry in entries] == list(map(str, models))
    assert len({entry["sha256"] for entry in entries}) == 3
    page = (tmp_path / "test" / "report.html").read_text(encoding="utf-8")
    assert all(str(model) in page for model in models)
    assert "this is the mean of several" in page


def test_another_run_can_be_compared_with_the_mean(tmp_path, models, rows):
    scored(tmp_path / "mean", models, rows)
    comparison = scored(tmp_path / "one", models[:1], rows, "--compare", tmp_path / "mean")["comparison"]
    assert comparison["rows"] == 30
    page = scored(tmp_path / "mean", models, rows, "--compare", tmp_path / "one")["comparison"]
    assert page["only_ours_right"] == comparison["only_theirs_right"]


def test_one_text_is_answered_by_the_mean_too(models, capsys):
    words = ["--model_dir", *map(str, models), "--text", "the food was good", *PLAIN]
    infer.main(inference_options(words))
    answer = json.loads(capsys.readouterr().out)
    wanted = by_transformers(models, ["the food was good"])[0]
    assert [answer[f"prob_{label}"] for label in LABELS] == pytest.approx(wanted.tolist(), abs=1e-5)


# -- two labels and a threshold ---------------------------------------------------------------------------------------


@pytest.fixture
def pair_of_models(tmp_path, english_bert, distilbert):
    return [
        saved(tmp_path / "a", english_bert, ["con", "pro"], 32, temperature=1.5, threshold=0.3),
        saved(tmp_path / "b", distilbert, ["con", "pro"], 32, temperature=0.7, threshold=0.6),
    ]


def test_a_threshold_by_hand_is_compared_with_the_mean_probability(tmp_path, pair_of_models, rows):
    chance = inferred(tmp_path, pair_of_models, rows)["prob_pro"]
    middle = float(chance.median())
    frame = inferred(tmp_path, pair_of_models, rows, "--threshold", f"{middle:.4f}")
    assert frame["prediction"].tolist() == ["pro" if each >= round(middle, 4) else "con" for each in chance]
    assert frame["prediction"].nunique() == 2


def test_thresholds_of_the_models_are_used_only_if_they_agree(tmp_path, pair_of_models, rows, capsys):
    frame = inferred(tmp_path, pair_of_models, rows)
    assert "thresholds or biases differ and are not used" in capsys.readouterr().err
    assert frame["prediction"].tolist() == ["pro" if each > 0.5 else "con" for each in frame["prob_pro"]]
    first = read_run(pair_of_models[0])
    same = replace(first, metrics=first.metrics | {"threshold": 0.6})
    utils.describe_model(pair_of_models[0], same)
    frame = inferred(tmp_path, pair_of_models, rows)
    assert "not used" not in capsys.readouterr().err
    assert frame["prediction"].tolist() == ["pro" if each >= 0.6 else "con" for each in frame["prob_pro"]]


def test_a_threshold_needs_one_label_that_it_is_for(tmp_path, pair_of_models, rows):
    utils.describe_model(pair_of_models[1], replace(read_run(pair_of_models[1]), positive_label="con"))
    with pytest.raises(UserError, match=r"the models differ in which label it is for \('pro' and 'con'\)"):
        inferred(tmp_path, pair_of_models, rows, "--threshold", "0.4")


# -- going on, and what is refused ------------------------------------------------------------------------------------


class _Stopped(Exception):
    """The process was killed."""


def test_a_killed_inference_goes_on_with_the_same_models_only(tmp_path, models, rows, monkeypatch, capsys):
    monkeypatch.setattr(infer, "WINDOW", 8)
    whole = inferred(tmp_path, models, rows)
    predict = utils.Ensemble.predict
    windows = []

    def predict_two(ensemble, frame, *rest):
        if len(windows) == 2:
            raise _Stopped
        windows.append(len(frame))
        return predict(ensemble, frame, *rest)

    for others, by_earlier_run in (
        (models, "(16 of them by an earlier run)"),
        ([models[0], models[2]], "30 predicted"),
    ):
        windows.clear()
        monkeypatch.setattr(utils.Ensemble, "predict", predict_two)
        with pytest.raises(_Stopped):
            inferred(tmp_path, models, rows)
        monkeypatch.setattr(utils.Ensemble, "predict", predict)
        capsys.readouterr()
        frame = inferred(tmp_path, others, rows)
        error = capsys.readouterr().err
        assert by_earlier_run in error
        assert ("earlier run" in error) == (others is models)
        assert frame.equals(whole) == (others is models)


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        (test_code, ["--test_file"], "--model_dir names 3 models; --output_dir says where their common scores go"),
        (infer, ["--input_file"], "--model_dir names 3 models; --output_file says where their common predictions go"),
        (infer, ["--merge", "m", "--input_file"], "--merge writes one model; --model_dir names several"),
    ],
)
def test_common_results_need_a_place_of_their_own(models, rows, script, words, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script", "--model_dir", *map(str, models), *words, str(rows)])
    with pytest.raises(UserError, match=f"^{message}$"):
        infer.prepare(script.read_options())


def test_processes_write_the_same_bytes_as_one(tmp_path, models, rows):
    inferred(tmp_path, models, rows)
    words = ["--model_dir", *models, "--input_file", rows, "--output_file", tmp_path / "two.csv", *PLAIN]
    with processes(2, "infer.py", *words) as started:
        assert [process.wait() for process in started] == [0, 0]
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
