"""The training state on disk: weights, optimizer, random numbers and journal, as safetensors and json.

The tensors of a save are in a file of their own; state.json names it and is replaced in one go, so that the last
whole save is always the one that is read.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.atomic import sync, write_json
from toolkit.errors import UserError
from toolkit.journal import Journal
from toolkit.parser import given_options

MAY_DIFFER = {"resume", "output_dir", "overwrite", "device"}


def save_checkpoint(folder: Path, model, optimizer, scaler, journal: Journal, about: dict) -> None:
    """Write the training state of an unwrapped model; `about` (options, fingerprints) is kept beside it as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors |= {f"random.cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
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


def read_state(folder: Path) -> dict:
    """Return what state.json holds; UserError if there is no checkpoint to go on from."""
    try:
        return json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"--resume: there is no checkpoint in {folder}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"--resume: {folder / 'state.json'} cannot be read ({error})") from None


def resumed_options(parser: ArgumentParser, folder: Path) -> Namespace:
    """Return the options of the checkpoint's run; UserError if one on the command line says otherwise."""
    given, saved = given_options(parser), read_state(folder)["options"]
    differ = [name for name, value in given.items() if name not in MAY_DIFFER and value != saved.get(name)]
    if differ:
        raise UserError(*(f"--{name} {given[name]}: the run to resume has {saved.get(name)}" for name in differ))
    return Namespace(
        **{**saved, **{name: value for name, value in given.items() if name in MAY_DIFFER}, "resume": True}
    )


def load_checkpoint(folder: Path, model, optimizer, scaler, about: dict) -> Journal:
    """Put the saved state into model, optimizer, scaler and random number generators, and return the journal.

    Raises UserError if the data or the precision is no longer that of `about`, or the checkpoint is damaged.
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
        tensors = load_file(folder / state["tensors"])
        model.load_state_dict({key[6:]: tensor for key, tensor in tensors.items() if key.startswith("model.")})
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UserError(f"--resume: {folder / state['tensors']} does not fit or is damaged ({error})") from None
    moments: dict[int, dict] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".", 2)
            moments.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    scaler.load_state_dict(state["scaler"])
    torch.set_rng_state(tensors["random.cpu"])
    cuda = [tensors[key] for key in sorted(tensors) if key.startswith("random.cuda.")]
    if cuda and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    return Journal(**state["journal"])
