"""main.py --teacher: what a model learns from earlier models, against transformers.pipeline and torch."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import pipeline

import utils
from tests.conftest import ended, processes, script
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import ALONE
from toolkit.runs.run_json import read_run
from toolkit.training.teachers import TEACHERS_SHARE

LABELS = ["con", "pro"]
CONSTANT = ("--learning_rate", "3e-3", "--scheduler", "constant", "--warmup_ratio", "0")
EXACT = (*CONSTANT, "--device", "cpu", "--precision", "fp32", "--dropout", "0", "--adam_epsilon", "1e-4",
         "--batch_size", "7")  # fmt: skip
UNLABELLED = ["the food was nice", "the bed was very poor", "the soup was lovely !", "we never sad"]


def fine_tune(data, model, output, *options) -> list:
    return ["main.py", "--data_dir", data, "--model", model, "--output_dir", output, *EXACT, *options]


def model_of(output):
    return output / "bert_classifier"


@pytest.fixture
def teachers(reviews, english_bert, distilbert, tmp_path) -> list:
    """Two models of different kinds, of which one calls the columns otherwise."""
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for name in ("trainset", "validset"):
        frame = pd.read_csv(reviews / f"{name}.csv").rename(columns={"text": "review", "label": "mark"})
        frame.to_csv(renamed / f"{name}.csv", index=False)
    script(*fine_tune(reviews, english_bert, tmp_path / "a", "--epochs", "1"))
    names = ("--text_column", "review", "--label_column", "mark", "--epochs", "2", "--seed", "3")
    script(*fine_tune(renamed, distilbert, tmp_path / "b", *names))
    return [model_of(tmp_path / "a"), model_of(tmp_path / "b")]


@pytest.fixture
def unlabelled(tmp_path):
    """Texts without labels, one a line."""
    path = tmp_path / "more.txt"
    path.write_text("\n".join(UNLABELLED) + "\n", encoding="utf-8")
    return path


def by_transformers(folder, texts) -> np.ndarray:
    """Return the calibrated probabilities (N, 2) of con and pro by transformers alone."""
    classify = pipeline("text-classification", str(folder), top_k=None, device="cpu", function_to_apply="none")
    temperature = read_run(folder).metrics["temperature"]
    rows = [{entry["label"]: entry["score"] for entry in entries} for entries in classify(texts, truncation=True)]
    logits = torch.tensor([[row[label] for label in LABELS] for row in rows]) / temperature
    return logits.softmax(1).numpy()


def test_the_targets_are_the_mean_of_what_transformers_gives_for_each_teacher(
    reviews, english_bert, teachers, unlabelled, tmp_path
):
    words = ("--teacher", *teachers, "--unlabelled_file", unlabelled)
    options = fine_tuning_options(list(map(str, fine_tune(reviews, english_bert, tmp_path / "c", *words)[1:])))
    data = utils.prepare_data(options, choose_machine("cpu", "fp32", ALONE), Log(None))
    frame = pd.read_csv(reviews / "trainset.csv")
    texts = [*frame["text"], *UNLABELLED]
    mean = np.mean([by_transformers(teacher, texts) for teacher in teachers], axis=0)
    wanted = mean.copy()
    for row, label in enumerate(frame["label"]):
        wanted[row] = TEACHERS_SHARE * mean[row] + (1 - TEACHERS_SHARE) * (np.array(LABELS) == label)
    assert data.train.row_count == 64
    assert data.train.targets.numpy() == pytest.approx(wanted, abs=1e-5)
    assert data.train.label_ids[60:].tolist() == mean[60:].argmax(axis=1).tolist()
    assert data.train.label_ids[:60].tolist() == [LABELS.index(label) for label in frame["label"]]


def test_a_run_with_teachers_goes_on_where_it_was_and_is_the_same_for_two_processes(
    reviews, english_bert, teachers, unlabelled, tmp_path
):
    words = ("--teacher", *teachers, "--unlabelled_file", unlabelled)
    said = script(*fine_tune(reviews, english_bert, tmp_path / "one", *words, "--epochs", "2")).stdout
    assert f"unlabelled {unlabelled}: 4 rows = 4 used + 0 rejected\n" in said
    assert f"teacher    the mean probabilities of {teachers[0]}, {teachers[1]}\n" in said
    assert "steps      20 (10 an epoch), 7 rows each\n" in said
    script(*fine_tune(reviews, english_bert, tmp_path / "resumed", *words, "--epochs", "1"))
    script("main.py", "--output_dir", tmp_path / "resumed", "--epochs", "2", "--resume")
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *words, "--epochs", "2")) as started:
        assert ended(started) == [(0, "")] * 2
    one, resumed, two = (load_file(model_of(tmp_path / n) / "model.safetensors") for n in ("one", "resumed", "two"))
    assert all(torch.equal(one[name], resumed[name]) for name in one)
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-5) for name in one)
    run = json.loads((model_of(tmp_path / "one") / "run.json").read_text())
    assert list(run["teachers"]) == list(map(str, teachers))
    assert (run["data"]["unlabelled"]["rows"], run["data"]["train"]["rows"]) == (4, 60)
    card = (model_of(tmp_path / "one") / "README.md").read_text()
    assert "the probabilities that 2 earlier models give them and 4 rows without labels" in card
    script("test_code.py", "--model_dir", model_of(tmp_path / "one"), "--data_dir", reviews, "--explain_rows", "0")


def test_a_run_is_not_resumed_with_a_teacher_that_has_changed(reviews, english_bert, teachers, tmp_path):
    words = ("--teacher", teachers[0], "--epochs", "1")
    script(*fine_tune(reviews, english_bert, tmp_path / "one", *words))
    script(*fine_tune(reviews, english_bert, tmp_path / "a", "--epochs", "1", "--seed", "9", "--overwrite"))
    done = script("main.py", "--output_dir", tmp_path / "one", "--epochs", "2", "--resume", status=2)
    assert f"the model in {teachers[0]}, a --teacher, has changed since the run began" in done.stderr


def test_what_a_teacher_cannot_be_is_said_before_anything_is_read(reviews, english_bert, tmp_path):
    output = tmp_path / "new"
    for words, message in (
        (("--teacher", tmp_path / "none"), f"--teacher {tmp_path / 'none'}: there is no such directory"),
        (("--unlabelled_file", "x.txt"), "--unlabelled_file is for --teacher, which predicts the labels of its texts"),
        (("--teacher", "x", "--loss", "focal"), "--teacher cannot be combined with --loss focal"),
        (("--teacher", "x", "--class_weight", "balanced"), "--teacher cannot be combined with --class_weight"),
    ):
        done = script(*fine_tune(reviews, english_bert, output, *words), status=2)
        assert message in done.stderr
    assert not output.exists()


def test_a_run_does_not_replace_the_model_that_it_learns_from(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path / "a", "--epochs", "1"))
    teacher = model_of(tmp_path / "a")
    before = (teacher / "model.safetensors").read_bytes()
    done = script(*fine_tune(reviews, english_bert, tmp_path / "a", "--teacher", teacher, "--overwrite"), status=2)
    assert f"--teacher {teacher} is in the --output_dir of the new run" in done.stderr
    assert (teacher / "model.safetensors").read_bytes() == before


def test_texts_without_labels_that_cannot_be_used_stop_the_run_or_are_listed(reviews, english_bert, teachers, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text('text\nthe food was nice\n""\nthe bed was bad\n', encoding="utf-8")
    words = ("--teacher", teachers[0], "--unlabelled_file", path, "--epochs", "1")
    done = script(*fine_tune(reviews, english_bert, tmp_path / "c", *words), status=2)
    assert f"error: {path}, line 3: text is empty" in done.stderr
    checked = script(*fine_tune(reviews, english_bert, tmp_path / "c", *words, "--check_data"), status=2)
    assert checked.stderr == done.stderr
    script(*fine_tune(reviews, english_bert, tmp_path / "c", *words, "--on_bad_rows", "skip"))
    assert "more.csv" in (tmp_path / "c" / "rejected_rows.csv").read_text()


def test_a_cut_vocabulary_keeps_the_tokens_of_texts_without_labels(
    reviews, english_bert, teachers, unlabelled, tmp_path, monkeypatch
):
    monkeypatch.setattr("toolkit.models.vocabulary.MOST_OF_ALPHABET", 0)  # or a small vocabulary would stay as it is
    unlabelled.write_text("always again always\n", encoding="utf-8")
    words = ("--teacher", teachers[0], "--unlabelled_file", unlabelled, "--trim_vocabulary")
    options = fine_tuning_options(list(map(str, fine_tune(reviews, english_bert, tmp_path / "c", *words)[1:])))
    data = utils.prepare_data(options, choose_machine("cpu", "fp32", ALONE), Log(None))
    tokenizer = data.main_encoder.tokenizer
    assert data.vocabulary is not None
    assert tokenizer.tokenize("always again") == ["always", "again"]
    labelled = pd.concat([table.frame for table in data.tables.values()])["text"]
    assert not labelled.str.contains("always|again").any()


def test_a_positive_label_that_no_row_has_is_told_with_the_data(reviews, english_bert, tmp_path):
    words = ("--positive_label", "good", "--check_data")
    options = fine_tuning_options(list(map(str, fine_tune(reviews, english_bert, tmp_path / "c", *words)[1:])))
    with pytest.raises(UserError, match="--positive_label good: the labels are con, pro"):
        utils.prepare_data(options, choose_machine("cpu", "fp32", ALONE), Log(None))
