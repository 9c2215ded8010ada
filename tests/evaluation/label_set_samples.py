"""Logits and labels of rows that may have several."""

import numpy as np
from sklearn import metrics as sk

from toolkit.evaluation.label_set_decision import (
    LabelSetDecision,
)
from toolkit.evaluation.scored_set import ScoredLabelSets

LABELS = list("abcde")


def drawn(rows: int = 400, temperature: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, 5) and labels that are as likely as their sigmoid says, before a temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1.5, 2.0, (rows, 5))
    truth = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return (logits * temperature).astype(np.float32), truth


def scored(logits: np.ndarray, truth: np.ndarray, threshold: float = 0.5) -> ScoredLabelSets:
    decision = LabelSetDecision((threshold,) * truth.shape[1])
    return ScoredLabelSets(logits, truth, np.ones(len(truth)), LABELS[: truth.shape[1]], decision)


def miscalibrated(rows: int, seed: int, labels: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds whose best threshold differs by label, some of which are rare, and the labels."""
    random = np.random.default_rng(seed)
    rates = np.linspace(0.01, 0.4, labels)
    truth = random.random((rows, labels)) < rates
    shift = np.random.default_rng(99).normal(0, 1.5, labels)  # the same for every seed
    return random.normal(np.where(truth, 1.0, -1.0) + shift, 1.0), truth


def f1(truth, predicted, metric):
    return sk.f1_score(truth, predicted, average=metric.removesuffix("_f1"), zero_division=0)
