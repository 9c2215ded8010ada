"""Heads of our own: their scores, how they are saved and loaded, and what transformers says of them."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import erf
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

import utils
from tests.conftest import run_facts
from tests.models.architectures import BY_NAME, save
from tests.models.test_architectures import LABELS, MACHINE, Trained, table, train
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.evaluation.explain import attribute
from toolkit.layers.fast_bert import FastBert
from toolkit.layers.int8 import can_int8
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice, last_layer, without_last_layer

MLP = HeadDesign("mean", layers=2, dropout=0.1)
METRICS = {"valid_loss": 1.0, "accuracy": 1.0, "macro_f1": 1.0, "mcc": 1.0}


def saved(folder: Path, trained: Trained, design: HeadDesign, pairs: bool = False) -> Path:
    """Save a model with a head of our own, its weights large enough to tell texts apart."""
    draw = torch.Generator().manual_seed(5)
    for weight in trained.model.pooling_head.parameters():
        weight.data = torch.randn(weight.shape, generator=draw) * (0.5 if weight.ndim > 1 else 0.1)
    data = {name: {"file": f"{name}.csv", "rows": 7} for name in ("train", "valid")}
    columns = {"text": "text", "text_pair": "text_pair" if pairs else None, "label": "label"}
    facts = run_facts(
        labels=LABELS, max_length=trained.fit.max_length, equal_lengths=trained.fit.equal_lengths, columns=columns,
        head=design.as_json(), metrics=METRICS, data=data,
    )  # fmt: skip
    utils.save_model(folder, trained.model, trained.encoder.tokenizer, facts)
    return folder


@pytest.fixture(scope="module")
def mlp(tmp_path_factory) -> Path:
    """The model directory of a tiny BERT with an MLP."""
    folder = tmp_path_factory.mktemp("mlp")
    return saved(folder / "model", train(save(BY_NAME["BERT"], folder / "base"), False, design=MLP), MLP)


def logits(folder: Path, frame: pd.DataFrame, fast: bool = True, rows: int = 4) -> np.ndarray:
    model = utils.load_model(folder, MACHINE, fast)
    dataset = utils.tokenize(model.encoder, frame).dataset
    return utils.predict_logits(model.predictor(rows, Log(None)), dataset)


def slow_logits(folder: Path, frame: pd.DataFrame, design: HeadDesign) -> np.ndarray:
    """Return the logits of rows one by one, with transformers' encoder and plain arithmetic."""
    config = AutoConfig.from_pretrained(folder / "encoder_config.json")
    encoder = AutoModel.from_pretrained(folder, config=config).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
    weights = {name: weight.double().numpy() for name, weight in load_file(folder / "model.safetensors").items()}
    rows = []
    for texts in frame.to_numpy().tolist():
        with torch.no_grad():
            states = encoder(**tokenizer(*texts, truncation=True, return_tensors="pt")).last_hidden_state
        states = states[0].double().numpy()
        vector = states[0] if design.pooling == "cls" else states.mean(0)
        for number in range(design.layers):
            name = f"pooling_head.hidden.{number}"
            vector = weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]
            vector = vector * (1 + erf(vector / np.sqrt(2))) / 2
        rows.append(weights["pooling_head.scores.weight"] @ vector + weights["pooling_head.scores.bias"])
    return np.array(rows)


@pytest.mark.parametrize(
    ("name", "design", "pairs"),
    [
        ("BERT", HeadDesign("cls"), False),
        ("BERT", HeadDesign("mean"), True),
        ("BERT", MLP, False),
        ("RoBERTa", HeadDesign("mean", layers=1), True),
        ("DistilBERT", HeadDesign("cls", layers=1), False),
        ("SqueezeBERT", HeadDesign("cls"), False),  # it calls a pooler whatever that is
        ("XLNet", HeadDesign("mean"), False),
        ("GPT-2", HeadDesign("mean"), False),
    ],
)
def test_the_scores_are_those_of_plain_arithmetic_on_the_states_of_transformers(name, design, pairs, tmp_path):
    trained = train(save(BY_NAME[name], tmp_path / "base"), pairs, design=design)
    folder = saved(tmp_path / "model", trained, design, pairs)
    expected = slow_logits(folder, table(pairs), design)
    assert expected.std(0).max() > 1e-2  # the texts are told apart
    for fast in (True, False):
        np.testing.assert_allclose(logits(folder, table(pairs), fast), expected, rtol=1e-4, atol=1e-4)
    is_fast = isinstance(utils.load_model(folder, MACHINE).model.base_model, FastBert)
    assert is_fast == (name in ("BERT", "RoBERTa"))


