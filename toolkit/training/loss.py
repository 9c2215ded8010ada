"""What the steps of a run make smaller: a loss of each row, and how much the rows of each label weigh in the mean.

B rows, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F

from toolkit.base.errors import UserError
from toolkit.base.languages import COMMA, LIST_COMMA, SEMICOLON, joined, shortened
from toolkit.cli.console import Log, shown_label
from toolkit.cli.sections import LossOptions
from toolkit.training.texts import LOSS

FOCAL_GAMMA = 2.0  # the best one of Lin et al. 2017, Table 1b
LABEL_SMOOTHING = 0.1  # Szegedy et al. 2016, section 7
MAX_LISTED = 20  # labels whose weights are said


@dataclass(frozen=True)
class Loss:
    """The loss of a batch: a weighted mean, kept as the sum of the rows' losses and the sum of their weights.

    Both add up over the parts of a batch, so that the mean does not depend on how it is divided.
    """

    weights: torch.Tensor | None = None  # (C,) in fp32 on the CPU, of a row of each label; None: 1
    gamma: float = 0.0  # of the focal loss; 0: off
    smoothing: float = 0.0  # share of the target that all labels have in equal parts; 0: off
    device_weights: torch.Tensor | None = None  # the weights where the loss is computed

    def on(self, device: torch.device) -> "Loss":
        """Return the loss with its weights on a device, so that they are not brought there in each step."""
        return self if self.weights is None else replace(self, device_weights=self.weights.to(device))

    def sum(self, logits: torch.Tensor, label_ids: torch.Tensor, shares: torch.Tensor | None = None) -> torch.Tensor:
        """Return the weighted sum of the losses of rows with these logits (B, C) and label_ids (B,).

        Of rows that are windows of longer ones, `shares` (B,) say which part of such a row each is, so that the parts
        of a row together weigh what a row does; None: each is a row.

        The focal loss is (1 - p)^gamma times the cross entropy -log p of a label's probability p (Lin et al. 2017,
        section 3.2, with the softmax for more than two labels): rows that are easy count less.
        """
        weights = self.weights if self.device_weights is None else self.device_weights
        if not self.gamma:
            reduction = "sum" if shares is None else "none"
            losses = F.cross_entropy(logits, label_ids, weights, label_smoothing=self.smoothing, reduction=reduction)
            return losses if shares is None else (losses * shares).sum()
        log_probabilities = torch.log_softmax(logits, 1).gather(1, label_ids[:, None])[:, 0]
        doubt = -torch.expm1(log_probabilities)  # 1 - p
        smallest = torch.finfo(doubt.dtype).tiny  # at 0 a power below 1 has no slope
        losses = doubt.clamp(min=smallest) ** self.gamma * -log_probabilities
        if shares is not None:
            losses = losses * shares
        return losses.sum() if weights is None else (losses * weights[label_ids]).sum()

    def sum_to_targets(
        self, logits: torch.Tensor, targets: torch.Tensor, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the sum of the cross entropies of rows with these logits (B, C) to the probabilities `targets` (B, C).

        `shares` are those of `sum`. It is the loss of a model that learns from others (Hinton et al. 2015, section 2),
        in which weights, gamma and smoothing have no part.
        """
        losses = F.cross_entropy(logits, targets, reduction="none")
        return losses.sum() if shares is None else (losses * shares).sum()

    def total_weight(self, label_ids: np.ndarray) -> float:
        """Return the sum of the weights of rows with these label_ids (B,), by which the sum of losses is divided."""
        if self.weights is None:
            return float(len(label_ids))
        return float(self.weights[torch.from_numpy(label_ids)].double().sum())


