"""Where a run computes: its device, the number format there, and the processes that share the work."""

from dataclasses import dataclass, replace

import torch

from toolkit.compute.device import choose_device, thread_count, wrap
from toolkit.compute.precision import Precision, common_precision
from toolkit.compute.processes import ALONE, Processes


@dataclass(frozen=True)
class Machine:
    """The device of this process, the number format of its matrix products, and all processes of the run."""

    device: torch.device
    precision: Precision
    processes: Processes = ALONE

    @property
    def is_main(self) -> bool:
        """Whether this is the process that reads, prints and writes."""
        return self.processes.is_main

    @property
    def thread_count(self) -> int | None:
        """How many threads of the CPU compute, on which the last digits of a result depend; None on other devices."""
        return thread_count(self.device)

    def in_precision(self, name: str) -> "Machine":
        """Return the same machine with another number format, or itself if it has that one."""
        if name == self.precision.name:
            return self
        return replace(self, precision=Precision(name, self.device.type))

    def alone(self) -> "Machine":
        """Return the same machine for work that this process does without the others."""
        return replace(self, processes=ALONE)

    def wrap_for_training(self, model: torch.nn.Module) -> torch.nn.Module:
        """Move a model to the device, in a wrapper that shares its gradients with the other processes or cards."""
        return wrap(model, self.device, self.processes, self.precision.dtype)

    def wrap_for_prediction(self, model: torch.nn.Module) -> torch.nn.Module:
        """Move a model to the device or devices of this process; no other process needs to have it."""
        return wrap(model, self.device, dtype=self.precision.dtype)


def choose_machine(device_name: str, precision_name: str, processes: Processes) -> Machine:
    """Return the Machine for `--device` and `--precision`; all processes of a run call this together.

    The format is the one that the main process chooses. Raises UserError if there is no such device or it cannot
    compute in that format, and in a process whose device is of another kind than that of the main one.
    """
    device = choose_device(device_name, processes.process)
    precision = common_precision(precision_name, device, processes)
    return Machine(device, precision, processes)
