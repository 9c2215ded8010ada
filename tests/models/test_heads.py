import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

import utils
from tests.conftest import WORDS, bert_tokenizer
from tests.models.architectures import ARCHITECTURES, Architecture, save
from toolkit.base.errors import UserError
from toolkit.models.heads import HeadChoice, OwnHead, choose_head

LABELS = ["con", "pro", "so so"]
IDS = torch.tensor([[2, 9, 14, 20, 3]])


def saved(folder: Path, labels: list[str] | None, kind=BertForSequenceClassification, **config) -> Path:
    """Save a random BERT whose head has these labels (None: three without names)."""
    tokenizer = bert_tokenizer(WORDS)
    tokenizer.save_pretrained(folder)
    names = {"num_labels": 3} if labels is None else {"id2label": dict(enumerate(labels))}
    torch.manual_seed(0)
    sizes = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.2, **names, **config,
    )  # fmt: skip
    kind(sizes).save_pretrained(folder)
    return folder


@torch.inference_mode()
def scores(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=IDS).logits


def own_scores(folder: Path) -> torch.Tensor:
    return scores(AutoModelForSequenceClassification.from_pretrained(folder))


def loaded(folder: Path, labels: list[str] = LABELS, **options) -> utils.NewClassifier:
    torch.manual_seed(1)
    return utils.new_classifier(str(folder), labels, None, **options)


def has_new_head(new: utils.NewClassifier, folder: Path) -> bool:
    """Say whether the head is new, and the encoder the one that is saved."""
    weights = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.1.output.dense.weight"
    assert torch.equal(new.model.bert.encoder.layer[1].output.dense.weight, weights[name])
    if "classifier.weight" in new.new_weights:
        assert new.model.classifier.weight.std() < 1
        return not torch.equal(new.model.classifier.weight, weights.get("classifier.weight", torch.zeros(0)))
    return False


@pytest.mark.parametrize(
    "own", [["pro", "so so", "con"], ["so so", "pro", "con"], ["con", "so so", "pro"], ["Pro ", "SO  SO", "con"]]
)
def test_a_head_whose_labels_stand_in_another_order_gives_the_same_scores_to_the_same_labels(own, tmp_path):
    folder = saved(tmp_path, own)
    new = loaded(folder)
    assert new.new_weights == []
    order = [["".join(label.lower().split()) for label in own].index(label.replace(" ", "")) for label in LABELS]
    torch.testing.assert_close(scores(new.model), own_scores(folder)[:, order])
    (note,) = new.notes
    assert str(note).startswith("the head is kept")
    assert new.model.config.id2label == dict(enumerate(LABELS))


def test_labels_of_the_same_names_and_order_are_kept_without_a_word(tmp_path):
    folder = saved(tmp_path, LABELS)
    new = loaded(folder)
    assert (new.new_weights, new.notes) == ([], [])
    torch.testing.assert_close(scores(new.model), own_scores(folder))


@pytest.mark.parametrize(
    ("own", "config", "said"),
    [
        (None, {}, "does not say which labels it has"),
        (["good", "bad", "ugly"], {}, "has other labels ('good', 'bad', 'ugly')"),
        (["con", "pro"], {}, "has 2 labels, not 3"),
        (["Con", "con", "pro"], {}, "has other labels"),
        (LABELS, {"problem_type": "multi_label_classification"}, "is for several labels a text"),
        (LABELS, {"problem_type": "regression"}, "predicts a number"),
        (["score"], {}, "predicts a number"),
    ],
)
def test_a_head_of_other_labels_is_not_kept(own, config, said, tmp_path):
    folder = saved(tmp_path, own, **config)
    new = loaded(folder)
    assert has_new_head(new, folder)
    assert said in str(new.notes[0])
    assert torch.equal(loaded(folder).model.classifier.weight, new.model.classifier.weight)


def test_two_labels_that_differ_by_case_alone_are_told_apart_or_not_matched_at_all(tmp_path):
    folder = saved(tmp_path, ["x", "B", "b"])
    assert loaded(folder, ["B", "b", "x"]).new_weights == []
    assert has_new_head(loaded(folder, ["B", "c", "x"]), folder)
    assert has_new_head(loaded(folder, ["X", "B", "b"]), folder)