def test_transformers_refuses_the_directory_and_says_where_to_read_on(mlp):
    said = "bert with a head that transformers does not have .README.md"
    with pytest.raises(ValueError, match=said):
        AutoModelForSequenceClassification.from_pretrained(mlp)
    with pytest.raises(ValueError, match=said):
        pipeline("text-classification", model=str(mlp))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("design", [HeadDesign("cls"), MLP], ids=str)
def test_the_code_of_the_model_card_gives_the_same_probabilities(design, pairs, tmp_path):
    trained = train(save(BY_NAME["BERT"], tmp_path / "base"), pairs, design=design)
    folder = saved(tmp_path / "model", trained, design, pairs)
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    said = io.StringIO()
    names: dict = {}
    with contextlib.redirect_stdout(said):
        exec(code.replace("path/to/this/directory", str(folder)), names)
    row = {"text": "first text", "text_pair": "second text"} if pairs else {"text": "a text"}
    np.testing.assert_allclose(names["scores"].numpy(), logits(folder, pd.DataFrame([row])), atol=1e-5)
    assert "{0: 'con', 1: 'pro', 2: 'so so'}" in said.getvalue()


def test_trained_further_the_head_is_kept_by_its_labels(mlp):
    frame = table(pairs=False)

    def further(labels: list[str], keep: bool = False, design: HeadDesign | None = None) -> utils.NewClassifier:
        torch.manual_seed(1)
        return utils.new_classifier(str(mlp), labels, 0.0, choice=HeadChoice(keep, design))

    def scores(new: utils.NewClassifier) -> np.ndarray:
        dataset = utils.tokenize(utils.load_model(mlp, MACHINE).encoder, frame).dataset
        return utils.predict_logits(utils.Predictor(new.model, MACHINE, 4), dataset)

    kept = further(LABELS, design=MLP)
    assert (kept.new_weights, kept.notes) == ([], [])
    np.testing.assert_allclose(scores(kept), logits(mlp, frame), atol=1e-5)
    swapped = further([LABELS[2], *LABELS[:2]], design=MLP)
    assert swapped.new_weights == []
    np.testing.assert_allclose(scores(swapped), logits(mlp, frame)[:, [2, 0, 1]], atol=1e-5)
    assert further(["x", "y", "z"], design=MLP, keep=True).new_weights == []
    for design, labels, note in (
        (MLP, ["x", "y", "z"], "has other labels"),
        (HeadDesign("mean"), LABELS, "is that of --head mean --head_layers 2, so a new one is begun"),
        (None, LABELS, "is that of --head mean --head_layers 2, so a new one is begun"),
    ):
        new = further(labels, design=design)
        assert new.new_weights and note in str(new.notes[0])
        if design is not MLP:
            with pytest.raises(UserError, match="--keep_head: the head of this model is that of --head mean"):
                further(labels, design=design, keep=True)
    assert set(further(LABELS).new_weights) >= {"classifier.weight", "classifier.bias"}


def test_the_head_of_an_architecture_is_of_no_use_to_one_of_our_own(tmp_path):
    folder = save(BY_NAME["BERT"], tmp_path, tuple(LABELS))
    new = utils.new_classifier(str(folder), LABELS, None, choice=HeadChoice(design=HeadDesign("cls")))
    assert new.new_weights == ["pooling_head.scores.bias", "pooling_head.scores.weight"]
    assert "is its architecture's, and this is --head cls, so a new one is begun" in str(new.notes[0])
    with pytest.raises(UserError, match="--keep_head"):
        utils.new_classifier(str(folder), LABELS, None, choice=HeadChoice(keep=True, design=HeadDesign("cls")))


