import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.conftest import interrupted, run_facts
from toolkit.base.disk import write_json
from toolkit.base.errors import UserError
from toolkit.base.torch_versions import grad_scaler
from toolkit.compute.device import seed_step
from toolkit.compute.processes import ALONE
from toolkit.runs import checkpoint
from toolkit.runs.checkpoint import (
    TrainerState,
    begin_checkpoint,
    clean_checkpoint,
    forget_replaced,
    note_facts,
    read_state,
    save_checkpoint,
    saved_progress,
)
from toolkit.runs.progress import Progress
from toolkit.runs.resume import resume
from toolkit.runs.run_json import RunFacts

FACTS = run_facts(options={"epochs": 3}, precision="fp32", data={"train": {"file": "t.csv", "sha256": "aa"}})


def parts(seed: int) -> TrainerState:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    return TrainerState(model, torch.optim.AdamW(model.parameters(), lr=0.1), grad_scaler("cpu", enabled=False))


def steps(model, optimizer, numbers: range) -> None:
    for number in numbers:
        seed_step(7, number, 0)
        model(torch.ones(3, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_training_goes_on_bit_for_bit_from_a_checkpoint(tmp_path):
    state = parts(0)
    model, optimizer = state.model, state.optimizer
    steps(model, optimizer, range(3))
    save_checkpoint(tmp_path, state, Progress(step=3, history=[{"step": 3}]), FACTS)
    steps(model, optimizer, range(3, 7))
    other = parts(1)
    again, its_optimizer = other.model, other.optimizer
    progress = resume(tmp_path, other, FACTS, ALONE).progress
    assert progress == Progress(step=3, history=[{"step": 3}])
    steps(again, its_optimizer, range(3, 7))
    for mine, theirs in zip(again.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_one_save_is_kept_and_it_holds_no_pickle(tmp_path):
    state = parts(0)
    model, optimizer = state.model, state.optimizer
    for step in (1, 2):
        steps(model, optimizer, range(step, step + 1))
        save_checkpoint(tmp_path, state, Progress(step=step), FACTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-2.safetensors", "state.json"]
    assert json.loads((tmp_path / "state.json").read_text())["options"] == {"epochs": 3}


def test_a_run_that_has_begun_can_be_resumed_before_its_first_save(tmp_path):
    assert read_state(tmp_path / "run") is None
    begin_checkpoint(tmp_path / "run", FACTS)
    state = parts(0)
    assert resume(tmp_path / "run", state, FACTS, ALONE).progress == Progress()
    for mine, theirs in zip(state.model.state_dict().values(), parts(0).model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def of_rows(micro_batch_size: int | None) -> RunFacts:
    return replace(FACTS, options={"micro_batch_size": micro_batch_size})


def test_the_row_limit_is_saved_as_itself_and_holds_until_another_micro_batch_size_is_given(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=1, row_limit=4), of_rows(None))
    assert read_state(tmp_path).facts.options == {"micro_batch_size": None}
    assert resume(tmp_path, parts(0), of_rows(None), ALONE).progress.row_limit == 4
    assert resume(tmp_path, parts(0), of_rows(16), ALONE).progress.row_limit is None


@pytest.mark.parametrize(("size", "limit"), [(None, 4), (16, None)])
def test_a_row_limit_that_has_ended_does_not_come_back_after_the_options_are_noted(tmp_path, size, limit):
    save_checkpoint(tmp_path, parts(0), Progress(step=1, row_limit=4), of_rows(None))
    note_facts(tmp_path, of_rows(size))
    assert resume(tmp_path, parts(0), of_rows(size), ALONE).progress.row_limit == limit


def test_the_state_of_another_model_is_refused(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=1), FACTS)
    other = torch.nn.Linear(4, 9)
    state = TrainerState(other, torch.optim.AdamW(other.parameters()), grad_scaler("cpu", enabled=False))
    with pytest.raises(UserError, match="does not fit this model"):
        resume(tmp_path, state, FACTS, ALONE)


def test_the_state_of_another_version_is_refused(tmp_path):
    begin_checkpoint(tmp_path, FACTS)
    state = json.loads((tmp_path / "state.json").read_text())
    state["journal"] = state.pop("progress")
    write_json(tmp_path / "state.json", state | {"sha256": checkpoint._checksum(state)})
    for read in (lambda: resume(tmp_path, parts(0), FACTS, ALONE), lambda: saved_progress(tmp_path)):
        with pytest.raises(UserError, match="started by another version"):
            read()


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a save after three steps."""
    folder, state = tmp_path_factory.mktemp("saved"), parts(0)
    steps(state.model, state.optimizer, range(3))
    save_checkpoint(folder, state, Progress(step=3, history=[{"step": 3, "accuracy": 0.5}]), FACTS)
    return folder


def refused(folder, damaged: str) -> None:
    """Check that a save is refused with one line that names the damaged file, and that nothing of it is loaded."""
    state = parts(1)
    before = [tensor.clone() for tensor in state.model.state_dict().values()]
    with pytest.raises(UserError) as caught:
        if read_state(folder) is None:
            raise AssertionError("the save is not noticed")
        resume(folder, state, FACTS, ALONE)
    (line,) = caught.value.lines()
    assert line.startswith(f"--resume: {folder / damaged} is damaged ("), line
    for mine, theirs in zip(state.model.state_dict().values(), before, strict=True):
        assert torch.equal(mine, theirs)
    assert not state.optimizer.state


@pytest.mark.parametrize("name", ["state.json", "state-3.safetensors"])
def test_a_save_with_one_changed_byte_is_refused(saved, tmp_path, name):
    folder = shutil.copytree(saved, tmp_path / "copy")
    data, draw = (folder / name).read_bytes(), np.random.default_rng(0)
    places = {0, 1, 7, 8, len(data) // 2, len(data) - 2, *draw.integers(0, len(data) - 1, 200).tolist()}
    accepted = []
    for place in sorted(places):
        changed = bytearray(data)
        changed[place] ^= 1 << int(draw.integers(8))
        (folder / name).write_bytes(changed)
        if name == "state.json" and same_value(changed, data):
            accepted.append(place)  # a blank that became another: the content is what was written
        else:
            refused(folder, name)
    assert len(accepted) < len(places) / 4
    (folder / name).write_bytes(data)
    assert resume(folder, parts(1), FACTS, ALONE).progress.step == 3


def same_value(one: bytes, other: bytes) -> bool:
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["state.json", "state-3.safetensors"])
def test_a_save_that_is_cut_short_or_too_long_is_refused(saved, tmp_path, name):
    folder = shutil.copytree(saved, tmp_path / "copy")
    data = (folder / name).read_bytes()
    for length in {0, 1, 7, 8, 9, len(data) - 2, *np.linspace(10, len(data) - 3, 50).astype(int).tolist()}:
        (folder / name).write_bytes(data[:length])
        refused(folder, name)
    (folder / name).write_bytes(data + b"x")
    refused(folder, name)
    (folder / name).write_bytes(bytes(len(data)))  # as after a crash of some file systems
    refused(folder, name)


def test_a_save_without_its_tensors_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "copy")
    (folder / "state-3.safetensors").unlink()
    refused(folder, "state-3.safetensors")


def test_the_tensors_of_another_save_are_refused(saved, tmp_path):
    folder, state = shutil.copytree(saved, tmp_path / "copy"), parts(5)
    save_checkpoint(tmp_path / "other", state, Progress(step=3), FACTS)
    shutil.copy(tmp_path / "other" / "state-3.safetensors", folder / "state-3.safetensors")
    refused(folder, "state-3.safetensors")


@pytest.mark.parametrize("value", [[], "text", None, 3, {}, {"sha256": "0" * 64}, "[" * 100_000])
def test_json_that_is_no_state_is_refused(saved, tmp_path, value):
    folder = shutil.copytree(saved, tmp_path / "copy")
    text = value if isinstance(value, str) and value.startswith("[") else json.dumps(value)
    (folder / "state.json").write_text(text)
    refused(folder, "state.json")


# -- failures while a save is written --------------------------------------------------------------------------------


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("failing", ["save_file", "fingerprint", "write_json"])
def test_a_save_that_fails_leaves_the_last_one_and_the_next_succeeds(tmp_path, monkeypatch, failing):
    state = parts(0)
    save_checkpoint(tmp_path, state, Progress(step=1), FACTS)
    before = content(tmp_path)

    def full(*args):
        if failing == "save_file":
            args[1].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    steps(state.model, state.optimizer, range(1, 2))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, failing, full)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path, state, Progress(step=2), FACTS)
    assert content(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))
    assert resume(tmp_path, parts(1), FACTS, ALONE).progress.step == 1
    save_checkpoint(tmp_path, state, Progress(step=3), FACTS)
    assert sorted(content(tmp_path)) == ["state-3.safetensors", "state.json"]
    assert resume(tmp_path, parts(1), FACTS, ALONE).progress.step == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_the_last_save_is_whole_at_whatever_instant_the_next_one_ends(tmp_path, fails, step):
    folder, state, seen = tmp_path / "checkpoint", parts(0), []
    steps(state.model, state.optimizer, range(1))
    save_checkpoint(tmp_path / "first", state, Progress(step=1), FACTS)
    expected = {1: state.model[0].weight.detach().clone()}
    if step == 2:
        steps(state.model, state.optimizer, range(1, 2))
    expected[step] = state.model[0].weight.detach().clone()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "first", folder)

    def save() -> None:
        save_checkpoint(folder, state, Progress(step=step, epoch=7), FACTS)

    for _ in interrupted(save, prepare, fails):
        again = parts(1)
        progress = resume(folder, again, FACTS, ALONE).progress
        assert torch.equal(again.model[0].weight, expected[progress.step])
        seen.append(progress.epoch)
        clean_checkpoint(folder)
        assert sorted(content(folder)) == [f"state-{progress.step}.safetensors", "state.json"]
        assert not list(folder.rglob(".*"))
        assert resume(folder, again, FACTS, ALONE).progress.epoch == progress.epoch
    assert {0} <= set(seen) <= {0, 7}
    assert fails or 7 in seen
    assert len(seen) >= 8


def test_a_save_that_a_killed_process_did_not_get_to_name_is_cleared_away(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=1), FACTS)
    before = content(tmp_path)
    (tmp_path / "state-2.safetensors").write_bytes(b"whole, but not named yet")
    (tmp_path / ".tensors.new").mkdir()
    (tmp_path / ".tensors.new" / "state-3.safetensors").write_bytes(b"half")
    (tmp_path / ".state.json.new").write_bytes(b"{")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    clean_checkpoint(tmp_path)
    assert content(tmp_path) == before | {"mine.txt": b"mine"}
    assert not list(tmp_path.rglob(".*"))


def test_what_is_noted_of_a_run_is_read_again_and_stands_in_the_order_of_older_versions(tmp_path):
    state = parts(0)
    progress = Progress(step=3, history=[{"step": 3}])
    save_checkpoint(tmp_path, state, progress, FACTS, replaced_seeds=[4, 5])
    saved = read_state(tmp_path)
    assert (saved.facts, saved.progress, saved.replaced_seeds) == (FACTS, progress, [4, 5])
    assert saved.tensors.file == "state-3.safetensors"
    names = list(json.loads((tmp_path / "state.json").read_text()))
    assert names == ["tensors", "scaler", "progress", *FACTS.as_json(), "replaces", "sha256"]
    forget_replaced(tmp_path)
    assert read_state(tmp_path) == replace(saved, replaced_seeds=())
    assert "replaces" not in json.loads((tmp_path / "state.json").read_text())


def test_what_a_save_holds_is_no_more_than_weights_and_moments(saved):
    with safe_open(saved / "state-3.safetensors", "pt") as tensors:
        names = set(tensors.keys())
    weights = {"0.weight", "0.bias", "2.weight", "2.bias"}
    moments = {f"optimizer.{number}.{name}" for number in range(4) for name in ("step", "exp_avg", "exp_avg_sq")}
    assert names == {f"model.{name}" for name in weights} | moments


def test_a_save_of_another_version_is_told_from_a_damaged_one(tmp_path):
    begin_checkpoint(tmp_path, FACTS)
    state = json.loads((tmp_path / "state.json").read_text())
    state["progress"]["moons"] = 3
    write_json(tmp_path / "state.json", state | {"sha256": checkpoint._checksum(state)})
    with pytest.raises(UserError, match="another version of this project"):
        resume(tmp_path, parts(0), FACTS, ALONE)
