import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, BertConfig, BertForSequenceClassification, RobertaConfig

import utils
from tests.conftest import WORDS, bert_tokenizer
from toolkit.base.errors import UserError
from toolkit.models.pretrained import (
    load_classifier,
    load_config,
    load_tokenizer,
    longest_input,
    resolve_model,
    set_dropout,
)


def test_the_embedded_model_is_a_directory_with_safetensors():
    folder = resolve_model(None)
    assert folder == resolve_model("all-MiniLM-L6-v2")
    assert load_config(folder).hidden_size == 384
    assert len(load_tokenizer(folder)) == 30522


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/place", "a/b/c"])
def test_a_path_that_is_not_there_is_not_taken_for_a_hub_id(name):
    with pytest.raises(UserError, match="no such directory"):
        resolve_model(name)


def test_a_directory_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="no config.json"):
        resolve_model(str(tmp_path))


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
    with pytest.raises(UserError, match="weights are missing"):
        load_classifier(str(folder), load_config(str(folder)))


def test_a_head_for_other_labels_is_new_and_the_encoder_is_kept(english_bert):
    model, _, new = utils.new_classifier(str(english_bert), ["a", "b", "c"], None)
    assert new == ["classifier.bias", "classifier.weight"]
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    saved = load_file(english_bert / "model.safetensors")
    assert torch.equal(
        model.bert.encoder.layer[0].output.dense.weight, saved["bert.encoder.layer.0.output.dense.weight"]
    )


def test_dropout_reaches_every_layer(english_bert):
    model, _, _ = utils.new_classifier(str(english_bert), ["a", "b"], 0.35)
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {0.35}
    config = BertConfig()
    set_dropout(config, None)
    assert config.hidden_dropout_prob == BertConfig().hidden_dropout_prob


def test_the_longest_input_counts_what_the_positions_leave():
    tokenizer = bert_tokenizer(WORDS)
    tokenizer.model_max_length = 10**30
    assert longest_input(BertConfig(max_position_embeddings=512), tokenizer) == 512
    assert longest_input(RobertaConfig(max_position_embeddings=514, pad_token_id=1), tokenizer) == 512
    tokenizer.model_max_length = 128
    assert longest_input(BertConfig(max_position_embeddings=512), tokenizer) == 128


def test_a_model_in_half_precision_is_trained_in_full(english_bert, tmp_path):
    model = BertForSequenceClassification.from_pretrained(english_bert).half()
    model.save_pretrained(tmp_path)
    loaded, _ = load_classifier(str(tmp_path), AutoConfig.from_pretrained(tmp_path))
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
