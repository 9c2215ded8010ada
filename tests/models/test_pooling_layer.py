"""The layer that gives a head the mean over the tokens."""

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig, RobertaConfig

import utils
from tests.layers.test_fast_bert import LIKE_BERT, batch
from tests.layers.test_fast_bert import classifier as learning_classifier
from toolkit.base.errors import UserError
from toolkit.layers.fast_bert import make_fast
from toolkit.models.heads import last_layer, without_last_layer
from toolkit.models.pooling_layer import WEIGHT_OF_MEAN, BothPoolings, add_pooling_layer, can_pool, has_pooling_layer


def classifier(kind=BertConfig) -> torch.nn.Module:
    """Return a random classifier that is not being trained."""
    return learning_classifier(kind).eval()


@torch.no_grad()
def hidden_states(model: torch.nn.Module) -> torch.Tensor:
    """Return the last hidden states (5, 20, H) of the batch."""
    return model.base_model(**batch())[0]


@pytest.mark.parametrize("kind", LIKE_BERT)
def test_the_first_token_gets_the_mean_of_all(kind):
    model = classifier(kind)
    before = hidden_states(model)
    add_pooling_layer(model)

    first = hidden_states(model)[:, 0]

    for row, mask in enumerate(batch()["attention_mask"]):
        tokens = before[row][mask.bool()]
        total = WEIGHT_OF_MEAN * tokens.mean(0) + tokens[0]
        expected = F.layer_norm(total, (48,))
        assert torch.allclose(first[row], expected, atol=1e-3)


@pytest.mark.parametrize("kind", LIKE_BERT)
def test_transformers_loads_the_model_with_one_layer_more(kind, tmp_path):
    model = classifier(kind)
    add_pooling_layer(model)
    model.save_pretrained(tmp_path)

    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()

    assert again.config.num_hidden_layers == 4
    assert has_pooling_layer(again)
    with torch.no_grad():
        assert torch.equal(again(**batch()).logits, model(**batch()).logits)


@pytest.mark.parametrize("kind", LIKE_BERT)
def test_the_fast_pass_gives_the_same(kind):
    model = classifier(kind)
    add_pooling_layer(model)
    with torch.no_grad():
        expected = model(**batch()).logits
        assert make_fast(model)
        assert torch.allclose(model(**batch()).logits, expected, atol=1e-4)


def test_a_layer_can_be_added_to_a_model_that_was_made_fast():
    models = [classifier(), classifier()]
    add_pooling_layer(models[0])
    make_fast(models[1])
    torch.manual_seed(0)
    add_pooling_layer(models[1])
    with torch.no_grad():
        logits = [model(**batch()).logits for model in models]

    assert torch.allclose(*logits, atol=1e-4)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("kind", LIKE_BERT)
def test_both_poolings_give_what_each_gives_alone(kind, fast):
    model = classifier(kind)
    assert not fast or make_fast(model)
    with torch.no_grad():
        own = model(**batch()).logits
        logits = BothPoolings(model).eval()(**batch()).logits
        add_pooling_layer(model)
        mean = model(**batch()).logits

    assert torch.allclose(logits, torch.cat([own, mean], dim=1), atol=1e-5)


def test_its_queries_can_learn_to_look_at_some_tokens_more_than_at_others():
    model = classifier()
    add_pooling_layer(model)

    F.cross_entropy(model(**batch()).logits, torch.arange(5) % 3).backward()

    added = model.base_model.encoder.layer[-1]
    assert added.attention.self.query.weight.grad.abs().max() > 0
    assert added.output.dense.weight.grad.abs().max() > 0


def test_a_second_one_is_not_added():
    model = classifier()
    add_pooling_layer(model)
    add_pooling_layer(model)

    assert len(model.base_model.encoder.layer) == model.config.num_hidden_layers == 4


def test_a_model_of_another_kind_cannot_have_one():
    assert not can_pool(classifier(DistilBertConfig))


def test_a_classifier_can_be_asked_what_its_last_layer_gets():
    model = classifier(RobertaConfig)
    _, layer = last_layer(model)
    with torch.no_grad():
        expected = model(**batch()).logits
        with without_last_layer(model) as width:
            inputs = model(**batch()).logits

        assert inputs.shape == (5, width)
        assert torch.allclose(layer(inputs), expected, atol=1e-6)
        assert torch.equal(model(**batch()).logits, expected)


def test_a_model_that_cannot_have_one_is_refused_by_name(distilbert):
    new = utils.new_classifier(str(distilbert), ["a", "b"], None)

    with pytest.raises(UserError, match="--pooling mean: a DistilBertForSequenceClassification cannot have a layer"):
        utils.pool_mean(new)


def test_a_head_that_the_model_brings_stays_as_it_is(tmp_path, english_bert):
    first = utils.new_classifier(str(english_bert), ["a", "b"], None)
    first.model.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    again = utils.new_classifier(str(tmp_path), ["a", "b"], None)
    layers = again.model.config.num_hidden_layers

    utils.pool_mean(again)

    assert not again.has_new_head
    assert again.model.config.num_hidden_layers == layers
