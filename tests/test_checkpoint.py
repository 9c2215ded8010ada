import json

import pytest
import torch

from toolkit.checkpoint import load_checkpoint, read_state, save_checkpoint
from toolkit.compat import grad_scaler
from toolkit.errors import UserError
from toolkit.journal import Journal

ABOUT = {"options": {"epochs": 3}, "precision": "fp32", "data": {"train": {"file": "t.csv", "sha256": "aa"}}}


def parts(seed: int) -> tuple:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1), grad_scaler("cpu", enabled=False)


def steps(model, optimizer, count: int) -> None:
    for _ in range(count):
        model(torch.ones(3, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_training_goes_on_bit_for_bit_from_a_checkpoint(tmp_path):
    model, optimizer, scaler = parts(0)
    steps(model, optimizer, 3)
    save_checkpoint(tmp_path, model, optimizer, scaler, Journal(step=3, history=[{"step": 3}]), ABOUT)
    steps(model, optimizer, 4)
    again, its_optimizer, its_scaler = parts(1)
    journal = load_checkpoint(tmp_path, again, its_optimizer, its_scaler, ABOUT)
    assert journal == Journal(step=3, history=[{"step": 3}])
    steps(again, its_optimizer, 4)
    for mine, theirs in zip(again.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_one_save_is_kept_and_it_holds_no_pickle(tmp_path):
    model, optimizer, scaler = parts(0)
    for step in (1, 2):
        steps(model, optimizer, 1)
        save_checkpoint(tmp_path, model, optimizer, scaler, Journal(step=step), ABOUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-2.safetensors", "state.json"]
    assert json.loads((tmp_path / "state.json").read_text())["options"] == {"epochs": 3}


def test_changed_data_is_refused(tmp_path):
    model, optimizer, scaler = parts(0)
    save_checkpoint(tmp_path, model, optimizer, scaler, Journal(), ABOUT)
    changed = {**ABOUT, "data": {"train": {"file": "t.csv", "sha256": "bb"}}}
    with pytest.raises(UserError, match="t.csv is not the file"):
        load_checkpoint(tmp_path, model, optimizer, scaler, changed)


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(UserError, match="no checkpoint"):
        read_state(tmp_path)
