import copy

import numpy as np
import pytest
import torch

import utils
from tests.layers.test_fast_bert import classifier
from toolkit.base.torch_versions import has_fused_adamw
from toolkit.compute.machine import Machine
from toolkit.compute.precision import choose_precision
from toolkit.layers.touched_rows import TouchableEmbedding, make_touchable, touched_rows
from toolkit.tokens.dataset import TokenDataset
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.optimizer import make_optimizer

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)
EPSILON = 1e-4  # large, since AdamW would blow the rounding of gradients that should be zero up to whole steps
pytestmark = pytest.mark.skipif(not has_fused_adamw("cpu"), reason="AdamW is fused on the CPU since torch 2.4")


def dataset(rows: int = 24, length: int = 12) -> TokenDataset:
    draw = torch.Generator().manual_seed(4)
    ids = torch.randint(0, 60, (rows, length), generator=draw, dtype=torch.int32)  # 60 of 100, padding's 0 among them
    lengths = torch.randint(1, length + 1, (rows,), generator=draw)
    return TokenDataset(ids, torch.zeros(rows, 0, dtype=torch.uint8), lengths, torch.arange(rows) % 3)


def learner_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer, norm: float = 1.0) -> Learner:
    settings = StepSettings(lambda step: 1e-2, max_grad_norm=norm)
    return Learner(model, optimizer, FP32.scaler(), settings, Machine(CPU, FP32))


def trained(model: torch.nn.Module, steps: list[list[int]], micro: int | None = None, norm: float = 0.05):
    """Return the learner after it has taken steps with these rows."""
    optimizer = make_optimizer(model, 0.1, (0.9, 0.999), EPSILON)
    learner = learner_of(model, optimizer, norm)
    learner.limit.rows = micro
    norms, clip = [], learner.clip_gradient
    learner.clip_gradient = lambda: norms.append(clip()) or norms[-1]
    utils.train_one_epoch(learner, dataset(), [np.array(rows) for rows in steps], lambda *_: None)
    return learner, torch.stack(norms)


STEPS = [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12, 13], [3, 20], [23]]


@pytest.mark.parametrize("norm", [0.05, 0.0], ids=["clipped", "not clipped"])
@pytest.mark.parametrize("micro", [None, 1, 3])
def test_steps_are_those_of_the_whole_gradient(micro, norm):
    plain = classifier()
    touched = copy.deepcopy(plain)
    make_touchable(touched.get_input_embeddings())
    (one, norms), (other, its_norms) = trained(plain, STEPS, micro, norm), trained(touched, STEPS, micro, norm)
    assert not one.tables and len(other.tables) == 1
    torch.testing.assert_close(its_norms, norms, rtol=1e-5, atol=0.0)
    for (name, weight), its_weight in zip(plain.named_parameters(), touched.parameters(), strict=True):
        torch.testing.assert_close(its_weight, weight, atol=2e-6, rtol=1e-5, msg=name)
    states = [learner.optimizer.state_dict()["state"] for learner in (one, other)]
    assert states[0].keys() == states[1].keys()
    for number in states[0]:
        torch.testing.assert_close(states[1][number]["exp_avg"], states[0][number]["exp_avg"], atol=1e-6, rtol=1e-4)


def test_a_row_that_no_batch_touches_still_moves_by_its_momentum_and_decays():
    model = classifier()
    make_touchable(model.get_input_embeddings())
    before = model.get_input_embeddings().weight.detach().clone()
    trained(model, [[0, 1, 2, 3]])
    after = model.get_input_embeddings().weight.detach()
    torch.testing.assert_close(after[60:], before[60:] * (1 - 1e-2 * 0.1))  # of none of the texts
    torch.testing.assert_close(after[0], before[0] * (1 - 1e-2 * 0.1))  # padding's row has no gradient


def test_the_kept_table_is_empty_between_steps_and_the_weight_has_no_gradient():
    model = classifier()
    make_touchable(model.get_input_embeddings())
    learner, _ = trained(model, STEPS)
    assert not learner.tables[0].gradient.any()
    assert model.get_input_embeddings().weight.grad is None


def test_a_step_that_is_not_a_number_changes_nothing():
    model = classifier()
    make_touchable(model.get_input_embeddings())
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    bad = []

    def poison(module, args, output):
        return output if bad else output * float("nan")

    model.classifier.register_forward_hook(poison)
    optimizer = make_optimizer(model, 0.1, (0.9, 0.999), EPSILON)
    learner = learner_of(model, optimizer)
    rows = np.arange(6)
    utils.train_one_epoch(learner, dataset(), [rows], lambda *_: None)
    bad = [bad_step.step for bad_step in learner.guard.take_bad_steps()]
    assert bad == [0]
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    utils.train_one_epoch(learner, dataset(), [rows], lambda *_: None)
    assert all(weight.isfinite().all() for weight in model.state_dict().values())
    assert not torch.equal(model.get_input_embeddings().weight, before["bert.embeddings.word_embeddings.weight"])


def test_tables_that_work_otherwise_are_left_alone():
    for options in ({"sparse": True}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}):
        table = torch.nn.Embedding(5, 3, **options)
        make_touchable(table)
        assert type(table) is torch.nn.Embedding
    frozen = TouchableEmbedding(5, 3)
    frozen.weight.requires_grad = False
    head = torch.nn.Linear(3, 2)
    assert not touched_rows(torch.nn.Sequential(frozen, head), torch.optim.AdamW(head.parameters(), fused=True))
    free = TouchableEmbedding(5, 3)
    assert not touched_rows(free, torch.optim.AdamW(free.parameters()))


def test_a_table_that_is_another_weight_too_or_is_never_read_changes_nothing():
    model = classifier()
    make_touchable(model.get_input_embeddings())
    model.extra = torch.nn.Linear(48, 100)
    model.extra.weight = model.get_input_embeddings().weight
    assert not touched_rows(model, torch.optim.AdamW(model.parameters(), fused=True))
    model = classifier()
    model.extra = TouchableEmbedding(7, 3)
    before = model.extra.weight.detach().clone()
    optimizer = make_optimizer(model, 0.1, (0.9, 0.999), EPSILON)
    learner = learner_of(model, optimizer)
    assert len(learner.tables) == 1
    utils.train_one_epoch(learner, dataset(), [np.arange(6)], lambda *_: None)
    assert torch.equal(model.extra.weight, before)
