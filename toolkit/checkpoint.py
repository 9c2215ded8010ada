"""The training state on disk: weights, optimizer, scaler and journal, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read. It has the checksums of that file and of itself, so that a damaged save is
known for one. Random numbers need no saving: what a step draws depends on its number.
"""

import hashlib
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.atomic import filling, sweep, write_json
from toolkit.console import Log
from toolkit.errors import UserError
from toolkit.journal import Journal
from toolkit.parser import given_options
from toolkit.run_info import fingerprint, refuse_to_overwrite


def _may_grow(given, saved) -> bool:
    return given >= saved


def _may_differ(given, saved) -> bool:
    return True


# What --resume may change, because it does not say what a step does: where files are (that their content is the same is
# checked), how often to save, how a batch is cut to fit the memory, when to give up. docs/reliability.md lists it.
MAY_CHANGE: dict[str, Callable[[object, object], bool]] = dict.fromkeys(
    ("resume", "output_dir", "overwrite", "device", "data_dir", "train_file", "valid_file", "test_file",
     "save_steps", "micro_batch_size", "max_bad_steps"), _may_differ,
) | {"epochs": _may_grow}  # fmt: skip


def begin_checkpoint(folder: Path, about: dict) -> None:
    """Note that a run has begun, so that it can be gone on with, though with its first step, before its first save."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_state(folder, {"tensors": None, "scaler": {}, "journal": asdict(Journal()), **about})


def save_checkpoint(folder: Path, model, optimizer, scaler, journal: Journal, about: dict) -> None:
    """Write the training state of an unwrapped model; `about` (options, fingerprints) is kept beside it as it is."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    name = f"state-{journal.step}.safetensors"
    with filling(folder / "tensors") as new:
        save_file({key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}, new / name)
        digest = fingerprint(new / name)
    (new / name).replace(folder / name)
    state = {"tensors": {"file": name, "sha256": digest}, "scaler": scaler.state_dict(), "journal": asdict(journal)}
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
        if not isinstance(state, dict) or state.get("sha256") != _checksum(state):
            raise ValueError("its checksum is not that of its content")
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"--resume: {path} is damaged ({error})") from None
    return state


def resumed_options(args: Namespace, parser: ArgumentParser, log: Log) -> dict:
    """Return the options of a run: with --resume those of the checkpoint if there is one, else those given.

    Raises UserError if one on the command line says otherwise, or if something else is in the way.
    """
    if not args.resume:
        return vars(args)
    folder, given = Path(args.output_dir), given_options(parser)
    state = read_state(folder / "checkpoint")
    if state is None:
        refuse_to_overwrite(folder, args.overwrite)
        log.item("resume", f"no run has begun in {folder}, so this one begins")
        return vars(args) | {"resume": False}
    saved = vars(args) | state["options"]  # an option that is newer than the checkpoint has its default
    changed = {name: value for name, value in given.items() if value != saved[name]}
    refused = [
        name for name, value in changed.items() if not MAY_CHANGE.get(name, lambda *_: False)(value, saved[name])
    ]
    if refused:
        raise UserError(*(f"--{name} {given[name]}: the run to resume has {saved[name]}" for name in refused))
    return saved | changed | {name: vars(args)[name] for name in ("output_dir", "overwrite")} | {"resume": True}


def read_checkpoint(folder: Path, about: dict) -> tuple[dict, dict[str, torch.Tensor]]:
    """Return the last save: what state.json holds, and the tensors (none before the first save).

    Raises UserError if the data or the precision is no longer that of `about`, or the tensors are damaged.
    """
    state = read_state(folder)
    if state["precision"] != about["precision"]:
        raise UserError(
            f"--resume: the run was in {state['precision']}, this machine would go on in {about['precision']}"
        )
    for name in {**state["data"], **about["data"]}:
        before, now = state["data"].get(name), about["data"].get(name)
        if (before and before["sha256"]) != (now and now["sha256"]):
            raise UserError(f"--resume: {(now or before)['file']} is not the file that the run began with")
    if state["tensors"] is None:
        return state, {}
    path = folder / state["tensors"]["file"]
    try:
        if fingerprint(path) != state["tensors"]["sha256"]:
            raise ValueError("its checksum is not the one that was noted when it was written")
        return state, load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"--resume: {path} is damaged ({error})") from None


def restore(model, optimizer, scaler, state: dict, tensors: dict[str, torch.Tensor]) -> Journal:
    """Put what read_checkpoint gave into an unwrapped model, its optimizer and scaler, and return the journal.

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
    try:
        return Journal(**state["journal"])
    except TypeError as error:
        raise UserError(f"--resume: the run was begun by another version of this project ({error})") from None


def resume(folder: Path, state: tuple, about: dict, world) -> Journal:
    """Go on, in every process, from the save that the first one reads; `state` is (model, optimizer, scaler)."""
    saved, tensors = read_checkpoint(folder, about) if world.is_first else (None, None)
    return restore(*state, world.share(saved), world.share_tensors(tensors))
