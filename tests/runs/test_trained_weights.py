import os
import re
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import pipeline

import utils
from tests.conftest import run_facts
from toolkit.base.errors import UserError
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice
from toolkit.models.lora import LoraSettings
from toolkit.models.pretrained import load_classifier
from toolkit.models.trained_part import TrainedPart, freeze
from toolkit.models.trust import fingerprint_weights
from toolkit.runs.model_card import model_card
from toolkit.runs.run_json import RunFacts, TrainedFacts, read_run
from toolkit.runs.saved_model import load_saved_classifier
from toolkit.runs.trained_weights import trained_facts

LABELS = ["con", "pro", "so so"]  # one more than the head of the base model has
IDS = torch.arange(5, 25).view(2, 10)
RUN = {
    "labels": LABELS,
    "data": {"train": {"file": "a.csv", "rows": 5}, "valid": {"file": "b.csv", "rows": 2}},
    "metrics": {"valid_loss": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "mcc": 0.5, "step": 1},
}


def saved(folder, base, word: str, design: HeadDesign | None = None) -> tuple[RunFacts, torch.Tensor]:
    """Save what one may have trained of a base model, and return its facts and the logits of the whole model."""
    utils.set_seed(3)
    new = utils.new_classifier(str(base), LABELS, dropout=None, choice=HeadChoice(design=design))
    if word == "lora":
        pytest.importorskip("peft")
    part = TrainedPart.from_option(word, LoraSettings(rank=2, alpha=3))
    freeze(new.model, part)
    with torch.no_grad():
        for weight in new.model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) / 10)
    facts = trained_facts(word, str(base), str(base), part.lora_scale)
    run = replace(run_facts(**RUN, base_model=str(base)), trained=facts, head=design)
    utils.save_model(folder, new.model, new.tokenizer, run)
    return run, logits(new.model)


@torch.no_grad()
def logits(model) -> torch.Tensor:
    return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("word", ["head", "top:1", "lora"])
def test_what_was_trained_and_the_base_model_are_the_model_again(word, tmp_path, english_bert):
    run, expected = saved(tmp_path / "model", english_bert, word)
    assert read_run(tmp_path / "model") == run
    model = load_saved_classifier(tmp_path / "model", read_run(tmp_path / "model")).model
    assert torch.allclose(logits(model), expected, atol=1e-6)
    names = set(load_file(tmp_path / "model" / "trained_weights.safetensors"))
    assert {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight"} <= names
    assert ("bert.encoder.layer.1.output.dense.weight" in names) == (word == "top:1")
    assert not any("embeddings" in name or ("layer.0." in name and "lora" not in name) for name in names)


@pytest.mark.parametrize("word", ["head", "top:1", "lora"])
def test_a_head_of_our_own_is_saved_with_the_part_and_in_the_whole_model(word, tmp_path, english_bert):
    design = HeadDesign("mean", layers=1, dropout=0.1)
    _, expected = saved(tmp_path / "model", english_bert, word, design)
    names = set(load_file(tmp_path / "model" / "trained_weights.safetensors"))
    assert {"pooling_head.hidden.0.weight", "pooling_head.scores.bias"} <= names
    assert not any("pooler" in name or "classifier" in name or "embeddings" in name for name in names)
    utils.write_whole_model(tmp_path / "model", tmp_path / "whole")
    for folder in (tmp_path / "model", tmp_path / "whole"):
        run = read_run(folder)
        assert run.head == design
        assert torch.allclose(logits(load_saved_classifier(folder, run).model), expected, atol=1e-6)
    assert "is none that transformers has" in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(ValueError, match="with a head that transformers does not have"):
        pipeline("text-classification", model=str(tmp_path / "whole"))


def test_the_whole_model_is_written_so_that_transformers_has_the_same_scores(tmp_path, english_bert):
    _, expected = saved(tmp_path / "model", english_bert, "head")
    utils.write_whole_model(tmp_path / "model", tmp_path / "whole")
    assert torch.allclose(logits(load_classifier(str(tmp_path / "whole")).model), expected, atol=1e-6)
    run = read_run(tmp_path / "whole")
    assert run.trained is None
    assert logits(load_saved_classifier(tmp_path / "whole", run).model).shape == (2, 3)
    with pytest.raises(UserError, match="it is in the way"):
        utils.write_whole_model(tmp_path / "model", tmp_path / "whole")
    with pytest.raises(UserError, match="has a whole model already"):
        utils.write_whole_model(tmp_path / "whole", tmp_path / "other")


def test_transformers_stops_with_a_sentence_and_so_does_training_further(tmp_path, english_bert):
    saved(tmp_path / "model", english_bert, "head")
    with pytest.raises(ValueError, match=r"only the part of a model that was trained: python infer.py .* --merge"):
        pipeline("text-classification", model=str(tmp_path / "model"))
    with pytest.raises(UserError, match=r"it has only the part of a model that was trained .* --merge"):
        utils.new_classifier(str(tmp_path / "model"), LABELS, dropout=None)


def test_a_base_model_that_is_missing_or_has_other_weights_is_said(tmp_path, english_bert):
    base = tmp_path / "base"
    shutil.copytree(english_bert, base)
    run, _ = saved(tmp_path / "model", base, "head")
    weights = load_file(base / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][5, 5] += 1
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"has only what was trained of .*base, and the weights in .*base are others"):
        load_saved_classifier(tmp_path / "model", run)
    shutil.rmtree(base)
    with pytest.raises(UserError, match=r"what was trained of .*, and that model is not here \(.*no such directory"):
        load_saved_classifier(tmp_path / "model", run)


