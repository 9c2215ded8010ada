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

from toolkit.layers import fast_bert
from toolkit.layers.cheap_dropout import CheapDropout
from toolkit.layers.fast_bert import freeze_layers, frozen_part, make_fast, packs
from toolkit.layers.touched_rows import TouchableEmbedding
from toolkit.models.head_design import HeadDesign
from toolkit.models.pooling_head import PoolingHead, put_head

SIZES = {
    "vocab_size": 100,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
LIKE_BERT = [BertConfig, RobertaConfig, XLMRobertaConfig, CamembertConfig, ElectraConfig]
SWAPPED = {CheapDropout, TouchableEmbedding}
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
    trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    return logits.detach(), {name: weight.grad.clone() for name, weight in trained}


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
    assert make_fast(fast)
    (expected, gradients), (found, its_gradients) = passed(plain, inputs), passed(fast, inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert its_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(its_gradients[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", LIKE_BERT, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_for_a_head_that_reads_all_tokens_the_states_of_all_are_those_of_the_whole_layer(kind, layout, monkeypatch):
    monkeypatch.setattr(fast_bert, "packed", getattr(fast_bert, layout))
    plain = classifier(kind)
    put_head(plain, PoolingHead(HeadDesign("mean", layers=1, dropout=0.0), SIZES["hidden_size"], 3, deviation=0.2))
    fast, seen = copy.deepcopy(plain), []
    assert make_fast(fast) and packs(fast)
    (expected, gradients), (found, its_gradients) = passed(plain, batch()), passed(fast, batch())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert its_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(its_gradients[name], gradient, atol=1e-4, rtol=1e-4, msg=name)
    for layer in fast.base_model.encoder.layer:
        layer.intermediate.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    fast(**batch())
    assert seen == [72 if layout == "packed" else 100] * 3  # no padding
    states = fast.base_model(**batch()).last_hidden_state
    assert states.shape == (5, 20, 48)
    torch.testing.assert_close(states[2, :11], plain.base_model(**batch()).last_hidden_state[2, :11])


def test_for_a_head_on_the_first_token_neither_a_pooler_nor_another_token_of_the_last_layer_is_computed():
    plain = classifier()
    put_head(plain, PoolingHead(HeadDesign("cls", dropout=0.0), SIZES["hidden_size"], 3, deviation=0.2))
    fast, seen = copy.deepcopy(plain), []
    assert make_fast(fast)
    torch.testing.assert_close(passed(fast, batch())[0], passed(plain, batch())[0], atol=1e-5, rtol=1e-5)
    for layer in fast.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    fast(**batch())
    assert seen == [72, 72, 5]
    assert not [name for name, _ in fast.named_parameters() if "pooler" in name]


def test_of_the_last_layer_one_token_a_row_is_computed_and_nothing_for_padding():
    model, seen = classifier(), []
    assert make_fast(model) and packs(model)
    for layer in model.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    model(**batch())
    assert seen == [20 + 20 + 11 + 1 + 20, 72, 5]


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_of_a_model_that_is_built_otherwise_only_dropout_and_the_table_are_others(kind):
    model = classifier(kind)
    kinds = [type(module) for module in model.modules()]
    assert not make_fast(model) and not packs(model)
    assert [type(module).__mro__[type(module) in SWAPPED] for module in model.modules()] == kinds


def test_a_model_whose_head_reads_more_than_the_first_token_is_left_as_it_is():
    model = classifier()

    def mean(module, args, output):
        return torch.tanh(module.dense(args[0].mean(1)))

    model.bert.pooler.register_forward_hook(mean)
    kind = type(model.bert)
    assert not make_fast(model)
    assert type(model.bert) is kind


@pytest.mark.parametrize("name", ["attention_probs_dropout_prob", "hidden_dropout_prob"])
@pytest.mark.parametrize("layers", [1, 2])
def test_what_is_drawn_is_drawn_while_training_only(name, layers):
    model = classifier(num_hidden_layers=layers, **{name: 0.5})
    model.classifier.train(False)
    assert make_fast(model)
    model.train()
    model.dropout.p = model.bert.embeddings.dropout.p = 0.0
    one, other = (model(**batch()).logits for _ in range(2))
    assert not torch.equal(one, other)
    model.eval()
    one, other = (model(**batch()).logits for _ in range(2))
    assert torch.equal(one, other)


def test_the_mean_over_what_is_dropped_is_near_what_it_is_without():
    """A wrong factor somewhere would move the mean of the logits; the plain model's is the reference."""
    changes = {"attention_probs_dropout_prob": 0.3, "hidden_dropout_prob": 0.1, "num_hidden_layers": 2}
    plain = classifier(**changes).train()
    fast, many = copy.deepcopy(plain), {name: values[:3].repeat(400, 1) for name, values in batch().items()}
    assert make_fast(fast)
    with torch.no_grad():
        logits = [model(**many).logits.view(400, 3, 3) for model in (plain, fast)]
    (mean, spread), (its_mean, its_spread) = ((found.mean(0), found.std(0)) for found in logits)
    assert ((mean - its_mean).abs() / (spread / 20)).max() < 5
    torch.testing.assert_close(its_spread, spread, rtol=0.2, atol=0.0)


@pytest.mark.parametrize("kind", LIKE_BERT, ids=lambda kind: kind.__name__)
def test_token_types_and_padding_tokens_inside_a_text_count_as_they_do(kind):
    plain = classifier(kind, type_vocab_size=2)
    fast, inputs = copy.deepcopy(plain), batch()
    assert make_fast(fast)
    inputs["input_ids"][0, 4] = inputs["input_ids"][1, 19] = plain.config.pad_token_id
    inputs["token_type_ids"] = (torch.arange(20) > 8).long().repeat(5, 1)
    (expected, gradients), (found, its_gradients) = passed(plain, inputs), passed(fast, inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(its_gradients[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("kind", LIKE_BERT, ids=lambda kind: kind.__name__)
def test_a_batch_may_have_more_tokens_than_there_are_positions(kind, layout, monkeypatch):
    plain = classifier(kind, max_position_embeddings=26)
    fast = copy.deepcopy(plain)
    assert make_fast(fast)
    monkeypatch.setattr(fast_bert, "packed", getattr(fast_bert, layout))
    torch.testing.assert_close(fast(**batch()).logits, plain(**batch()).logits, atol=1e-5, rtol=1e-5)


def test_in_bf16_gradients_are_as_near_to_fp32_as_those_of_the_plain_model():
    plain = classifier()
    fast = copy.deepcopy(plain)
    assert make_fast(fast)
    _, exact = passed(plain, batch())
    errors = []
    for model in (plain, fast):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, gradients = passed(model, batch())
        errors.append(sum((gradients[name] - exact[name]).square().sum() for name in exact) ** 0.5)
    assert 0 < errors[1] < 1.5 * errors[0]


def test_a_model_that_stumbles_over_the_comparison_is_left_as_it_is():
    model = classifier(max_position_embeddings=5)  # the comparison has rows of 9 tokens
    kind = type(model.bert)
    assert not make_fast(model)
    assert type(model.bert) is kind
    assert model(**{name: values[:, :5] for name, values in batch().items()}).logits.isfinite().all()


def test_in_bf16_it_is_as_near_to_fp32_as_the_plain_model():
    plain = classifier().eval()
    fast = copy.deepcopy(plain)
    assert make_fast(fast)
    exact = plain(**batch()).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        errors = [(model(**batch()).logits.float() - exact).abs().max() for model in (plain, fast)]
    assert 0 < errors[1] < 3 * errors[0]


def test_it_is_trained_in_bf16():
    model = classifier(attention_probs_dropout_prob=0.1, hidden_dropout_prob=0.1)
    assert make_fast(model)
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(**batch()).logits
    logits.float().square().sum().backward()
    assert all(weight.grad.dtype == torch.float32 and weight.grad.isfinite().all() for weight in model.parameters())


def test_padded_as_on_a_gpu_it_gives_the_same(monkeypatch):
    plain = classifier()
    fast = copy.deepcopy(plain)
    assert make_fast(fast)
    monkeypatch.setattr(fast_bert, "packed", fast_bert.padded)
    (expected, gradients), (found, its_gradients) = passed(plain, batch()), passed(fast, batch())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(its_gradients[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_the_model_is_saved_as_what_it_was(tmp_path):
    plain = classifier()
    fast = copy.deepcopy(plain)
    assert make_fast(fast)
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
    assert make_fast(model)
    assert all(module.training == training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), before)


# -- frozen layers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", [BertConfig, RobertaConfig, ElectraConfig])
def test_the_layers_above_give_the_same_for_what_the_frozen_ones_gave(kind, count):
    model = classifier(kind, embedding_size=24)
    assert make_fast(model)
    assert frozen_part(model) is None
    freeze_layers(model, count)
    for name, weight in model.base_model.named_parameters():
        weight.requires_grad_(any(f"layer.{number}." in name for number in range(count, 3)) or "pooler" in name)
    inputs = batch()
    logits, gradients = passed(model, inputs)
    with torch.no_grad():
        states = frozen_part(model).frozen_states(**inputs)
    assert states.shape == ((5, 20, 48) if count < 3 else (5, 1, 48))
    mask = inputs["attention_mask"] if count < 3 else torch.ones(5, 1, dtype=torch.long)
    same_logits, same_gradients = passed(model, {"inputs_embeds": states, "attention_mask": mask})
    torch.testing.assert_close(same_logits, logits, rtol=0, atol=1e-5)
    assert gradients.keys() == same_gradients.keys()
    assert not any("embeddings" in name or "layer.0" in name for name in gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(same_gradients[name], gradient, rtol=0, atol=1e-4, msg=name)


def test_a_model_that_is_not_made_fast_has_no_frozen_part_of_its_own():
    model = classifier(DistilBertConfig)
    make_fast(model)
    freeze_layers(model, 1)
    assert frozen_part(model) is None
