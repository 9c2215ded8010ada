"""When no label is predicted: where its probability is too low, or the text is unlike those of the training rows.

A threshold of the probability may be found at which the accuracy of the rows that are answered is at least so much,
with a confidence of 97.5%. Candidates are the probabilities of the validation rows, tried from the surest rows on in an
order that does not depend on which of them are right; the first one that the rows do not show to be good enough ends
it (fixed-sequence testing, as in Angelopoulos et al. 2021, "Learn then Test"). So the choice is paid for: each
candidate may be tested with the whole 2.5%. The test is the exact one of Clopper and Pearson (1934), whatever the
model: the lower end of their 95% interval must be as good as what is wanted. The first candidate has so many rows that
three of them may be wrong, since an error may be among the surest rows by chance.

How unlike the training rows a text is, is told by the energy of its logits (Liu et al. 2020, "Energy-based
out-of-distribution detection"), here with the sign turned: the lower the logarithm of the sum of their exponentials,
the less it looks like any label. benchmarks/abstention.py compares it with other scores.

Shapes: N rows, C labels.
"""

from dataclasses import dataclass

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.evaluation.exponentials import log_sum_exp
from toolkit.evaluation.texts import ABSTENTION

CONFIDENCE = 0.975  # with which the accuracy is as wanted; then a test set, itself a sample, shows it in 95 of 100
FIRST_ERRORS = 3  # that the first candidate may have; fewer where there are few rows
FIRST_SHARE = 0.1  # of the rows, that the first candidate answers at least
STEPS = 100  # candidates are so many of the rows apart
MOST_ROWS = 1 << 40  # that are ever asked for
WANTED_STEP = 0.001  # between accuracies of which the best one that can be shown is told
LEAST_WANTED = 0.5
REPORTED = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # thresholds of the probability


