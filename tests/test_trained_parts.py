"""The scripts with a model of which a part was trained: saved small, resumed, predicting in a process of its own."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ended, processes, script

FAST = ("--learning_rate", "3e-3", "--seed", "1", "--device", "cpu", "--precision", "fp32", "--scheduler", "constant",
        "--warmup_ratio", "0")  # fmt: skip


def trained_weights(output) -> dict[str, torch.Tensor]:
    return load_file(output / "bert_classifier" / "trained_weights.safetensors")


def fine_tune(data, model, output, *options) -> list:
    return ["main.py", "--data_dir", data, "--model", model, "--output_dir", output, *FAST, *options]


def trained_at_once_and_resumed(data, model, folder, *options) -> dict[str, torch.Tensor]:
    """Return what a run of two epochs in folder/one has trained, which one that is resumed after the first has too."""
    script(*fine_tune(data, model, folder / "one", *options, "--epochs", "2"))
    script(*fine_tune(data, model, folder / "resumed", *options, "--epochs", "1"))
    script("main.py", "--output_dir", folder / "resumed", "--epochs", "2", "--resume")
    one, resumed = (trained_weights(folder / name) for name in ("one", "resumed"))
    assert one.keys() == resumed.keys()
    assert all(torch.equal(one[name], resumed[name]) for name in one)
    return one


def test_a_run_that_is_resumed_and_one_of_two_processes_train_the_same_part(reviews, english_bert, tmp_path):
    options = ("--train", "top:1", "--batch_size", "7", "--dropout", "0", "--adam_epsilon", "1e-4")
    options = (*options, "--test_file", reviews / "testset.csv")
    one = trained_at_once_and_resumed(reviews, english_bert, tmp_path, *options)
    (checkpoint,) = (tmp_path / "one" / "checkpoint").glob("*.safetensors")
    moments = [name for name in load_file(checkpoint) if name.endswith(".exp_avg")]
    assert len(moments) == len(one)  # none for what is frozen
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *options, "--epochs", "2")) as started:
        assert ended(started) == [(0, "")] * 2
    two = trained_weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-5) for name in one)
    predictions = [(tmp_path / name / "test" / "predictions.csv").read_text().splitlines() for name in ("one", "two")]
    assert [len(lines) for lines in predictions] == [21, 21]


def test_the_head_alone_is_enough_for_both_scripts_and_the_whole_model_says_the_same(reviews, english_bert, tmp_path):
    before = (english_bert / "model.safetensors").read_bytes()
    options = ("--train", "head", "--epochs", "2", "--merge", tmp_path / "whole")
    said = script(*fine_tune(reviews, english_bert, tmp_path, *options)).stdout
    assert said.endswith(f"the whole model is in {tmp_path / 'whole'}\n")
    assert "trained    1,122 weights (--train head); the others stay, and draw no dropout\n" in said
    model_dir = tmp_path / "bert_classifier"
    assert (english_bert / "model.safetensors").read_bytes() == before
    assert not (model_dir / "model.safetensors").exists()
    script("test_code.py", "--model_dir", model_dir, "--data_dir", reviews, "--explain_rows", "2")
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    ask = ("--data_dir", reviews, "--device", "cpu", "--precision", "fp32")
    script("infer.py", "--model_dir", model_dir, *ask, "--output_file", tmp_path / "small.csv")
    done = script("infer.py", "--model_dir", model_dir, "--merge", tmp_path / "later")
    assert done.stderr == f"the whole model is in {tmp_path / 'later'}\n"
    wholes = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "later")]
    assert wholes[0] == wholes[1]
    script("infer.py", "--model_dir", tmp_path / "whole", *ask, "--output_file", tmp_path / "whole.csv")
    assert (tmp_path / "small.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    script("test_code.py", "--model_dir", tmp_path / "whole", "--data_dir", reviews, "--output_dir", tmp_path / "again")
    assert json.loads((tmp_path / "again" / "test" / "metrics.json").read_text())["accuracy"] == scores["accuracy"]


def test_a_whole_model_is_not_written_where_something_is_nor_where_it_is_saved_anyway(reviews, english_bert, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").touch()
    options = ("--train", "head", "--merge", tmp_path / "x")
    done = script(*fine_tune(reviews, english_bert, tmp_path / "run", *options), status=2)
    assert done.stderr == f"error: --merge {tmp_path / 'x'}: it is in the way; move it, or name another directory\n"
    done = script(*fine_tune(reviews, english_bert, tmp_path / "run", "--merge", tmp_path / "z"), status=2)
    assert "with --train all the whole model is saved anyway" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["", "bert_classifier"])
def test_a_run_does_not_replace_the_base_model_that_it_needs(reviews, english_bert, tmp_path, name):
    (tmp_path / "bert_classifier").symlink_to(english_bert)
    done = script(*fine_tune(reviews, tmp_path / name, tmp_path, "--train", "head"), status=2)
    assert "choose another --output_dir" in done.stderr


def test_lora_is_resumed_to_the_bit_and_the_same_with_two_processes_and_predicts_without_its_package(
    reviews, english_bert, tmp_path
):
    pytest.importorskip("peft")
    options = ("--train", "lora", "--lora_rank", "4", "--batch_size", "7", "--dropout", "0", "--adam_epsilon", "1e-4")
    options = (*options, "--test_file", reviews / "testset.csv")
    one = trained_at_once_and_resumed(reviews, english_bert, tmp_path, *options)
    assert "bert.encoder.layer.0.attention.self.query.lora_A.weight" in one
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *options, "--epochs", "2")) as started:
        assert ended(started) == [(0, "")] * 2
    two = trained_weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-4) for name in one)
    scores = json.loads((tmp_path / "one" / "test" / "metrics.json").read_text())
    without = "import sys; sys.modules['peft'] = None\n"
    model_dir = tmp_path / "one" / "bert_classifier"
    more = ("--data_dir", reviews, "--output_dir", tmp_path / "again", "--device", "cpu", "--precision", "fp32")
    script("test_code.py", "--model_dir", model_dir, *more, before=without)
    again = json.loads((tmp_path / "again" / "test" / "metrics.json").read_text())
    assert again["accuracy"] == scores["accuracy"] > 0.5
