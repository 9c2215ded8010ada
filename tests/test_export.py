"""infer.py --export onnx by the real scripts, and what docs/serving.md does with it."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, needs_onnx, script

TEXTS = ["the food was good", "the room was very dirty"]
TRAINING = ("--epochs", "1", "--learning_rate", "3e-3", "--device", "cpu", "--precision", "fp32")


@pytest.fixture
def trained(reviews, english_bert, tmp_path):
    """A model directory, with a temperature that is not 1."""
    script("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path, *TRAINING)
    run = tmp_path / "bert_classifier" / "run.json"
    content = json.loads(run.read_text(encoding="utf-8"))
    content["metrics"]["temperature"] = 1.7
    run.write_text(json.dumps(content), encoding="utf-8")
    return tmp_path / "bert_classifier"


def documented() -> str:
    """Return the program of docs/serving.md."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    return re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1)


@needs_onnx
def test_the_documented_program_answers_as_infer_does_without_torch(trained, reviews, tmp_path):
    (reviews / "trainset.csv").rename(reviews / "elsewhere.csv")
    refused = script("infer.py", "--model_dir", trained, "--export", "onnx", status=2).stderr
    assert "the training file is gone or has changed: name a file with --input_file" in refused
    assert not (trained / "onnx").exists()
    (reviews / "elsewhere.csv").rename(reviews / "trainset.csv")
    said = script("infer.py", "--model_dir", trained, "--export", "onnx", "--min_agreement", "0").stderr
    assert f"{trained / 'onnx' / 'model.onnx'}: " in said
    assert "of 60 rows every one keeps its label" in said
    assert "in int8; " in said
    assert "its logits are divided by the temperature 1.7" in said
    assert sorted(path.name for path in (trained / "onnx").iterdir()) == [
        "export.json", "model.onnx", "model_quantized.onnx",
    ]  # fmt: skip
    program = documented().replace("output/bert_classifier", trained.as_posix())
    without = "import sys\nfor name in ('torch', 'transformers', 'pandas'): sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", without + program], capture_output=True, text=True, check=True)
    answers = [line.split(" ", 1) for line in done.stdout.splitlines()]
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    files = ("--input_file", tmp_path / "texts.txt", "--output_file", tmp_path / "predictions.csv")
    script("infer.py", "--model_dir", trained, *files, "--device", "cpu", "--precision", "fp32")
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert [label for label, _ in answers] == predictions["prediction"].tolist()
    chances = np.array([list(eval(row).values()) for _, row in answers])
    assert chances == pytest.approx(predictions[["prob_con", "prob_pro"]].to_numpy(), abs=1e-5)


@needs_onnx
def test_a_head_of_our_own_is_exported_with_what_other_programs_need_beside_it(reviews, english_bert, tmp_path):
    words = ("--model", english_bert, "--output_dir", tmp_path, *TRAINING, "--head", "mlp")
    script("main.py", "--data_dir", reviews, *words)
    model_dir = tmp_path / "bert_classifier"
    rows = ("--input_file", reviews / "unlabelled.csv")
    refused = script("infer.py", "--model_dir", model_dir, "--export", "onnx", "--text", "x", status=2).stderr
    assert "--export writes one model and predicts nothing; leave out --text" in refused
    script("infer.py", "--model_dir", model_dir, "--export", "onnx", *rows, "--no-calibrated", "--min_agreement", "1.0")
    config = json.loads((model_dir / "onnx" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "con", "1": "pro"}
    assert (model_dir / "onnx" / "tokenizer.json").is_file()
    facts = json.loads((model_dir / "onnx" / "export.json").read_text(encoding="utf-8"))
    assert facts["temperature"] == 1.0
    script("infer.py", "--model_dir", model_dir, *rows, "--output_file", tmp_path / "p.csv")