def test_a_base_model_is_also_found_where_its_name_leads_now(tmp_path, english_bert, monkeypatch):
    shutil.copytree(english_bert, tmp_path / "there" / "base")
    run, expected = saved(tmp_path / "model", english_bert, "head")
    moved = replace(run, base_model="./base", trained=replace(run.trained, base=str(tmp_path / "gone")))
    monkeypatch.chdir(tmp_path / "there")
    assert torch.allclose(logits(load_saved_classifier(tmp_path / "model", moved).model), expected, atol=1e-6)


def test_trained_weights_that_do_not_fit_are_said(tmp_path, english_bert):
    run, _ = saved(tmp_path / "model", english_bert, "head")
    path = tmp_path / "model" / "trained_weights.safetensors"
    weights = load_file(path)
    for changed, message in [
        ({"x": torch.ones(1)}, "no such weight as x"),
        ({"classifier.weight": torch.ones(2, 2)}, "no such weight as classifier.weight"),
        ({name: weight for name, weight in weights.items() if name != "classifier.bias"}, r"missing: 1\)"),
    ]:
        save_file(changed, path)
        with pytest.raises(UserError, match=message):
            load_saved_classifier(tmp_path / "model", run)
    os.truncate(path, 50)
    with pytest.raises(UserError, match="cannot be read"):
        load_saved_classifier(tmp_path / "model", run)


def test_the_facts_name_the_base_by_its_directory_or_its_name(english_bert):
    facts = trained_facts("top:2", "somewhere/model", str(english_bert))
    assert facts == TrainedFacts("top:2", str(english_bert.resolve()), fingerprint_weights(english_bert))
    assert trained_facts("head", "all-MiniLM-L6-v2", str(english_bert)).base == "all-MiniLM-L6-v2"
    for wrong in ([], {"part": "head"}, {"part": "head", "base": "x", "base_sha256": 3}):
        with pytest.raises(ValueError, match="its trained is not what main.py writes"):
            TrainedFacts.from_json(wrong)


@pytest.mark.parametrize("word", ["top:1", "lora"])
def test_the_code_in_the_model_card_loads_it_without_this_project(word, tmp_path, english_bert):
    run, expected = saved(tmp_path / "model", english_bert, word)
    code = re.search("```python\n(.*?)print", model_card(run), re.DOTALL)[1]
    code = code.replace("path/to/this/directory", str(tmp_path / "model"))
    names: dict = {}
    exec(code.replace("path/to/the/base/model", str(english_bert)), names)
    assert torch.allclose(logits(names["model"]), expected, atol=1e-6)
    assert {entry["label"] for entry in names["classify"]("the food was good")[0]} == set(LABELS)
