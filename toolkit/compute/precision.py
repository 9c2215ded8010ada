"""Number formats: which one this machine computes best in, and the autocast and gradient scaler that go with it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from toolkit.base.errors import UserError
from toolkit.base.torch_versions import GradScaler, grad_scaler
from toolkit.compute.processes import Processes
from toolkit.compute.texts import DEVICE, PRECISION
from toolkit.layers.int8 import can_int8

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float32}


@dataclass(frozen=True)
class Precision:
    """A number format for the matrix products on a kind of device; weights stay in fp32."""

    name: str
    device_type: str
    is_automatic: bool = field(default=False, compare=False)  # nobody asked for it, so another may take its place

    def autocast(self) -> AbstractContextManager:
        """Return the context in which the model is run; in fp32 it does nothing: older torch has no other for mps."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Return torch's name of the number format; in int8 it is that of what is between the products."""
        return DTYPES[self.name]

    def scaler(self) -> GradScaler:
        """Return a gradient scaler, which only fp16 needs; in other formats it passes everything through."""
        return grad_scaler(self.device_type, enabled=self.name == "fp16")


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the Precision for `--precision` on a device; UserError if the device cannot compute in it.

    auto is bf16 on a card or processor that multiplies in it, fp16 on older cards, fp32 elsewhere.
    """
    device_type = device.type
    if name == "auto":
        return Precision(_fastest_format(device), device_type, is_automatic=True)
    if name == "fp16" and device_type != "cuda":
        raise UserError(PRECISION["fp16"].fill(device=device_type))
    if name == "int8" and device_type != "cpu":
        raise UserError(PRECISION["int8_device"].fill(device=device_type))
    if name == "int8" and not can_int8():
        raise UserError(PRECISION["int8_processor"])
    if name == "bf16" and device_type == "mps":
        raise UserError(PRECISION["mps"])
    return Precision(name, device_type)


def common_precision(name: str, device: torch.device, processes: Processes) -> Precision:
    """Return, in every process, the Precision that the main one chooses for its device.

    Raises UserError in a process that has another kind of device.
    """
    main_device_type = processes.broadcast(device.type)
    if main_device_type != device.type:
        raise UserError(DEVICE["other_type"].fill(own=device.type, main=main_device_type))
    chosen = processes.on_main(lambda: choose_precision(name, device).name)
    return replace(choose_precision(chosen, device), is_automatic=name == "auto")


def _fastest_format(device: torch.device) -> str:
    """Return the name of the number format in which a device computes fastest without harm."""
    if device.type == "cuda":
        return "bf16" if _cuda_bf16(device) else "fp16"
    if device.type == "cpu" and _cpu_bf16():
        return "bf16"
    return "fp32"


def _cuda_bf16(device: torch.device) -> bool:
    """Say whether a card multiplies in bf16; older ones emulate it, slowly."""
    return torch.cuda.get_device_capability(device)[0] >= 8


def _cpu_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether the processor has bf16 instructions; without them bf16 is slower than fp32."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        flags = next(line for line in lines if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))
