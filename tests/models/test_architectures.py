"""Each kind of model is trained, saved and asked again, by us and by transformers.pipeline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import pipeline

import utils
from tests.conftest import run_facts
from tests.models.architectures import ARCHITECTURES, BY_NAME, Architecture, save
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.compute.machine import Machine
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import Precision
from toolkit.models.configuration import prepare_tokenizer
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice
from toolkit.tokens.encoder import make_encoder
from toolkit.tokens.probe import Fit, probe
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.optimizer import make_optimizer

MACHINE = Machine(torch.device("cpu"), Precision("fp32", "cpu"))
LABELS = ["con", "pro", "so so"]
WORDS = """the food was very good and staff nice we never had a room that so dirty""".split()  # noqa: SIM905
PADDING_CHANGES = {"MobileBERT", "ConvBERT", "FNet", "Nyströmformer", "Nyströmformer, few landmarks", "YOSO", "XLNet"}


@pytest.fixture(scope="module", autouse=True)
def no_model_card():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "model_card", lambda run: "")
        yield


def texts(seed: int, longest: int = 60) -> list[str]:
    """Return texts of mixed lengths, one of them longer than the models take."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, count)) for count in (2, 9, 1, 5, longest, 9, 3)]


def table(pairs: bool) -> pd.DataFrame:
    frame = pd.DataFrame({"text": texts(1), "text_pair": texts(2, longest=4)}, dtype=object)
    return frame if pairs else frame[["text"]]


@dataclass(frozen=True)
class Trained:
    """A model after some steps, and what it was trained with."""

    model: Any
    encoder: Any
    fit: Fit
    dataset: Any
    folder: Path


def train(folder: Path, pairs: bool, micro_batch_size: int | None = None, design: HeadDesign | None = None) -> Trained:
    """Train the model of a directory for two steps, without dropout; `design` is that of a head of our own."""
    torch.manual_seed(3)
    new = utils.new_classifier(str(folder), LABELS, 0.0, choice=HeadChoice(design=design))
    encoder = make_encoder(new.tokenizer, new.model.config, None, "longest_first", pairs)
    fit = probe(str(folder), new.model, encoder, MACHINE)
    prepare_tokenizer(new.tokenizer, new.model.config, fit.max_length)
    dataset = utils.tokenize(encoder, table(pairs), np.arange(7) % 3).dataset
    optimizer = make_optimizer(new.model, 0.01, (0.9, 0.999), 1e-4)
    limit = RowLimit(micro_batch_size, equal_lengths=fit.equal_lengths)
    settings = StepSettings(lambda step: 1e-3)
    learner = Learner(new.model, optimizer, MACHINE.precision.scaler(), settings, MACHINE, limit)
    batches = [np.arange(7), np.arange(7)[::-1].copy()]
    utils.train_one_epoch(learner, dataset, batches, lambda *_: None)
    learner.release()
    return Trained(new.model, encoder, fit, dataset, folder)


def predictions(saved: utils.SavedClassifier, frame: pd.DataFrame, batch_size: int) -> np.ndarray:
    dataset = utils.tokenize(saved.encoder, frame).dataset
    logits = utils.predict_logits(saved.predictor(batch_size, Log(None)), dataset)
    return torch.softmax(torch.from_numpy(logits), 1).numpy()


def pipeline_predictions(folder: Path, frame: pd.DataFrame) -> np.ndarray:
    """Return what transformers gives for each row by itself, cut as it cuts."""
    classify = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    rows = []
    for row in frame.to_dict("records"):
        answer = classify(row if len(row) > 1 else row["text"], truncation=True)
        entries = answer[0] if isinstance(answer[0], list) else answer
        scores = {entry["label"]: entry["score"] for entry in entries}
        rows.append([scores[label] for label in LABELS])
    return np.array(rows)


THERE = [each for each in ARCHITECTURES if each.is_there and each.name not in ("Reformer", "MRA")]


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("architecture", THERE, ids=lambda each: each.name)
def test_a_saved_model_gives_what_transformers_gives_whatever_the_batch(architecture: Architecture, pairs, tmp_path):
    folder = save(architecture, tmp_path / "base", tuple(LABELS))
    trained = train(folder, pairs)
    assert trained.fit.equal_lengths == (architecture.name in PADDING_CHANGES)
    columns = {"text": "text", "text_pair": "text_pair" if pairs else None, "label": "label"}
    facts = run_facts(
        labels=LABELS, max_length=trained.fit.max_length, equal_lengths=trained.fit.equal_lengths, columns=columns
    )
    utils.save_model(tmp_path / "model", trained.model, trained.encoder.tokenizer, facts)
    saved = utils.load_model(tmp_path / "model", MACHINE)
    frame = table(pairs)
    together = predictions(saved, frame, batch_size=7)
    assert together.std(0).max() > 1e-3  # the texts are told apart
    np.testing.assert_allclose(together, predictions(saved, frame, batch_size=1), atol=1e-5)
    np.testing.assert_allclose(together, pipeline_predictions(tmp_path / "model", frame), atol=1e-5)
    again = utils.new_classifier(str(tmp_path / "model"), LABELS, 0.0)  # to be trained further
    assert (again.new_weights, [note for note in again.notes if "head" in str(note)]) == ([], [])
    encoder = make_encoder(again.tokenizer, again.model.config, None, "longest_first", pairs)
    assert encoder.max_length == trained.encoder.max_length
    assert encoder.token_types == trained.encoder.token_types


@pytest.mark.parametrize("name", ["BERT", "XLNet", "ConvBERT", "FNet"])
def test_a_step_is_the_same_whether_its_rows_go_through_the_model_together_or_alone(name, tmp_path):
    folder = save(BY_NAME[name], tmp_path, tuple(LABELS))
    together = train(folder, pairs=False)
    alone = train(folder, pairs=False, micro_batch_size=1)
    for mine, theirs in zip(together.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", ["BART", "T5", "mBART"])
def test_a_text_with_the_end_token_in_it_is_a_text_for_models_that_read_it_there(name, tmp_path):
    trained = train(save(BY_NAME[name], tmp_path / "base", tuple(LABELS)), pairs=False)
    end = trained.encoder.tokenizer.eos_token
    frame = pd.DataFrame({"text": ["the food", f"the {end} food {end}", f"{end}", "bad"]}, dtype=object)
    facts = run_facts(labels=LABELS, max_length=trained.fit.max_length)
    utils.save_model(tmp_path / "model", trained.model, trained.encoder.tokenizer, facts)
    together = predictions(utils.load_model(tmp_path / "model", MACHINE), frame, batch_size=4)
    np.testing.assert_allclose(together, pipeline_predictions(tmp_path / "model", frame), atol=1e-5)


def test_a_model_whose_attention_is_missing_is_refused(tmp_path):
    """Without a kernel of its own, which is fetched from the hub, transformers' MRA gives 0 for attention."""
    folder = save(BY_NAME["MRA"], tmp_path, tuple(LABELS))
    with pytest.raises(UserError, match="gives all texts the same scores"):
        train(folder, pairs=False)


def test_a_model_that_draws_at_random_when_it_predicts_is_refused(tmp_path):
    folder = save(BY_NAME["Reformer"], tmp_path, tuple(LABELS))
    with pytest.raises(
        UserError, match="it scores the same text differently when it scores it again|cannot be used here"
    ):
        train(folder, pairs=False)
