"""The processes of a run, seen from one of them: what they tell each other, and what becomes of all if one fails.

Everything goes by way of torch.distributed. A process that works alone has a Processes too, in which nothing happens.
"""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist

from toolkit.base.errors import Stopped, UserError, first_line
from toolkit.base.process import Process
from toolkit.cli.exits import MAIN_HEAD_START

TO_COME = timedelta(minutes=10)  # for all processes to have begun
PATIENCE = timedelta(days=7)  # for one that prepares while the others wait; one that has died is noticed at once


class Processes:
    """All processes of a run, and the place of this one among them; the first one reads, prints and writes.

    A context: who leaves it by an exception ends all the others, with one message and without a hang. Raises UserError
    on entering if the others cannot be reached.
    """

    def __init__(self, process: Process = Process()):  # noqa: B008
        self.process, self.rank, self.size = process, process.rank, process.size
        self.is_main, self.store = process.is_main, None

    def __enter__(self):
        if self.size == 1:
            return self
        try:
            store, _, _ = next(dist.rendezvous("env://", timeout=TO_COME))
            self.store = dist.PrefixStore(_attempt(), store)
            self.store.set(f"here {self.rank}", "")
            self.store.wait([f"here {rank}" for rank in range(self.size)], TO_COME)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
                store=dist.PrefixStore("group", self.store), rank=self.rank, world_size=self.size, timeout=PATIENCE,
            )  # fmt: skip
        except (ValueError, RuntimeError) as error:
            where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise UserError(f"the other processes cannot be reached by way of {where} ({first_line(error)})") from None
        return self

    def __exit__(self, kind, error, trace):
        if self.size == 1:
            return
        failed_since = False
        if error is None or kind is Stopped:
            try:
                dist.all_reduce(torch.zeros(1))  # nobody leaves while another still waits for something
                return
            except RuntimeError as broken:
                error, failed_since = broken, True
        gloo = type(error) is RuntimeError and "gloo" in str(error)
        lost = failed_since or gloo or isinstance(error, dist.DistError)  # a connection breaks when its other end dies
        problem = UserError(f"another process has ended or is out of reach ({_cause(error)})") if lost else error
        first = self._first_failure(problem)
        if first["rank"] == self.rank or (self.is_main and not lost):
            if lost:
                raise problem from None
            return
        if self.is_main and first["host"] != socket.gethostname():
            raise UserError(*first["problems"]) from None  # it was said on that machine's screen, and now on ours
        time.sleep(2 * MAIN_HEAD_START)  # ours follows from that one, which is said, before the end, by who met it
        raise SystemExit(1) from None

    def _first_failure(self, error: BaseException) -> dict:
        """Tell the others of a failure, and return the first that was told."""
        problems = error.lines() if isinstance(error, UserError) else [f"{type(error).__name__}: {first_line(error)}"]
        mine = {"rank": self.rank, "host": socket.gethostname(), "problems": [f"{self.process}: {p}" for p in problems]}
        try:
            return json.loads(self.store.compare_set("failure", "", json.dumps(mine)))
        except RuntimeError:  # whoever keeps the store is gone
            return mine

    # -- what the first one tells the others ---------------------------------------------------------------------------

    def broadcast(self, value=None):
        """Return, in every process, the value that the first one gives: anything that json can hold."""
        if self.size == 1:
            return value
        data = json.dumps(value).encode() if self.is_main else b""
        length = torch.tensor([len(data)])
        dist.broadcast(length, 0)
        block = torch.frombuffer(bytearray(data or length.item()), dtype=torch.uint8)
        dist.broadcast(block, 0)
        return value if self.is_main else json.loads(bytes(block.numpy()))

    def on_main(self, make: Callable[[], object]):
        """Return, in every process, what the first one makes."""
        return self.broadcast(make() if self.is_main else None)

    def broadcast_tensors(self, tensors: Mapping[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor] | None:
        """Return, in every process, the tensors on the CPU that the first one gives, or the None that it gives."""
        if self.size == 1:
            return tensors
        kinds = tensors and {name: [str(t.dtype).split(".")[1], list(t.shape)] for name, t in tensors.items()}
        kinds = self.broadcast(kinds)
        if kinds is None:
            return None
        found = {}
        for name, (dtype, shape) in kinds.items():
            tensor = tensors[name].contiguous() if self.is_main else torch.empty(shape, dtype=getattr(torch, dtype))
            if tensor.numel():
                dist.broadcast(tensor.reshape(-1), 0)
            found[name] = tensor
        return found

    # -- what all bring together ---------------------------------------------------------------------------------------

    def all_reduce_mean(self, values: Sequence[torch.Tensor]) -> list[float]:
        """Return the mean over the processes of each of some values, to all of them.

        In fp64, in which the sum of a few numbers in fp32 is exact and so depends neither on its order nor on what
        else is summed with it.
        """
        if not values:
            return []
        total = torch.stack(list(values)).double().cpu()
        if self.size > 1:
            dist.all_reduce(total)
        return (total / self.size).tolist()

    def all_true(self, flag: torch.Tensor) -> torch.Tensor:
        """Return whether a flag, a bool tensor of one value, is up in every process."""
        if self.size == 1:
            return flag
        least = flag.to(torch.uint8)
        dist.all_reduce(least, dist.ReduceOp.MIN)
        return least.bool()

    def all_reduce_max(self, numbers: Sequence[int]) -> list[int]:
        """Return, in every process, the largest value that any of them has of each of some whole numbers."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers)
        dist.all_reduce(total, dist.ReduceOp.MAX)
        return total.tolist()

    def reduce_to_main(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array over the processes to the first one; what others get means nothing."""
        if self.size == 1 or not array.size:
            return array
        total = torch.from_numpy(array)
        dist.reduce(total, 0)
        return total.numpy()


ALONE = Processes()


def _attempt() -> str:
    """Return what tells this start of the processes from those before a restart, if all of them share one store."""
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # else each start has a store of its own
    return f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0) if shared else 0}"


def _cause(error: BaseException) -> str:
    """Return what gloo or nccl says of a broken connection, without the place in its source and its advice."""
    return re.sub(r"^\[\S*\]\s*", "", first_line(error)).split(". ")[0]
