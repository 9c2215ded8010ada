"""A model for the time of a look at it: it computes as in prediction, and is afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Let a model compute as in prediction, without dropout, and then again as before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
