import copy
import io
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import utils
from toolkit.base.errors import UserError
from toolkit.base.languages import counted
from toolkit.base.torch_versions import grad_scaler, has_fused_adamw
from toolkit.cli.console import Log
from toolkit.compute.machine import Machine
from toolkit.compute.precision import choose_precision
from toolkit.runs.progress import Progress
from toolkit.tokens.dataset import TokenDataset
from toolkit.training.bad_steps import MAX_LISTED_ROWS, BadStepMonitor, StepGuard, _Check
from toolkit.training.learner import Learner, StepSettings

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)
ROWS = np.array([4, 2, 9])
OFF = grad_scaler("cpu", enabled=False)


class Bad(torch.autograd.Function):
    """Passes logits through, or spoils them or their gradient alone."""

    @staticmethod
    def forward(ctx, logits, value, gradient):
        ctx.gradient = gradient
        return logits + value

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.gradient, None, None


class Classifier(torch.nn.Module):
    """A model of (B, L) token ids whose logits are spoiled in those forward passes whose number is in `spoiled`."""

    def __init__(self, value: float = 0.0, gradient: float = 1.0, spoiled=()):
        super().__init__()
        torch.manual_seed(3)
        self.embedding, self.classifier = torch.nn.Embedding(10, 6), torch.nn.Linear(6, 2)
        self.value, self.gradient, self.spoiled, self.passes = value, gradient, spoiled, 0

    def forward(self, input_ids, attention_mask):
        logits, self.passes = self.classifier(self.embedding(input_ids).mean(1)), self.passes + 1
        if self.passes - 1 in self.spoiled:
            value = torch.tensor([self.value, -self.value]) if np.isfinite(self.value) else torch.tensor(self.value)
            logits = Bad.apply(logits, value, self.gradient)
        return SimpleNamespace(logits=logits)


KINDS = {  # what is added to the logits, and what the gradient is multiplied by
    "a loss that is no number": (float("nan"), 1.0),
    "an infinite loss with a finite gradient": (3e38, 0.5),
    "a gradient that is no number, of a finite loss": (0.0, float("nan")),
    "an infinite gradient of a finite loss": (0.0, float("inf")),
}


def dataset(count: int = 16) -> TokenDataset:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 10, (count, 5), generator=draw, dtype=torch.int32)
    types, lengths = torch.zeros(count, 0, dtype=torch.uint8), torch.full((count,), 5)
    return TokenDataset(ids, types, lengths, torch.arange(count) % 2)


def learner_of(model, fused: bool, scaler=None) -> Learner:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.1, fused=fused)
    settings = StepSettings(lambda step: 0.01)
    return Learner(model, optimizer, scaler or FP32.scaler(), settings, Machine(CPU, FP32))


def bad_steps_of(learner: Learner) -> list[tuple[int, list[int]]]:
    return [(bad_step.step, bad_step.rows.tolist()) for bad_step in learner.guard.take_bad_steps()]


def state_of(learner: Learner) -> dict[str, torch.Tensor]:
    """Return copies of the weights and of all that AdamW keeps of each; what it has not yet made is zero."""
    found = {}
    for name, weight in learner.model.named_parameters():
        found[name] = weight.detach().clone()
        kept = learner.optimizer.state.get(weight, {})
        for what, like in (("step", torch.tensor(0.0)), ("exp_avg", weight), ("exp_avg_sq", weight)):
            found[f"{name} {what}"] = torch.as_tensor(kept.get(what, torch.zeros_like(like))).detach().clone()
    return found


def take(learner: Learner, batches: list) -> list[float]:
    losses = []
    utils.train_one_epoch(learner, dataset(), batches, lambda loss, *_: losses.append(loss.item()))
    return losses


