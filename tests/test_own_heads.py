"""The scripts with a head and a loss of our own: resumed, in several processes, trained further, scored and asked."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ended, processes, script

OPTIONS = (
    "--head", "mlp", "--class_weight", "pro=3", "--loss", "focal", "--batch_size", "7", "--adam_epsilon", "1e-4",
    "--seed", "1", "--learning_rate", "3e-3", "--scheduler", "constant", "--warmup_ratio", "0", "--device", "cpu",
    "--precision", "fp32", "--head_dropout",
)  # fmt: skip


def fine_tune(data, model, output, *options) -> list:
    return ["main.py", "--data_dir", data, "--model", model, "--output_dir", output, *OPTIONS, *options]


def weights(output) -> dict[str, torch.Tensor]:
    return load_file(output / "bert_classifier" / "model.safetensors")


@pytest.fixture
def trained(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path / "whole", "0.2", "--epochs", "2"))
    return tmp_path / "whole"


def test_a_run_that_is_resumed_has_the_same_weights_and_every_script_takes_its_model(
    trained, reviews, english_bert, tmp_path
):
    begun = script(*fine_tune(reviews, english_bert, tmp_path / "resumed", "0.2", "--epochs", "1")).stdout
    assert "loss       focal, gamma 2; a row weighs as its label: con 1, pro 3\n" in begun
    script("main.py", "--output_dir", tmp_path / "resumed", "--epochs", "2", "--resume")
    expected, resumed = weights(trained), weights(tmp_path / "resumed")
    assert expected.keys() == resumed.keys()
    assert "pooling_head.hidden.0.weight" in expected
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    changed = script("main.py", "--output_dir", tmp_path / "resumed", "--head", "cls", "--resume", status=2).stderr
    assert changed == "error: --head cls: the run to resume has mlp\n"
    model_dir = trained / "bert_classifier"
    run = json.loads((model_dir / "run.json").read_text())
    assert run["head"] == {"pooling": "mean", "layers": 1, "dropout": 0.2}
    assert run["options"]["class_weight"] == {"pro": 3.0}
    said = script("test_code.py", "--model_dir", model_dir, "--data_dir", reviews, "--explain_rows", "2").stdout
    assert "without explanations" not in said
    text = ("--text", "the food was superb", "--no-calibrated")
    answer = json.loads(script("infer.py", "--model_dir", model_dir, *text).stdout)
    assert answer["prob_con"] + answer["prob_pro"] == pytest.approx(1)
    further = script(*fine_tune(reviews, model_dir, tmp_path / "further", "0", "--epochs", "1")).stdout
    assert "are new" not in further


def test_two_processes_learn_the_same_and_score_the_test_file_with_it(reviews, english_bert, tmp_path):
    options = ("0", "--dropout", "0", "--epochs", "2", "--test_file", reviews / "testset.csv")
    script(*fine_tune(reviews, english_bert, tmp_path / "one", *options))
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *options)) as started:
        assert ended(started) == [(0, "")] * 2
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-5) for name in one)
    losses = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("one", "two")]
    assert losses[0]["train_loss"] == pytest.approx(losses[1]["train_loss"], abs=1e-5)
    scores = [json.loads((tmp_path / name / "test" / "metrics.json").read_text()) for name in ("one", "two")]
    assert scores[0]["confusion_matrix"] == scores[1]["confusion_matrix"]
