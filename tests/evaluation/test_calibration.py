import math

import numpy as np
import pytest
import torch

from toolkit.base.errors import UserError
from toolkit.evaluation.calibration import brier_score, calibration_error, fit_temperature, temperature_of
from toolkit.evaluation.decision import Decision, softmax
from toolkit.evaluation.metrics import cross_entropy_sum, full_scores, quick_scores


def drawn(rows: int, temperature: float, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and labels drawn from what these say when divided by a temperature."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, (rows, classes)).astype(np.float32)
    sums = softmax(logits / temperature).cumsum(1)
    return logits, (draw.random((rows, 1)) > sums).sum(1).clip(max=classes - 1)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_by_is_found(temperature, classes):
    assert fit_temperature(*drawn(20_000, temperature, classes)) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_one_that_torch_finds_by_its_gradient():
    logits, label_ids = drawn(500, 1.7)
    scaled, labels = torch.tensor(logits, dtype=torch.float64), torch.tensor(label_ids)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, tolerance_grad=1e-10)

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(scaled / log_temperature.exp(), labels, reduction="sum")
        value = value + 0.5 * (log_temperature / 0.5) ** 2
        value.backward()
        return value

    optimizer.step(loss)
    assert fit_temperature(logits, label_ids) == pytest.approx(log_temperature.exp().item(), rel=1e-4)


def test_few_rows_that_are_all_right_do_not_make_it_sure_of_everything():
    logits = np.array([[2.0, -2.0]] * 10, np.float32)
    assert 0.7 < fit_temperature(logits, np.zeros(10, int)) < 1.0
    assert fit_temperature(np.zeros((0, 2), np.float32), np.zeros(0, int)) == pytest.approx(1.0, abs=1e-4)


def test_huge_logits_are_no_trouble():
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], np.float32)
    assert 1.0 < fit_temperature(logits, np.array([0, 1])) <= 20.01


@pytest.mark.parametrize("temperature", [0.05, 0.7, 3.0, 20.0])
def test_calibration_changes_no_predicted_label(temperature):
    draw = np.random.default_rng(1)
    logits = np.concatenate([draw.normal(0, scale, (2000, 4)) for scale in (1e-6, 1, 50)]).astype(np.float32)
    logits[:500, 1] = np.nextafter(logits[:500, 0], np.float32(9))
    assert np.array_equal(softmax(logits, temperature).argmax(1), logits.argmax(1))
    labels = list("abcd")
    plain, cooled = (full_scores(logits, np.zeros(6000, int), labels, Decision(by, by)) for by in (1.0, temperature))
    assert plain["confusion_matrix"] == cooled["confusion_matrix"]


def test_calibration_error_is_that_of_a_loop_over_bins():
    logits, label_ids = drawn(3000, 2.0)
    probabilities = softmax(logits)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == label_ids
    expected = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & ((confidence < (number + 1) / 15) | (number == 14))
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(probabilities, label_ids) == pytest.approx(expected)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0.0


def test_brier_score_is_the_mean_squared_distance():
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert brier_score(probabilities, np.array([0, 0])) == pytest.approx((0.09 + 0.09 + 0.64 + 0.64) / 2)


def test_scores_tell_before_and_after_and_these_rows_are_better_calibrated():
    logits, label_ids = drawn(4000, 2.0)
    temperature = quick_scores(logits, label_ids, 1)["temperature"]
    scores = full_scores(logits, label_ids, list("abc"), Decision(temperature, temperature))
    told = scores["calibration"]
    assert told["temperature"] == temperature
    assert told["after"]["calibration_error"] < 0.5 * told["before"]["calibration_error"]
    assert told["after"]["brier_score"] < told["before"]["brier_score"]
    assert told["after"]["loss"] < told["before"]["loss"] == scores["loss"]
    assert told["after"]["loss"] == pytest.approx(cross_entropy_sum(logits / temperature, label_ids) / 4000)


def test_the_temperature_of_a_run_is_used_only_if_there_is_one_and_it_makes_sense():
    assert temperature_of({"metrics": {"temperature": 1.5}}) == 1.5
    assert temperature_of({"metrics": {}}) == temperature_of({}) == 1.0
    for strange in (0, -1.0, math.nan, math.inf, "2", None, True):
        with pytest.raises(UserError, match="temperature"):
            temperature_of({"metrics": {"temperature": strange}})
