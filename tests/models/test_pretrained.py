import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, BertConfig, BertForSequenceClassification, pipeline

import utils
from tests.conftest import WORDS, bert_tokenizer
from tests.models.families import FAMILIES, text_ids, tiny_classifier, tiny_config
from toolkit.base.errors import UserError
from toolkit.models.locate import resolve_model
from toolkit.models.pretrained import (
    check_padding,
    input_limit,
    limit_tokenizer,
    load_classifier,
    load_config,
    load_tokenizer,
    set_dropout,
)
from toolkit.tokens.encoder import make_encoder


def test_the_embedded_model_is_a_directory_with_safetensors():
    folder = resolve_model(None)
    assert folder == resolve_model("all-MiniLM-L6-v2")
    assert load_config(folder).hidden_size == 384
    assert len(load_tokenizer(folder)) == 30522


def test_a_hub_that_cannot_be_reached_is_said_in_a_sentence():
    with pytest.raises(UserError, match="HF_ENDPOINT"):
        load_tokenizer("nobody/no-such-model")


def test_weights_that_are_only_pickled_are_refused(english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no model.safetensors"):
        load_classifier(str(folder), load_config(str(folder)))


def test_a_checkpoint_of_another_kind_of_model_is_refused(english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {f"strange.{name}": tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="weights missing or of the wrong size"):
        load_classifier(str(folder), load_config(str(folder)))


def test_a_head_for_other_labels_is_new_and_the_encoder_is_kept(english_bert):
    classifier = utils.new_classifier(str(english_bert), ["a", "b", "c"], None)
    model, new = classifier.model, classifier.new_weights
    assert new == ["classifier.bias", "classifier.weight"]
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    saved = load_file(english_bert / "model.safetensors")
    assert torch.equal(
        model.bert.encoder.layer[0].output.dense.weight, saved["bert.encoder.layer.0.output.dense.weight"]
    )


def test_dropout_reaches_every_layer(english_bert):
    model = utils.new_classifier(str(english_bert), ["a", "b"], 0.35).model
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {0.35}
    config = BertConfig()
    set_dropout(config, None)
    assert config.hidden_dropout_prob == BertConfig().hidden_dropout_prob


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
        limit_tokenizer(tokenizer, encoder.max_length)
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


def padded_difference(model: torch.nn.Module, tokenizer) -> float:
    """Return by how much the scores of two texts change when they stand in a batch with a longer one."""
    texts = ["the food was bad", "nice", "we never had a very good room and the staff was rude too so never again"]
    with torch.inference_mode():
        together = model(**tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)).logits
        alone = [model(**tokenizer(t, return_tensors="pt", return_token_type_ids=False)).logits for t in texts]
    return float((together - torch.cat(alone)).abs().max() / together.abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_refused_if_and_only_if_its_scores_depend_on_padding(family):
    tokenizer = bert_tokenizer(WORDS)
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.sep_token_id}
    model = tiny_classifier(tiny_config(family, **ends)).eval()
    before = torch.get_rng_state()
    if family in ("convbert", "fnet", "nystromformer", "xlnet"):
        reason = "change when padding follows|FNetForSequenceClassification.forward"  # it took no mask once
        with pytest.raises(UserError, match=f"^model x: .*({reason})"):
            check_padding("x", model, tokenizer)
        assert family == "fnet" or padded_difference(model, tokenizer) > 0.01
    else:
        check_padding("x", model, tokenizer)
        assert padded_difference(model, tokenizer) < 1e-4
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training


def save_tiny(family: str, folder: Path, **changes) -> str:
    tokenizer = bert_tokenizer(WORDS)
    tokenizer.save_pretrained(folder)
    tiny_classifier(tiny_config(family, pad_token_id=tokenizer.pad_token_id, **changes)).save_pretrained(folder)
    return str(folder)


def test_a_model_that_reads_the_last_token_wherever_the_text_ends_is_refused_in_a_sentence(tmp_path):
    folder = save_tiny("xlnet", tmp_path)
    with pytest.raises(UserError) as caught:
        utils.new_classifier(folder, ["con", "pro"], None)
    sentence = f"model {folder}: the scores that XLNetForSequenceClassification gives to a text change when padding"
    assert str(caught.value).startswith(sentence)


def test_a_model_that_finds_the_end_of_a_text_by_the_padding_is_told_what_that_is(tmp_path):
    folder = save_tiny("gpt2", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    new = utils.new_classifier(folder, ["con", "pro"], None)
    assert new.model.config.pad_token_id == new.tokenizer.pad_token_id
    assert padded_difference(new.model.eval(), new.tokenizer) < 1e-4


def test_a_model_that_cannot_score_a_padded_text_is_said_in_a_sentence(english_bert):
    model = load_classifier(str(english_bert))[0]
    model.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(UserError, match="model x: it cannot score a padded text [(]ZeroDivisionError: division by ze"):
        check_padding("x", model, load_tokenizer(str(english_bert)))


def test_a_model_in_half_precision_is_trained_in_full(english_bert, tmp_path):
    model = BertForSequenceClassification.from_pretrained(english_bert).half()
    model.save_pretrained(tmp_path)
    loaded, _ = load_classifier(str(tmp_path), AutoConfig.from_pretrained(tmp_path))
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
