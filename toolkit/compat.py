"""Where the oldest and the newest torch and transformers that we run on differ in their interface."""

import torch


def grad_scaler(device_type: str, enabled: bool):
    """Return a GradScaler: torch.amp has one since 2.3, torch.cuda.amp until then."""
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler(device_type, enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)
