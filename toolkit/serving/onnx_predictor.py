"""An ONNX file that computes logits by onnxruntime, in the place of a model of torch.

N rows, B windows of a batch, L tokens of the longest one, C labels.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.base.errors import CANNOT_BE_READ, UserError, first_line
from toolkit.compute.memory import RowLimit
from toolkit.compute.prediction import PredictionPortions, sum_logits
from toolkit.evaluation.ensemble import ComputedOn
from toolkit.tokens.tokenized_rows import TokenizedRows

ERRORS_ALONE = 3  # of onnxruntime's levels of what it prints
NO_MEMORY = "allocate memory"  # in its messages


def thread_count() -> int:
    """Return how many threads are to compute: as OMP_NUM_THREADS says, 0 for as many as there are cores."""
    words = os.environ.get("OMP_NUM_THREADS", "")
    return int(words) if words.isdecimal() else 0


class OnnxSession:
    """An ONNX file that is ready to compute on the CPU."""

    def __init__(self, path: Path):
        """Load a file; UserError if that cannot be done."""
        import onnxruntime  # noqa: PLC0415 - an optional package

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        options.log_severity_level = ERRORS_ALONE
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits computes nothing
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has as many kinds as ways to fail
            raise UserError(CANNOT_BE_READ.fill(file=path, reason=first_line(error))) from None
        self.names = [each.name for each in self.session.get_inputs()]

    def logits(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the logits (B, C) of inputs, each (B, L) int64; MemoryError if there is too little for them."""
        try:
            (logits,) = self.session.run(["logits"], {name: inputs[name] for name in self.names})
        except Exception as error:  # as above
            if NO_MEMORY in str(error):
                raise MemoryError(first_line(error)) from None
            raise
        return logits


@dataclass(frozen=True)
class OnnxPredictor:
    """An ONNX file with what it needs to predict; `limit` is how many rows it takes at once where the memory is short.

    Its logits are divided by a `temperature`, which is undone, so that they are those of the model.
    """

    session: OnnxSession
    label_count: int  # C
    temperature: float
    batch_size: int  # rows
    limit: RowLimit

    @property
    def computed_on(self) -> ComputedOn:
        """What computes."""
        return ComputedOn("onnx", "fp32", "cpu", thread_count() or os.cpu_count())

    def predict(self, rows: TokenizedRows, on_batch: Callable[[int], object] = lambda rows: None) -> np.ndarray:
        """Return the logits (N, C) of rows in fp32; `on_batch` gets the rows that each batch finishes."""

        def forward(numbers: np.ndarray) -> np.ndarray:
            """Return the logits (B, C) of windows by their numbers (B,)."""
            return self.session.logits(rows.batch(numbers)).astype(np.float64) * self.temperature

        portions = PredictionPortions(self.batch_size, self.limit)
        sums = sum_logits(rows.windows, forward, self.label_count, portions, on_batch)
        return rows.windows.mean_of_sums(sums)
