"""Where a model computes: one device, all CUDA cards of a process, or one device for each of several processes."""

from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DataParallel, DistributedDataParallel

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, counted
from toolkit.base.process import Process
from toolkit.base.torch_versions import buffer_option, set_autocast_dtype
from toolkit.compute.processes import ALONE, Processes
from toolkit.compute.texts import DEVICE


def choose_device(name: str, process: Process = ALONE.process) -> torch.device:
    """Return the device called `name`; "auto" is a CUDA card, else mps, else the CPU.

    Of several processes each takes the card of its number on its machine. Raises UserError if there is no such device.
    """
    if name == "auto":
        name = _best_device_type(process)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(DEVICE["none"].fill(name=name)) from None
    if process.size > 1:
        if device.index is not None:
            raise UserError(DEVICE["several_processes"].fill(name=name))
        if device.type == "cuda":
            device = torch.device("cuda", process.local_rank)
    available = _devices_of_type(device.type)
    if (device.index or 0) >= available:
        devices = Text(counted(available, f"{device.type} device"), f"{available:,} 个 {device.type} 设备")
        raise UserError(DEVICE["too_few"].fill(name=device, devices=devices))
    if process.size > 1 and device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _best_device_type(process: Process) -> str:
    """Return the type of device that computes fastest; mps is for a process that works alone."""
    if torch.cuda.device_count():
        return "cuda"
    if torch.backends.mps.is_available() and process.size == 1:
        return "mps"
    return "cpu"


def _devices_of_type(device_type: str) -> int:
    """Return how many devices of a type this machine has for us."""
    if device_type == "cuda":
        return torch.cuda.device_count()
    if device_type == "mps":
        return int(torch.backends.mps.is_available())
    return int(device_type == "cpu")


def wrap(
    model: torch.nn.Module, device: torch.device, processes: Processes = ALONE, dtype: torch.dtype = torch.float32
) -> torch.nn.Module:
    """Move a model to its device and give it to the other processes.

    A process that works alone spreads it over all CUDA cards, if no single one was asked for; `dtype` is the number
    format of autocast there.
    """
    model.to(device)
    if processes.size > 1:
        return _distribute(model, device)
    if device.type == "cuda" and device.index is None and torch.cuda.device_count() > 1:
        return _spread(model, dtype)
    return model


def _spread(model: torch.nn.Module, dtype: torch.dtype) -> DataParallel:
    """Return a model that uses all CUDA cards, each in a thread of its own.

    Autocast is on in these threads where it is on in ours, but they have to be told its number format, which is fp16
    otherwise.
    """
    if dtype != torch.float32:
        model.register_forward_pre_hook(lambda *_: set_autocast_dtype("cuda", dtype))
    return DataParallel(model)


def _distribute(model: torch.nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return a model whose gradients are averaged over the processes during the backward pass.

    Li et al. 2020, PyTorch Distributed. The weights of the main process are sent to all here, buffers never again.
    A static graph also copes with weights that a model never uses; layer drop is what makes a graph change.
    """
    graph_changes = any(getattr(model.config, name, 0) for name in ("layerdrop", "encoder_layerdrop"))
    options: dict[str, Any] = {buffer_option(): False}
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
        static_graph=not graph_changes,
        find_unused_parameters=graph_changes,
        **options,
    )


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the CPU on a device; a card need not wait for it, nor we for the card."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def unwrap(model: torch.nn.Module) -> Any:
    """Return the model inside a wrapper."""
    return model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model


def thread_count(device: torch.device) -> int | None:
    """Return how many threads of the CPU compute, on which the last digits of a result depend; None on others."""
    return torch.get_num_threads() if device.type == "cpu" else None


def device_count(model: torch.nn.Module) -> int:
    """Return over how many devices of this process a wrapped model spreads a batch."""
    if isinstance(model, DataParallel) and model.device_ids:  # it has no ids where there is no card
        return len(model.device_ids)
    return 1


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make what a step draws at random (dropout) a function of these numbers alone, so that no state need be kept."""
    card_generators = torch.cuda.default_generators
    numbers = np.random.SeedSequence([seed, step, rank]).generate_state(1 + len(card_generators), np.uint64).tolist()
    torch.manual_seed(numbers[0])
    for generator, number in zip(card_generators, numbers[1:], strict=True):  # else all cards drop the same
        generator.manual_seed(number)
