"""A linear probe: logistic regression on what a pretrained encoder makes of the texts, before anything is fine-tuned.

The last layer of a new head begins with its weights instead of random ones ("linear probing, then fine-tuning", Kumar
et al. 2022, section 3). Then the first steps do not distort what the encoder knows while the head is still of no use, a
run is no worse than the probe from its first step, and runs differ less from seed to seed.

Shapes: N rows, H values of each that the last layer of the head gets, C labels.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from toolkit.data.split import random_parts
from toolkit.evaluation.decision import cross_entropy_sum
from toolkit.evaluation.label_set_decision import sigmoid_loss_sum

STRENGTHS = (0.003, 0.03, 0.3)  # C of the regressions that are tried, on inputs of standard deviation 1 on the whole
MAX_ROWS = 3000  # to learn from, a random part of more
MAX_CHOICE_ROWS = 1000  # likewise, while something is chosen, and to choose it by
FEW_VALID_ROWS = 200  # with which nothing can be chosen
FOLDS = 5
UNSEEN = 1.0  # how far the bias of a label without rows is below the others
ITERATIONS = 100
FEW_ROWS = 16  # of a label
SHARE = 0.3
FEW_PAIRS = 500  # training rows


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of the values that the last layer of a head gets."""

    weight: np.ndarray  # (C, H)
    bias: np.ndarray  # (C,)
    loss: float = math.nan  # mean cross entropy of rows that it has not learned from
    kept: np.ndarray | None = None  # (C,), log-odds of each label, where a row may have several

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what it holds as tensors, for the other processes."""
        loss = torch.tensor([self.loss], dtype=torch.float64)
        tensors = {"weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias), "loss": loss}
        return tensors if self.kept is None else {**tensors, "kept": torch.from_numpy(self.kept)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "LinearProbe":
        """Return the probe that `tensors` gave."""
        kept = tensors["kept"].numpy() if "kept" in tensors else None
        return cls(tensors["weight"].numpy(), tensors["bias"].numpy(), float(tensors["loss"]), kept)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return the logits (N, C) for the inputs (N, H) of the last layer."""
        return inputs @ self.weight.T + self.bias

    def start(self, layer: torch.nn.Linear, share: float) -> None:
        """Give a layer a share of the weights of the probe, with which it predicts the same, but less certainly.

        Where a row may have several labels, each is as frequent as before among what it predicts.
        """
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight)).mul_(share)
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(self.bias)).mul_(share)
                if self.kept is not None:
                    layer.bias.add_(torch.from_numpy(self.kept).to(layer.bias), alpha=1 - share)


def suits(rows: int, pairs: bool) -> bool:
    """Say whether a head does well to begin with a probe, for so many training rows of single texts or of pairs.

    What one text of a pair is to the other hardly shows in a probe, and an encoder that begins with it learns it less
    well; but an encoder that has few rows does not learn it at all.
    """
    return not pairs or rows < FEW_PAIRS


def starting_share(rows: int, labels: int) -> float:
    """Return which share of a probe's weights the last layer of a head begins with.

    A probe that has fitted the training rows leaves an encoder nothing to learn from. With few rows a label that is as
    well, since these would only lead it away from what it knows.
    """
    return 1.0 if rows < FEW_ROWS * labels else SHARE