@pytest.mark.parametrize(
    ("name", "pooling", "reason"),
    [
        ("GPT-2", "cls", "do not begin with a token that stands for them; take --head mean"),
        ("XLNet", "cls", "do not begin with a token that stands for them; take --head mean"),
        ("OPT", "cls", "reads from left to right; take --head mean"),
        ("Funnel", "mean", "does not give a state for each token; take --head cls"),
        ("T5", "mean", "is an encoder and a decoder; only --head model is for it"),
    ],
)
def test_a_head_that_a_model_has_nothing_for_is_refused_in_a_line(name, pooling, reason, tmp_path):
    if not BY_NAME[name].is_there:
        pytest.skip("this version of transformers does not have it")
    with pytest.raises(UserError, match=reason) as caught:
        utils.new_classifier(
            str(save(BY_NAME[name], tmp_path)), LABELS, None, choice=HeadChoice(design=HeadDesign(pooling))
        )
    assert str(caught.value.args[0]).startswith(f"--head {pooling}")


def test_the_features_are_what_the_last_layer_reads(mlp):
    model = utils.load_model(mlp, MACHINE).model
    name, layer = last_layer(model)
    assert name == "pooling_head.scores"
    read = []
    layer.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    inputs = {
        "input_ids": torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]]),
        "attention_mask": torch.tensor([[1] * 4, [1, 1, 1, 0]]),
    }
    with torch.no_grad():
        scores = model(**inputs).logits
        with without_last_layer(model):
            torch.testing.assert_close(model(**inputs).logits, read[0])
    torch.testing.assert_close(layer(read[0]), scores)


def test_the_words_that_mattered_are_found_for_such_a_head_too(mlp):
    run = utils.read_run(mlp)
    model = utils.load_saved_classifier(mlp, run).model
    encoder = utils.load_model(mlp, MACHINE).encoder
    (row,) = attribute(model, encoder, [("the food was very good",)], np.array([[1, 0, -1]]))
    weights = [segment.weight for segment in row[0] if segment.weight is not None]
    assert len(weights) >= 5 and max(map(abs, weights)) == pytest.approx(1)


@pytest.mark.skipif(not can_int8(), reason="this torch or processor has no such products")
def test_the_encoder_computes_in_int8_and_the_head_does_not(mlp):
    frame = table(pairs=False)
    machine = MACHINE.in_precision("int8")
    model = utils.load_model(mlp, machine)
    dataset = utils.tokenize(model.encoder, frame).dataset
    found = utils.predict_logits(model.predictor(4, Log(None)), dataset)
    expected = logits(mlp, frame)
    assert 0 < np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert type(model.model.pooling_head.scores).__name__ != "Int8Linear"


def damaged(model: Path, folder: Path, name: str, content) -> Path:
    """Copy a model directory and change one of its files: weights by name, or the content of a json file."""
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    if name.endswith(".json"):
        changed = json.loads((folder / name).read_text()) | content
        (folder / name).write_text(json.dumps(changed))
    else:
        weights = load_file(folder / name) | content
        kept = {key: weight for key, weight in weights.items() if weight is not None}
        save_file(kept, folder / name, {"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.safetensors", {"pooling_head.scores.weight": None}, "does not fit the head of run.json"),
        ("model.safetensors", {"pooling_head.hidden.1.bias": None}, "does not fit the head of run.json"),
        ("model.safetensors", {"pooling_head.scores.weight": torch.zeros(2, 3)}, "does not fit the head of run.json"),
        ("model.safetensors", {"pooling_head.scores.bias": torch.full((3,), torch.nan)}, "not finite numbers"),
        ("run.json", {"head": {"pooling": "mean", "layers": 1, "dropout": 0.1}}, "does not fit the head of run.json"),
        ("run.json", {"head": None}, r"does not fit run.json .weights missing"),
        ("run.json", {"head": "mlp"}, "its head is not what main.py writes"),
        ("config.json", {"encoder_config": "../x.json"}, "transformers .* does not know"),
        ("config.json", {"auto_map": {"AutoConfig": "x--y.z"}}, "config.json has auto_map"),
        ("encoder_config.json", {"use_kernels": True}, "encoder_config.json has use_kernels"),
    ],
)  # fmt: skip
def test_a_damaged_directory_is_refused_in_a_line(mlp, tmp_path, name, content, problem):
    with pytest.raises(UserError, match=problem):
        utils.load_model(damaged(mlp, tmp_path / "damaged", name, content), MACHINE)


def test_a_directory_without_the_configuration_that_it_names_is_refused(mlp, tmp_path):
    folder = damaged(mlp, tmp_path / "damaged", "run.json", {})
    (folder / "encoder_config.json").unlink()
    with pytest.raises(UserError, match="config.json names encoder_config.json, which is not in the directory"):
        utils.load_model(folder, MACHINE)
