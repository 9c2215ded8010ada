import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    GPT2Config,
    T5Config,
)

from toolkit.base.errors import UserError
from toolkit.models.trained_part import TrainedPart, freeze, rate_factor

SIZE = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
BERT = BertConfig(**SIZE, max_position_embeddings=32, hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5)
GPT = GPT2Config(vocab_size=50, n_embd=16, n_layer=3, n_head=2, n_positions=32, pad_token_id=0)
DEBERTA = DebertaV2Config(
    **SIZE, max_position_embeddings=32, relative_attention=True, pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm"
)


def classifier(config):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config)


def trained_names(config, word: str) -> set[str]:
    """Return the first parts of the names of the weights that are trained."""
    model = classifier(config)
    freeze(model, TrainedPart.from_option(word))
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def below(names: set[str], *prefixes: str) -> bool:
    """Say whether all of these names, and at least one for each prefix, begin with one of the prefixes."""
    of_each = [{name for name in names if name.startswith(prefix)} for prefix in prefixes]
    return all(of_each) and set().union(*of_each) == names


def test_the_words_of_the_option_stand_for_parts_and_others_are_refused():
    assert TrainedPart.from_option("top:3") == TrainedPart("top", 3)
    assert TrainedPart.from_option(None).is_all
    assert [str(TrainedPart.from_option(word)) for word in ("all", "head", "top:12")] == ["all", "head", "top:12"]
    for word in ("top", "top:0", "top:-1", "top:x", "head:2", "body"):
        with pytest.raises(UserError, match="it takes all, head, lora, or top:N"):
            TrainedPart.from_option(word)


def test_smaller_parts_take_larger_learning_rates():
    assert rate_factor("all") == 1
    assert rate_factor("all") <= rate_factor("top:2") < rate_factor("lora") < rate_factor("head")


def test_all_trains_all_and_head_trains_the_head_and_a_pooler():
    assert trained_names(BERT, "all") == {name for name, _ in classifier(BERT).named_parameters()}
    assert trained_names(BERT, "head") == {
        "bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"
    }  # fmt: skip
    assert below(trained_names(DistilBertConfig(dim=16, hidden_dim=32, n_layers=2, n_heads=2), "head"), "pre_", "class")


def test_top_trains_the_last_layers_and_what_comes_after_them():
    last_two = ("bert.encoder.layer.1.", "bert.encoder.layer.2.")
    assert below(trained_names(BERT, "top:2"), *last_two, "bert.pooler.", "classifier.")
    assert below(trained_names(GPT, "top:1"), "transformer.h.2.", "transformer.ln_f.", "score.")
    assert not any("embeddings" in name for name in trained_names(BERT, "top:3"))


def test_what_lower_layers_use_too_stays_as_it_is():
    names = trained_names(DEBERTA, "top:1")  # relative positions and their norm stand behind the layers
    assert below(names, "deberta.encoder.layer.2.", "pooler.", "classifier.")


@pytest.mark.parametrize(
    ("config", "word", "message"),
    [
        (BERT, "top:4", "--train top:4: this model has 3 layers"),
        (AlbertConfig(**SIZE, embedding_size=8), "top:1", "does not keep its layers in one list"),
        (T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2), "top:1", "in one list"),
    ],
)
def test_layers_that_are_not_there_or_cannot_be_told_are_refused(config, word, message):
    with pytest.raises(UserError, match=message):
        freeze(classifier(config), TrainedPart.from_option(word))


@pytest.mark.parametrize(("word", "boundary"), [("top:1", 2), ("top:3", 0)])
def test_the_frozen_part_draws_no_dropout_and_the_trained_part_does(word, boundary):
    model = classifier(BERT)
    frozen = freeze(model, TrainedPart.from_option(word))
    model.train()
    for module in frozen:
        module.training = False
    inputs = []
    layer = model.bert.encoder.layer[boundary]
    layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    ids = torch.arange(12)[None]
    logits = [model(input_ids=ids).logits for _ in range(2)]
    assert torch.equal(*inputs)
    assert not torch.equal(*logits)
    assert not inputs[0].requires_grad
    assert all(not module.training for module in model.bert.embeddings.modules())
    assert all(module.training for module in model.bert.encoder.layer[2].modules())