@dataclass(frozen=True)
class ProbedRows:
    """The rows that a probe learns from, or is scored on."""

    inputs: np.ndarray  # (N, H) fp32, of the last layer of the head
    label_ids: np.ndarray  # (N,), or where a row may have several labels (N, C) bool
    together: np.ndarray | None = None  # (N,) rows of one number are in one fold; None: each is alone

    @property
    def have_label_sets(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.label_ids.ndim == 2

    def __len__(self) -> int:
        return len(self.label_ids)

    def select(self, chosen: np.ndarray) -> "ProbedRows":
        """Return the rows of some numbers, or those for which a mask (N,) is true."""
        together = None if self.together is None else self.together[chosen]
        return ProbedRows(self.inputs[chosen], self.label_ids[chosen], together)

    def part(self, rows: int) -> "ProbedRows":
        """Return at most so many of the rows, drawn at random but always the same."""
        return self if len(self) <= rows else self.select(sampled_rows(len(self), rows))


@dataclass(frozen=True)
class ProbedTables:
    """What the last layer of a head gets for the rows that a probe learns from, and for those that it is chosen by."""

    train: ProbedRows
    valid: ProbedRows


def sampled_rows(rows: int, wanted: int) -> np.ndarray:
    """Return the numbers, in order, of `wanted` of the rows, or of all; drawn at random but always the same."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:wanted])


def fit_probe(train: ProbedRows, valid: ProbedRows, labels: int) -> LinearProbe:
    """Return the probe that has learned from the training rows, with the strength at which the loss of others is low.

    The others are the validation rows; of training rows that are learned from in turn, each is one of them too where
    these are few. At least two labels must stand in the training rows; those of `labels` that do not are made unlikely.
    """
    train = train.part(MAX_ROWS)
    scale = _Scale.of(train)
    scaled = scale.apply(train)
    losses = _losses_of_others(scaled, scale.apply(valid), labels)
    best = min(STRENGTHS, key=lambda strength: losses[strength])
    probe = _fit(scaled, labels, best)
    weight = probe.weight / scale.deviation
    bias = probe.bias - weight @ scale.mean
    kept = _log_odds(_shares(train)).astype(np.float32) if train.have_label_sets else None
    return LinearProbe(weight.astype(np.float32), bias.astype(np.float32), losses[best], kept)


def lowest_loss(train: ProbedRows, valid: ProbedRows, labels: int) -> float:
    """Return the loss of the probe that fit_probe would return for these rows."""
    train = train.part(MAX_ROWS)
    scale = _Scale.of(train)
    return min(_losses_of_others(scale.apply(train), scale.apply(valid), labels).values())


@dataclass(frozen=True)
class _Scale:
    """Brings the inputs of a probe to a mean of 0 and, on the whole, a standard deviation of 1."""

    mean: np.ndarray  # (H,)
    deviation: float  # of all values together: bf16 rounds what hardly varies

    @classmethod
    def of(cls, rows: ProbedRows) -> "_Scale":
        """Return the scale of some rows."""
        mean = rows.inputs.mean(axis=0)
        return cls(mean, float(np.sqrt(np.square(rows.inputs - mean).mean())) + 1e-6)

    def apply(self, rows: ProbedRows) -> ProbedRows:
        """Return rows with scaled inputs."""
        return replace(rows, inputs=(rows.inputs - self.mean) / self.deviation)


def _losses_of_others(train: ProbedRows, valid: ProbedRows, labels: int) -> dict[float, float]:
    """Return, for each of STRENGTHS, the mean cross entropy of scaled rows that a probe has not learned from."""
    some = train.part(MAX_CHOICE_ROWS)
    some_valid = valid.part(MAX_CHOICE_ROWS)
    return {strength: _loss_of_others(some, some_valid, labels, strength) for strength in STRENGTHS}


def _loss_of_others(train: ProbedRows, valid: ProbedRows, labels: int, strength: float) -> float:
    """Return the mean cross entropy of rows that a probe of some strength has not learned from."""
    loss_sum = probe_loss(_fit(train, labels, strength), valid) * len(valid)
    rows = len(valid)
    if rows < FEW_VALID_ROWS and len(train) >= FOLDS:
        folds = random_parts(len(train), FOLDS, train.together)
        for fold in range(FOLDS):
            others = train.select(folds != fold)
            held_out = train.select(folds == fold)
            if others.have_label_sets or len(set(others.label_ids)) > 1:
                loss_sum += probe_loss(_fit(others, labels, strength), held_out) * len(held_out)
                rows += len(held_out)
    return loss_sum / max(rows, 1)


def probe_loss(probe: LinearProbe, rows: ProbedRows) -> float:
    """Return the mean cross entropy of the rows' labels; 0 without rows."""
    if not len(rows):
        return 0.0
    logits = probe.logits(rows.inputs)
    if rows.have_label_sets:
        return sigmoid_loss_sum(logits, rows.label_ids) / logits.size
    return cross_entropy_sum(logits, rows.label_ids) / len(rows)


def _fit(rows: ProbedRows, labels: int, strength: float) -> LinearProbe:
    """Return logistic regression on rows whose inputs have a mean of 0 and, on the whole, a standard deviation of 1."""
    if rows.have_label_sets:
        return _fit_label_sets(rows, strength)
    # scikit-learn takes a second to import, and infer.py does without.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    regression = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is a start
        warnings.simplefilter("ignore", UserWarning)  # nearly as many labels as rows
        regression.fit(rows.inputs, rows.label_ids)
    weight = regression.coef_
    bias = regression.intercept_
    if len(regression.classes_) == 2:  # scikit-learn then has the weights of one logit, the difference of two
        weight = np.concatenate([-weight, weight]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    all_weights = np.zeros((labels, weight.shape[1]))
    all_biases = np.full(labels, bias.min() - UNSEEN)
    all_weights[regression.classes_] = weight
    all_biases[regression.classes_] = bias
    return LinearProbe(all_weights, all_biases)


def _shares(rows: ProbedRows) -> np.ndarray:
    """Return the share of the rows that has each label, (C,), as if one row more had half of each."""
    return (rows.label_ids.sum(axis=0) + UNSEEN / 2) / (len(rows) + UNSEEN)


def _log_odds(shares: np.ndarray) -> np.ndarray:
    from scipy.special import logit  # noqa: PLC0415 - half a second, and most runs have one label a row

    return logit(shares)


def _fit_label_sets(rows: ProbedRows, strength: float) -> LinearProbe:
    """Return logistic regression of each label against the rest, all of them at once; inputs as of _fit.

    A label that no row has keeps its share.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - as scikit-learn
    from scipy.special import expit  # noqa: PLC0415

    truth = rows.label_ids.astype(np.float64)  # (N, C)
    inputs = rows.inputs.astype(np.float64)
    shape = (truth.shape[1], inputs.shape[1])
    shares = _shares(rows)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalized sum of losses and its gradient, of weights (C * H,) and then biases (C,)."""
        weight = flat[: -shape[0]].reshape(shape)
        logits = inputs @ weight.T + flat[-shape[0] :]
        errors = expit(logits) - truth
        loss = sigmoid_loss_sum(logits, rows.label_ids) + (weight**2).sum() / (2 * strength)
        return loss, np.concatenate([(errors.T @ inputs + weight / strength).ravel(), errors.sum(axis=0)])

    begin = np.concatenate([np.zeros(shape[0] * shape[1]), _log_odds(shares)])
    fitted = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "ftol": 1e-6}).x
    bias = np.where(truth.any(axis=0), fitted[-shape[0] :], _log_odds(shares))
    return LinearProbe(fitted[: -shape[0]].reshape(shape), bias)
