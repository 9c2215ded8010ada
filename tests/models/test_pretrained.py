import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

import utils
from tests.models.architectures import BY_NAME, save
from toolkit.base.errors import UserError
from toolkit.base.torch_versions import dtype_option
from toolkit.models.configuration import set_dropout
from toolkit.models.locate import resolve_model
from toolkit.models.pretrained import load_classifier, load_config, load_tokenizer


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


def test_a_model_in_half_precision_is_trained_in_full(english_bert, tmp_path):
    model = BertForSequenceClassification.from_pretrained(english_bert).half()
    model.save_pretrained(tmp_path)
    loaded = load_classifier(str(tmp_path), AutoConfig.from_pretrained(tmp_path)).model
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}


def test_weights_in_fp32_stay_what_they_are_whatever_number_format_the_configuration_names(english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | dtype_option("bfloat16")))
    weights = load_file(folder / "model.safetensors")
    model = load_classifier(str(folder)).model
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    model.save_pretrained(tmp_path / "again")
    assert "bfloat16" not in (tmp_path / "again" / "config.json").read_text()


def with_weights(folder: Path, target: Path, prefix: str = "bert.", **shapes: tuple[int, ...]) -> str:
    """Copy a model, give its weights another prefix, and add random ones: a dot in a name is written as __."""
    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    weights = {f"{prefix}{name.removeprefix('bert.')}" if name.startswith("bert.") else name: value
               for name, value in weights.items() if prefix or name.startswith("bert.")}  # fmt: skip
    weights |= {name.replace("__", "."): torch.randn(shape) for name, shape in shapes.items()}
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    return str(target)


@pytest.mark.parametrize("prefix", ["bert.", ""])
@pytest.mark.parametrize(
    "name",
    [
        "encoder__layer__0__attention__self__distance_embedding__weight",
        "encoder__layer__1__adapter__down__weight",
        "embeddings__task_type_embeddings__weight",
        "encoder__relative_attention_bias__weight",
    ],
)
def test_encoder_weights_for_which_the_model_has_no_place_are_refused(prefix, name, english_bert, tmp_path):
    source = with_weights(english_bert, tmp_path / "model", prefix, **{f"{prefix.replace('.', '__')}{name}": (7, 16)})
    with pytest.raises(UserError, match="BertForSequenceClassification .* has no place for 1 weight of its encoder"):
        load_classifier(source, load_config(source))


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_heads_of_other_tasks_and_what_is_computed_are_left_out_without_a_word(prefix, english_bert, tmp_path):
    inside = prefix.replace(".", "__")
    names = ["cls__predictions__decoder__weight", "lm_head__dense__weight", "qa_outputs__weight", "mlm__weight",
             f"{inside}pooler__extra__weight", f"{inside}encoder__rotary_emb__inv_freq"]  # fmt: skip
    source = with_weights(english_bert, tmp_path / "model", prefix, **dict.fromkeys(names, (4, 4)))
    loaded = load_classifier(source, load_config(source))
    assert loaded.unused_layers == 0
    assert bool(loaded.new_weights) == (not prefix)


def test_layers_that_the_configuration_leaves_out_are_told(english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    assert load_classifier(str(folder), load_config(str(folder))).unused_layers == 16
    notes = [*map(str, utils.new_classifier(str(folder), ["a", "b"], None).notes)]
    assert "16 weights are of layers that config.json leaves out, and are not read" in notes


ROBERTA = BY_NAME["RoBERTa"]


@pytest.mark.parametrize("left", [[], ["tokenizer_config.json"], ["tokenizer_config.json", "special_tokens_map.json"]])
def test_a_model_without_tokenizer_files_is_not_trained_on_empty_texts(left, tmp_path):
    folder = save(ROBERTA, tmp_path)
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors", *left):
            path.unlink()
    with pytest.raises(UserError, match=f"no tokenizer files in {folder}; copy them .* from the model it came from"):
        load_tokenizer(str(folder))


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_and_says_so_where_it_is_saved(tmp_path):
    folder = save(BY_NAME["GPT-2"], tmp_path / "base")
    assert json.loads((folder / "config.json").read_text()).get("pad_token_id") is None
    new = utils.new_classifier(str(folder), ["a", "b"], None)
    end = new.tokenizer.eos_token_id
    assert new.tokenizer.pad_token_id == new.model.config.pad_token_id == end
    new.tokenizer.save_pretrained(tmp_path / "saved")
    new.model.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").pad_token_id == end
    assert load_config(str(tmp_path / "saved")).pad_token_id == end


def test_a_tokenizer_without_any_special_token_is_refused(tmp_path):
    words = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path)
    BertForSequenceClassification(BertConfig(num_hidden_layers=1, hidden_size=12)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="its tokenizer has no padding token, nor another that could pad"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"hidden_size": 32}, 'config.json has no model_type; for a BERT add the line "model_type": "bert",'),
        ({"model_type": "new_kind"}, "has the model_type 'new_kind', which transformers .* does not know; a newer one"),
        ({"model_type": ["bert"]}, "has the model_type .*, which transformers .* does not know"),
        ({"model_type": "vit"}, "this is a model of the type vit, with which transformers cannot classify texts"),
        ({"model_type": "clip"}, "this is a model of the type clip, with which transformers cannot classify texts"),
        ({"model_type": "whisper"}, "a model of the type whisper, with which transformers cannot classify texts"),
    ],
)
def test_a_model_that_cannot_classify_texts_is_told_in_a_line(tmp_path, config, reason):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=reason) as caught:
        load_config(str(tmp_path))
    assert len(caught.value.lines()) == 1


@pytest.mark.skipif("nezha" in CONFIG_MAPPING, reason="this version of transformers has it")
def test_of_a_model_that_transformers_has_left_out_the_version_that_has_it_is_told(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nezha", "max_relative_position": 64}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r'no longer has .* nezha, .*version 4 has \(pip install "transformers<5"\)$'):
        load_config(str(tmp_path))


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack", "model.onnx", "model.gguf"])
def test_weights_of_another_program_are_named(tmp_path, name):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=f"it has no model.safetensors but {name}, which is not read; take"):
        load_config(str(tmp_path))
