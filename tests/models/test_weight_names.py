"""Old names of weights, and those that DataParallel gives, are read to the last bit."""

import shutil

import pytest
import torch

import utils
from tests.models.at_hand import of_parallel, save_at_hand, with_old_names
from toolkit.base.errors import UserError
from toolkit.models.pretrained import load_classifier, load_config
from toolkit.models.weight_names import is_of_parallel

CHANGES = {
    "plain": dict,
    "gamma and beta": with_old_names,
    "module.": of_parallel,
    "both": lambda weights: of_parallel(with_old_names(weights)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("BertForPreTraining", {"model_type": "bert"}),
        ("BertModel", {"model_type": "bert"}),
        ("AlbertForMaskedLM", {"model_type": "albert", "embedding_size": 16}),
        ("ErnieForMaskedLM", {"model_type": "ernie", "use_task_id": True}),
    ],
)
def test_the_weights_of_an_encoder_are_read_whatever_they_are_called(kind, config, change, tmp_path):
    weights = save_at_hand(tmp_path, kind, ["[PAD]", "[UNK]"], CHANGES[change], **config)
    assert is_of_parallel(tmp_path) is ("module." in change or change == "both")
    loaded = load_classifier(str(tmp_path), load_config(str(tmp_path)))
    base = loaded.model.base_model
    prefix = "" if kind == "BertModel" else f"{loaded.model.base_model_prefix}."
    for name, weight in base.named_parameters():
        if not name.startswith("pooler"):  # which is not in all of these
            assert torch.equal(weight, weights[f"{prefix}{name}"]), name
    assert loaded.unused_layers == 0
    assert all("classifier" in name or "pooler" in name for name in loaded.new_weights)


def test_a_head_that_data_parallel_saved_is_kept(tmp_path):
    labels = ["差评", "好评"]
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    kind = "BertForSequenceClassification"
    weights = save_at_hand(tmp_path, kind, change=of_parallel, model_type="bert", **names)
    new = utils.new_classifier(str(tmp_path), labels, None)
    assert new.new_weights == []
    assert torch.equal(new.model.classifier.weight, weights["classifier.weight"])


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_have_no_place_are_told_whatever_they_are_called(change, tmp_path):
    def with_more(weights):
        return CHANGES[change](weights | {"bert.encoder.layer.0.adapter.LayerNorm.weight": torch.ones(3)})

    save_at_hand(tmp_path, "BertForMaskedLM", ["[PAD]", "[UNK]"], with_more, model_type="bert")
    with pytest.raises(UserError, match=r"no place for 1 weight of its encoder, such as bert.encoder.layer.0.adapter"):
        load_classifier(str(tmp_path), load_config(str(tmp_path)))


def test_weights_of_another_kind_of_model_are_named_as_the_directory_has_them(tmp_path):
    save_at_hand(tmp_path / "ernie", "ErnieForMaskedLM", ["[PAD]", "[UNK]"], model_type="ernie")
    save_at_hand(tmp_path / "bert", "BertForMaskedLM", ["[PAD]", "[UNK]"], model_type="bert")
    shutil.copyfile(tmp_path / "ernie" / "model.safetensors", tmp_path / "bert" / "model.safetensors")
    with pytest.raises(UserError, match=r"missing or of the wrong size, .*; its files have ernie\.embeddings\.\S+: is"):
        load_classifier(str(tmp_path / "bert"), load_config(str(tmp_path / "bert")))


def test_weights_without_any_are_told_as_missing(tmp_path):
    save_at_hand(tmp_path, "BertModel", ["[PAD]", "[UNK]"], lambda weights: {}, model_type="bert")
    assert not is_of_parallel(tmp_path)
    with pytest.raises(UserError, match="weights missing or of the wrong size, such as"):
        load_classifier(str(tmp_path), load_config(str(tmp_path)))
