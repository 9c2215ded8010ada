import json
from dataclasses import asdict
from functools import reduce
from operator import add

import numpy as np
import pytest

from toolkit.runs.progress import Progress, Speed

RATE = 5e-5


def scores(**values: float) -> dict[str, float]:
    return {"loss": 0.5, "accuracy": 0.5, "macro_f1": 0.4, "f1": 0.3, "mcc": 0.2} | values


def lengths(rows: int, tokens: int) -> np.ndarray:
    """Return lengths (rows,) with this sum."""
    return np.array([tokens, *[0] * (rows - 1)])


def ten_steps(progress: Progress) -> None:
    """Count ten steps of 16 rows of 300 tokens in all, with a sum of losses of 8."""
    progress.count([8.0] * 10, [lengths(16, 300)] * 10, 1.5)


def evaluated(progress: Progress, metric: str, values: list[float]) -> list[bool]:
    """Note an evaluation every 10 steps and return which of them were the best so far."""
    best = []
    for value in values:
        ten_steps(progress)
        best.append(progress.note(scores(**{metric: value}), metric, 40, RATE))
    return best


@pytest.mark.parametrize("every", [(0, 0), (3, 0), (0, 4), (3, 4), (1, 0), (100, 7), (10, 10), (5, 25)])
@pytest.mark.parametrize("batches", [1, 9, 10])
def test_a_run_pauses_at_every_multiple_and_at_the_end_of_every_epoch_and_nowhere_else(every, batches):
    progress, pauses = Progress(), []
    for epoch in range(4):
        while progress.batch < batches:
            steps = progress.steps_to_pause(batches, every)
            progress.count([0.0] * steps, [lengths(1, 1)] * steps, 0.0)
            pauses.append(progress.step)
        progress.epoch, progress.batch = epoch + 1, 0
    steps = range(1, 4 * batches + 1)
    assert pauses == [s for s in steps if s % batches == 0 or any(n and s % n == 0 for n in every)]


def test_what_was_done_is_added_up():
    progress = Progress()
    draw, steps = np.random.default_rng(0), []
    for number in range(20):
        part = [draw.integers(1, 65, draw.integers(1, 33)) for _ in range(number % 4)]  # lengths of the rows of a step
        progress.count([len(rows) / 4 for rows in part], part, 0.25)
        steps += part
    assert progress.batch == progress.step == len(steps) == 30
    assert progress.rows == sum(len(rows) for rows in steps)
    assert progress.real_tokens == np.concatenate(steps).sum()
    assert progress.loss_sum == progress.rows / 4
    assert progress.train_seconds == 5


def test_the_training_loss_is_a_mean_over_the_rows_since_the_last_evaluation():
    progress = Progress()
    progress.count([8.0, 16.0], [lengths(16, 50)] * 2, 1.0)
    progress.count([0.75], [lengths(3, 10)], 1.0)  # a short last batch counts for its rows
    progress.note(scores(), "accuracy", 3, RATE)
    progress.count([4.0], [lengths(16, 50)], 0.1234567)
    progress.note(scores(), "accuracy", 3, RATE)
    assert [entry["train_loss"] for entry in progress.history] == [24.75 / 35, 0.25]
    assert [entry["train_seconds"] for entry in progress.history] == [2.0, 2.123]
    assert (progress.loss_sum, progress.rows) == (0.0, 0)


def test_an_evaluation_is_kept_as_one_flat_object_that_json_can_hold():
    progress = Progress()
    ten_steps(progress)
    progress.note(scores(loss=0.25), "loss", 40, RATE)
    assert progress.history == [
        {
            "epoch": 0.25, "step": 10, "train_loss": 0.5, "valid_loss": 0.25, "accuracy": 0.5, "macro_f1": 0.4,
            "f1": 0.3, "mcc": 0.2, "learning_rate": RATE, "train_seconds": 1.5,
        }
    ]  # fmt: skip
    assert json.loads(json.dumps(progress.history)) == progress.history


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("accuracy", [0.5, 0.6, 0.6, 0.4, 0.7], [True, True, False, False, True]),
        ("macro_f1", [0.0, 0.0, 0.1], [True, False, True]),
        ("mcc", [-0.5, -0.6, -0.4, 0.0], [True, False, True, True]),
        ("f1", [1.0, 1.0, 1.0], [True, False, False]),
        ("loss", [0.5, 0.6, 0.5, 0.4, 0.4], [True, False, False, True, False]),
    ],
)
def test_the_best_is_the_highest_score_or_the_lowest_loss_and_of_equals_the_first(metric, values, best):
    progress = Progress()
    assert evaluated(progress, metric, values) == best
    chosen = min(values) if metric == "loss" else max(values)
    assert progress.best_score == chosen
    assert progress.best_step == 10 * (values.index(chosen) + 1)
    assert progress.best() == progress.history[values.index(chosen)]
    assert progress.stale == len(values) - 1 - values.index(chosen)


def test_of_equal_scores_the_one_with_the_lower_validation_loss_is_the_best():
    progress = Progress()
    evaluations = [(0.8, 0.5), (0.8, 0.6), (0.8, 0.4), (0.7, 0.1), (0.9, 0.9)]
    best = []
    for number, (accuracy, loss) in enumerate(evaluations, 1):
        progress.step = 10 * number
        best.append(progress.note(scores(accuracy=accuracy, loss=loss), "accuracy", 40, RATE))
    assert best == [True, False, True, False, True]
    assert progress.stale == 0


