import io
import json
import os
import shutil
from argparse import Namespace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.conftest import interrupted
from toolkit import checkpoint
from toolkit.atomic import write_json
from toolkit.checkpoint import (
    MAY_CHANGE,
    begin_checkpoint,
    clean_checkpoint,
    read_state,
    resume,
    resumed_options,
    save_checkpoint,
)
from toolkit.compat import grad_scaler
from toolkit.console import Log
from toolkit.devices import seed_step
from toolkit.errors import UserError
from toolkit.journal import Journal
from toolkit.options import training_options
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


def of_data(**tables) -> dict:
    return {**ABOUT, "data": {name: {"file": f"{name}.csv", "sha256": digest} for name, digest in tables.items()}}


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        ({"train": "aa"}, {"train": "bb"}, "train.csv"),
        ({"train": "aa", "valid": "cc"}, {"train": "aa", "valid": "dd"}, "valid.csv"),
        ({"train": "aa"}, {"train": "aa", "test": "cc"}, "test.csv"),  # added
        ({"train": "aa", "test": "cc"}, {"train": "aa"}, "test.csv"),  # removed
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_changed_data_is_refused(tmp_path, before, now, named, begun):
    state = parts(0)
    if begun:
        begin_checkpoint(tmp_path, of_data(**before))
    else:
        save_checkpoint(tmp_path, *state, Journal(), of_data(**before))
    with pytest.raises(UserError) as caught:
        resume(tmp_path, state, of_data(**now), ALONE)
    assert caught.value.lines() == [f"--resume: {named} is not the file that the run began with"]


def test_a_file_that_was_moved_and_is_the_same_is_accepted(tmp_path):
    save_checkpoint(tmp_path, *parts(0), Journal(step=4), of_data(train="aa"))
    moved = {**ABOUT, "data": {"train": {"file": "elsewhere/t.csv", "sha256": "aa"}}}
    assert resume(tmp_path, parts(1), moved, ALONE).step == 4