FUSED = [False, pytest.param(True, marks=pytest.mark.skipif(not has_fused_adamw("cpu"), reason="torch before 2.4"))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("bad_step", [0, 2])
def test_a_step_that_is_no_number_leaves_weights_moments_and_step_counts_to_the_bit(kind, fused, bad_step):
    learner = learner_of(Classifier(*KINDS[kind], spoiled=[bad_step]), fused)
    batches = [np.array(rows) for rows in ([0, 1, 2], [3, 4], [5, 6, 7], [8, 9])]
    take(learner, batches[:bad_step])
    before = state_of(learner)
    losses = take(learner, [batches[bad_step]])
    after = state_of(learner)
    assert bad_steps_of(learner) == [(bad_step, batches[bad_step].tolist())]
    assert all(torch.equal(after[name], before[name]) for name in before), kind
    assert np.isfinite(losses[0]) == ("of a finite loss" in kind)
    assert learner.step == bad_step + 1
    take(learner, [batches[3]])
    assert bad_steps_of(learner) == []
    changed = state_of(learner)
    assert not any(torch.equal(changed[name], before[name]) for name in ("classifier.weight", "classifier.bias"))
    assert all(torch.isfinite(tensor).all() for tensor in changed.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fused", FUSED)
def test_the_steps_around_one_that_is_no_number_are_those_of_a_run_without_it(kind, fused):
    batches = [np.array(rows) for rows in ([0, 1, 2], [3, 4], [5, 6, 7], [8, 9])]
    spoiled = learner_of(Classifier(*KINDS[kind], spoiled=[1]), fused)
    take(spoiled, batches)
    plain = torch.optim.AdamW((model := Classifier()).parameters(), lr=0.01, weight_decay=0.1, fused=fused)
    ids, _, _, labels = dataset().tensors
    for rows in (batches[0], batches[2], batches[3]):  # written the slow way
        plain.zero_grad()
        logits = model(ids[rows].long(), None).logits
        torch.nn.functional.cross_entropy(logits, labels[rows], reduction="sum").div(len(rows)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        plain.step()
    for mine, theirs in zip(spoiled.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_the_moments_of_a_fused_and_of_an_unfused_run_agree_after_bad_steps():
    if not has_fused_adamw("cpu"):
        pytest.skip("torch before 2.4")
    found = []
    for fused in (False, True):
        learner = learner_of(Classifier(float("nan"), spoiled=[0, 1, 3]), fused)
        take(learner, [np.array([i, i + 1]) for i in range(6)])
        found.append(state_of(learner))
    assert found[0]["classifier.weight step"].item() == found[1]["classifier.weight step"].item() == 3
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], atol=1e-6, rtol=1e-5)


def scaled(value: float, gradient: float, spoiled, steps: int) -> tuple[list, list, Learner]:
    """Train with a gradient scaler; return which steps were bad, the scales after each step, and the learner."""
    if not hasattr(torch.amp, "GradScaler"):
        pytest.skip("torch before 2.3 has no scaler for the CPU")
    seen, scales = [], []
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1000)
    learner = learner_of(Classifier(value, gradient, spoiled), False, scaler)
    for i in range(steps):
        take(learner, [np.array([i, i + 1])])
        scales.append(scaler.get_scale())
        seen += [step for step, _ in bad_steps_of(learner)]
    return seen, scales, learner


def test_a_gradient_that_overflows_is_the_scaler_s_business_and_does_not_count():
    seen, scales, learner = scaled(0.0, float("inf"), [1, 2], 4)
    assert seen == []
    assert scales == [1024, 512, 256, 256]
    assert learner.optimizer.state[learner.model.classifier.weight]["step"] == 2  # the scaler left two out
    assert all(torch.isfinite(weight).all() for weight in learner.model.parameters())


def test_a_loss_that_is_no_number_counts_with_a_scaler_too():
    seen, scales, learner = scaled(float("nan"), 1.0, [1], 3)
    assert seen == [1]
    assert scales == [1024, 512, 512]
    assert all(torch.isfinite(weight).all() for weight in learner.model.parameters())


# -- what is said of it ----------------------------------------------------------------------------------------------


def table(lines: list[int]) -> SimpleNamespace:
    return SimpleNamespace(path="data/trainset.csv", frame=pd.DataFrame(index=pd.Index(lines, name="line")))


def monitor_of(most: int = 10, lines: list[int] | None = None, progress: Progress | None = None, scaler=OFF):
    """Return a monitor of a guard of its own, and the stream of its log; without `lines` it has no table."""
    guard = StepGuard(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]), scaler)
    stream = io.StringIO()
    tables = [] if lines is None else [table(lines)]
    return BadStepMonitor(guard, progress or Progress(), Log(stream), tables, most), stream


def take_step(guard: StepGuard, step: int, rows: np.ndarray, is_bad: bool) -> None:
    guard.check(step, torch.tensor(float("nan") if is_bad else 0.5), torch.tensor(1.0), rows)


def said_of(lines: list[int], rows: np.ndarray) -> str:
    monitor, stream = monitor_of(lines=lines)
    take_step(monitor.guard, 6, rows, is_bad=True)
    monitor.count()
    return stream.getvalue()


def test_the_guard_tells_of_each_bad_step_once():
    guard = monitor_of()[0].guard
    for step, is_bad in enumerate([False, True, False, True]):
        take_step(guard, step, ROWS + step, is_bad)
    assert [(bad_step.step, bad_step.rows.tolist()) for bad_step in guard.take_bad_steps(wait=True)] == [
        (1, [5, 3, 10]), (3, [7, 5, 12]),
    ]  # fmt: skip
    assert guard.take_bad_steps(wait=True) == []


