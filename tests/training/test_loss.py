import io
import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from transformers import BertConfig, BertForSequenceClassification

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
from toolkit.compute.batches import micro_batches
from toolkit.training.loss import CROSS_ENTROPY, LabelSetLoss, Loss, class_weights, make_loss, say_loss

LABELS = ["con", "pro", "so so"]
ROWS = 23


@pytest.fixture
def logits() -> torch.Tensor:
    """(N, C), some of them of rows that are as good as certain."""
    drawn = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0)) * 3
    drawn[0] = torch.tensor([200.0, -200.0, 0.0])
    return drawn.requires_grad_()


@pytest.fixture
def label_ids() -> torch.Tensor:
    """(N,), the first label much more often than the others."""
    return torch.tensor([0, 0, 0, 0, 1, 0, 2, 0, 0, 1] * 3)[:ROWS]


def loss_of(*words: str, label_ids: torch.Tensor) -> Loss:
    return make_loss(fine_tuning_options([*words]).training.loss, LABELS, label_ids.numpy())


def mean_in_parts(
    loss: Loss, logits: torch.Tensor, label_ids: torch.Tensor, processes: int, micro: int | None
) -> torch.Tensor:
    """Return what a step of so many processes, with parts of so many rows, takes for the loss of a global batch."""
    rows = np.random.default_rng(1).permutation(len(logits))
    total = loss.total_weight(label_ids.numpy()[rows])
    losses = []
    for rank in range(processes):
        parts = micro_batches(rows, rank, processes, micro, None, total)
        losses += [loss.sum(logits[part.rows], label_ids[part.rows]) * part.weight for part in parts]
    return torch.stack(losses).sum() / processes  # the processes' mean


@pytest.mark.parametrize("micro", [None, 1, 4])
@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("weights", [None, (0.2, 7.0, 1.0)])
def test_the_loss_of_a_step_is_that_of_torch_on_the_whole_batch(
    logits, label_ids, weights, smoothing, processes, micro
):
    loss = Loss(None if weights is None else torch.tensor(weights), smoothing=smoothing)
    mean = mean_in_parts(loss, logits, label_ids, processes, micro)
    (gradient,) = torch.autograd.grad(mean, logits)
    expected = torch.nn.CrossEntropyLoss(loss.weights, label_smoothing=smoothing)(logits, label_ids)
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, logits)[0])


@pytest.mark.parametrize(("processes", "micro"), [(1, None), (2, 4), (5, 1)])
def test_the_loss_to_probabilities_is_that_of_torch_on_the_whole_batch(logits, processes, micro):
    targets = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(2)).softmax(1)
    losses = []
    for rank in range(processes):
        for part in micro_batches(np.arange(ROWS), rank, processes, micro, None, float(ROWS)):
            losses.append(CROSS_ENTROPY.sum_to_targets(logits[part.rows], targets[part.rows]) * part.weight)
    mean = torch.stack(losses).sum() / processes
    divergence = torch.nn.KLDivLoss(reduction="batchmean")(logits.log_softmax(1), targets)
    entropy = -(targets * targets.log()).sum(1).mean()
    torch.testing.assert_close(mean, divergence + entropy)
    torch.testing.assert_close(torch.autograd.grad(mean, logits, retain_graph=True)[0],
                               torch.autograd.grad(divergence, logits)[0])  # fmt: skip


def test_windows_count_by_their_shares_of_a_row_in_the_loss_to_probabilities(logits):
    targets = torch.eye(3)[torch.arange(ROWS) % 3]
    shares = torch.linspace(0.1, 1, ROWS)
    by_labels = CROSS_ENTROPY.sum(logits, targets.argmax(1), shares)
    torch.testing.assert_close(CROSS_ENTROPY.sum_to_targets(logits, targets, shares), by_labels)


def slow_focal_loss(logits: torch.Tensor, label_ids: torch.Tensor, gamma: float, weights: list[float]) -> float:
    """Return the mean focal loss, row by row in plain numbers."""
    total = 0.0
    for row, label in zip(logits.double().tolist(), label_ids.tolist(), strict=True):
        largest = max(row)
        shares = [math.exp(value - largest) for value in row]
        others = sum(share for number, share in enumerate(shares) if number != label) / sum(shares)  # 1 - p
        total += weights[label] * others**gamma * -math.log1p(-others)
    return total / sum(weights[label] for label in label_ids.tolist())


@pytest.mark.parametrize(("processes", "micro"), [(1, None), (2, 4)])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.2, 7.0, 1.0]])
@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_the_focal_loss_is_that_of_a_slow_loop(logits, label_ids, gamma, weights, processes, micro):
    words = ["--loss", "focal", "--focal_gamma", str(gamma)]
    named = [f"{label}={weight}" for label, weight in zip(LABELS, weights, strict=True)]
    loss = loss_of(*words, "--class_weight", *named, label_ids=label_ids)
    mean = mean_in_parts(loss, logits, label_ids, processes, micro)
    assert mean.item() == pytest.approx(slow_focal_loss(logits, label_ids, gamma, weights), rel=1e-5)
    (gradient,) = torch.autograd.grad(mean, logits)
    assert torch.isfinite(gradient).all()
    step = 1e-3 * gradient / gradient.norm()
    ahead, behind = (slow_focal_loss(logits + sign * step, label_ids, gamma, weights) for sign in (1, -1))
    assert (ahead - behind) / 2e-3 == pytest.approx(gradient.norm().item(), rel=1e-3)


