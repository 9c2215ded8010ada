"""A classifier as an ONNX file, by onnxruntime against torch."""

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tests.conftest import needs_onnx
from toolkit.base.errors import UserError
from toolkit.serving import onnx_model
from toolkit.serving.onnx_model import check_packages, divide_logits, quantize, write_onnx
from toolkit.serving.onnx_predictor import OnnxSession

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def classifier(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "bert":
        return BertForSequenceClassification(BertConfig(vocab_size=100, num_labels=3, **SMALL)).eval()
    config = RobertaConfig(vocab_size=100, num_labels=3, max_position_embeddings=66, pad_token_id=1, **SMALL)
    return RobertaForSequenceClassification(config).eval()


def batch(kind: str, lengths: list[int]) -> dict[str, torch.Tensor]:
    """Return the inputs of rows of these lengths, padded to the longest."""
    longest = max(lengths)
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    draws = torch.Generator().manual_seed(sum(lengths))
    ids = torch.randint(5, 100, (len(lengths), longest), generator=draws) * mask + (1 - mask)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if kind == "bert":
        inputs["token_type_ids"] = (torch.arange(longest) > 2).long().expand_as(ids) * mask
    return inputs


def arrays(inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in inputs.items()}


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=needs_onnx) for kind in ("bert", "roberta")])
def exported(request, tmp_path_factory):
    """A kind of model, one of it, and the folder with the file that was written from it."""
    folder = tmp_path_factory.mktemp(request.param)
    model = classifier(request.param)
    write_onnx(model, batch(request.param, [3, 9]), 64, folder / "model.onnx")
    return request.param, model, folder


@needs_onnx
def test_an_exported_model_gives_the_logits_of_torch_for_any_number_of_rows_and_tokens(exported):
    kind, model, folder = exported
    from_file = OnnxSession(folder / "model.onnx")
    for lengths in ([1], [64], [2, 2], [5, 17, 1, 33, 64]):
        inputs = batch(kind, lengths)
        with torch.inference_mode():
            expected = model(**inputs).logits.numpy()
        assert from_file.logits(arrays(inputs)) == pytest.approx(expected, abs=1e-5)


@needs_onnx
def test_int8_is_nearly_the_same(exported):
    kind, _, folder = exported
    quantize(folder / "model.onnx", folder / "small.onnx")
    inputs = arrays(batch(kind, [5, 17, 33]))
    exact, small = (OnnxSession(folder / f"{name}.onnx") for name in ("model", "small"))
    difference = np.abs(exact.logits(inputs) - small.logits(inputs)).max()
    assert 0 < difference < 0.05
    import onnx

    kinds = [node.op_type for node in onnx.load(folder / "small.onnx").graph.node]
    assert "MatMulInteger" in kinds
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "small.onnx"]


def test_logits_are_divided_by_a_temperature_in_the_last_layer():
    model = classifier("bert")
    inputs = batch("bert", [4, 6])
    with torch.inference_mode():
        before = model(**inputs).logits
        divide_logits(model, 2.5)
        after = model(**inputs).logits
    torch.testing.assert_close(after, before / 2.5)


@needs_onnx
def test_a_model_that_decides_by_its_data_cannot_be_exported(tmp_path):
    class Deciding(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return type("Output", (), {"logits": input_ids[:, :1].float() if input_ids.sum() > 3 else None})

    with pytest.raises(UserError, match="--export onnx: a Deciding cannot be written as ONNX"):
        write_onnx(Deciding(), batch("roberta", [3, 4]), 64, tmp_path / "model.onnx")


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(UserError, match="onnxscript is missing.*pip install onnx onnxscript onnxruntime"):
        check_packages()
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: True)
    monkeypatch.setattr(onnx_model, "exports_onnx", lambda: False)
    with pytest.raises(UserError, match="--export onnx needs torch 2.9 or newer"):
        check_packages()
