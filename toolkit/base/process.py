"""Which of several processes this one is, as torchrun (and so accelerate launch) says in the environment."""

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """The number of a process among all of a run, how many these are, and its number among those of its machine."""

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
    """Return which process this is: the only one, unless a launcher says otherwise."""
    if "RANK" not in os.environ:
        return Process()
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return Process()
    return Process(rank=int(os.environ["RANK"]), size=size, local_rank=int(os.environ.get("LOCAL_RANK", 0)))
