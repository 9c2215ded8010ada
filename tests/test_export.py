"""infer.py --export onnx by the real scripts."""

import json
import shutil

from tests.conftest import needs_onnx, script

TRAINING = ("--epochs", "1", "--learning_rate", "3e-3", "--device", "cpu", "--precision", "fp32")


@needs_onnx
def test_what_is_written_is_compared_with_the_model_and_told(exported):
    onnx = exported.folder / "output" / "bert_classifier" / "onnx"
    assert f"{onnx / 'model.onnx'}: " in exported.said
    assert "60 of 60 rows keep the label" in exported.said
    assert "in int8; " in exported.said
    assert "its logits are divided by the temperature 1.7" in exported.said
    assert sorted(path.name for path in onnx.iterdir()) == ["export.json", "model.onnx", "model_quantized.onnx"]


@needs_onnx
def test_without_rows_to_compare_nothing_is_written(exported, tmp_path):
    written = exported.folder / "output" / "bert_classifier"
    model_dir = shutil.copytree(written, tmp_path / "model", ignore=shutil.ignore_patterns("onnx"))
    run = json.loads((model_dir / "run.json").read_text(encoding="utf-8"))
    run["data"]["train"]["file"] = str(tmp_path / "elsewhere.csv")
    (model_dir / "run.json").write_text(json.dumps(run), encoding="utf-8")
    refused = script("infer.py", "--model_dir", model_dir, "--export", "onnx", status=2).stderr
    assert "the training file is gone or has changed: name a file with --input_file" in refused
    assert not (model_dir / "onnx").exists()


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
