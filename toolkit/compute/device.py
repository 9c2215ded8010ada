"""Where a model computes: one device, all CUDA cards of a process, or one device for each of several processes."""

import numpy as np
import torch
from torch.nn.parallel import DataParallel, DistributedDataParallel

from toolkit.base.errors import UserError
from toolkit.base.process import Process
from toolkit.base.torch_versions import buffer_option, set_autocast_dtype
from toolkit.compute.processes import ALONE, Processes


def choose_device(name: str, process: Process = ALONE.process) -> torch.device:
    """Return the device called `name`; "auto" is a CUDA card, else mps, else the CPU.

    Of several processes each takes the card of its number on its machine. Raises UserError if there is no such device.
    """
    mps, cards = torch.backends.mps.is_available(), torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if cards else "mps" if mps and process.size == 1 else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: no such kind of device; cpu, cuda, cuda:1 and mps are") from None
    if process.size > 1:
        if device.index is not None:
            raise UserError(f"--device {name}: of several processes each takes the card of its own number")
        if device.type == "cuda":
            device = torch.device("cuda", process.local_rank)
    there = {"cpu": 1, "cuda": cards, "mps": int(mps)}.get(device.type, 0)
    if (device.index or 0) >= there:
        raise UserError(f"--device {device}: this machine has {there} {device.type} devices")
    if process.size > 1 and device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def wrap(
    model: torch.nn.Module, device: torch.device, processes: Processes = ALONE, dtype: torch.dtype = torch.float32
) -> torch.nn.Module:
    """Move a model to its device and give it to the other processes.

    A process that works alone spreads it over all CUDA cards, if no single one was asked for; `dtype` is the number
    format of autocast there.
    """
    model.to(device)
    if processes.size > 1:
        return _distributed(model, device)
    spread = device.type == "cuda" and device.index is None and torch.cuda.device_count() > 1
    return _spread(model, dtype) if spread else model


def _spread(model: torch.nn.Module, dtype: torch.dtype) -> DataParallel:
    """Return a model that computes on all CUDA cards, each in a thread of its own.

    Autocast is on in these threads where it is on in ours, but its number format they have to be told: fp16 else.
    """
    if dtype != torch.float32:
        model.register_forward_pre_hook(lambda *_: set_autocast_dtype("cuda", dtype))
    return DataParallel(model)


def _distributed(model: torch.nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return a model whose gradients are averaged over the processes while the backward pass goes on.

    Li et al. 2020, PyTorch Distributed. The weights of the first process are sent to all here, buffers never again.
    A static graph also copes with weights that a model never uses; layer drop is what makes a graph change.
    """
    changes = any(getattr(model.config, name, 0) for name in ("layerdrop", "encoder_layerdrop"))
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
        static_graph=not changes,
        find_unused_parameters=changes,
        **{buffer_option(): False},
    )


def unwrap(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model inside a wrapper."""
    return model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model


def thread_count(device: torch.device) -> int | None:
    """Return how many threads of the CPU compute, on which the last digits of a result depend; None on others."""
    return torch.get_num_threads() if device.type == "cpu" else None


def device_count(model: torch.nn.Module) -> int:
    """Return over how many devices of this process a wrapped model spreads a batch."""
    return len(model.device_ids) or 1 if isinstance(model, DataParallel) else 1  # it has no ids where there is no card


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make what a step draws at random (dropout) a function of these numbers alone, so that no state need be kept."""
    cards = torch.cuda.default_generators
    first, *others = np.random.SeedSequence([seed, step, rank]).generate_state(1 + len(cards), np.uint64).tolist()
    torch.manual_seed(first)
    for generator, number in zip(cards, others, strict=True):  # else DataParallel drops the same on every card
        generator.manual_seed(number)
