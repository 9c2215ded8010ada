import json
from dataclasses import asdict

import numpy as np
import pytest

from toolkit.journal import Journal

RATE = 5e-5


def scores(**values: float) -> dict[str, float]:
    return {"loss": 0.5, "accuracy": 0.5, "macro_f1": 0.4, "f1": 0.3, "mcc": 0.2} | values


def evaluated(journal: Journal, metric: str, values: list[float]) -> list[bool]:
    """Note an evaluation every 10 steps and return which of them were the best so far."""
    best = []
    for value in values:
        journal.count(10, 160, 3000, 80.0, 1.5)
        best.append(journal.note(scores(**{metric: value}), metric, 40, RATE))
    return best


@pytest.mark.parametrize("every", [(0, 0), (3, 0), (0, 4), (3, 4), (1, 0), (100, 7), (10, 10), (5, 25)])
@pytest.mark.parametrize("batches", [1, 9, 10])
def test_a_run_pauses_at_every_multiple_and_at_the_end_of_every_epoch_and_nowhere_else(every, batches):
    journal, pauses = Journal(), []
    for epoch in range(4):
        while journal.batch < batches:
            journal.count(journal.steps_to_pause(batches, every), 1, 1, 0.0, 0.0)
            pauses.append(journal.step)
        journal.epoch, journal.batch = epoch + 1, 0
    steps = range(1, 4 * batches + 1)
    assert pauses == [s for s in steps if s % batches == 0 or any(n and s % n == 0 for n in every)]


def test_what_was_done_is_added_up():
    journal = Journal()
    pieces = np.random.default_rng(0).integers(1, 100, (20, 3)).tolist()
    for steps, rows, tokens in pieces:
        journal.count(steps, rows, tokens, rows / 4, 0.25)
    assert [journal.step, journal.rows, journal.real_tokens] == np.sum(pieces, axis=0).tolist()
    assert journal.batch == journal.step
    assert journal.loss_sum == sum(rows for _, rows, _ in pieces) / 4
    assert journal.train_seconds == 5


def test_the_training_loss_is_a_mean_over_the_rows_since_the_last_evaluation():
    journal = Journal()
    journal.count(2, 32, 100, 24.0, 1.0)
    journal.count(1, 3, 10, 0.75, 1.0)  # a short last batch counts for its rows
    journal.note(scores(), "accuracy", 3, RATE)
    journal.count(1, 16, 50, 4.0, 0.1234567)
    journal.note(scores(), "accuracy", 3, RATE)
    assert [entry["train_loss"] for entry in journal.history] == [24.75 / 35, 0.25]
    assert [entry["train_seconds"] for entry in journal.history] == [2.0, 2.123]
    assert (journal.loss_sum, journal.rows) == (0.0, 0)


def test_an_evaluation_is_kept_as_one_flat_object_that_json_can_hold():
    journal = Journal()
    journal.count(10, 160, 3000, 80.0, 1.5)
    journal.note(scores(loss=0.25), "loss", 40, RATE)
    assert journal.history == [
        {
            "epoch": 0.25, "step": 10, "train_loss": 0.5, "valid_loss": 0.25, "accuracy": 0.5, "macro_f1": 0.4,
            "f1": 0.3, "mcc": 0.2, "learning_rate": RATE, "train_seconds": 1.5,
        }
    ]  # fmt: skip
    assert json.loads(json.dumps(journal.history)) == journal.history


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
    journal = Journal()
    assert evaluated(journal, metric, values) == best
    chosen = min(values) if metric == "loss" else max(values)
    assert journal.best_score == chosen
    assert journal.best_step == 10 * (values.index(chosen) + 1)
    assert journal.best() == journal.history[values.index(chosen)]
    assert journal.stale == len(values) - 1 - values.index(chosen)


def test_a_journal_that_went_through_json_goes_on_as_if_nothing_had_happened():
    whole, first = Journal(), Journal()
    values = [0.5, 0.6, 0.55, 0.58, 0.7, 0.1]
    evaluated(whole, "accuracy", values)
    evaluated(first, "accuracy", values[:3])
    first.count(3, 48, 900, 20.0, 0.5)
    second = Journal(**json.loads(json.dumps(asdict(first))))
    assert second == first
    second.count(7, 112, 2100, 60.0, 1.0)
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
    journal = Journal()
    for tokens, spent in steps:
        journal.count(1, 16, tokens, 8.0, spent)
    assert journal.speed() == {"train_seconds": seconds, "real_tokens_per_second": a_second}


def test_two_journals_share_no_history():
    evaluated(Journal(), "accuracy", [0.5])
    assert Journal().history == []


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
    journal = Journal()
    journal.count(10, 160, 3000, 80.0, 1.5)
    journal.note(scores(loss=0.25), metric, 40, RATE)
    assert journal.last_line(metric) == f"epoch 0.25  step 10     {shown}  best so far"
    journal.count(30, 480, 9000, 240.0, 4.5)
    journal.note(scores(loss=0.25), metric, 40, RATE)
    assert journal.last_line(metric) == f"epoch 1     step 40     {shown}"
