"""What a model made of its validation rows, kept beside it: thresholds are found with it when the rows are gone."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from toolkit.base.errors import UserError
from toolkit.runs.texts import VALIDATION_SCORES

if TYPE_CHECKING:  # a machine that only predicts does without
    import pandas as pd

FILE = "validation_scores.safetensors"
MAX_VALUES = 1 << 20  # logits, of 4 bytes each, that are kept; of more rows some are drawn


@dataclass(frozen=True)
class ValidationScores:
    """The logits (N, C) of validation rows in fp32 and their labels; `rows` says which rows these are.

    The labels are numbers (N,), or where a row may have several (N, C), 1 for those that it has.
    """

    logits: np.ndarray
    label_ids: np.ndarray
    rows: str  # sha256 of all of them, texts and labels

    def save(self, folder: Path) -> None:
        """Write them into a model directory, of so many rows that the file stays small."""
        total, label_count = self.logits.shape
        most = max(1, MAX_VALUES // label_count)
        chosen = np.arange(total)
        if total > most:  # the same ones for each model of these rows
            chosen = np.sort(np.random.default_rng(0).choice(total, most, replace=False))
        tensors = {
            "label_ids": np.ascontiguousarray(self.label_ids[chosen], np.int32),
            "logits": np.ascontiguousarray(self.logits[chosen], np.float32),
        }
        save_file(tensors, folder / FILE, {"rows": self.rows})

    @classmethod
    def find(cls, folder: Path, label_count: int) -> "ValidationScores | None":
        """Return those of a model directory, None if an older main.py wrote it."""
        return cls.read(folder, label_count, "") if (folder / FILE).is_file() else None

    @classmethod
    def read(cls, folder: Path, label_count: int, option: str) -> "ValidationScores":
        """Return those of a model directory, for `option`, which needs them; UserError if there are none."""
        path = folder / FILE
        if not path.is_file():
            raise UserError(VALIDATION_SCORES["none"].fill(option=option, file=path))
        try:
            with safe_open(path, "np") as tensors:
                logits = tensors.get_tensor("logits")
                label_ids = tensors.get_tensor("label_ids")
                rows = (tensors.metadata() or {}).get("rows", "")
        except (OSError, SafetensorError) as error:
            raise UserError(VALIDATION_SCORES["damaged"].fill(file=path, reason=str(error))) from None
        fits = logits.ndim == 2 and logits.shape[1] == label_count
        fits = fits and label_ids.shape in (logits.shape[:1], logits.shape)
        values = label_count if label_ids.ndim == 1 else 2
        if not (fits and np.isfinite(logits).all() and np.isin(label_ids, np.arange(values)).all()):
            raise UserError(VALIDATION_SCORES["damaged"].fill(file=path, reason=VALIDATION_SCORES["misfit"]))
        return cls(logits, label_ids.astype(np.int64), rows)


def fingerprint_rows(frame: "pd.DataFrame") -> str:
    """Return the sha256 in hex of the texts and labels of rows, in their order."""
    digest = hashlib.sha256()
    for row in frame.itertuples(index=False):
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()
