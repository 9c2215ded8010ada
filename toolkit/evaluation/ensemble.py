"""Models that predict together, or one alone: what becomes of their logits, whatever computes them.

N rows, C labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from toolkit.cli.console import Log
from toolkit.data.row_texts import RowTexts
from toolkit.evaluation.abstention import energies_of
from toolkit.evaluation.tasks import AnyDecision, Task, task_of
from toolkit.runs.run_json import RunFacts
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.tokenized_rows import TokenizedRows, tokenize_rows


@dataclass(frozen=True)
class ComputedOn:
    """What computes logits, on which their last digits depend."""

    engine: str  # torch or onnx
    precision: str
    device: str
    threads: int | None  # of the CPU; None on other devices


class RowsPredictor(Protocol):
    """A model that computes the logits of tokenized rows."""

    @property
    def computed_on(self) -> ComputedOn:
        """What computes."""

    def predict(self, rows: TokenizedRows, on_batch: Callable[[int], object]) -> np.ndarray:
        """Return the logits (N, C) of rows; `on_batch` gets the rows that each batch finishes."""


AnyPredictor = TypeVar("AnyPredictor", bound=RowsPredictor)


@dataclass(frozen=True)
class SavedPredictor(Generic[AnyPredictor]):
    """What a model directory holds that main.py wrote: how texts are encoded, what predicts them, and its run.json."""

    encoder: Encoder
    predictor: AnyPredictor
    run: RunFacts


@dataclass(frozen=True)
class Member(Generic[AnyPredictor]):
    """A saved model that predicts, alone or as one of several.

    `decision` says how its logits become probabilities, `order` which numbers it has for the common labels.
    """

    encoder: Encoder
    predictor: AnyPredictor
    decision: AnyDecision
    order: list[int]

    @classmethod
    def of(
        cls, saved: SavedPredictor[AnyPredictor], decision: AnyDecision, labels: Sequence[str]
    ) -> "Member[AnyPredictor]":
        """Return a saved model as a member of those whose common labels are these."""
        return cls(saved.encoder, saved.predictor, decision, [saved.run.labels.index(label) for label in labels])


@dataclass(frozen=True)
class TablePrediction:
    """What was predicted of the N rows of a table with C labels."""

    logits: np.ndarray  # (N, C)
    energies: np.ndarray  # (N,), low for texts that are like none of the labels
    full_lengths: np.ndarray  # (N,), in tokens of the first model, before they are cut


@dataclass(frozen=True)
class Ensemble(Generic[AnyPredictor]):
    """Models that predict together, by the mean of their probabilities; one alone predicts by its own logits.

    `decision` says how the logits, those of the one or the logarithms of the mean, become probabilities and labels.
    """

    members: list[Member[AnyPredictor]]
    labels: list[str]
    task: Task
    decision: AnyDecision
    language: str = "en"  # of progress bars

    @property
    def predictors(self) -> list[AnyPredictor]:
        """Those of all models."""
        return [member.predictor for member in self.members]

    def predict(
        self, texts: RowTexts, on_batch: Callable[[int], object] = lambda rows: None, file: str = ""
    ) -> TablePrediction:
        """Predict texts; `on_batch` gets the rows of each batch that all models have predicted.

        `file` is for messages.
        """
        logits = []
        lengths = []
        for number, member in enumerate(self.members, 1):
            rows = tokenize_rows(member.encoder, texts, file, self.language)
            is_last = number == len(self.members)
            logits.append(member.predictor.predict(rows, on_batch if is_last else _nothing))
            lengths.append(rows.full_lengths)
        return self.together(logits, lengths[0])

    def together(self, logits: Sequence[np.ndarray], full_lengths: np.ndarray) -> TablePrediction:
        """Return what the models predict together, given the logits (N, C) of each, in the order of its own labels."""
        energies = np.mean([energies_of(each) for each in logits], axis=0)
        if len(self.members) == 1:
            return TablePrediction(logits[0], energies, full_lengths)
        probabilities = [
            member.decision.probabilities(each)[:, member.order]
            for member, each in zip(self.members, logits, strict=True)
        ]
        return TablePrediction(self.task.mean_logits(probabilities), energies, full_lengths)


def _nothing(rows: int) -> None:
    """Do nothing about the rows of a batch that not all models have predicted yet."""


def ensemble_of(
    saved: Sequence[SavedPredictor[AnyPredictor]], log: Log, calibrated: bool = True, threshold: float | None = None
) -> Ensemble[AnyPredictor]:
    """Return some saved models, or one, as they predict together; a `threshold` that is given replaces theirs.

    `log` gets a line where thresholds of the models are not used. Raises UserError for a threshold that makes no sense.
    """
    runs = [each.run for each in saved]
    labels = runs[0].labels
    task = task_of(runs[0])
    members = [Member.of(each, task.decision_of(each.run, calibrated), labels) for each in saved]
    if len(members) == 1:
        decision = task.decision_of(runs[0], calibrated, threshold)
        return Ensemble(members, labels, task, decision, log.language)
    average = task.decision_of_average(runs, threshold)
    if average.note is not None:
        log(average.note)
    return Ensemble(members, labels, task, average.decision, log.language)
