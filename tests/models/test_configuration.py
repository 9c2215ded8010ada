import json
import shutil

import pytest
import torch
from transformers import BertConfig, pipeline

import utils
from tests.conftest import WORDS, bert_tokenizer
from tests.models.families import FAMILIES, text_ids, tiny_classifier, tiny_config
from toolkit.base.errors import UserError
from toolkit.models.configuration import input_limit, prepare_tokenizer, set_dropout
from toolkit.models.pretrained import load_config, load_tokenizer
from toolkit.tokens.encoder import make_encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_reaches_every_module_and_function_of_every_family_of_models(family, monkeypatch):
    """What is told is what torch is asked to drop in a step of training, whatever the configuration calls it."""
    config = tiny_config(family, **({"cls_dropout": 0.2} if family.startswith("deberta") else {}))
    set_dropout(config, 0.35)
    model, shares, dropout = tiny_classifier(config).train(), [], torch.nn.functional.dropout
    attention = torch.nn.functional.scaled_dot_product_attention

    def noting_dropout(values, p=0.5, training=True, inplace=False):
        shares.extend([p] * training)
        return dropout(values, p, training, inplace)

    def noting_attention(*args, dropout_p=0.0, **options):
        shares.append(dropout_p)
        return attention(*args, dropout_p=dropout_p, **options)

    for module in model.modules():
        if "Dropout" in type(module).__name__:  # DeBERTa has had one of its own
            module.register_forward_hook(lambda module, *_: shares.append(vars(module).get("p", 0.35)))
            module.register_forward_hook(lambda module, *_: shares.append(vars(module).get("drop_prob", 0.35)))
    monkeypatch.setattr(torch.nn.functional, "dropout", noting_dropout)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noting_attention)
    ids = text_ids(config, 12)
    model(input_ids=ids, **({} if family == "fnet" else {"attention_mask": torch.ones_like(ids)}))
    assert set(shares) == {0.35}


def test_settings_that_are_no_share_of_activations_stay():
    config = tiny_config("bart", encoder_layerdrop=0.1, some_dropout=True, dropout_of=3, dropout_kind="none")
    set_dropout(config, 0.35)
    assert config.encoder_layerdrop == 0.1
    assert config.some_dropout is True
    assert config.dropout_of == 3
    assert config.dropout_kind == "none"
    assert config.classifier_dropout == config.activation_dropout == 0.35


def test_a_configuration_inside_another_is_set_too():
    config = tiny_config("bert")
    config.text_config = tiny_config("albert")
    set_dropout(config, 0.0)
    assert config.text_config.classifier_dropout_prob == config.hidden_dropout_prob == 0.0


def test_a_configuration_that_does_not_take_it_is_said_in_a_sentence():
    class Strict(BertConfig):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "hidden_dropout_prob" and value == 0.35:
                raise TypeError("expected int")
            super().__setattr__(name, value)

    with pytest.raises(UserError, match="--dropout 0.35: this model does not accept it [(]TypeError: expected int[)]"):
        set_dropout(Strict(), 0.35)


def takes(model: torch.nn.Module, length: int) -> bool:
    ids = text_ids(model.config, length)
    try:
        model(input_ids=ids)
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_the_limit_of_every_family_is_what_its_positions_leave(family):
    """The reference is the model itself: it takes so many tokens and, where it has a table of positions, no more."""
    tokenizer = bert_tokenizer(WORDS)
    tokenizer.model_max_length = 10**30
    model = tiny_classifier(tiny_config(family)).eval()
    limit = input_limit(model.config, tokenizer)
    if limit is None:
        assert family in ("umt5", "xlnet")
        assert takes(model, 600)
    else:
        assert takes(model, limit)
        assert family == "modernbert" or not takes(model, limit + 1)


@pytest.mark.parametrize(
    "config", [tiny_config("umt5"), tiny_config("xlnet"), *(BertConfig(max_position_embeddings=n) for n in (-1, 0))]
)
def test_a_model_and_a_tokenizer_without_limits_take_any_length(config):
    tokenizer = bert_tokenizer(WORDS)
    tokenizer.model_max_length = 10**30
    assert input_limit(config, tokenizer) is None
    encoders = [make_encoder(tokenizer, config, length, "longest_first", False) for length in (None, 600)]
    assert [encoder.max_length for encoder in encoders] == [512, 600]
    tokenizer.model_max_length = 128
    assert input_limit(config, tokenizer) == 128


def test_the_tokenizer_s_own_limit_counts_where_it_is_smaller():
    tokenizer = bert_tokenizer(WORDS)
    config = tiny_config("roberta", max_position_embeddings=514)
    tokenizer.model_max_length = 600
    assert input_limit(config, tokenizer) == 512
    tokenizer.model_max_length = 128
    assert input_limit(config, tokenizer) == 128


@pytest.mark.parametrize(("own", "limit"), [(64, 64), (40, 40), (10**30, 64)])
def test_a_model_that_was_trained_with_a_cut_is_cut_there_and_trained_further_without(
    own, limit, english_bert, tmp_path
):
    source = str(shutil.copytree(english_bert, tmp_path / "base"))
    tokenizer = load_tokenizer(source)
    tokenizer.model_max_length = own
    tokenizer.save_pretrained(source)
    text = "the food was very good " * 30
    for name, max_length in (("first", 8), ("second", 24), ("third", 16)):  # each from the one before
        new = utils.new_classifier(source, ["con", "pro"], None)
        model, tokenizer = new.model, new.tokenizer
        assert input_limit(model.config, tokenizer) == limit
        encoder = make_encoder(tokenizer, model.config, max_length, "longest_first", False)
        prepare_tokenizer(tokenizer, model.config, encoder.max_length)
        source = str(tmp_path / name)
        model.save_pretrained(source)
        tokenizer.save_pretrained(source)
        classify = pipeline("text-classification", model=source, device="cpu")
        assert classify.tokenizer.model_max_length == max_length
        assert classify.preprocess(text, truncation=True)["input_ids"].shape == (1, max_length)
        with pytest.raises(UserError, match=f"--max_length {limit + 1}: this model takes at most {limit} tokens"):
            make_encoder(load_tokenizer(source), model.config, limit + 1, "longest_first", False)


@pytest.mark.parametrize("strange", ["long", None, -5, 0, 1.5, [16], True])
def test_a_kept_limit_that_is_none_is_not_gone_by(strange, english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "strange")
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_max_length": strange}))
    assert input_limit(load_config(str(folder)), load_tokenizer(str(folder))) == 64
