"""Whether an exported model answers as the one that it was written from, and what is said of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import COMMA, Text, count_of, joined
from toolkit.evaluation.decision import Decision, softmax
from toolkit.models.trust import fingerprint_weights
from toolkit.runs.run_json import RunFacts
from toolkit.serving.onnx_model import MODEL, QUANTIZED
from toolkit.serving.texts import EXPORT

COMPARED_ROWS = 200
MOST_DIFFERENCE = 1e-5  # of a probability in fp32
SAME_TEMPERATURE = 0.005  # one that differs from 1 by less is not worth a line


@dataclass(frozen=True)
class ExportCheck:
    """What the model answers for N rows, with which an exported one is compared; shapes (N, C) and (N,)."""

    probabilities: np.ndarray
    label_ids: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray) -> "ExportCheck":
        """Return what the model answers by its logits (N, C)."""
        return cls(softmax(logits), logits.argmax(axis=1))

    @property
    def rows(self) -> Text:
        """How many rows are compared."""
        return count_of(len(self.label_ids), "row")

    def same_labels(self, logits: np.ndarray) -> int:
        """Return how many rows have the same most probable label by other logits (N, C)."""
        return int((logits.argmax(axis=1) == self.label_ids).sum())

    def check_exact(self, logits: np.ndarray, folder: Path, size: int) -> Text:
        """Return what is said of a file in fp32 that gives these logits (N, C) and has so many bytes.

        Raises UserError if a probability differs by more than rounding.
        """
        difference = float(np.abs(softmax(logits) - self.probabilities).max())
        if not difference <= MOST_DIFFERENCE:
            raise UserError(EXPORT["differs"].fill(rows=self.rows, difference=difference, most=MOST_DIFFERENCE))
        return EXPORT["written"].fill(file=folder / MODEL, size=size / 1e6, rows=self.rows, difference=difference)

    def keeps_labels(self, logits: np.ndarray, min_agreement: float) -> bool:
        """Say whether logits (N, C) keep the label of at least this share of the rows."""
        return self.same_labels(logits) >= min_agreement * len(self.label_ids)

    def judge_int8(self, logits: np.ndarray, min_agreement: float, folder: Path, size: int) -> Text:
        """Return what becomes of a file in int8 that gives these logits (N, C) and has so many bytes."""
        facts = {"file": folder / QUANTIZED, "rows": self.rows, "same": self.same_labels(logits)}
        if self.keeps_labels(logits, min_agreement):
            return EXPORT["quantized"].fill(size=size / 1e6, **facts)
        return EXPORT["not_quantized"].fill(least=min_agreement, **facts)


def export_facts(model_dir: Path, temperature: float) -> dict[str, Any]:
    """Return what is noted of an export: the fingerprint of the weights, and by what their logits were divided."""
    return {"weights_sha256": fingerprint_weights(model_dir), "temperature": temperature}


def export_notes(decision: Decision, run: RunFacts) -> list[Text]:
    """Return what a user of the exported file has to know: what is in it of a decision, and what is not."""
    notes = []
    if abs(decision.written_temperature - 1) > SAME_TEMPERATURE:
        notes.append(EXPORT["tempered"].fill(temperature=decision.written_temperature))
    rules = []
    if decision.threshold is not None:
        label = run.labels[decision.positive_id]
        rules.append(EXPORT["threshold"].fill(threshold=decision.threshold, label=label))
    if decision.bias is not None:
        rules.append(EXPORT["bias"])
    if rules:
        notes.append(EXPORT["decides"].fill(rule=joined(rules, COMMA)))
    if run.equal_lengths:
        notes.append(EXPORT["equal_lengths"])
    return notes
