import pytest
import torch
from transformers import get_scheduler

from toolkit.training.optimizer import Schedule, make_optimizer


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize(("total", "warmup_ratio"), [(100, 0.1), (37, 0.0), (10, 0.25), (7, 1.0)])
def test_the_learning_rate_is_that_of_transformers_at_every_step(shape, total, warmup_ratio):
    schedule = Schedule(1.0, shape, total, warmup_ratio)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warmup = -(-total * warmup_ratio // 1)
    reference = get_scheduler(shape, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    for step in range(total):
        assert schedule.learning_rate(step) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        reference.step()


def test_a_constant_rate_stays_after_the_warmup():
    schedule = Schedule(1.0, "constant", 100, 0.1)
    assert [schedule.learning_rate(step) for step in (0, 5, 10, 50, 99)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_the_peak_is_what_the_learning_rates_are_shares_of():
    schedule = Schedule(3e-5, "linear", 10, 0.2)
    assert [schedule.learning_rate(step) for step in (0, 1, 2, 6)] == [0.0, 3e-5 * 0.5, 3e-5, 3e-5 * 0.5]


def test_biases_and_layernorm_do_not_decay_and_frozen_weights_are_left_out():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    model[2].weight.requires_grad = False
    optimizer = make_optimizer(model, 0.01, (0.8, 0.9), 1e-6)
    decaying, others = optimizer.param_groups
    assert decaying["weight_decay"] == 0.01
    assert {id(weight) for weight in decaying["params"]} == {id(model[0].weight)}
    assert others["weight_decay"] == 0.0
    assert {id(weight) for weight in others["params"]} == {
        id(model[0].bias), id(model[1].weight), id(model[1].bias), id(model[2].bias),
    }  # fmt: skip
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (0.0, (0.8, 0.9), 1e-6)
