"""Which of several processes this one is, as torchrun (and so accelerate launch) says in the environment."""

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """The number of a process among all of a run, and among those of its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"process {self.rank} on {socket.gethostname()}"


def this_process() -> Process:
    """Return the place of this process: the first of one, unless a launcher says otherwise."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Process()
    return Process(*(int(os.environ.get(name, 0)) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
