"""main.py without options: what it chooses, says and keeps, also when it is resumed or shared among processes."""

import json
import signal

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from tests.conftest import ended, processes, script, started, wait_for

MACHINE = ("--seed", "1", "--device", "cpu", "--precision", "fp32")


def fine_tune(data, model, output, *options) -> list:
    return ["main.py", "--data_dir", data, "--model", model, "--output_dir", output, *MACHINE, *options]


def weights(output) -> dict[str, torch.Tensor]:
    return load_file(output / "bert_classifier" / "model.safetensors")


def facts(output) -> dict:
    return json.loads((output / "bert_classifier" / "run.json").read_text())


def test_what_was_chosen_is_said_and_kept_and_a_resumed_run_goes_on_with_it(reviews, english_bert, tmp_path):
    whole = script(*fine_tune(reviews, english_bert, tmp_path / "whole")).stdout
    with started(*fine_tune(reviews, english_bert, tmp_path / "stopped")) as process:
        wait_for(process, lambda: (tmp_path / "stopped" / "metrics.jsonl").exists())
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 75
    resumed = script("main.py", "--output_dir", tmp_path / "stopped", "--resume").stdout

    assert "recipe     20 epochs at a learning rate of 0.0003, evaluated every epoch, stopped after 10 " in whole
    assert "its last layer begins with logistic regression on what the pretrained model makes of the rows" in whole
    assert "80 (4 an epoch)" in resumed
    run = facts(tmp_path / "whole")
    assert run["options"]["epochs"] == 20
    assert run["options"]["pooling"] in ("own", "mean")
    assert set(run["recipe"]) == {"epochs", "learning_rate", "eval_steps", "early_stopping"}
    again = facts(tmp_path / "stopped")
    assert again["recipe"] == run["recipe"]
    assert {**again["options"], "output_dir": ""} == {**run["options"], "output_dir": "", "resume": True}
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("pooling", ["auto", "own", "mean"])
def test_two_processes_begin_with_the_same_head_and_learn_the_same(pooling, reviews, english_bert, tmp_path):
    options = ("--pooling", pooling, "--dropout", "0", "--epochs", "2", "--adam_epsilon", "1e-4")
    script(*fine_tune(reviews, english_bert, tmp_path / "one", *options))
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *options)) as both:
        assert ended(both) == [(0, "")] * 2
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-4) for name in one)


def test_transformers_and_infer_read_a_model_with_a_pooling_layer_alike(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path, "--pooling", "mean", "--epochs", "2"))
    model_dir = tmp_path / "bert_classifier"
    before = AutoModelForSequenceClassification.from_pretrained(english_bert).config.num_hidden_layers

    model, told = AutoModelForSequenceClassification.from_pretrained(model_dir, output_loading_info=True)

    assert model.config.num_hidden_layers == before + 1
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    further = script(*fine_tune(reviews, model_dir, tmp_path / "further", "--epochs", "1")).stdout
    assert "one more layer" not in further  # its head is kept, and has learned to read what it reads
    other_labels = script(
        *fine_tune(reviews, model_dir, tmp_path / "other", "--epochs", "1", "--map_labels", "pro=yes")
    )
    assert facts(tmp_path / "other")["labels"] == ["con", "yes"]
    assert (
        AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "other" / "bert_classifier"
        ).config.num_hidden_layers
        == before + 1
    )
    assert "a new one is begun" in other_labels.stdout


def test_texts_that_are_too_long_keep_both_ends(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path, "--max_length", "5", "--epochs", "1"))

    assert facts(tmp_path)["truncation"] == "head_tail"
    assert facts(tmp_path)["options"]["truncation"] == "head_tail"


def test_a_part_of_the_model_is_not_trained_behind_a_layer_that_would_not_be_saved(reviews, english_bert, tmp_path):
    words = fine_tune(reviews, english_bert, tmp_path, "--pooling", "mean", "--train", "head")

    assert "--pooling mean adds a layer, of which --train head would save nothing" in script(*words, status=2).stderr
