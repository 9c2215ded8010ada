"""The errors of a model are explained, in small batches where the memory is small; if they cannot be, that is said."""

import gc
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertForSequenceClassification

from tests.base.test_errors import SHORT
from tests.conftest import run_facts
from toolkit.cli.console import Log
from toolkit.data.tables import Table
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.explain import attribute
from toolkit.evaluation.label_set_decision import LabelSetDecision
from toolkit.evaluation.scored_set import ScoredLabelSets, ScoredSet
from toolkit.models.model_files import ModelFiles
from toolkit.models.pretrained import load_classifier, load_tokenizer
from toolkit.report.explanations import Explainer, Explanations, explain_errors, most_confident_errors
from toolkit.report.scores import ScoredRun
from toolkit.tokens.encoder import Encoder

LOGITS = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0], [0.0, 2.0]], np.float32)
SCORED = ScoredSet(LOGITS, np.array([0, 0, 0, 1, 0]), np.full(5, 9), ["con", "pro"], Decision(1.0, 1.0, 1, None))
TEXTS = [f"the {thing} was {'very ' * i}good" for i, thing in enumerate(("food", "room", "bed", "lamp", "chair"))]
FRAME = pd.DataFrame({"text": TEXTS, "label": [SCORED.labels[label] for label in SCORED.label_ids]}, dtype=object)
TABLE = Table(Path("t.csv"), FRAME, [], [], {}, "")
ERRORS = [2, 4, 1, 3]  # the most confident first; of equals, the first


@pytest.fixture
def run(english_bert) -> ScoredRun:
    return scored_by(english_bert)


def scored_by(folder: Path) -> ScoredRun:
    facts = run_facts(labels=SCORED.labels)
    return ScoredRun(SCORED, TABLE, facts, ModelFiles.in_directory(folder), None, None)


@pytest.fixture
def explainer(english_bert) -> Explainer:
    return Explainer(Encoder(load_tokenizer(str(english_bert)), 64, "longest_first", False, True), torch.device("cpu"))


def explained(run: ScoredRun, explainer: Explainer, max_rows: int = 20) -> tuple[Explanations, str]:
    """Return the explanations, and what was said on the screen."""
    stream = io.StringIO()
    return explain_errors(run, explainer, max_rows, Log(stream)), stream.getvalue()


def failing(monkeypatch, error: BaseException | type[BaseException], most: int = 0) -> None:
    """Let a BERT raise an exception wherever more than so many rows go through it."""
    forward = BertForSequenceClassification.forward

    def patched(self, *args, inputs_embeds=None, **options):
        if len(inputs_embeds) > most:
            raise error
        return forward(self, *args, inputs_embeds=inputs_embeds, **options)

    monkeypatch.setattr(BertForSequenceClassification, "forward", patched)


def test_the_most_confident_errors_are_explained(run, explainer):
    assert most_confident_errors(SCORED).tolist() == ERRORS
    for count in (0, 1, 3, 20):
        explanations, said = explained(run, explainer, count)
        assert list(explanations.rows) == ERRORS[:count]
        assert (explanations.problem, said) == ("", "")
        for row, texts in explanations.rows.items():
            assert ["".join(segment.text for segment in text) for text in texts] == [TEXTS[row]]


def test_the_words_are_those_of_the_predicted_label_against_the_true_one(run, explainer):
    explanations, _ = explained(run, explainer)
    classifier = load_classifier(str(run.model_dir)).model
    for row, texts in explanations.rows.items():
        contrast = np.array([[-1, 1]] if SCORED.label_ids[row] == 0 else [[1, -1]])
        (expected,) = attribute(classifier, explainer.encoder, [(TEXTS[row],)], contrast)
        weights = [segment.weight for segment in texts[0] if segment.weight]
        assert weights == pytest.approx([segment.weight for segment in expected[0] if segment.weight], abs=1e-5)


def test_of_several_labels_a_row_the_words_are_those_of_added_labels_against_missed_ones(run, explainer):
    logits = np.array([[2.0, -2.0], [2.0, 2.0], [-2.0, -2.0]], np.float32)
    truth = np.array([[True, False], [True, False], [True, True]])
    scored = ScoredLabelSets(logits, truth, np.full(3, 9), SCORED.labels, LabelSetDecision((0.5, 0.5)))
    several = replace(run, scored=scored, table=replace(TABLE, frame=FRAME[:3]))
    explanations, _ = explained(several, explainer)
    assert sorted(explanations.rows) == [1, 2]
    classifier = load_classifier(str(run.model_dir)).model
    for row, contrast in ((1, [[0, 1]]), (2, [[-1, -1]])):
        (expected,) = attribute(classifier, explainer.encoder, [(TEXTS[row],)], np.array(contrast))
        weights = [segment.weight or 0 for segment in explanations.rows[row][0]]
        assert weights == pytest.approx([segment.weight or 0 for segment in expected[0]], abs=1e-5)


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT.keys())
def test_where_the_memory_is_small_fewer_rows_at_once_give_the_same_words(run, explainer, monkeypatch, error):
    expected, _ = explained(run, explainer)
    failing(monkeypatch, error, most=1)
    explanations, said = explained(run, explainer)
    assert said == "".join(f"out of memory with {a} rows at once; continuing with {b}\n" for a, b in ((4, 2), (2, 1)))
    assert list(explanations.rows) == list(expected.rows)
    for row, texts in explanations.rows.items():
        for segment, other in zip(texts[0], expected.rows[row][0], strict=True):
            assert segment.text == other.text
            assert segment.weight == pytest.approx(other.weight, abs=1e-5)


