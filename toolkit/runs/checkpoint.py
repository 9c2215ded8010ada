"""The training state on disk: weights, optimizer, scaler and progress, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read. It has the checksums of that file and of itself, so that a damaged save is
recognized. Random numbers need not be saved: what a step draws depends on its number.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.base.disk import filling, fingerprint, sweep, sync_directory, write_json
from toolkit.base.errors import UserError, message_of
from toolkit.base.torch_versions import GradScaler
from toolkit.runs.progress import Progress
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import RESUMING


@dataclass(frozen=True)
class TrainerState:
    """What a checkpoint holds of a run besides its progress."""

    model: torch.nn.Module  # without a wrapper
    optimizer: torch.optim.Optimizer
    scaler: GradScaler


@dataclass(frozen=True)
class TensorFile:
    """The file of a checkpoint that holds its tensors."""

    file: str  # its name
    sha256: str


@dataclass(frozen=True)
class SavedState:
    """What state.json holds: all of a checkpoint but its tensors."""

    facts: RunFacts
    progress: Progress = field(default_factory=Progress)
    tensors: TensorFile | None = None  # None: before the first save
    scaler: Mapping[str, Any] = field(default_factory=dict)
    replaced_seeds: Sequence[int] = ()  # of earlier runs, whose models stay until this run has one

    def as_json(self) -> dict[str, Any]:
        """Return the content of state.json, but for its own checksum."""
        content = {
            "tensors": None if self.tensors is None else asdict(self.tensors),
            "scaler": dict(self.scaler),
            "progress": asdict(self.progress),
            **self.facts.as_json(),
        }
        if self.replaced_seeds:
            content["replaces"] = list(self.replaced_seeds)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SavedState":
        """Return what a state.json holds; UserError if another version wrote it."""
        try:
            return cls(
                facts=RunFacts.from_json(content),
                progress=Progress(**content["progress"]),
                tensors=None if content["tensors"] is None else TensorFile(**content["tensors"]),
                scaler=content["scaler"],
                replaced_seeds=content.get("replaces", ()),
            )
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(RESUMING["other_version"].fill(reason=message_of(error))) from None


def begin_checkpoint(folder: Path, facts: RunFacts, replaced_seeds: Sequence[int] = ()) -> None:
    """Note that a run has begun, so that it can be resumed, though from its first step, before its first save."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_state(folder, SavedState(facts, replaced_seeds=replaced_seeds))


def note_facts(folder: Path, facts: RunFacts) -> None:
    """Note the options with which a run is resumed, so that they hold if it is killed before its next save."""
    state = resumed_with(need_state(folder), facts)
    _write_state(folder, replace(state, facts=facts))


def resumed_with(state: SavedState, facts: RunFacts) -> SavedState:
    """Return the state of a run that is resumed as `facts` say: another --micro_batch_size ends its row limit."""
    if state.facts.options.get("micro_batch_size") == facts.options.get("micro_batch_size"):
        return state
    return replace(state, progress=replace(state.progress, row_limit=None))


def saved_progress(folder: Path) -> Progress:
    """Return the progress of the last save, that of a run that has not begun if there is none."""
    state = read_state(folder)
    return Progress() if state is None else state.progress


def forget_replaced(folder: Path) -> None:
    """Note that the earlier runs whose models had to stay until this run had one are gone."""
    _write_state(folder, replace(need_state(folder), replaced_seeds=()))


def save_checkpoint(
    folder: Path,
    trainer_state: TrainerState,
    progress: Progress,
    facts: RunFacts,
    replaced_seeds: Sequence[int] = (),
) -> None:
    """Replace the checkpoint of a run."""
    tensors = {f"model.{name}": tensor for name, tensor in trainer_state.model.state_dict().items()}
    for number, moments in trainer_state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    name = f"state-{progress.step}.safetensors"
    with filling(folder / "tensors") as new:
        save_file({key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}, new / name)
        digest = fingerprint(new / name)
    (new / name).replace(folder / name)
    sync_directory(folder)
    scaler = trainer_state.scaler.state_dict()
    try:
        _write_state(folder, SavedState(facts, progress, TensorFile(name, digest), scaler, replaced_seeds))
    finally:
        clean_checkpoint(folder)


def clean_checkpoint(folder: Path) -> None:
    """Remove every save but the one that state.json names, and what a process that was killed or failed left of one."""
    for path in (folder / "tensors", folder / "state.json"):
        sweep(path)
    state = read_state(folder)
    for path in folder.glob("state-*.safetensors"):
        if state is None or state.tensors is None or path.name != state.tensors.file:
            path.unlink()


def _write_state(folder: Path, state: SavedState) -> None:
    content = json.loads(json.dumps(state.as_json(), allow_nan=False))  # as it will be read
    write_json(folder / "state.json", content | {"sha256": _checksum(content)})


def _checksum(content: Mapping[str, Any]) -> str:
    """Return the sha256 of all of state.json but its own checksum."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_state(folder: Path) -> SavedState | None:
    """Return what state.json holds, None if no run has begun in this folder.

    Raises UserError if it is damaged, or if another version wrote it.
    """
    path = folder / "state.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "sha256" not in content:
            raise ValueError(RESUMING["no_checksum"])
        if not isinstance(content, dict) or content["sha256"] != _checksum(content):
            raise ValueError(RESUMING["checksum"])
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(RESUMING["damaged"].fill(path=path, reason=message_of(error))) from None
    return SavedState.from_json(content)


def need_state(folder: Path) -> SavedState:
    """Return what state.json holds; UserError if no run has begun in this folder, or as read_state does."""
    state = read_state(folder)
    if state is None:
        raise UserError(RESUMING["missing"].fill(path=folder / "state.json"))
    return state


def read_checkpoint(folder: Path) -> tuple[SavedState, dict[str, torch.Tensor]]:
    """Return the last save: what state.json holds, and the tensors (none before the first save).

    Raises UserError if they are damaged.
    """
    state = need_state(folder)
    if state.tensors is None:
        return state, {}
    path = folder / state.tensors.file
    try:
        if fingerprint(path) != state.tensors.sha256:
            raise ValueError(RESUMING["checksum_elsewhere"])
        return state, load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(RESUMING["damaged"].fill(path=path, reason=message_of(error))) from None


def restore(trainer_state: TrainerState, state: SavedState, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put what read_checkpoint returned into a model, its optimizer and scaler.

    Raises UserError if it is not the state of such a model.
    """
    if state.tensors is None:
        return
    optimizer = trainer_state.optimizer
    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, name = key.partition(".")
        if kind == "model":
            weights[name] = tensor
        else:
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
    try:
        trainer_state.model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(RESUMING["unlike"].fill(file=state.tensors.file, reason=error)) from None
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    trainer_state.scaler.load_state_dict(dict(state.scaler))