def test_another_number_format_is_refused_with_both_names(tmp_path):
    save_checkpoint(tmp_path, *parts(0), Journal(), ABOUT)
    with pytest.raises(UserError, match="in fp32, this machine would go on in bf16"):
        resume(tmp_path, parts(0), {**ABOUT, "precision": "bf16"}, ALONE)


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


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a save after three steps."""
    folder, state = tmp_path_factory.mktemp("saved"), parts(0)
    steps(*state[:2], range(3))
    save_checkpoint(folder, *state, Journal(step=3, history=[{"step": 3, "accuracy": 0.5}]), ABOUT)
    return folder


def refused(folder, damaged: str) -> None:
    """Check that a save is refused with one line that names the damaged file, and that nothing of it is loaded."""
    state = parts(1)
    before = [tensor.clone() for tensor in state[0].state_dict().values()]
    with pytest.raises(UserError) as caught:
        if read_state(folder) is None:
            raise AssertionError("the save is not noticed")
        resume(folder, state, ABOUT, ALONE)
    (line,) = caught.value.lines()
    assert line.startswith(f"--resume: {folder / damaged} is damaged ("), line
    for mine, theirs in zip(state[0].state_dict().values(), before, strict=True):
        assert torch.equal(mine, theirs)
    assert not state[1].state


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
    assert resume(folder, parts(1), ABOUT, ALONE).step == 3


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
    save_checkpoint(tmp_path / "other", *state, Journal(step=3), ABOUT)
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
    save_checkpoint(tmp_path, *state, Journal(step=1), ABOUT)
    before = content(tmp_path)

    def full(*args):
        if failing == "save_file":
            args[1].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    steps(*state[:2], range(1, 2))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, failing, full)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path, *state, Journal(step=2), ABOUT)
    assert content(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))
    assert resume(tmp_path, parts(1), ABOUT, ALONE).step == 1
    save_checkpoint(tmp_path, *state, Journal(step=3), ABOUT)
    assert sorted(content(tmp_path)) == ["state-3.safetensors", "state.json"]
    assert resume(tmp_path, parts(1), ABOUT, ALONE).step == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_the_last_save_is_whole_at_whatever_instant_the_next_one_ends(tmp_path, fails, step):
    folder, state, seen = tmp_path / "checkpoint", parts(0), []
    steps(*state[:2], range(1))
    save_checkpoint(tmp_path / "first", *state, Journal(step=1), ABOUT)
    expected = {1: state[0][0].weight.detach().clone()}
    if step == 2:
        steps(*state[:2], range(1, 2))
    expected[step] = state[0][0].weight.detach().clone()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "first", folder)

    def save() -> None:
        save_checkpoint(folder, *state, Journal(step=step, epoch=7), ABOUT)

    for _ in interrupted(save, prepare, fails):
        again = parts(1)
        journal = resume(folder, again, ABOUT, ALONE)
        assert torch.equal(again[0][0].weight, expected[journal.step])
        seen.append(journal.epoch)
        clean_checkpoint(folder)
        assert sorted(content(folder)) == [f"state-{journal.step}.safetensors", "state.json"]
        assert not list(folder.rglob(".*"))
        assert resume(folder, again, ABOUT, ALONE).epoch == journal.epoch
    assert {0} <= set(seen) <= {0, 7}
    assert fails or 7 in seen
    assert len(seen) >= 8


def test_a_save_that_a_killed_process_did_not_get_to_name_is_cleared_away(tmp_path):
    save_checkpoint(tmp_path, *parts(0), Journal(step=1), ABOUT)
    before = content(tmp_path)
    (tmp_path / "state-2.safetensors").write_bytes(b"whole, but not named yet")
    (tmp_path / ".tensors.new").mkdir()
    (tmp_path / ".tensors.new" / "state-3.safetensors").write_bytes(b"half")
    (tmp_path / ".state.json.new").write_bytes(b"{")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    clean_checkpoint(tmp_path)
    assert content(tmp_path) == before | {"mine.txt": b"mine"}
    assert not list(tmp_path.rglob(".*"))


def test_what_a_save_holds_is_no_more_than_weights_and_moments(saved):
    with safe_open(saved / "state-3.safetensors", "pt") as tensors:
        names = set(tensors.keys())
    weights = {"0.weight", "0.bias", "2.weight", "2.bias"}
    moments = {f"optimizer.{number}.{what}" for number in range(4) for what in ("step", "exp_avg", "exp_avg_sq")}
    assert names == {f"model.{name}" for name in weights} | moments


# -- options ---------------------------------------------------------------------------------------------------------


def resumed(folder, monkeypatch, saved: dict, *given: str) -> dict:
    """Return the options of a run that was begun with `saved` and is gone on with by these words."""
    parser = training_options()
    options = {**vars(parser.parse_args([])), **saved}
    write_state = {**ABOUT, "options": options}
    begin_checkpoint(folder / "checkpoint", write_state)
    monkeypatch.setattr("sys.argv", ["main.py", "--output_dir", str(folder), "--resume", *given])
    return resumed_options(parser.parse_args(), parser, Log(io.StringIO()))


CHANGES = {  # (saved, given on the command line) of each option that may change
    "epochs": (3, "5"), "device": ("auto", "cpu"), "data_dir": ("data", "elsewhere"), "train_file": (None, "t.csv"),
    "valid_file": ("v.csv", "w.csv"), "test_file": ("a.csv", "b.csv"), "save_steps": (0, "7"),
    "micro_batch_size": (None, "4"), "max_bad_steps": (10, "0"),
}  # fmt: skip
REFUSED = {
    "epochs": (3, "2"), "batch_size": (16, "8"), "learning_rate": (5e-5, "0.0001"), "seed": (42, "7"),
    "model": (None, "other"), "max_length": (None, "64"), "precision": ("auto", "fp32"), "dropout": (None, "0.0"),
    "metric": ("accuracy", "loss"), "eval_steps": (0, "5"), "early_stopping": (0, "2"),
    "scheduler": ("linear", "cosine"),
    "warmup_ratio": (0.1, "0.2"), "weight_decay": (0.01, "0.0"), "max_grad_norm": (1.0, "0.5"),
    "adam_beta1": (0.9, "0.8"), "adam_beta2": (0.999, "0.99"), "adam_epsilon": (1e-8, "1e-06"),
    "text_column": ("text", "t"), "label_column": ("label", "l"), "pair_column": (None, "p"), "encoding": (None, "gbk"),
    "on_bad_rows": ("stop", "skip"), "valid_ratio": (0.1, "0.3"), "truncation": ("longest_first", "head_tail"),
    "positive_label": (None, "pro"), "max_unknown": (0.2, "1.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_that_does_not_say_what_a_step_does_may_change(tmp_path, monkeypatch, name):
    before, given = CHANGES[name]
    found = resumed(tmp_path, monkeypatch, {name: before}, f"--{name}", given)
    assert str(found[name]) == given
    assert found["resume"] is True


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_says_what_a_step_does_may_not_and_both_values_are_named(tmp_path, monkeypatch, name):
    before, given = REFUSED[name]
    with pytest.raises(UserError) as caught:
        resumed(tmp_path, monkeypatch, {name: before}, f"--{name}", given)
    assert caught.value.lines() == [f"--{name} {given}: the run to resume has {before}"]


def test_every_option_is_known_to_change_or_not():
    options = set(vars(training_options().parse_args([])))
    untested = {"resume", "output_dir", "overwrite", "check_data"}
    assert set(CHANGES) | set(REFUSED) | untested == options
    assert {name for name in MAY_CHANGE if name not in untested} == set(CHANGES)


def test_the_options_of_the_save_win_over_defaults_and_several_differences_are_told_together(tmp_path, monkeypatch):
    found = resumed(tmp_path / "a", monkeypatch, {"batch_size": 7, "learning_rate": 0.5, "seed": 3})
    assert (found["batch_size"], found["learning_rate"], found["seed"]) == (7, 0.5, 3)
    same = resumed(tmp_path / "b", monkeypatch, {"batch_size": 7}, "--batch_size", "7", "--epochs", "3")
    assert same["batch_size"] == 7
    with pytest.raises(UserError) as caught:
        resumed(tmp_path / "c", monkeypatch, {}, "--batch_size", "9", "--seed", "1", "--epochs", "9")
    assert caught.value.lines() == [
        "--batch_size 9: the run to resume has 16", "--seed 1: the run to resume has 42",
    ]  # fmt: skip


def test_a_run_that_was_moved_goes_on_where_it_is(tmp_path, monkeypatch):
    found = resumed(tmp_path / "moved", monkeypatch, {"output_dir": "where/it/was"})
    assert found["output_dir"] == str(tmp_path / "moved")


def test_where_no_run_has_begun_resume_begins_one(tmp_path):
    parser, stream = training_options(), io.StringIO()
    args = Namespace(**{**vars(parser.parse_args([])), "resume": True, "output_dir": str(tmp_path)})
    assert resumed_options(args, parser, Log(stream))["resume"] is False
    assert "no run has begun" in stream.getvalue()


def test_a_save_of_another_version_is_told_from_a_damaged_one(tmp_path):
    begin_checkpoint(tmp_path, ABOUT)
    state = read_state(tmp_path)
    state["journal"]["moons"] = 3
    write_json(tmp_path / "state.json", state | {"sha256": checkpoint._checksum(state)})
    with pytest.raises(UserError, match="another version of this project"):
        resume(tmp_path, parts(0), ABOUT, ALONE)
