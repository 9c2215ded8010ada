import copy

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from toolkit.first_token import read_first_token_only

SIZES = {
    "vocab_size": 100,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
LIKE_BERT = [BertConfig, RobertaConfig, XLMRobertaConfig, CamembertConfig, ElectraConfig]
OTHERS = [AlbertConfig, DistilBertConfig]  # a layer for all depths, layers with other names


def classifier(kind=BertConfig, **changes) -> torch.nn.Module:
    """Return a random classifier that drops nothing, so that two passes can be compared."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 100, "dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    config = kind(**(sizes if kind is DistilBertConfig else SIZES), num_labels=3, initializer_range=0.2)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    for name, value in changes.items():
        setattr(config, name, value)
    attention = {"attn_implementation": changes["attention"]} if "attention" in changes else {}
    return AutoModelForSequenceClassification.from_config(config, **attention)


def batch(rows: int = 5, length: int = 20) -> dict:
    ids = torch.randint(5, 100, (rows, length), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[2, 11:] = mask[3, 1:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def passed(model: torch.nn.Module, inputs: dict) -> tuple[torch.Tensor, dict]:
    """Return the logits of some rows, and the gradients of a loss of them."""
    model.train()
    model.zero_grad()
    logits = model(**inputs).logits
    logits.square().sum().backward()
    return logits.detach(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("whole", [False, True], ids=["padded", "no padding"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", LIKE_BERT, ids=lambda kind: kind.__name__)
def test_logits_and_gradients_are_those_of_the_whole_layer(kind, attention, whole):
    try:
        plain = classifier(kind, attention=attention)
    except ValueError as error:  # older versions of transformers have it for BERT alone
        pytest.skip(str(error))
    fast, inputs = copy.deepcopy(plain), batch()
    if whole:
        inputs["attention_mask"][:] = 1
    assert read_first_token_only(fast)
    (expected, gradients), (found, its_gradients) = passed(plain, inputs), passed(fast, inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert its_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(its_gradients[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_of_the_last_layer_one_token_is_computed_and_of_the_others_all():
    model, seen = classifier(), []
    assert read_first_token_only(model)
    for layer in model.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda module, args, output: seen.append(args[0].shape[1]))
    model(**batch())
    assert seen == [20, 20, 1]


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_a_model_that_is_built_otherwise_is_left_as_it_is(kind):
    model = classifier(kind)
    kinds = [type(module) for module in model.modules()]
    assert not read_first_token_only(model)
    assert [type(module) for module in model.modules()] == kinds


def test_a_model_whose_head_reads_more_than_the_first_token_is_left_as_it_is():
    model = classifier()

    def mean(module, args, output):
        return torch.tanh(module.dense(args[0].mean(1)))

    model.bert.pooler.register_forward_hook(mean)
    kinds = [type(module) for module in model.modules()]
    assert not read_first_token_only(model)
    assert [type(module) for module in model.modules()] == kinds


def test_dropout_is_drawn_in_the_last_layer_too():
    model = classifier(num_hidden_layers=1, hidden_dropout_prob=0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.bert.encoder.layer[0].attention.self.dropout.p = 0.5
    assert read_first_token_only(model)
    model.train()
    one, other = (model(**batch()).logits for _ in range(2))
    assert not torch.equal(one, other)
    model.eval()
    one, other = (model(**batch()).logits for _ in range(2))
    assert torch.equal(one, other)


def test_the_model_is_saved_as_what_it_was(tmp_path):
    plain = classifier()
    fast = copy.deepcopy(plain)
    assert read_first_token_only(fast)
    fast.save_pretrained(tmp_path)
    again = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    assert list(fast.state_dict()) == list(plain.state_dict())
    assert again.config.architectures == ["BertForSequenceClassification"]
    torch.testing.assert_close(again(**batch()).logits, plain.eval()(**batch()).logits)


@pytest.mark.parametrize("training", [False, True])
def test_the_model_stays_in_its_mode_and_draws_nothing(training):
    model = classifier().train(training)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert read_first_token_only(model)
    assert all(module.training == training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), before)