def test_rows_too_long_for_the_memory_are_left_out_and_counted(run, explainer, monkeypatch):
    expected, _ = explained(run, explainer)
    forward = BertForSequenceClassification.forward
    shortest = min(len(explainer.encoder.tokenizer(TEXTS[row])["input_ids"]) for row in ERRORS)

    def patched(self, *args, inputs_embeds=None, **options):
        if inputs_embeds.shape[1] > shortest:
            raise MemoryError
        return forward(self, *args, inputs_embeds=inputs_embeds, **options)

    monkeypatch.setattr(BertForSequenceClassification, "forward", patched)
    explanations, said = explained(run, explainer)
    assert (list(explanations.rows), explanations.left_out, explanations.problem) == ([1], 3, "")
    assert [s.text for s in explanations.rows[1][0]] == [s.text for s in expected.rows[1][0]]
    assert said.splitlines()[-1] == (
        "report.html comes without the words of 3 rows, too long for the memory even alone"
    )


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT.keys())
@pytest.mark.parametrize("place", ["loading", "moving", "forward", "backward", "the gradient's sum"])
def test_where_even_one_row_is_too_much_there_are_no_words_and_why_is_said(run, explainer, monkeypatch, error, place):
    def run_out(*_, **__):
        raise error

    if place == "forward":
        failing(monkeypatch, error)
    else:
        target, name = {
            "loading": (BertForSequenceClassification, "from_pretrained"),
            "moving": (torch.nn.Module, "to"),
            "backward": (torch.autograd, "grad"),
            "the gradient's sum": (torch, "zeros_like"),
        }[place]
        monkeypatch.setattr(target, name, run_out)
    explanations, said = explained(run, explainer)
    assert (explanations.rows, explanations.problem) == ({}, "no_memory")
    assert explanations.reason.en.startswith("out of memory")
    assert said.splitlines()[-1] == f"report.html comes without explanations: {explanations.reason}"


def test_other_failures_of_a_model_or_its_files_leave_the_words_out_and_those_of_ours_are_not_hidden(
    run, explainer, monkeypatch, tmp_path
):
    damaged = shutil.copytree(run.model_dir, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"?")
    for folder in (tmp_path / "gone", damaged):
        explanations, said = explained(scored_by(folder), explainer)
        assert (explanations.rows, explanations.problem) == ({}, "failed")
        assert said == f"report.html comes without explanations: {explanations.reason}\n"
        assert str(folder) in said
    for error in (RuntimeError("CUDA error: device-side assert\ntriggered"), OSError(12, "Cannot allocate memory")):
        with monkeypatch.context() as patch:
            failing(patch, error)
            explanations, said = explained(run, explainer)
        assert explanations.problem == "failed"
        assert said.count("\n") == 1
    for error in (IndexError("ours"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            failing(patch, error)
            with pytest.raises(type(error)):
                explained(run, explainer)


def test_a_model_that_is_replaced_while_it_is_asked_explains_nothing(english_bert, explainer, tmp_path):
    ours = shutil.copytree(english_bert, tmp_path / "ours")
    (ours / "run.json").write_text("{}")
    run = scored_by(ours)
    config = ours / "config.json"
    config.write_text(config.read_text() + "\n")
    explanations, said = explained(run, explainer)
    assert (explanations.rows, explanations.problem) == ({}, "failed")
    assert explanations.reason.en == f"--model_dir {ours}: the model was replaced while it was read; start again"
    assert said == f"report.html comes without explanations: {explanations.reason}\n"


def test_nothing_of_the_model_is_held_where_its_memory_has_run_out(run, explainer, monkeypatch):
    gc.collect()
    before = sum(type(each) is torch.nn.Parameter for each in gc.get_objects())
    failing(monkeypatch, MemoryError)  # a new one each time, which holds nothing once it is forgotten
    explanations, _ = explained(run, explainer)
    assert explanations.problem == "no_memory"
    assert sum(type(each) is torch.nn.Parameter for each in gc.get_objects()) == before
