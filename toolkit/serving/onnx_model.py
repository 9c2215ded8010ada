"""A classifier of torch written as an ONNX file, and made smaller in int8.

The inputs are those of the model (input_ids, attention_mask and, of some, token_type_ids), each (B, L) int64 with any B
and L; the output is logits (B, C) in fp32. These are the names that transformers.js and text-embeddings-inference
expect.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from toolkit.base.errors import UserError, first_line
from toolkit.base.torch_versions import exports_onnx
from toolkit.models.heads import last_layer
from toolkit.serving.texts import EXPORT

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check_packages() -> None:
    """Raise UserError if a package is missing that exporting needs, or torch is too old."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(EXPORT["packages"].fill(missing=missing[0], packages=" ".join(NEEDED)))
    if not exports_onnx():
        raise UserError(EXPORT["old_torch"].fill(version=torch.__version__))


@torch.no_grad()
def divide_logits(model: Any, temperature: float) -> None:
    """Make a classifier give its logits divided by a temperature."""
    _, layer = last_layer(model)
    for weight in layer.parameters():
        weight.div_(temperature)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what the exporter tells those who work on it from the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Logits(torch.nn.Module):
    """A classifier that takes its inputs in a fixed order and returns the logits (B, C) alone."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]):
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C) for inputs (B, L)."""
        inputs = dict(zip(self.names, tensors, strict=True))
        return self.model(**inputs).logits


def write_onnx(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], max_length: int, path: Path) -> None:
    """Write a classifier in fp32 to an ONNX file for any number of rows of up to `max_length` tokens.

    `inputs` are those of some rows, each (B, L), by which the model is traced. Raises UserError if it cannot be
    written.
    """
    names = list(inputs)
    rows = torch.export.Dim("batch_size")
    length = torch.export.Dim("sequence_length", max=max_length)
    try:
        with _quietly():
            program = torch.onnx.export(
                _Logits(model.eval(), names),
                tuple(inputs.values()),
                dynamo=True,
                input_names=names,
                output_names=["logits"],
                dynamic_shapes=(tuple({0: rows, 1: length} for _ in names),),
                verbose=False,
            )
        assert program is not None, "the exporter gives a program"
        program.save(str(path), external_data=False)
    except Exception as error:  # of a model that the exporter cannot follow, whichever it raises
        reason = first_line(error.__cause__ or error)  # the exporter's own says in which step
        raise UserError(EXPORT["not_exportable"].fill(model=type(model).__name__, reason=reason)) from None


def quantize(path: Path, target: Path) -> None:
    """Write an ONNX model with the weights of its products in int8, one scale a channel (onnxruntime's dynamic one)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - an optional package

    with _quietly():
        quantize_dynamic(path, target, per_channel=True, weight_type=QuantType.QInt8)
