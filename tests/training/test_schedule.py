import pytest
import torch
from transformers import get_scheduler

from toolkit.training.schedule import learning_rate_factor


@pytest.mark.parametrize("scheduler", ["linear", "cosine"])
@pytest.mark.parametrize(("total", "warmup_ratio"), [(100, 0.1), (37, 0.0), (10, 0.25), (7, 1.0)])
def test_the_learning_rate_is_that_of_transformers_at_every_step(scheduler, total, warmup_ratio):
    factor = learning_rate_factor(scheduler, total, warmup_ratio)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warmup = -(-total * warmup_ratio // 1)
    reference = get_scheduler(scheduler, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    for step in range(total):
        assert factor(step) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        reference.step()


def test_a_constant_rate_stays_after_the_warmup():
    factor = learning_rate_factor("constant", 100, 0.1)
    assert [factor(step) for step in (0, 5, 10, 50, 99)] == [0.0, 0.5, 1.0, 1.0, 1.0]
