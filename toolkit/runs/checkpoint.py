"""The training state on disk: weights, optimizer, scaler and progress, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read. It has the checksums of that file and of itself, so that a damaged save is
known for one. Random numbers need no saving: what a step draws depends on its number.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.base.disk import filling, fingerprint, sweep, sync_directory, write_json
from toolkit.base.errors import UserError
from toolkit.base.torch_versions import GradScaler
from toolkit.runs.progress import Progress


@dataclass(frozen=True)
class TrainerState:
    """What a checkpoint holds of a run besides its progress."""

    model: torch.nn.Module  # without a wrapper
    optimizer: torch.optim.Optimizer
    scaler: GradScaler


def begin_checkpoint(folder: Path, facts: dict) -> None:
    """Note that a run has begun, so that it can be resumed, though with its first step, before its first save."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_state(folder, {"tensors": None, "scaler": {}, "progress": asdict(Progress()), **facts})


def note_options(folder: Path, facts: dict) -> None:
    """Note with what a run is resumed, so that it stays so if it is killed before its next save."""
    _write_state(folder, resumed_with(need_state(folder), facts) | facts)


def resumed_with(state: dict, facts: dict) -> dict:
    """Return the save of a run that is resumed as `facts` say: another --micro_batch_size ends its row limit."""
    _progress_of(state)  # one of another version is refused here
    if state["options"].get("micro_batch_size") == facts["options"].get("micro_batch_size"):
        return state
    return state | {"progress": state["progress"] | {"row_limit": None}}


def saved_progress(folder: Path) -> Progress:
    """Return the progress of the last save, that of a run that has not begun if there is none."""
    state = read_state(folder)
    return Progress() if state is None else _progress_of(state)


def forget_replaced(folder: Path) -> None:
    """Note that the earlier runs whose models had to stay until this run had one are gone."""
    state = read_state(folder) or {}
    _write_state(folder, {name: value for name, value in state.items() if name != "replaces"})


def save_checkpoint(folder: Path, trainer_state: TrainerState, progress: Progress, facts: dict) -> None:
    """Write the state of a run; its facts (options, fingerprints) are kept beside it as they are."""
    tensors = {f"model.{name}": tensor for name, tensor in trainer_state.model.state_dict().items()}
    for number, moments in trainer_state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    name = f"state-{progress.step}.safetensors"
    with filling(folder / "tensors") as new:
        save_file({key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}, new / name)
        digest = fingerprint(new / name)
    (new / name).replace(folder / name)
    sync_directory(folder)
    state = {
        "tensors": {"file": name, "sha256": digest},
        "scaler": trainer_state.scaler.state_dict(),
        "progress": asdict(progress),
    }
    try:
        _write_state(folder, state | facts)
    finally:
        clean_checkpoint(folder)


def clean_checkpoint(folder: Path) -> None:
    """Remove every save but the one that state.json names, and what a process that was killed or failed left of one."""
    for path in (folder / "tensors", folder / "state.json"):
        sweep(path)
    tensors = (read_state(folder) or {}).get("tensors") or {}
    for path in folder.glob("state-*.safetensors"):
        if path.name != tensors.get("file"):
            path.unlink()


def _write_state(folder: Path, state: dict) -> None:
    state = json.loads(json.dumps(state, allow_nan=False))  # as it will be read
    write_json(folder / "state.json", state | {"sha256": _checksum(state)})


def _checksum(state: dict) -> str:
    """Return the sha256 of all of a state but its own checksum."""
    rest = {name: value for name, value in state.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_state(folder: Path) -> dict | None:
    """Return what state.json holds, None if no run has begun in this folder; UserError if it is damaged."""
    path = folder / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(state, dict) and "sha256" not in state:
            raise ValueError("it has no checksum; it may be of an older version")
        if not isinstance(state, dict) or state["sha256"] != _checksum(state):
            raise ValueError("its checksum is not that of its content")
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"--resume: {path} is damaged ({error})") from None
    return state


def need_state(folder: Path) -> dict:
    """Return what state.json holds; UserError if no run has begun in this folder, or it is damaged."""
    state = read_state(folder)
    if state is None:
        raise UserError(f"--resume: {folder / 'state.json'} is gone")
    return state


def read_checkpoint(folder: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Return the last save: what state.json holds, and the tensors (none before the first save).

    Raises UserError if they are damaged.
    """
    state = need_state(folder)
    if state["tensors"] is None:
        return state, {}
    path = folder / state["tensors"]["file"]
    try:
        if fingerprint(path) != state["tensors"]["sha256"]:
            raise ValueError("its checksum is not the one that was noted when it was written")
        return state, load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"--resume: {path} is damaged ({error})") from None


def restore(trainer_state: TrainerState, state: dict, tensors: dict[str, torch.Tensor]) -> Progress:
    """Put what read_checkpoint gave into a model, its optimizer and scaler, and return the progress.

    Raises UserError if it is not the state of such a model.
    """
    model = trainer_state.model
    optimizer = trainer_state.optimizer
    if tensors:
        try:
            model.load_state_dict({key[6:]: tensor for key, tensor in tensors.items() if key.startswith("model.")})
        except RuntimeError as error:
            raise UserError(f"--resume: {state['tensors']['file']} does not fit this model ({error})") from None
        moments: dict[int, dict] = {}
        for key, tensor in tensors.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".", 2)
                moments.setdefault(int(number), {})[name] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        trainer_state.scaler.load_state_dict(state["scaler"])
    return _progress_of(state)


def _progress_of(state: dict) -> Progress:
    """Return the progress in what state.json holds; UserError if another version wrote it."""
    try:
        return Progress(**state["progress"])
    except (TypeError, KeyError) as error:
        raise UserError(f"--resume: the run was begun by another version of this project ({error})") from None
