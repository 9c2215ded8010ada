"""The training state on disk: weights, optimizer, scaler and journal, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read. Random numbers need no saving: what a step draws depends on its number.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.atomic import sync, write_json
from toolkit.console import Log
from toolkit.errors import UserError
from toolkit.journal import Journal
from toolkit.parser import given_options
from toolkit.run_info import refuse_to_overwrite

MAY_DIFFER = {"resume", "output_dir", "overwrite", "device"}


def begin_checkpoint(folder: Path, about: dict) -> None:
    """Note that a run has begun, so that it can be gone on with, though with its first step, before its first save."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "state.json", {"tensors": None, "scaler": {}, "journal": asdict(Journal()), **about})


def save_checkpoint(folder: Path, model, optimizer, scaler, journal: Journal, about: dict) -> None:
    """Write the training state of an unwrapped model; `about` (options, fingerprints) is kept beside it as it is."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    name = f"state-{journal.step}.safetensors"
    try:
        save_file({key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}, folder / name)
    except SafetensorError as error:
        raise UserError(f"{folder}: cannot be written ({error})") from None
    sync(folder / name)
    write_json(
        folder / "state.json", {"tensors": name, "scaler": scaler.state_dict(), "journal": asdict(journal), **about}
    )
    for stale in folder.glob("state-*.safetensors"):
        if stale.name != name:
            stale.unlink()


def read_state(folder: Path) -> dict | None:
    """Return what state.json holds, None if no run has begun in this folder; UserError if it cannot be read."""
    try:
        return json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise UserError(f"--resume: {folder / 'state.json'} cannot be read ({error})") from None


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
    saved = state["options"]
    differ = [name for name, value in given.items() if name not in MAY_DIFFER and value != saved.get(name)]
    if differ:
        raise UserError(*(f"--{name} {given[name]}: the run to resume has {saved.get(name)}" for name in differ))
    return saved | {name: value for name, value in given.items() if name in MAY_DIFFER} | {"resume": True}


def read_checkpoint(folder: Path, about: dict) -> tuple[dict, dict[str, torch.Tensor]]:
    """Return the last save: what state.json holds, and the tensors (none before the first save).

    Raises UserError if the data or the precision is no longer that of `about`, or the tensors are damaged.
    """
    state = read_state(folder)
    if state["precision"] != about["precision"]:
        raise UserError(
            f"--resume: the run was in {state['precision']}, this machine would go on in {about['precision']}"
        )
    for name, facts in about["data"].items():
        if state["data"].get(name, {}).get("sha256") != facts["sha256"]:
            raise UserError(f"--resume: {facts['file']} is not the file that the run began with")
    try:
        return state, load_file(folder / state["tensors"]) if state["tensors"] else {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"--resume: {folder / state['tensors']} is damaged ({error})") from None


def restore(model, optimizer, scaler, state: dict, tensors: dict[str, torch.Tensor]) -> Journal:
    """Put what read_checkpoint gave into an unwrapped model, its optimizer and scaler, and return the journal.

    Raises UserError if it is not the state of such a model.
    """
    if tensors:
        try:
            model.load_state_dict({key[6:]: tensor for key, tensor in tensors.items() if key.startswith("model.")})
        except RuntimeError as error:
            raise UserError(f"--resume: {state['tensors']} does not fit this model ({error})") from None
        moments: dict[int, dict] = {}
        for key, tensor in tensors.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".", 2)
                moments.setdefault(int(number), {})[name] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        scaler.load_state_dict(state["scaler"])
    return Journal(**state["journal"])


def resume(folder: Path, state: tuple, about: dict, world) -> Journal:
    """Go on, in every process, from the save that the first one reads; `state` is (model, optimizer, scaler)."""
    saved, tensors = read_checkpoint(folder, about) if world.is_first else (None, None)
    return restore(*state, world.share(saved), world.share_tensors(tensors))
