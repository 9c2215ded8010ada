"""Probabilities that mean what they say: of rows predicted with 0.8, eight of ten should be right.

Logits are divided by a temperature that makes the validation rows most likely (Guo et al. 2017, section 4.2). It leaves
the order of the labels as it is. N rows, C labels.
"""

import math

import numpy as np

from toolkit.base.errors import UserError

BINS = 15  # of confidence, as in Guo et al. 2017
SPREAD = 0.5  # standard deviation of log temperature before any row is seen, so that few rows change little
LONGEST = math.log(20)  # log temperature


def fit_temperature(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the most likely temperature for logits (N, C) of rows with label_ids (N,), 1 if there are none."""
    from scipy.optimize import minimize_scalar  # here, since importing it takes a second that infer.py need not wait

    logits, rows = logits.astype(np.float64), np.arange(len(label_ids))

    def unlikely(log_temperature: float) -> float:
        """Return the negative log-likelihood of the labels, and of the temperature before they are seen."""
        scaled = logits * math.exp(-log_temperature)
        highest = scaled.max(axis=1, initial=-np.inf)
        log_sum = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
        return float((log_sum - scaled[rows, label_ids]).sum()) + 0.5 * (log_temperature / SPREAD) ** 2

    return math.exp(minimize_scalar(unlikely, bounds=(-LONGEST, LONGEST), method="bounded").x)


def temperature_of(run: dict) -> float:
    """Return the temperature in a run.json, 1 if it has none; UserError for one that is no positive number."""
    found = run.get("metrics", {}).get("temperature", 1.0)
    if type(found) not in (int, float) or not 0 < found < math.inf:
        raise UserError(f"run.json: its temperature is {found!r}, not a positive number")
    return float(found)


def calibration_error(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the expected calibration error of probabilities (N, C) for label_ids (N,).

    The mean over the rows of the difference of confidence and accuracy in the row's bin, of 15 of one width (Naeini et
    al. 2015).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label_ids
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(label_ids))


def brier_score(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """Return the mean over the rows of the squared distance of probabilities (N, C) from the truth (Brier 1950)."""
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(label_ids)), label_ids] = 1.0
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())
