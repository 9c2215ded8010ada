import math

import numpy as np
import pytest
import torch

from tests.conftest import run_facts
from tests.evaluation.label_set_samples import drawn
from toolkit.base.errors import UserError
from toolkit.evaluation.label_set_decision import (
    LabelSetDecision,
    average_label_set_decision,
    fit_sigmoid_temperature,
    label_set_decision_of,
    mean_sigmoid_logits,
    sigmoid_loss_sum,
)
from toolkit.evaluation.tasks import LabelSetTask, OneLabelTask, task_of


def test_the_loss_is_that_of_torch_and_does_not_overflow():
    logits, truth = drawn()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits).double(), torch.from_numpy(truth).double(), reduction="sum"
    )
    assert sigmoid_loss_sum(logits, truth) == pytest.approx(expected.item())
    assert sigmoid_loss_sum(np.array([[1e4, -1e4]], np.float32), np.array([[True, False]])) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_that_by_which_the_logits_were_too_large(temperature):
    assert fit_sigmoid_temperature(*drawn(5000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_decision_is_made_on_calibrated_probabilities_and_writes_what_is_asked_for():
    run = run_facts(
        labels=["a", "b"],
        columns={"text": "text", "text_pair": None, "label": "label", "label_separator": ";"},
        metrics={"temperature": 2.0, "thresholds": {"b": 0.3, "a": 0.9}},
    )
    logits = np.array([[2.0, -1.0], [6.0, -3.0]], np.float32)
    calibrated = 1 / (1 + np.exp(-logits / 2))
    for written, temperature in ((True, 2), (False, 1)):
        decision = label_set_decision_of(run, calibrated=written)
        np.testing.assert_allclose(decision.probabilities(logits), 1 / (1 + np.exp(-logits / temperature)))
        assert decision.label_ids(logits).tolist() == (calibrated >= [0.9, 0.3]).tolist() == [[0, 1], [1, 0]]
    assert label_set_decision_of(run, threshold=0.5).label_ids(logits).tolist() == [[1, 0], [1, 0]]
    assert task_of(run) == LabelSetTask(["a", "b"])
    assert task_of(run_facts()) == OneLabelTask(["a", "b"])


@pytest.mark.parametrize(
    "strange", [{"a": 0.5}, {"a": 0.5, "b": 2}, {"a": 0.5, "b": math.nan}, [0.5, 0.5], {"a": "x", "b": 0}]
)
def test_thresholds_that_make_no_sense_are_told(strange):
    with pytest.raises(UserError, match="its thresholds are not a probability for each label"):
        label_set_decision_of(run_facts(metrics={"thresholds": strange}))


def test_several_models_predict_by_the_mean_of_their_probabilities():
    logits = [drawn(seed=seed)[0] for seed in (1, 2)]
    probabilities = [1 / (1 + np.exp(-each.astype(float))) for each in logits]
    mean = LabelSetDecision((0.5,) * 5).probabilities(mean_sigmoid_logits(probabilities))
    np.testing.assert_allclose(mean, (probabilities[0] + probabilities[1]) / 2, atol=1e-7)
    first = run_facts(metrics={"thresholds": {"a": 0.2, "b": 0.4}})
    same = run_facts(labels=["b", "a"], metrics={"thresholds": {"a": 0.2, "b": 0.4}})
    other = run_facts(metrics={"threshold": 0.3})
    assert average_label_set_decision([first, same]) == (LabelSetDecision((0.2, 0.4)), None)
    decision, note = average_label_set_decision([first, other])
    assert decision == LabelSetDecision((0.5, 0.5))
    assert "differ and are not used" in str(note)
    assert average_label_set_decision([first, other], 0.7).decision == LabelSetDecision((0.7, 0.7))