def test_the_check_of_the_last_step_is_waited_for_when_it_is_asked_for():
    """As on a GPU, whose result is copied during the next step."""
    guard, waits = monitor_of()[0].guard, []
    event = SimpleNamespace(synchronize=lambda: waits.append("waited"))
    guard._unread.append(_Check(4, ROWS, torch.tensor(False), event))
    assert guard.take_bad_steps() == []
    assert waits == []
    assert [bad_step.step for bad_step in guard.take_bad_steps(wait=True)] == [4]
    assert waits == ["waited"]


def test_the_rows_of_a_bad_step_are_named_by_their_lines_in_the_file():
    assert said_of([line * 10 for line in range(12)], ROWS).splitlines() == [
        "step 7: the loss or its gradient is not a number, so the weights stay as they are",
        "           its rows: data/trainset.csv, lines 20, 40, 90",
    ]


def test_rows_of_a_second_table_are_named_by_its_own_lines():
    monitor, stream = monitor_of(lines=[10, 20, 30])
    monitor.tables.append(SimpleNamespace(path="more.txt", frame=pd.DataFrame(index=pd.Index([1, 2], name="line"))))
    take_step(monitor.guard, 0, np.array([4, 2, 0]), is_bad=True)
    monitor.count()
    assert stream.getvalue().splitlines()[1:] == [
        "           its rows: data/trainset.csv, lines 10, 30",
        "           its rows: more.txt, lines 2",
    ]


def test_of_a_large_batch_the_first_rows_are_named():
    rows = np.arange(500)[::-1]
    first_lines = ", ".join(map(str, range(1000, 1000 + MAX_LISTED_ROWS)))
    assert f"lines {first_lines}, ...\n" in said_of([1000 + i for i in range(500)], rows)
    exactly = said_of([1000 + i for i in range(MAX_LISTED_ROWS)], np.arange(MAX_LISTED_ROWS))
    assert "..." not in exactly


@pytest.mark.parametrize("most", [0, 1, 3])
def test_as_many_bad_steps_as_allowed_are_borne_and_one_more_ends_the_run(most):
    (monitor, stream), taken = monitor_of(most, lines=list(range(10))), []
    for batch in monitor.until_too_many(range(10)):
        monitor.stop_if_too_many()
        taken.append(batch)
        take_step(monitor.guard, batch, ROWS, is_bad=batch > 1)
    assert taken == [0, 1, *range(2, 3 + most)]
    assert list(monitor.until_too_many(range(10))) == []
    with pytest.raises(UserError) as caught:
        monitor.stop_if_too_many()
    (line,) = caught.value.lines()
    assert f"in {counted(most + 1, 'step')} (--max_bad_steps {most})" in line
    assert monitor.progress.bad_steps == most + 1
    assert stream.getvalue().count("the loss or its gradient is not a number") == most + 1
    monitor_of(most + 1, progress=monitor.progress)[0].stop_if_too_many()  # a run may be resumed with a larger limit


def test_a_bad_step_is_said_before_the_next_batch_is_asked_for():
    monitor, stream = monitor_of(lines=list(range(10)))

    def batches():
        for batch in range(3):
            assert stream.getvalue().count("its rows") == batch
            yield batch

    for batch in monitor.until_too_many(batches()):
        take_step(monitor.guard, batch, ROWS, is_bad=True)
    assert monitor.progress.bad_steps == 3


def test_gradients_that_overflow_at_every_scale_end_the_run():
    for scale, too_small in ((65536.0, False), (1.0, False), (0.5, True)):
        scaler = SimpleNamespace(is_enabled=lambda: True, get_scale=lambda scale=scale: scale)
        monitor, _ = monitor_of(scaler=scaler)
        with pytest.raises(UserError, match="overflow fp16 at any scale") if too_small else nullcontext():
            monitor.stop_if_too_many()


def test_a_process_without_the_table_counts_in_silence():
    monitor, stream = monitor_of()
    take_step(monitor.guard, 6, ROWS, is_bad=True)
    monitor.count()
    assert stream.getvalue() == ""
    assert monitor.progress.bad_steps == 1


def test_a_copy_of_the_model_is_what_the_guard_leaves_alone():
    learner = learner_of(Classifier(float("nan"), spoiled=range(5)), has_fused_adamw("cpu"))
    before = copy.deepcopy(learner.model.state_dict())
    losses = take(learner, [np.array([0, 1])] * 5)
    assert np.isnan(losses).all()
    assert all(torch.equal(weight, before[name]) for name, weight in learner.model.state_dict().items())