def test_easy_rows_count_less_in_the_focal_loss_and_the_more_so_the_higher_gamma_is():
    easy, hard = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[-1.0, 0.0, 0.0]])
    label = torch.tensor([0])
    shares = [Loss(gamma=gamma).sum(easy, label) / Loss(gamma=gamma).sum(hard, label) for gamma in (0, 1, 2)]
    assert shares[0] > 3 * shares[1] > 9 * shares[2] > 0


def test_the_options_say_which_loss_it_is(label_ids):
    assert loss_of(label_ids=label_ids) == CROSS_ENTROPY
    assert loss_of("--loss", "focal", label_ids=label_ids) == Loss(gamma=2.0)
    assert loss_of("--loss", "label_smoothing", label_ids=label_ids) == Loss(smoothing=0.1)
    assert loss_of("--loss", "label_smoothing", "--label_smoothing", "0.3", label_ids=label_ids) == Loss(smoothing=0.3)
    assert loss_of("--class_weight", "pro=2", label_ids=label_ids).weights.tolist() == [1, 2, 1]


def test_balanced_weights_are_those_of_scikit_learn(label_ids):
    ids = label_ids.numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=ids)
    np.testing.assert_allclose(class_weights("balanced", LABELS, ids), expected)
    together = np.bincount(ids, weights=class_weights("balanced", LABELS, ids)[ids])
    np.testing.assert_allclose(together, ROWS / 3)


def test_a_label_of_which_a_fold_has_no_row_gets_a_weight_that_is_a_number():
    assert np.isfinite(class_weights("balanced", LABELS, np.array([0, 0, 1]))).all()


def test_a_weight_of_a_label_that_is_not_there_is_refused_with_those_that_are(label_ids):
    with pytest.raises(UserError, match="no training row has the label 'Pro', 'bad'; the labels are con, pro, so so"):
        loss_of("--class_weight", "Pro=2", "con=1", "bad=3", label_ids=label_ids)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--focal_gamma", "2"], "--focal_gamma is for --loss focal, and this is --loss cross_entropy"),
        (["--loss", "focal", "--label_smoothing", "0.1"], "--label_smoothing is for --loss label_smoothing"),
        (["--loss", "focal", "--focal_gamma", "0"], "must be above 0"),
        (["--loss", "label_smoothing", "--label_smoothing", "1"], "at most"),
    ],
)
def test_an_option_of_another_loss_is_refused(words, problem):
    with pytest.raises(UserError, match=problem):
        fine_tuning_options(words)


def test_a_loss_that_is_not_the_plain_one_is_said(label_ids):
    def said(*words: str) -> str:
        stream = io.StringIO()
        say_loss(Log(stream), loss_of(*words, label_ids=label_ids), LABELS)
        return stream.getvalue()

    assert said() == ""
    assert "focal, gamma 2; a row weighs as its label: con 1, pro 9, so so 1" in said(
        "--loss", "focal", "--class_weight", "pro=9"
    )
    assert "0.1 of the target shared by all labels" in said("--loss", "label_smoothing")
    assert "valid loss stays the plain cross entropy" in said("--loss", "label_smoothing")


# -- several labels a row ---------------------------------------------------------------------------------------------


def test_the_loss_of_several_labels_is_that_of_transformers_and_adds_up_over_parts():
    truth = np.random.default_rng(0).random((7, 5)) < 0.3
    loss = make_loss(fine_tuning_options(["--multi_label"]).training.loss, list("abcde"), truth)
    assert isinstance(loss, LabelSetLoss)
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=5,
        problem_type="multi_label_classification",
    )  # fmt: skip
    output = BertForSequenceClassification(config)(torch.arange(7)[:, None], labels=torch.from_numpy(truth).float())
    logits = output.logits.detach()
    expected = output.loss
    label_ids = torch.from_numpy(truth.astype(np.uint8))
    assert loss.sum(logits, label_ids) / loss.total_weight(truth) == pytest.approx(expected.item())
    parts = [loss.sum(logits[part], label_ids[part]) for part in (slice(0, 3), slice(3, 7))]
    assert sum(parts).item() == pytest.approx(loss.sum(logits, label_ids).item())
    shares = torch.full((14,), 0.5)
    doubled = loss.sum(logits.repeat(2, 1), label_ids.repeat(2, 1), shares)
    assert doubled.item() == pytest.approx(loss.sum(logits, label_ids).item())
