"""The training state on disk: weights, optimizer, scaler and progress, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read. It has the checksums of that file and of itself, so that a damaged save is
known for one. Random numbers need no saving: what a step draws depends on its number.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.base.disk import filling, fingerprint, sweep, sync_directory, write_json
from toolkit.base.errors import UserError
from toolkit.runs.progress import Progress


def begin_checkpoint(folder: Path, about: dict) -> None:
    """Note that a run has begun, so that it can be gone on with, though with its first step, before its first save."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_state(folder, {"tensors": None, "scaler": {}, "progress": asdict(Progress()), **about})


def note_options(folder: Path, about: dict) -> None:
    """Note what a run is gone on with, so that it stays so if it is killed before its next save."""
    _write_state(folder, gone_on_with(read_state(folder), about) | about)


def gone_on_with(state: dict, about: dict) -> dict:
    """Return the save of a run that is gone on with as `about` says: another --micro_batch_size ends its row limit."""
    if state["options"].get("micro_batch_size") == about["options"].get("micro_batch_size"):
        return state
    return state | {"progress": state["progress"] | {"row_limit": None}}


def saved_progress(folder: Path) -> Progress:
    """Return the progress of the last save, that of a run that has not begun if there is none."""
    return _progress_of(read_state(folder) or {})


def forget_replaced(folder: Path) -> None:
    """Note that the earlier runs whose models had to stay until this run had one are gone."""
    state = read_state(folder) or {}
    _write_state(folder, {name: value for name, value in state.items() if name != "replaces"})


def save_checkpoint(folder: Path, model, optimizer, scaler, progress: Progress, about: dict) -> None:
    """Write the training state of an unwrapped model; `about` (options, fingerprints) is kept beside it as it is."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    name = f"state-{progress.step}.safetensors"
    with filling(folder / "tensors") as new:
        save_file({key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}, new / name)
        digest = fingerprint(new / name)
    (new / name).replace(folder / name)
    sync_directory(folder)
    state = {"tensors": {"file": name, "sha256": digest}, "scaler": scaler.state_dict(), "progress": asdict(progress)}
    try:
        _write_state(folder, state | about)
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


def read_checkpoint(folder: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Return the last save: what state.json holds, and the tensors (none before the first save).

    Raises UserError if they are damaged.
    """
    state = read_state(folder)
    if state["tensors"] is None:
        return state, {}
    path = folder / state["tensors"]["file"]
    try:
        if fingerprint(path) != state["tensors"]["sha256"]:
            raise ValueError("its checksum is not the one that was noted when it was written")
        return state, load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"--resume: {path} is damaged ({error})") from None


def restore(model, optimizer, scaler, state: dict, tensors: dict[str, torch.Tensor]) -> Progress:
    """Put what read_checkpoint gave into an unwrapped model, its optimizer and scaler, and return the progress.

    Raises UserError if it is not the state of such a model.
    """
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
        scaler.load_state_dict(state["scaler"])
    return _progress_of(state)


def _progress_of(state: dict) -> Progress:
    try:
        return Progress(**state.get("progress", {}))
    except TypeError as error:
        raise UserError(f"--resume: the run was begun by another version of this project ({error})") from None