@pytest.mark.parametrize("kind", [BertForTokenClassification, BertForMaskedLM, BertModel])
def test_a_model_that_does_not_classify_texts_gets_a_new_head(kind, tmp_path):
    folder = saved(tmp_path, LABELS, kind)
    if kind is BertModel:  # saved without the prefix
        assert loaded(folder).new_weights == ["classifier.bias", "classifier.weight"]
        assert loaded(folder).notes == []
        return
    new = loaded(folder)
    assert has_new_head(new, folder)
    assert [*map(str, new.notes)] == (
        ["the head of this model is that of a BertForTokenClassification, so a new one is begun"]
        if kind is BertForTokenClassification
        else []
    )
    with pytest.raises(UserError, match="--keep_head: th"):
        loaded(folder, choice=HeadChoice(keep=True))


def test_a_head_is_kept_by_position_for_whoever_asks_for_it(tmp_path):
    folder = saved(tmp_path, None)
    new = loaded(folder, choice=HeadChoice(keep=True))
    assert new.new_weights == []
    assert [*map(str, new.notes)] == [
        "the head is kept by position (--keep_head): 'LABEL_0' is 'con', 'LABEL_1' is 'pro', 'LABEL_2' is 'so so'"
    ]
    torch.testing.assert_close(scores(new.model), own_scores(folder))
    with pytest.raises(UserError, match="--keep_head: the head of this model has 3 labels, the data 2"):
        loaded(folder, ["a", "b"], choice=HeadChoice(keep=True))


def test_labels_that_are_called_as_transformers_calls_those_without_names_are_names_too(tmp_path):
    folder = saved(tmp_path, None)
    new = loaded(folder, ["LABEL_2", "LABEL_0", "LABEL_1"])
    torch.testing.assert_close(scores(new.model), own_scores(folder)[:, [2, 0, 1]])


def test_the_labels_of_a_model_of_ours_are_those_of_its_run(tmp_path):
    folder = saved(tmp_path, None)
    (folder / "run.json").write_text(json.dumps({"labels": ["so so", "con", "pro"]}))
    new = loaded(folder)
    torch.testing.assert_close(scores(new.model), own_scores(folder)[:, [1, 2, 0]])


def test_long_lists_of_labels_are_not_listed_to_the_end():
    head = choose_head(OwnHead([f"a{i}" for i in range(30)], ""), [f"b{i}" for i in range(30)], keep_head=False)
    assert head.order is None
    assert str(head.note).endswith("('a0', 'a1', 'a2', 'a3', 'a4' and 25 more): a new one is begun")


CLASSIFIERS = [each for each in ARCHITECTURES if not each.as_base and each.is_there and each.name != "Reformer"]


@pytest.mark.parametrize("architecture", CLASSIFIERS, ids=lambda each: each.name)
def test_heads_of_all_kinds_are_reordered(architecture: Architecture, tmp_path):
    folder = save(architecture, tmp_path / "model", ("so so", "con", "pro"))
    reordered = loaded(folder).model
    shutil.copytree(folder, tmp_path / "same")
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    (tmp_path / "same" / "config.json").write_text(json.dumps(config))
    as_it_is = loaded(tmp_path / "same").model
    torch.testing.assert_close(scores(reordered), scores(as_it_is)[:, [1, 2, 0]])
    assert not torch.allclose(scores(reordered), scores(as_it_is), rtol=0.01)


def test_a_head_is_kept_only_where_it_gives_a_text_as_many_labels_as_the_data(tmp_path):
    several = HeadChoice(several_labels=True)
    of_several = saved(tmp_path / "several", LABELS, problem_type="multi_label_classification")
    of_one = saved(tmp_path / "one", LABELS)
    kept = loaded(of_several, choice=several)
    torch.testing.assert_close(scores(kept.model), own_scores(of_several))
    assert kept.new_weights == []
    assert kept.model.config.problem_type == "multi_label_classification"
    assert "is for one label a text" in str(loaded(of_one, choice=several).notes[-1])
    assert "is for several labels a text" in str(loaded(of_several).notes[-1])