class LabelSetLoss:
    """The loss where rows may have several labels: of each row the mean binary cross-entropy over the labels.

    It is kept as a sum and a count as that of Loss. Divided by the number of rows it is that of transformers, which for
    `problem_type` multi_label_classification takes the mean over rows and labels.
    """

    def on(self, device: torch.device) -> "LabelSetLoss":
        """Return the loss as it is on a device: it has nothing to bring there."""
        return self

    def sum(self, logits: torch.Tensor, label_ids: torch.Tensor, shares: torch.Tensor | None = None) -> torch.Tensor:
        """Return the sum of the losses of rows with these logits (B, C) and labels (B, C), 1 for those that they have.

        `shares` are those of Loss.sum.
        """
        losses = F.binary_cross_entropy_with_logits(logits, label_ids.to(logits.dtype), reduction="none").mean(1)
        return losses.sum() if shares is None else (losses * shares).sum()

    def sum_to_targets(
        self, logits: torch.Tensor, targets: torch.Tensor, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the sum of the losses of rows with these logits (B, C) to the probabilities `targets` (B, C)."""
        return self.sum(logits, targets, shares)

    def total_weight(self, label_ids: np.ndarray) -> float:
        """Return the number of rows with these labels (B, C), by which the sum of losses is divided."""
        return float(len(label_ids))


AnyLoss: TypeAlias = Loss | LabelSetLoss
CROSS_ENTROPY = Loss()


def make_loss(options: LossOptions, labels: Sequence[str], label_ids: np.ndarray) -> AnyLoss:
    """Return the loss of a run; label_ids, (N,) or (N, C) bool, are those of the training rows.

    Raises UserError for a weight of a label that the run does not have.
    """
    if label_ids.ndim == 2:
        return LabelSetLoss()
    gamma = 0.0
    smoothing = 0.0
    if options.loss == "focal":
        gamma = FOCAL_GAMMA if options.focal_gamma is None else options.focal_gamma
    elif options.loss == "label_smoothing":
        smoothing = LABEL_SMOOTHING if options.label_smoothing is None else options.label_smoothing
    weights = class_weights(options.class_weight, labels, label_ids)
    return Loss(None if weights is None else torch.from_numpy(weights).float(), gamma, smoothing)


def class_weights(
    choice: str | dict[str, float] | None, labels: Sequence[str], label_ids: np.ndarray
) -> np.ndarray | None:
    """Return how much a row of each label weighs, (C,), None if all weigh the same; label_ids (N,) as in make_loss.

    "balanced" is N / (C times the rows of the label), so that the rows of each label together weigh the same (King and
    Zeng 2001, as scikit-learn computes it). Raises UserError for a weight of a label that is not among `labels`.
    """
    if choice in (None, "none"):
        return None
    if isinstance(choice, dict):
        check_weighted_labels(choice, labels)
        return np.array([choice.get(label, 1.0) for label in labels])
    counts = np.bincount(label_ids, minlength=len(labels)).clip(min=1)  # a fold may have no row of a rare label
    return len(label_ids) / (len(labels) * counts)


def check_weighted_labels(choice: str | dict[str, float] | None, labels: Sequence[str]) -> None:
    """Raise UserError if --class_weight names a label that is not among those of the run."""
    strange = [label for label in choice if label not in labels] if isinstance(choice, dict) else []
    if strange:
        known = joined([shown_label(label) for label in labels[:MAX_LISTED]], LIST_COMMA)
        if len(labels) > MAX_LISTED:
            known = LOSS["and_others"].fill(listed=known)
        names = joined(map(repr, strange), LIST_COMMA)
        raise UserError(LOSS["unknown_labels"].fill(names=names, known=known))


def say_loss(log: Log, loss: AnyLoss, labels: Sequence[str]) -> None:
    """Say what the steps make smaller if it is not the plain cross entropy."""
    if isinstance(loss, LabelSetLoss):
        log.item("loss", LOSS["label_sets"])
        return
    parts = []
    if loss.gamma:
        parts.append(LOSS["focal"].fill(gamma=loss.gamma))
    if loss.smoothing:
        parts.append(LOSS["smoothing"].fill(share=loss.smoothing))
    if loss.weights is not None:
        entries = [f"{shown_label(label)} {w:.3g}" for label, w in zip(labels, loss.weights.tolist(), strict=True)]
        parts.append(LOSS["weights"].fill(listed=shortened(entries[:MAX_LISTED], len(entries), COMMA)))
    if parts:
        log.item("loss", joined(parts, SEMICOLON))
        log.item("", LOSS["valid_loss"])