def test_a_journal_that_went_through_json_goes_on_as_if_nothing_had_happened():
    whole, first = Progress(), Progress()
    values = [0.5, 0.6, 0.55, 0.58, 0.7, 0.1]
    evaluated(whole, "accuracy", values)
    evaluated(first, "accuracy", values[:3])
    first.count([8.0] * 3, [lengths(16, 300)] * 3, 0.5)
    second = Progress(**json.loads(json.dumps(asdict(first))))
    assert second == first
    second.count([8.0] * 7, [lengths(16, 300)] * 7, 1.0)
    second.note(scores(accuracy=values[3]), "accuracy", 40, RATE)
    evaluated(second, "accuracy", values[4:])
    assert second == whole


@pytest.mark.parametrize(
    ("steps", "seconds", "a_second"),
    [
        ([(3000, 1.5)], 1.5, 2000.0),
        ([(100, 0.25), (0, 0.5), (200, 0.25)], 1.0, 300.0),
        ([(1000, 3.0)], 3.0, 333.3),
        ([(7, 0.12345678)], 0.123, 56.7),
        ([(10, 0.0)], 0.0, 0.0),  # a clock that did not move
        ([], 0.0, 0.0),
    ],
)
def test_the_speed_is_the_tokens_a_second_of_all_steps(steps, seconds, a_second):
    progress = Progress()
    for tokens, spent in steps:
        progress.count([8.0], [lengths(16, tokens)], spent)
    assert progress.speed() == Speed(seconds, a_second)


def test_two_journals_share_no_history():
    evaluated(Progress(), "accuracy", [0.5])
    assert Progress().history == []


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("accuracy", "train loss 0.5000  valid loss 0.2500  accuracy 0.5000  macro f1 0.4000"),
        ("loss", "train loss 0.5000  valid loss 0.2500  accuracy 0.5000  macro f1 0.4000"),
        ("macro_f1", "train loss 0.5000  valid loss 0.2500  accuracy 0.5000  macro f1 0.4000"),
        ("mcc", "train loss 0.5000  valid loss 0.2500  accuracy 0.5000  macro f1 0.4000  mcc 0.2000"),
    ],
)
def test_the_last_line_shows_the_losses_and_the_scores_and_marks_the_best(metric, shown):
    progress = Progress()
    ten_steps(progress)
    progress.note(scores(loss=0.25), metric, 40, RATE)
    assert progress.last_line(metric) == f"epoch 0.25  step 10     {shown}  best so far"
    for _ in range(3):
        ten_steps(progress)
    progress.note(scores(loss=0.25), metric, 40, RATE)
    assert progress.last_line(metric) == f"epoch 1     step 40     {shown}"
    assert progress.kept_line(metric) == f"kept: epoch 0.25, step 10, {shown}"
    assert progress.kept_line(metric, "zh").startswith("保留：第 0.25 轮，第 10 步，训练损失 0.5000")


@pytest.mark.parametrize("seed", range(5))
def test_what_is_counted_does_not_depend_on_where_a_run_was_cut(seed):
    draw = np.random.default_rng(seed)
    steps = [draw.integers(1, 65, draw.integers(1, 33)) for _ in range(40)]
    losses = draw.lognormal(0, 3, 40).tolist()  # of which the sum depends on the order
    found, sums = [], set()
    for cuts in ([], [20], [1, 2, 3, 39], sorted(draw.choice(40, 7, replace=False).tolist())):
        progress, parts = Progress(), [slice(*ends) for ends in zip([0, *cuts], [*cuts, 40], strict=True)]
        for part in parts:
            progress = Progress(**json.loads(json.dumps(asdict(progress))))
            progress.count(losses[part], steps[part], 0.0)
        found.append(progress)
        sums.add(reduce(add, (reduce(add, losses[part], 0.0) for part in parts)))  # sum() is exact since Python 3.12
    assert len(sums) > 1
    assert all(progress == found[0] for progress in found)
    assert found[0].step == 40


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_is_left_out_of_the_mean_with_its_rows(bad):
    progress = Progress()
    progress.count([2.0, bad, 4.0], [lengths(4, 10), lengths(100, 1000), lengths(8, 20)], 1.0)
    assert (progress.step, progress.batch, progress.real_tokens) == (3, 3, 1030)
    progress.note(scores(), "accuracy", 3, RATE)
    assert progress.history[0]["train_loss"] == 6.0 / 12
    progress.count([bad], [lengths(4, 10)], 1.0)
    progress.note(scores(), "accuracy", 3, RATE)
    assert progress.history[1]["train_loss"] is None
    assert "train loss no number" in progress.last_line("accuracy")


def test_an_evaluation_that_was_not_waited_for_is_still_due():
    progress = Progress()
    progress.count([1.0] * 4, [lengths(2, 5)] * 4, 1.0)
    assert progress.evaluation_due(4, 0)
    assert not progress.epoch_done(4, 0)
    progress = Progress(**json.loads(json.dumps(asdict(progress))))
    assert progress.evaluation_due(4, 0)
    progress.note(scores(), "accuracy", 4, RATE)
    assert not progress.evaluation_due(4, 0)
    assert progress.epoch_done(4, 0)
