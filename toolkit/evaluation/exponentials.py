"""Probabilities of logits and their logarithms, in numpy alone.

scipy.special has these too, but takes a third of a second to import and a hundred megabytes to install, which a machine
that only predicts does without.
"""

import numpy as np


def softmax(values: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis of an array of any shape, in its number format."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_sum_exp(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of the exponentials over the last axis, which is left out."""
    largest = values.max(axis=-1, keepdims=True)
    sums = np.exp(values - largest).sum(axis=-1, keepdims=True)
    return (largest + np.log(sums)).squeeze(-1)


def log_softmax(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis; finite where the softmax itself rounds to 0."""
    differences = values - values.max(axis=-1, keepdims=True)
    return differences - np.log(np.exp(differences).sum(axis=-1, keepdims=True))


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) of each value, which overflows for none."""
    powers = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, powers) / (1.0 + powers)


def log_sigmoid(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sigmoid of each value; finite where the sigmoid itself rounds to 0."""
    return np.minimum(values, 0.0) - np.log1p(np.exp(-np.abs(values)))
