import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig, GPT2Config

from toolkit.base.errors import UserError
from toolkit.layers.fast_bert import make_fast
from toolkit.models.lora import LoraSettings, merge_lora, remove_lora, saved_name
from toolkit.models.trained_part import TrainedPart, freeze

SIZE = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
BERT = BertConfig(**SIZE, max_position_embeddings=32, initializer_range=0.2)
DISTIL = DistilBertConfig(vocab_size=50, dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=32)
GPT = GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32, pad_token_id=0)  # its layers are Conv1D
IDS = torch.arange(5, 25).view(2, 10)
MASK = torch.tensor([[1] * 10, [1] * 6 + [0] * 4])


def classifier(config, fast: bool = False):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    if fast:
        assert make_fast(model)
    return model


def with_lora(config, fast: bool = False, settings: LoraSettings = LoraSettings(rank=3, alpha=5)):  # noqa: B008
    """Return a classifier with LoRA whose second matrices are no longer 0."""
    pytest.importorskip("peft")
    model = classifier(config, fast)
    assert freeze(model, TrainedPart.from_option("lora", settings)) == []
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    return model


def logits(model) -> torch.Tensor:
    return model(input_ids=IDS, attention_mask=MASK).logits


def trained(model) -> dict[str, torch.Tensor]:
    return {saved_name(name): weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("config", [BERT, DISTIL, GPT], ids=["bert", "distilbert", "gpt2"])
def test_the_saved_matrices_and_the_base_model_are_the_trained_model_again(config):
    model = with_lora(config).eval()
    other = classifier(config).eval()
    assert not torch.allclose(logits(other), logits(model), atol=1e-2)
    rest = merge_lora(other, trained(model), 5 / 3)
    assert not any("lora" in name for name in rest)
    assert rest.keys() == {name for name in trained(model) if "lora" not in name}
    torch.testing.assert_close(logits(other), logits(model), rtol=0, atol=1e-4)


def test_lora_begins_as_the_model_itself_and_trains_its_matrices_and_the_head():
    pytest.importorskip("peft")
    model = classifier(BERT).eval()
    expected = logits(model)
    freeze(model, TrainedPart.from_option("lora"))
    assert torch.equal(logits(model), expected)
    linear = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
              "intermediate.dense", "output.dense"]  # fmt: skip
    matrices = {f"bert.encoder.layer.{layer}.{name}.lora_{matrix}.weight"
                for layer in (0, 1) for name in linear for matrix in "AB"}  # fmt: skip
    head = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}
    assert trained(model).keys() == matrices | head
    assert trained(model)["bert.encoder.layer.0.output.dense.lora_A.weight"].shape == (8, 32)


@pytest.mark.parametrize("training", [False, True])
def test_the_fast_forward_pass_gives_the_same_with_lora(training):
    config = BertConfig.from_dict({**BERT.to_dict(), "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    plain, fast = (with_lora(config, fast=fast).train(training) for fast in (False, True))
    torch.testing.assert_close(logits(fast), logits(plain), rtol=0, atol=1e-5)
    for model in (plain, fast):
        logits(model).square().sum().backward()
    for (name, weight), other in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert (weight.grad is None) == (other.grad is None) == (not weight.requires_grad)
        if weight.grad is not None:
            torch.testing.assert_close(other.grad, weight.grad, rtol=1e-4, atol=1e-4, msg=name)


def test_removed_lora_leaves_the_base_model():
    model = with_lora(BERT, fast=True).eval()
    remove_lora(model)
    base = classifier(BERT, fast=True).eval()
    assert model.state_dict().keys() == base.state_dict().keys()
    assert torch.equal(logits(model), logits(base))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"bert.encoder.layer.0.output.dense.lora_A.weight": torch.ones(2, 32)}, "is not complete"),
        ({"x.lora_A.weight": torch.ones(2, 3), "x.lora_B.weight": torch.ones(3, 2)}, "LoRA of x is not complete"),
        ({"classifier.lora_A.weight": torch.ones(2, 3), "classifier.lora_B.weight": torch.ones(3, 2)}, "another size"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        merge_lora(classifier(BERT), weights, 2.0)


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UserError, match=r"--train lora needs the package peft \(pip install peft\)"):
        freeze(classifier(BERT), TrainedPart.from_option("lora"))