def accuracy_bound(right: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the accuracy that is surely reached, by Clopper and Pearson, where so many of so many rows are right.

    Args:
        right: (K,), how many of the rows are right.
        rows: (K,), at least 1.
    """
    # It takes a third of a second to import, and predicting without --abstain_for has no use for it.
    from scipy.special import betaincinv  # noqa: PLC0415

    right = np.asarray(right, float)
    bounds = betaincinv(np.maximum(right, 1), rows - right + 1, 1 - CONFIDENCE)
    return np.where(right > 0, bounds, 0.0)


def least_rows(accuracy: float, errors: int) -> int:
    """Return the fewest rows that show an accuracy, below 1, when so many of them are wrong."""
    low = errors + 1
    high = MOST_ROWS
    while low < high:
        middle = (low + high) // 2
        if accuracy_bound(np.array([middle - errors]), np.array([middle]))[0] >= accuracy:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Answers:
    """A threshold of the probability, and what the validation rows tell of the rows at or above it."""

    threshold: float
    rows: int  # validation rows
    share: float  # of them that are answered
    accuracy: float  # of these
    bound: float  # of these, with CONFIDENCE


def find_answers(probability: np.ndarray, right: np.ndarray, accuracy: float) -> Answers | None:
    """Return the lowest threshold that is shown to give an accuracy; None if none is.

    Args:
        probability: (N,), calibrated, of the predicted label of validation rows.
        right: (N,) bool, whether that is the true one.
        accuracy: which rows at or above the threshold are to have, below 1.
    """
    total = len(probability)
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    candidates = _candidates(total, accuracy)
    if not len(candidates):
        return None
    answered = np.searchsorted(-ranked, -ranked[candidates - 1], side="right")  # (K,), with rows of the same value
    right_up_to = np.cumsum(right[order])[answered - 1]
    bounds = accuracy_bound(right_up_to, answered)
    is_shown = bounds >= accuracy
    shown = len(is_shown) if is_shown.all() else int(is_shown.argmin())
    if shown == 0:
        return None
    rows = int(answered[shown - 1])
    threshold = 0.0 if rows == total else float(ranked[rows - 1])
    reached = float(right_up_to[shown - 1] / rows)
    return Answers(threshold, total, rows / total, reached, float(bounds[shown - 1]))


def _candidates(total: int, accuracy: float) -> np.ndarray:
    """Return how many rows each candidate answers, (K,), in the order in which they are tried; none for too few rows.

    They depend on nothing but the number of rows and the accuracy.
    """
    enough = [rows for errors in range(FIRST_ERRORS + 1) if (rows := least_rows(accuracy, errors)) <= total]
    if not enough:
        return np.array([], int)
    first = max(enough[-1], int(FIRST_SHARE * total))
    return np.append(np.arange(first, total, max(1, total // STEPS)), total)


def require_answers(probability: np.ndarray, right: np.ndarray, accuracy: float) -> Answers:
    """Return what find_answers does; UserError, with the best accuracy that the rows show, where that is None."""
    answers = find_answers(probability, right, accuracy)
    if answers is not None:
        return answers
    facts = {"accuracy": accuracy, "rows": len(right), "confidence": CONFIDENCE}
    for wanted in np.arange(round(accuracy, 3) - WANTED_STEP, LEAST_WANTED, -WANTED_STEP):
        best = find_answers(probability, right, float(wanted))
        if best is not None:
            raise UserError(ABSTENTION["not_shown"].fill(best=wanted, share=best.share, **facts))
    raise UserError(ABSTENTION["nothing_shown"].fill(**facts))


def energies_of(logits: np.ndarray) -> np.ndarray:
    """Return the energy (N,) of logits (N, C) as they are, which is high for what looks like one of the labels."""
    return log_sum_exp(logits.astype(np.float64))


def find_least_energy(energies: np.ndarray, share: float) -> float:
    """Return the energy below which a share of validation rows lies, whose energies are (N,)."""
    return float(np.sort(energies)[int(share * len(energies))])


def answers_line(answers: Answers, accuracy: float) -> Text:
    """Return what was found for a wanted accuracy as a line to read."""
    return ABSTENTION["answers"].fill(
        accuracy=accuracy,
        threshold=answers.threshold,
        share=answers.share,
        rows=answers.rows,
        reached=answers.accuracy,
        confidence=CONFIDENCE,
        bound=answers.bound,
    )


@dataclass(frozen=True)
class ValidationSet:
    """What is predicted of N validation rows: with which probability, whether it is right, and the energies."""

    probability: np.ndarray  # (N,), calibrated
    right: np.ndarray  # (N,) bool
    energies: np.ndarray  # (N,)

    def with_energy(self, least: float | None) -> "ValidationSet":
        """Return the rows that have at least so much energy; None: all of them."""
        if least is None:
            return self
        chosen = self.energies >= least
        return ValidationSet(self.probability[chosen], self.right[chosen], self.energies[chosen])


@dataclass(frozen=True)
class AnswerRule:
    """Which rows are answered: those with at least so much of each."""

    probability: float = 0.0  # calibrated, of the predicted label
    energy: float | None = None  # None: whatever it is

    def uncertain(self, probability: np.ndarray, energies: np.ndarray) -> np.ndarray:
        """Return which rows (N,) bool are not answered, by the probability (N,) and the energy (N,) of each."""
        too_low = probability < self.probability
        return too_low if self.energy is None else too_low | (energies < self.energy)


def answered_at(probability: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """Return for each of REPORTED thresholds how many rows are answered, their share, and the accuracy of these.

    Thresholds at which no row is answered are left out. `right` (N,) is as in risk_coverage.
    """
    entries: list[dict[str, float]] = []
    for threshold in REPORTED:
        answered = probability >= threshold
        if answered.any():
            rows = int(answered.sum())
            accuracy = float(right[answered].mean())
            entries.append({"probability": threshold, "rows": rows, "share": rows / len(right), "accuracy": accuracy})
    return entries


def risk_coverage(probability: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of rows that is answered (K,), rising, and the accuracy of these (K,), at each threshold.

    This is a risk-coverage curve (El-Yaniv and Wiener 2010) with the accuracy in place of the risk. `right` (N,) may be
    any share of a row that is right; rows with the same probability (N,) are answered together.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last_of_value = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    answered = last_of_value + 1
    return answered / len(ranked), np.cumsum(right[order].astype(float))[last_of_value] / answered
