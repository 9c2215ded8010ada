import json

import pytest
import torch

from toolkit.checkpoint import begin_checkpoint, read_state, resume, save_checkpoint
from toolkit.compat import grad_scaler
from toolkit.devices import seed_step
from toolkit.errors import UserError
from toolkit.journal import Journal
from toolkit.world import ALONE

ABOUT = {"options": {"epochs": 3}, "precision": "fp32", "data": {"train": {"file": "t.csv", "sha256": "aa"}}}


def parts(seed: int) -> tuple:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1), grad_scaler("cpu", enabled=False)


def steps(model, optimizer, numbers: range) -> None:
    for number in numbers:
        seed_step(7, number, 0)
        model(torch.ones(3, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_training_goes_on_bit_for_bit_from_a_checkpoint(tmp_path):
    model, optimizer, scaler = parts(0)
    steps(model, optimizer, range(3))
    save_checkpoint(tmp_path, model, optimizer, scaler, Journal(step=3, history=[{"step": 3}]), ABOUT)
    steps(model, optimizer, range(3, 7))
    again, its_optimizer, its_scaler = parts(1)
    journal = resume(tmp_path, (again, its_optimizer, its_scaler), ABOUT, ALONE)
    assert journal == Journal(step=3, history=[{"step": 3}])
    steps(again, its_optimizer, range(3, 7))
    for mine, theirs in zip(again.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_one_save_is_kept_and_it_holds_no_pickle(tmp_path):
    model, optimizer, scaler = parts(0)
    for step in (1, 2):
        steps(model, optimizer, range(step, step + 1))
        save_checkpoint(tmp_path, model, optimizer, scaler, Journal(step=step), ABOUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-2.safetensors", "state.json"]
    assert json.loads((tmp_path / "state.json").read_text())["options"] == {"epochs": 3}


def test_changed_data_is_refused(tmp_path):
    model, optimizer, scaler = parts(0)
    save_checkpoint(tmp_path, model, optimizer, scaler, Journal(), ABOUT)
    changed = {**ABOUT, "data": {"train": {"file": "t.csv", "sha256": "bb"}}}
    with pytest.raises(UserError, match="t.csv is not the file"):
        resume(tmp_path, (model, optimizer, scaler), changed, ALONE)


def test_a_run_that_has_begun_can_be_gone_on_with_before_its_first_save(tmp_path):
    assert read_state(tmp_path / "run") is None
    begin_checkpoint(tmp_path / "run", ABOUT)
    state = parts(0)
    assert resume(tmp_path / "run", state, ABOUT, ALONE) == Journal()
    for mine, theirs in zip(state[0].state_dict().values(), parts(0)[0].state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_state_of_another_model_is_refused(tmp_path):
    save_checkpoint(tmp_path, *parts(0), Journal(step=1), ABOUT)
    other = torch.nn.Linear(4, 9)
    state = (other, torch.optim.AdamW(other.parameters()), grad_scaler("cpu", enabled=False))
    with pytest.raises(UserError, match="does not fit this model"):
        resume(tmp_path, state, ABOUT, ALONE)
