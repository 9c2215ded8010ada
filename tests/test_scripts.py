"""The three scripts, run as a user runs them: real processes, real files, real exit statuses."""

import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn import metrics as sk
from transformers import AutoModelForSequenceClassification, pipeline

from tests.conftest import ROOT, WORDS, script, started, wait_for
from toolkit.layers.int8 import can_int8

needs_int8 = pytest.mark.skipif(not can_int8(), reason="this torch or processor has no such products")
FAST = ("--learning_rate", "3e-3", "--batch_size", "8", "--epochs", "3", "--seed", "1", "--device", "cpu")


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """Where the runs that several tests look at are kept."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def trained(runs, reviews, english_bert) -> Path:
    """The run directory of a tiny English model in fp32, made once."""
    output = runs / "trained"
    if not output.exists():
        script(
            "main.py",
            "--data_dir",
            reviews,
            "--model",
            english_bert,
            "--output_dir",
            output,
            "--precision",
            "fp32",
            *FAST,
        )
    return output


def infer(output: Path, *options, **kwargs) -> subprocess.CompletedProcess:
    return script("infer.py", "--model_dir", output / "bert_classifier", "--device", "cpu", *options, **kwargs)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- main.py ----------------------------------------------------------------------------------------------------------


def test_a_run_leaves_what_the_readme_promises(trained):
    assert names(trained) >= {"bert_classifier", "checkpoint", "metrics.jsonl", "train.log", "curves.png"}
    assert names(trained / "bert_classifier") >= {
        "model.safetensors",
        "config.json",
        "run.json",
        "README.md",
        "tokenizer.json",
    }
    assert not [path for path in trained.rglob("*") if path.suffix in {".bin", ".pt", ".pkl", ".new", ".old"}]
    evaluations = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in evaluations] == [1.0, 2.0, 3.0]
    assert [entry["step"] for entry in evaluations] == [8, 16, 24]
    run = json.loads((trained / "bert_classifier" / "run.json").read_text())
    assert run["labels"] == ["con", "pro"]
    assert run["metrics"] == max(evaluations, key=lambda entry: (entry["accuracy"], -entry["step"]))
    assert run["data"]["train"]["rows"] == 60
    assert run["train_seconds"] > 0 < run["real_tokens_per_second"]
    assert 0 <= run["padding_share"] < 0.3
    assert run["options"]["seed"] == 1
    assert "60 rows = 60 used + 0 rejected" in (trained / "train.log").read_text()
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")
    config = json.loads((trained / "bert_classifier" / "config.json").read_text())
    assert config["id2label"] == {"0": "con", "1": "pro"}


def test_a_model_is_trained_further_with_longer_texts(reviews, english_bert, tmp_path):
    words = ["--data_dir", reviews, "--output_dir", tmp_path, *FAST, "--epochs", "1"]
    script("main.py", *words, "--model", english_bert, "--max_length", "6")
    own = tmp_path / "bert_classifier"
    classify = pipeline("text-classification", model=str(own), device="cpu")
    assert classify.preprocess("very good " * 9, truncation=True)["input_ids"].shape == (1, 6)
    script("main.py", *words, "--model", own, "--max_length", "64", "--check_data")
    line = script("main.py", *words, "--model", own, "--max_length", "65", "--check_data", status=2).stderr
    assert line == "error: --max_length 65: this model takes at most 64 tokens\n"


def test_a_finished_run_is_not_overwritten_unless_asked_to(trained, reviews, english_bert, tmp_path):
    output = shutil.copytree(trained, tmp_path / "output")
    before = (output / "bert_classifier" / "model.safetensors").read_bytes()
    options = ("--data_dir", reviews, "--model", english_bert, "--output_dir", output, "--precision", "fp32", *FAST)
    refused = script("main.py", *options, status=2)
    assert refused.stderr.startswith("error: ")
    assert "--overwrite" in refused.stderr
    script("main.py", *options, "--overwrite", "--epochs", "1")
    assert (output / "bert_classifier" / "model.safetensors").read_bytes() != before


def test_the_same_options_give_the_same_weights(trained, reviews, english_bert, tmp_path):
    options = (
        "--data_dir",
        reviews,
        "--model",
        english_bert,
        "--output_dir",
        tmp_path / "again",
        "--precision",
        "fp32",
    )
    script("main.py", *options, *FAST)
    first, second = (
        load_file(folder / "bert_classifier" / "model.safetensors") for folder in (trained, tmp_path / "again")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_killed_run_goes_on_and_ends_in_the_same_weights(reviews, english_bert, tmp_path):
    options = ("--data_dir", reviews, "--model", english_bert, "--save_steps", "3", *FAST, "--epochs", "40")
    script("main.py", *options, "--output_dir", tmp_path / "whole")
    state = tmp_path / "killed" / "checkpoint" / "state.json"
    with started("main.py", *options, "--output_dir", tmp_path / "killed") as process:
        wait_for(process, lambda: state.exists() and json.loads(state.read_text())["progress"]["step"] > 20)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    resumed = script("main.py", "--output_dir", tmp_path / "killed", "--resume")
    assert "of them done" in resumed.stdout
    for name in ("bert_classifier/model.safetensors", "checkpoint/state-320.safetensors"):
        whole, killed = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
        assert all(torch.equal(whole[key], killed[key]) for key in whole), name

    def scores(run: str) -> list[dict]:
        entries = [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        return [{k: v for k, v in entry.items() if k != "train_seconds"} for entry in entries]

    assert scores("whole") == scores("killed")
    differing = script("main.py", "--output_dir", tmp_path / "killed", "--resume", "--batch_size", "9", status=2)
    assert differing.stderr == "error: --batch_size 9: the run to resume has 8\n"


def test_one_command_begins_a_run_and_goes_on_with_it(reviews, english_bert, tmp_path):
    options = ("--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path, "--resume", *FAST)
    state = tmp_path / "checkpoint" / "state.json"
    with started("main.py", *options) as process:
        wait_for(process, state.exists)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert json.loads(state.read_text())["options"]["seed"] == 1
    done = script("main.py", "--output_dir", tmp_path, "--resume")  # its options are known from the first moment
    assert "step 24 " in done.stdout
    assert "so a new one begins" not in done.stdout


def test_checking_the_data_writes_nothing(reviews, english_bert, tmp_path):
    done = script(
        "main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out", "--check_data"
    )
    assert "60 rows = 60 used + 0 rejected" in done.stdout
    counts = pd.read_csv(reviews / "trainset.csv")["label"].value_counts()
    assert f"con {counts['con']}, pro {counts['pro']}" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch_size", "0"], "--batch_size"),
        (["--epochs", "0"], "--epochs"),
        (["--learning_rate", "inf"], "--learning_rate"),
        (["--lerning_rate", "1"], "did you mean --learning_rate?"),
        (["--train_file", "no/such.csv"], "no/such.csv"),
        (["--text_column", "review"], "no column 'review', only 'text', 'label'"),
        (["--max_length", "65"], "at most 64 tokens"),
        (["--positive_label", "maybe"], "con, pro"),
        (["--device", "cuda:7"], "cuda:7"),
        (["--truncation", "only_second"], "pairs"),
    ],
)
def test_a_mistake_is_one_line_a_file_and_leaves_nothing(reviews, english_bert, tmp_path, options, message):
    given = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out"]
    done = script("main.py", *given, *options, status=2)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())
    assert not (tmp_path / "out").exists()


def test_bad_rows_are_listed_or_left_out_and_every_row_is_accounted_for(reviews, english_bert, tmp_path):
    with (reviews / "trainset.csv").open("a", encoding="utf-8") as stream:
        stream.write(",pro\nthe soup was good,\nthe bed was bad,con,con\n")
    options = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out", *FAST]
    stopped = script("main.py", *options, status=2)
    path = reviews / "trainset.csv"
    assert stopped.stderr.splitlines() == [
        f"error: {path}, line 62: text is empty",
        f"error: {path}, line 63: label is empty",
        f"error: {path}, line 64: 3 fields where the header has 2",
        f"error: {path}: 3 of 63 rows cannot be used (--on_bad_rows skip leaves them out)",
    ]
    assert not (tmp_path / "out").exists()
    done = script("main.py", *options, "--on_bad_rows", "skip", "--epochs", "1")
    assert "63 rows = 60 used + 3 rejected" in done.stdout
    rejected = pd.read_csv(tmp_path / "out" / "rejected_rows.csv")
    assert rejected["line"].tolist() == [62, 63, 64]
    assert rejected["reason"].tolist()[1] == "label is empty"


def test_leaked_rows_are_found_before_training_and_left_out_if_asked(reviews, english_bert, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(reviews, data)
    train, valid, test = (pd.read_csv(data / f"{name}.csv") for name in ("trainset", "validset", "testset"))
    valid.loc[len(valid)] = train.loc[3]
    test.loc[len(test)] = [train.loc[5, "text"].upper(), train.loc[5, "label"]]
    valid.to_csv(data / "validset.csv", index=False)
    test.to_csv(data / "testset.csv", index=False)
    clean = ~train["text"].isin(train.loc[[3, 5], "text"])
    command = ["main.py", "--data_dir", data, "--model", english_bert, "--device", "cpu"]
    told = script(*command, "--check_data").stdout
    assert "also found in trainset.csv" in told
    assert f"trainset.csv, line 5 ({train.loc[3, 'label']})" in told
    told = script(*command, "--output_dir", tmp_path / "out", "--drop_leaked", "--epochs", "1").stdout
    assert f"{(~clean).sum()} rows of trainset.csv left out" in told
    run = json.loads((tmp_path / "out" / "bert_classifier" / "run.json").read_text())
    assert run["data"]["train"]["rows"] == clean.sum()
    kinds = {finding["kind"] for finding in run["findings"]}
    assert "leak" not in kinds
    assert all(finding["what"] and finding["advice"] for finding in run["findings"])


def test_without_a_validation_file_rows_are_held_out(reviews, english_bert, tmp_path):
    options = ["--train_file", reviews / "trainset.csv", "--test_file", reviews / "testset.csv", "--valid_ratio", "0.2"]
    done = script("main.py", *options, "--model", english_bert, "--output_dir", tmp_path / "out", *FAST)
    assert "12 rows of these held out" in done.stdout
    run = json.loads((tmp_path / "out" / "bert_classifier" / "run.json").read_text())
    assert (run["data"]["train"]["rows"], run["data"]["valid"]["rows"]) == (48, 12)
    assert json.loads((tmp_path / "out" / "test" / "metrics.json").read_text())["rows"] == 20


def test_evaluations_saves_and_early_stopping_come_when_they_should(reviews, english_bert, tmp_path):
    options = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out", *FAST]
    options += [
        "--epochs",
        "50",
        "--eval_steps",
        "5",
        "--early_stopping",
        "3",
        "--metric",
        "loss",
        "--scheduler",
        "constant",
    ]
    script("main.py", *options)
    history = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history][:4] == [5, 8, 10, 15]
    losses = [entry["valid_loss"] for entry in history]
    best = losses.index(min(losses))
    assert len(losses) == best + 4 < 100
    run = json.loads((tmp_path / "out" / "bert_classifier" / "run.json").read_text())
    assert run["metrics"]["valid_loss"] == min(losses)


def test_memory_can_be_saved_without_changing_the_result(reviews, english_bert, tmp_path):
    weights = []
    for name, more in (("all", []), ("few", ["--micro_batch_size", "3"])):
        options = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / name, "--dropout", "0"]
        script("main.py", *options, "--precision", "fp32", "--adam_epsilon", "1e-4", *FAST, "--epochs", "1", *more)
        weights.append(load_file(tmp_path / name / "bert_classifier" / "model.safetensors"))
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], atol=1e-4, rtol=1e-3)


def test_the_english_model_refuses_chinese_text_and_names_a_model():
    refused = script(
        "main.py", "--data_dir", "data/zh", "--model", "all-MiniLM-L6-v2", "--output_dir", "nowhere", status=2
    )
    assert re.search(r"\d\d% of the characters are unknown .* --model hfl/chinese-bert-wwm", refused.stderr)
    assert not (ROOT / "nowhere").exists()


def english_sentences(screen: str) -> list[str]:
    """Return the runs of three English words or more on a screen, but for options with their values, and paths."""
    words = re.sub(r"--\w+(=| )\S+|python \w+\.py|\S*[/\\]\S+", "", screen)
    return re.findall(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}", words)


def test_chinese_text_goes_through_all_three_scripts(chinese_bert, tmp_path):
    options = ["--data_dir", "data/zh", "--device", "cpu"]
    chinese = {"environment": {"LC_ALL": "zh_CN.UTF-8"}}
    trained = script("main.py", *options, "--model", chinese_bert, "--output_dir", tmp_path, "--epochs", "1", **chinese)
    model = ["--model_dir", tmp_path / "bert_classifier"]
    scored = script("test_code.py", *options, *model, "--output_dir", tmp_path, **chinese)
    assert "差评" in scored.stdout
    inferred = script("infer.py", *options, *model, "--output_file", tmp_path / "p.csv", "--language", "zh")
    for shown in (trained, scored, inferred):
        assert not english_sentences(shown.stdout + shown.stderr)
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == trained.stdout
    assert '<html lang="zh-Hans"' in (tmp_path / "test" / "report.html").read_text(encoding="utf-8")
    refused = script("infer.py", *options, *model, "--output_file", tmp_path / "p.csv", "--language", "zh", status=2)
    assert re.match("错误：.*已存在", refused.stderr)
    predictions = pd.read_csv(tmp_path / "p.csv")
    assert list(predictions.columns) == ["id", "text", "category", "prediction", "prob_好评", "prob_差评"]
    assert predictions["text"].tolist() == pd.read_csv(ROOT / "data/zh/unlabelled.csv")["text"].tolist()


def test_pairs_go_through_all_three_scripts_and_a_model_without_token_types(distilbert, tmp_path):
    rows = [("the food was good", "the soup was great", "same"), ("the bed was bad", "the lamp was nice", "other")] * 12
    pd.DataFrame(rows, columns=["text", "text_pair", "label"]).to_json(
        tmp_path / "rows.jsonl", orient="records", lines=True
    )
    script(
        "main.py", "--train_file", tmp_path / "rows.jsonl", "--model", distilbert, "--output_dir", tmp_path / "o", *FAST
    )
    model = ["--model_dir", tmp_path / "o" / "bert_classifier"]
    script("test_code.py", "--test_file", tmp_path / "rows.jsonl", *model, "--output_dir", tmp_path / "o")
    metrics = json.loads((tmp_path / "o" / "test" / "metrics.json").read_text())
    assert metrics["rows"] == 24
    answer = json.loads(script("infer.py", *model, "--text", rows[0][0], "--text_pair", rows[0][1]).stdout)
    assert answer["text_pair"] == rows[0][1]
    assert "--text_pair" in script("infer.py", *model, "--text", "the bed", status=2).stderr


# -- test_code.py -----------------------------------------------------------------------------------------------------


def test_the_scores_are_scikit_learn_s_of_the_written_predictions(trained, reviews, tmp_path):
    model = ["--model_dir", trained / "bert_classifier", "--data_dir", reviews, "--output_dir", tmp_path]
    script("test_code.py", *model, "--precision", "fp32", "--device", "cpu")
    written = pd.read_csv(tmp_path / "test" / "predictions.csv")
    metrics = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert metrics["rows"] == len(written) == 20
    assert metrics["accuracy"] == sk.accuracy_score(written["label"], written["prediction"])
    assert metrics["macro_f1"] == pytest.approx(sk.f1_score(written["label"], written["prediction"], average="macro"))
    assert metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(written["label"] == "pro", written["prob_pro"]))
    source = pd.read_csv(reviews / "testset.csv")
    assert written.sort_values("line")["text"].tolist() == source["text"].tolist()
    assert written.sort_values("line")["line"].tolist() == list(range(2, 22))


def test_the_rows_that_are_wrong_come_first_most_confident_first(trained, tmp_path):
    rows = [f"the {thing} was {word}" for thing in ("food", "bed", "lamp") for word in ("good", "bad", "awful", "nice")]
    pd.DataFrame({"text": rows, "label": ["pro", "con", "pro", "con"] * 3}).to_csv(tmp_path / "t.csv", index=False)
    model = ["--model_dir", trained / "bert_classifier", "--output_dir", tmp_path]
    script("test_code.py", *model, "--test_file", tmp_path / "t.csv", "--device", "cpu")
    written = pd.read_csv(tmp_path / "test" / "predictions.csv")
    wrong = written["label"] != written["prediction"]
    assert (written["correct"] == "no").tolist() == wrong.tolist()
    count = wrong.sum()
    assert 0 < count < 12
    assert wrong[:count].all()
    confidence = written[["prob_con", "prob_pro"]].max(axis=1)[:count].tolist()
    assert confidence == sorted(confidence, reverse=True)
    assert written["line"][count:].tolist() == sorted(written["line"][count:])


def test_unseen_labels_in_the_test_set_are_listed(trained, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nthe food,pro\nthe bed,maybe\n")
    options = ["--model_dir", trained / "bert_classifier", "--test_file", tmp_path / "t.csv", "--on_bad_rows", "stop"]
    done = script("test_code.py", *options, status=2)
    assert "'maybe' (line 3)" in done.stderr


def test_labels_are_renamed_alike_in_training_and_scoring(reviews, english_bert, tmp_path):
    for name, spelled in (("train", {"pro": "1", "con": "0"}), ("test", {"pro": "1.0", "con": "0.0"})):
        lines = (reviews / f"{name}set.csv").read_text().splitlines()[1:]
        rows = [line.rsplit(",", 1) for line in lines]
        text = "".join(f"{text},{spelled[label]}\n" for text, label in rows)
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{text}" + "the soup was nice,2\n" * (name == "test"))
    (tmp_path / "names.json").write_text('{"0": "差评", "1": "好评"}', encoding="utf-8")
    output = tmp_path / "out"
    given = ["--train_file", tmp_path / "train.csv", "--model", english_bert, "--output_dir", output, *FAST]
    script("main.py", *given, "--map_labels", tmp_path / "names.json")
    run = json.loads((output / "bert_classifier" / "run.json").read_text(encoding="utf-8"))
    assert run["labels"] == ["好评", "差评"]
    assert run["options"]["map_labels"] == {"0": "差评", "1": "好评"}
    scored = ["--model_dir", output / "bert_classifier", "--test_file", tmp_path / "test.csv", "--device", "cpu"]
    done = script("test_code.py", *scored, "--on_bad_rows", "skip")
    assert "21 rows = 20 used + 1 rejected" in done.stdout
    assert json.loads((output / "test" / "metrics.json").read_text(encoding="utf-8"))["rows"] == 20
    rejected = (output / "test" / "rejected_rows.csv").read_text(encoding="utf-8")
    assert "22,\"label is '2', which the training data does not have\"" in rejected
    done = script("test_code.py", *scored, "--map_labels", "2=好评")
    assert "21 rows = 21 used + 0 rejected" in done.stdout


def test_a_directory_that_is_no_model_is_said_to_be_none(tmp_path):
    assert "no run.json" in script("test_code.py", "--model_dir", tmp_path, status=2).stderr
    assert "no such directory" in script("infer.py", "--model_dir", tmp_path / "x", status=2).stderr


# -- infer.py ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.01)])
def test_probabilities_are_those_of_the_transformers_pipeline(trained, reviews, tmp_path, precision, tolerance):
    options = ["--data_dir", reviews, "--precision", precision]
    infer(trained, *options, "--output_file", tmp_path / "p.csv", "--no-calibrated")
    written = pd.read_csv(tmp_path / "p.csv")
    assert list(written.columns) == ["id", "text", "prediction", "prob_con", "prob_pro"]
    classify = pipeline("text-classification", model=str(trained / "bert_classifier"), top_k=None, device="cpu")
    for row, answers in zip(written.to_dict("records"), classify(written["text"].tolist()), strict=True):
        expected = {answer["label"]: answer["score"] for answer in answers}
        assert set(expected) == {"con", "pro"}
        assert row["prob_pro"] == pytest.approx(expected["pro"], abs=tolerance)
        assert row["prob_con"] + row["prob_pro"] == pytest.approx(1, abs=1e-8)
        assert row["prediction"] == ("pro" if row["prob_pro"] > row["prob_con"] else "con")
    infer(trained, *options, "--output_file", tmp_path / "calibrated.csv")
    calibrated = pd.read_csv(tmp_path / "calibrated.csv")
    temperature = json.loads((trained / "bert_classifier" / "run.json").read_text())["metrics"]["temperature"]
    odds = [np.log(frame["prob_pro"] / frame["prob_con"]) for frame in (written, calibrated)]
    np.testing.assert_allclose(odds[0] / temperature, odds[1], atol=1e-5)
    assert calibrated["prediction"].equals(written["prediction"])


def test_a_model_whose_weights_are_in_several_files_is_scored_compared_and_used(trained, reviews, tmp_path):
    divided = shutil.copytree(trained / "bert_classifier", tmp_path / "bert_classifier")
    model = AutoModelForSequenceClassification.from_pretrained(divided)
    (divided / "model.safetensors").unlink()
    model.save_pretrained(divided, max_shard_size="30KB")
    assert not (divided / "model.safetensors").exists()
    scores = []
    for folder in (trained / "bert_classifier", divided):
        output = tmp_path / f"scores of {len(scores)}"
        words = [
            "--model_dir",
            folder,
            "--test_file",
            reviews / "testset.csv",
            "--output_dir",
            output,
            *("--device", "cpu"),
        ]
        script("test_code.py", *words, *(["--compare", tmp_path / "scores of 0" / "test"] if scores else []))
        scores.append(json.loads((output / "test" / "metrics.json").read_text()))
    assert scores[0]["accuracy"] == scores[1]["accuracy"]
    assert scores[0]["model"]["sha256"] != scores[1]["model"]["sha256"]
    assert scores[1]["comparison"]["accuracy"]["difference"] == 0
    script("test_code.py", *words, "--compare", tmp_path / "scores of 1" / "test")
    script(
        "infer.py",
        "--model_dir",
        divided,
        "--data_dir",
        reviews,
        "--output_file",
        tmp_path / "p.csv",
        "--device",
        "cpu",
    )


def test_scores_and_predictions_of_the_same_rows_agree_exactly(trained, reviews, tmp_path):
    model = ["--model_dir", trained / "bert_classifier", "--output_dir", tmp_path, "--device", "cpu"]
    script("test_code.py", *model, "--test_file", reviews / "testset.csv")
    infer(trained, "--input_file", reviews / "testset.csv", "--output_file", tmp_path / "p.csv")
    scored = pd.read_csv(tmp_path / "test" / "predictions.csv").sort_values("line").reset_index(drop=True)
    inferred = pd.read_csv(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(scored[inferred.columns], inferred)


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "csv.gz", "txt", "parquet"])
def test_every_format_is_written_as_it_was_read(trained, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    texts = ['the "good" food', "the bed, and the lamp", "=1+1 the soup", "the room was not nice 😀 好"]
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "text": texts, "note": ["a", "b", "NA", "d"]})
    separator = {"csv": ",", "csv.gz": ",", "tsv": "\t"}.get(ending)
    path, answers = tmp_path / f"rows.{ending}", tmp_path / f"p.{ending}"
    if separator:
        frame.to_csv(path, index=False, sep=separator)
    elif ending == "txt":
        path.write_text("\n".join(texts), encoding="utf-8")
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=ending == "jsonl", force_ascii=False)
    infer(trained, "--input_file", path, "--output_file", answers)
    if separator:
        found = pd.read_csv(answers, sep=separator, keep_default_na=False)
    elif ending == "txt":
        found = pd.read_csv(answers, sep="\t", names=["text", "prediction", "prob_con", "prob_pro"], quoting=3)
    elif ending == "parquet":
        found = pd.read_parquet(answers)
    else:
        found = pd.read_json(answers, lines=ending == "jsonl")
    given = ["text"] if ending == "txt" else ["id", "text", "note"]
    assert list(found.columns) == [*given, "prediction", "prob_con", "prob_pro"]
    assert found["text"].tolist() == texts
    if "note" in given:
        assert found[["id", "note"]].values.tolist() == frame[["id", "note"]].values.tolist()
    np.testing.assert_allclose(found["prob_con"] + found["prob_pro"], 1, atol=1e-8)


def test_a_pipe_is_answered_line_by_line(trained):
    done = infer(trained, "--input_file", "-", input="the food was good\nthe bed was bad\n")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["the food was good", "the bed was bad"]
    for text, prediction, con, pro in lines:
        alone = json.loads(infer(trained, "--text", text, "--precision", "fp32").stdout)
        assert prediction == max(("con", "pro"), key=lambda label: float({"con": con, "pro": pro}[label]))
        assert float(pro) == pytest.approx(alone["prob_pro"], abs=0.01)
    done = infer(
        trained, "--input_file", "-", "--input_format", "jsonl", input='{"text": "the bed was bad", "n": [1]}\n'
    )
    answer = json.loads(done.stdout)
    assert answer["n"] == [1]
    assert str(answer["prob_con"])[:6] == lines[1][2][:6]


def test_one_text_is_answered_in_json(trained):
    answer = json.loads(infer(trained, "--text", "@the food was good").stdout)
    assert answer["text"] == "@the food was good"
    assert list(answer) == ["text", "prediction", "prob_con", "prob_pro"]


def test_bad_rows_of_the_input_stop_it_before_anything_is_written_or_are_left_out_or_kept(trained, tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\n1,the food\n2,\n3,the bed,x\n4,the lamp\n")
    options = ["--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "p.csv"]
    stopped = infer(trained, *options, "--on_bad_rows", "stop", status=2)
    assert "line 3: text is empty" in stopped.stderr
    assert names(tmp_path) == {"rows.csv"}
    done = infer(trained, *options, "--on_bad_rows", "skip")
    assert "4 rows = 2 predicted + 2 rejected" in done.stderr
    assert pd.read_csv(tmp_path / "p.csv")["id"].tolist() == [1, 4]
    assert pd.read_csv(tmp_path / "p.rejected_rows.csv")["line"].tolist() == [3, 4]
    kept = infer(trained, *options, "--overwrite")
    assert "4 rows = 2 predicted + 2 without a prediction" in kept.stderr
    found = pd.read_csv(tmp_path / "p.csv")
    assert found["id"].tolist() == [1, 2, 3, 4]
    assert found["prediction"].isna().tolist() == found["prob_pro"].isna().tolist() == [False, True, True, False]
    assert pd.read_csv(tmp_path / "p.rejected_rows.csv")["line"].tolist() == [3, 4]


def test_a_test_file_with_bad_rows_is_scored_without_them(trained, reviews, tmp_path):
    lines = (reviews / "testset.csv").read_text().splitlines()
    bad = ["the food was good,maybe", ",pro", "the bed was bad,con,x", "text,label"]
    (tmp_path / "t.csv").write_text("\n".join([*lines[:5], *bad, *lines[5:]]) + "\n")
    options = ["--model_dir", trained / "bert_classifier", "--output_dir", tmp_path, "--device", "cpu"]
    done = script("test_code.py", *options, "--test_file", tmp_path / "t.csv")
    assert "24 rows = 20 used + 4 rejected" in done.stdout
    assert "left out: line 6: label is 'maybe', which the training data does not have" in done.stdout
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert scores["rows"] == 20
    assert pd.read_csv(tmp_path / "test" / "rejected_rows.csv")["line"].tolist() == [6, 7, 8, 9]
    script("test_code.py", *options, "--test_file", reviews / "testset.csv")
    clean = json.loads((tmp_path / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert {name: clean[name] for name in ("accuracy", "macro_f1", "loss")} == {
        name: scores[name] for name in ("accuracy", "macro_f1", "loss")
    }
    stopped = script("test_code.py", *options, "--test_file", tmp_path / "t.csv", "--on_bad_rows", "stop", status=2)
    assert "line 7: text is empty" in stopped.stderr


def test_the_list_of_left_out_rows_belongs_to_one_output_and_is_never_the_input(trained, tmp_path):
    (tmp_path / "jan.csv").write_text('text\nthe food\n""\n')
    (tmp_path / "feb.csv").write_text("text\nthe food\n")
    for month, ending in (("jan", "csv"), ("feb", "csv"), ("feb", "jsonl")):
        output = tmp_path / f"preds.{month}.{ending}"
        infer(trained, "--input_file", tmp_path / f"{month}.csv", "--output_file", output, "--on_bad_rows", "skip")
    assert pd.read_csv(tmp_path / "preds.jan.rejected_rows.csv")["line"].tolist() == [3]
    rows = shutil.copy(tmp_path / "feb.csv", tmp_path / "p.rejected_rows.csv")
    refused = infer(trained, "--input_file", rows, "--output_file", tmp_path / "p.csv", status=2)
    assert "p.rejected_rows.csv is the input file" in refused.stderr
    refused = infer(trained, "--input_file", tmp_path / "feb.csv", "--output_file", rows, status=2)
    assert "are reserved for lists of rejected rows" in refused.stderr


def test_an_output_that_is_there_is_not_overwritten_unless_asked_to(trained, reviews, tmp_path):
    (tmp_path / "p.csv").write_text("mine")
    options = ["--data_dir", reviews, "--output_file", tmp_path / "p.csv"]
    assert "--overwrite" in infer(trained, *options, status=2).stderr
    assert (tmp_path / "p.csv").read_text() == "mine"
    infer(trained, *options, "--overwrite")
    assert len(pd.read_csv(tmp_path / "p.csv")) == 100
    same = ["--input_file", tmp_path / "p.csv", "--output_file", tmp_path / "p.csv", "--overwrite"]
    assert "is the input file" in infer(trained, *same, status=2).stderr


def test_a_column_that_the_output_needs_is_not_lost(trained, tmp_path):
    (tmp_path / "rows.csv").write_text("text,prediction\nthe food,mine\n")
    options = ["--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "p.csv"]
    assert "already has the column 'prediction'" in infer(trained, *options, status=2).stderr


def test_a_killed_inference_goes_on_where_it_was_and_writes_the_same_bytes(trained, tmp_path):
    draw = np.random.default_rng(0)
    plain = [word for word in WORDS if word.isalpha()]
    texts = [" ".join(draw.choice(plain, size)) for size in draw.integers(1, 12, 13_000)]
    with gzip.open(tmp_path / "rows.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write("text\n" + "\n".join(texts) + "\n")
    options = ["--input_file", tmp_path / "rows.csv.gz", "--model_dir", trained / "bert_classifier", "--device", "cpu"]
    script("infer.py", *options, "--output_file", tmp_path / "whole" / "p.csv.gz")
    output = tmp_path / "killed" / "p.csv.gz"
    second = output.parent / "p.csv.gz.parts" / "0000001"
    with started("infer.py", *options, "--output_file", output) as process:
        wait_for(process, second.exists)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not output.exists()
    done = script("infer.py", *options, "--output_file", output)
    assert re.search(r"13,000 predicted \((8,192|12,288) of them by an earlier run\)", done.stderr)
    assert output.read_bytes() == (tmp_path / "whole" / "p.csv.gz").read_bytes()
    assert names(output.parent) == {"p.csv.gz"}


@needs_int8
def test_both_scripts_predict_in_int8_and_say_how_many_labels_stay(trained, reviews, tmp_path):
    how = ["--precision", "int8", "--min_agreement", "0.01"]
    source, rows = reviews / "testset.csv", len(pd.read_csv(reviews / "testset.csv"))
    told = infer(trained, *how, "--input_file", source, "--output_file", tmp_path / "int8.csv").stderr
    assert f"of {rows:,} compared rows keep the label of fp32" in told
    infer(trained, "--precision", "fp32", "--input_file", source, "--output_file", tmp_path / "fp32.csv")
    found, expected = (pd.read_csv(tmp_path / name).filter(like="prob_") for name in ("int8.csv", "fp32.csv"))
    assert not found.equals(expected)
    np.testing.assert_allclose(found, expected, atol=0.1)
    model = ["--model_dir", trained / "bert_classifier", "--device", "cpu"]
    told = script("test_code.py", *model, *how, "--test_file", source, "--output_dir", tmp_path).stdout
    assert "cpu in int8" in told
    assert "compared rows keep the label of fp32" in told


@needs_int8
@pytest.mark.parametrize("options", [["--text", "good"], ["--input_file", "-"]])
def test_without_rows_to_compare_int8_has_to_be_asked_for(trained, options):
    told = infer(trained, "--precision", "int8", *options, status=2).stderr
    assert told.count("\n") == 1
    assert "--min_agreement 0" in told
    told = infer(trained, "--precision", "int8", "--min_agreement", "0", *options, input="good\n")
    assert "good" in told.stdout
    assert "compared" not in told.stderr


def test_no_row_at_all_is_said_or_written_as_no_row(trained, tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\n")
    infer(trained, "--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "id,text,prediction,prob_con,prob_pro\n"


def test_the_likeliest_labels_are_written_instead_of_all(trained):
    text = ("--text", "the food was good")
    full = json.loads(infer(trained, *text).stdout)
    answer = json.loads(infer(trained, *text, "--top_k", "1").stdout)
    assert answer == {
        "text": text[1], "prediction": full["prediction"], "top1_label": full["prediction"],
        "top1_prob": max(full["prob_con"], full["prob_pro"]),
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the streams")
def test_scripts_whose_streams_are_closed_do_their_work(trained, reviews, english_bert, tmp_path):
    model = ["--model_dir", trained / "bert_classifier"]
    (tmp_path / "rows.csv").write_text("text\nthe food was good\n")
    training = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "run", *FAST]
    for command in (
        ["main.py", *training, "--epochs", "1"],
        ["test_code.py", *model, "--data_dir", reviews, "--output_dir", tmp_path / "scores"],
        ["infer.py", *model, "--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "p.csv"],
    ):
        words = shlex.join(map(str, [sys.executable, *command]))
        subprocess.run(f"exec {words} <&- >&- 2>&-", shell=True, cwd=ROOT, check=True)
    assert "epoch 1" in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "scores" / "test" / "metrics.json").read_text())["rows"] == 20
    assert (tmp_path / "p.csv").read_text().startswith("text,prediction,")


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is a POSIX matter")
def test_a_reader_that_leaves_early_is_no_error_of_ours(trained):
    command = (
        f"yes 'the food was good' | head -3000 | {sys.executable} infer.py --model_dir {trained / 'bert_classifier'}"
    )
    done = subprocess.run(
        f"{command} --input_file - | head -2", shell=True, cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_excel_gets_cells_that_it_will_not_run(trained, tmp_path):
    (tmp_path / "rows.csv").write_text('text\n"=HYPERLINK(""x"")"\nthe food\n')
    infer(trained, "--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "p.csv", "--excel_safe")
    found = pd.read_csv(tmp_path / "p.csv", encoding="utf-8-sig")
    assert found["text"].tolist() == ['\'=HYPERLINK("x")', "the food"]


# -- the embedded model -----------------------------------------------------------------------------------------------


def test_the_embedded_model_learns_the_sample_data_without_a_hub(tmp_path):
    train = pd.read_csv(ROOT / "data" / "trainset.csv").head(240)
    train.to_csv(tmp_path / "train.csv", index=False)
    script("main.py", "--train_file", tmp_path / "train.csv", "--output_dir", tmp_path / "o", "--epochs", "2",
           "--learning_rate", "2e-4", "--max_length", "64", "--valid_ratio", "0.25")  # fmt: skip
    history = [json.loads(line) for line in (tmp_path / "o" / "metrics.jsonl").read_text().splitlines()]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert max(entry["accuracy"] for entry in history) > 0.6


# -- what a review found ----------------------------------------------------------------------------------------------


def test_a_folder_of_the_user_s_own_is_left_alone(reviews, english_bert, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.py").write_text("mine")
    script("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path, *FAST, "--epochs", "1")
    assert (tmp_path / "test" / "mine.py").read_text() == "mine"
    (tmp_path / "other" / "bert_classifier").mkdir(parents=True)
    (tmp_path / "other" / "bert_classifier" / "notes.txt").write_text("mine")
    done = script("main.py", "--data_dir", reviews, "--output_dir", tmp_path / "other", "--overwrite", status=2)
    assert "in the way" in done.stderr


def test_a_model_whose_saving_was_cut_short_is_found_again(trained, tmp_path):
    output = shutil.copytree(trained, tmp_path / "output")
    (output / "bert_classifier").rename(output / ".bert_classifier.old")
    text = ("--text", "the food was good")
    assert infer(output, *text).stdout == infer(trained, *text).stdout


def test_a_run_that_diverges_says_so_and_keeps_no_model(reviews, english_bert, tmp_path):
    options = ["--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out", "--precision", "fp32"]
    wild = ["--learning_rate", "1e30", "--max_grad_norm", "0", "--epochs", "1", "--device", "cpu"]
    assert "diverged" in script("main.py", *options, *wild, status=2).stderr
    assert not (tmp_path / "out" / "bert_classifier").exists()


def test_problems_of_all_files_are_told_together(reviews, english_bert, tmp_path):
    for name in ("trainset", "validset"):
        with (reviews / f"{name}.csv").open("a", encoding="utf-8") as stream:
            stream.write("no label,\n")
    done = script("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "out", status=2)
    assert [Path(line.split(",")[0]).name for line in done.stderr.splitlines()] == ["trainset.csv", "validset.csv"]


@pytest.mark.parametrize(
    "damaged", ["bert_classifier/model.safetensors", "bert_classifier/run.json", "checkpoint/state.json"]
)
def test_a_damaged_file_is_one_line(trained, tmp_path, damaged):
    output = shutil.copytree(trained, tmp_path / "output")
    data = (output / damaged).read_bytes()
    (output / damaged).write_bytes(data[: len(data) // 2])
    if damaged.startswith("checkpoint"):
        done = script("main.py", "--output_dir", output, "--resume", status=2)
    else:
        done = infer(output, "--text", "the food", status=2)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_pipe_to_a_file_keeps_every_column_and_lists_what_it_leaves_out(trained, tmp_path):
    rows = '{"text": "the food"}\n{"text": ""}\n{"text": "the bed", "note": "kept"}\n'
    options = [
        "--input_file",
        "-",
        "--input_format",
        "jsonl",
        "--output_file",
        tmp_path / "p.csv",
        "--on_bad_rows",
        "skip",
    ]
    done = infer(trained, *options, input=rows)
    assert "standard input: 3 rows = 2 predicted + 1 rejected" in done.stderr
    found = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert list(found.columns) == ["text", "note", "prediction", "prob_con", "prob_pro"]
    assert found["note"].tolist() == ["", "kept"]
    rejected = pd.read_csv(tmp_path / "p.rejected_rows.csv")
    assert (rejected["file"][0], rejected["line"][0], rejected["row"][0]) == ("standard input", 2, '{"text": ""}')


def test_an_empty_pipe_gives_no_rows(trained):
    done = infer(trained, "--input_file", "-", input="")
    assert done.stdout == ""
    assert "0 rows = 0 predicted + 0 rejected" in done.stderr


def test_a_terminal_that_lacks_the_characters_does_not_end_a_run(trained):
    done = infer(trained, "--text", "the food 好 😀", environment={"PYTHONIOENCODING": "cp1252"})
    assert json.loads(done.stdout)["text"] == "the food 好 😀"


def test_a_threshold_goes_from_the_run_to_the_scores_and_predictions_and_can_be_given(
    reviews, english_bert, trained, tmp_path
):
    how = ("--threshold", "auto", "--metric", "f1", "--precision", "fp32", *FAST)
    script("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / "o", *how)
    run = json.loads((tmp_path / "o" / "bert_classifier" / "run.json").read_text())
    chosen = run["metrics"]["threshold"]
    assert 0 < chosen < 1
    plain = json.loads((trained / "bert_classifier" / "run.json").read_text())
    assert run["metrics"]["f1"] >= plain["metrics"]["f1"]
    assert (
        "is predicted where its calibrated probability"
        in (tmp_path / "o" / "bert_classifier" / "README.md").read_text()
    )
    for given, threshold in (((), chosen), (("--threshold", "0.9"), 0.9), (("--threshold", "0.1"), 0.1)):
        model = ("--model_dir", tmp_path / "o" / "bert_classifier", "--device", "cpu", "--precision", "fp32")
        script("test_code.py", *model, "--data_dir", reviews, *given)
        scores = json.loads((tmp_path / "o" / "test" / "metrics.json").read_text())
        rows = pd.read_csv(tmp_path / "o" / "test" / "predictions.csv")
        assert scores["threshold"] == threshold
        assert ((rows["prob_pro"] >= threshold) == (rows["prediction"] == "pro")).all()
        assert scores["accuracy"] == pytest.approx((rows["prediction"] == rows["label"]).mean())
        assert ((rows["prediction"] == rows["label"]) == (rows["correct"] == "yes")).all()
        again = ("--input_file", reviews / "testset.csv", "--output_file", tmp_path / "p.csv", "--overwrite")
        script("infer.py", *model, *again, "--no-calibrated", *given)
        written = pd.read_csv(tmp_path / "p.csv").sort_values("text")["prediction"].tolist()
        assert written == rows.sort_values("text")["prediction"].tolist()
