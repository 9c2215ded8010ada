"""Where the oldest and the newest torch and transformers that we run on differ in their interface."""

from inspect import signature
from typing import Any

import torch
import transformers
from torch.nn.parallel import DistributedDataParallel

try:
    from torch.amp import GradScaler
except ImportError:  # before torch 2.3
    from torch.cuda.amp import GradScaler  # type: ignore[assignment]


def grad_scaler(device_type: str, enabled: bool) -> GradScaler:
    """Return a GradScaler; before torch 2.3 there is only one for CUDA."""
    if hasattr(torch.amp, "GradScaler"):
        return GradScaler(device_type, enabled=enabled)
    return GradScaler(enabled=enabled)


def has_fused_adamw(device_type: str) -> bool:
    """Say whether AdamW can update all weights in one pass over the memory: on CUDA, and since 2.4 on the CPU."""
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    return device_type == "cuda" or (device_type == "cpu" and version >= (2, 4))


def exports_onnx() -> bool:
    """Say whether torch writes ONNX files by torch.export alone, with any number of rows and tokens: since 2.9."""
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 9)


def dtype_option(dtype: torch.dtype | str) -> dict[str, Any]:
    """Return the option of from_pretrained that names the number format of the weights, which was renamed in 4.56."""
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return {"dtype" if version >= (4, 56) else "torch_dtype": dtype}


def buffer_option() -> str:
    """Return the name of DistributedDataParallel's option to send buffers before each step, which is being renamed."""
    new_name = "forward_sync_buffers"
    return new_name if new_name in signature(DistributedDataParallel).parameters else "broadcast_buffers"


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """Return the number format of autocast on a kind of device, None where it is off.

    Before torch 2.4 there are other functions for each kind.
    """
    if hasattr(torch, "get_autocast_dtype"):
        return torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else None
    if device_type == "cpu":
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if device_type == "cuda" and torch.is_autocast_enabled() else None


def set_autocast_dtype(device_type: str, dtype: torch.dtype) -> None:
    """Set the number format of autocast in this thread; before torch 2.4 for CUDA alone."""
    if hasattr(torch, "set_autocast_dtype"):
        torch.set_autocast_dtype(device_type, dtype)
    else:
        torch.set_autocast_gpu_dtype(dtype)
