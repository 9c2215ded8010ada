"""Logits and labels for the tests of this wing."""

import numpy as np

from toolkit.evaluation.decision import softmax


def drawn_at(rows: int, temperature: float, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and labels drawn from what these say when divided by a temperature."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, (rows, classes)).astype(np.float32)
    sums = softmax(logits / temperature).cumsum(1)
    return logits, (draw.random((rows, 1)) > sums).sum(1).clip(max=classes - 1)
