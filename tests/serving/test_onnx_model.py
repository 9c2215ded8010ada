"""A classifier as an ONNX file, by onnxruntime against torch."""

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tests.conftest import needs_onnx
from toolkit.base.errors import UserError
from toolkit.serving import onnx_model
from toolkit.serving.onnx_model import OnnxClassifier, check_packages, divide_logits, quantize, write_onnx

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def classifier(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "bert":
        return BertForSequenceClassification(BertConfig(vocab_size=100, num_labels=3, **SMALL)).eval()
    if kind == "roberta":
        config = RobertaConfig(vocab_size=100, num_labels=3, max_position_embeddings=66, pad_token_id=1, **SMALL)
        return RobertaForSequenceClassification(config).eval()
    config = DistilBertConfig(vocab_size=100, num_labels=3, dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    return DistilBertForSequenceClassification(config).eval()


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


@needs_onnx
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_an_exported_model_gives_the_logits_of_torch_for_any_number_of_rows_and_tokens(kind, tmp_path):
    model = classifier(kind)
    write_onnx(model, batch(kind, [3, 9]), 64, tmp_path / "model.onnx")
    exported = OnnxClassifier(tmp_path / "model.onnx", model.config)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    for lengths in ([1], [64], [2, 2], [5, 17, 1, 33, 64]):
        inputs = batch(kind, lengths)
        with torch.inference_mode():
            expected = model(**inputs).logits.numpy()
        assert exported(**inputs).logits.numpy() == pytest.approx(expected, abs=1e-5)


@needs_onnx
def test_int8_is_smaller_and_nearly_the_same(tmp_path):
    model = classifier("bert")
    write_onnx(model, batch("bert", [3, 9]), 64, tmp_path / "model.onnx")
    quantize(tmp_path / "model.onnx", tmp_path / "small.onnx")
    inputs = batch("bert", [5, 17, 33])
    exact, small = (OnnxClassifier(tmp_path / f"{name}.onnx", model.config) for name in ("model", "small"))
    difference = np.abs(exact(**inputs).logits.numpy() - small(**inputs).logits.numpy()).max()
    assert 0 < difference < 0.05
    import onnx

    kinds = [node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node]
    assert "MatMulInteger" in kinds


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
