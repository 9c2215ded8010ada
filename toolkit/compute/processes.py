"""The processes of a run, seen from one of them: what they send each other, and how all end if one fails.

They communicate by torch.distributed. A process that works alone has a Processes too, whose methods do nothing.
"""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist

from toolkit.base.errors import Stopped, UserError, first_line, kind_and_line
from toolkit.base.languages import LANGUAGES, Text
from toolkit.base.process import Process
from toolkit.cli.exits import MAIN_HEAD_START
from toolkit.compute.texts import PROCESSES

TIME_TO_START = timedelta(minutes=10)  # for all processes to have begun
TIME_TO_WAIT = timedelta(days=7)  # for one that prepares while the others wait; one that has died is noticed at once
T = TypeVar("T")


@dataclass(frozen=True)
class _Failure:
    """What made a process fail: its rank, the host it is on, and a line for each problem, by language."""

    rank: int
    host: str
    problems: dict[str, list[str]]


class Processes:
    """All processes of a run, and which of them this one is; the main one reads, prints and writes.

    A context: a process that leaves it by an exception ends all others, with one message and without a hang. Raises
    UserError on entering if the others cannot be reached.
    """

    def __init__(self, process: Process = Process()):  # noqa: B008
        self.process = process
        self.rank = process.rank
        self.size = process.size
        self.is_main = process.is_main
        self._store: dist.Store | None = None  # by which a process that fails tells the others

    def __enter__(self) -> "Processes":
        if self.size == 1:
            return self
        try:
            self._connect()
        except (ValueError, RuntimeError) as error:
            address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise UserError(PROCESSES["unreachable"].fill(address=address, reason=first_line(error))) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.size == 1:
            return
        if error is None or kind is Stopped:
            lost_connection = self._leave_together()
            if lost_connection is not None:
                self._fail(lost_connection, is_lost=True)
        else:
            self._fail(error, is_lost=_is_lost_connection(error))

    def _connect(self) -> None:
        """Wait until all processes are there, and make a group of them."""
        base_store, _, _ = next(dist.rendezvous("env://", timeout=TIME_TO_START))
        store = dist.PrefixStore(_start_name(), base_store)
        self._store = store
        store.set(f"here {self.rank}", "")
        store.wait([f"here {rank}" for rank in range(self.size)], TIME_TO_START)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=dist.PrefixStore("group", store), rank=self.rank, world_size=self.size, timeout=TIME_TO_WAIT,
        )  # fmt: skip

    def _leave_together(self) -> RuntimeError | None:
        """Wait until no other process still waits for something of ours; return the error if one of them has failed."""
        try:
            dist.all_reduce(torch.zeros(1))
        except RuntimeError as error:
            return error
        return None

    def _fail(self, error: BaseException, is_lost: bool) -> None:
        """End this process for an error, or for one that another process met first; `is_lost` means such a one.

        Returns if the error is to be raised as it is. Otherwise raises UserError, or SystemExit in a process that has
        nothing to say.
        """
        if is_lost:  # a connection breaks when its other end dies
            error = UserError(PROCESSES["lost"].fill(reason=_cause(error)))
        first = self._first_failure(error)
        if first.rank == self.rank or (self.is_main and not is_lost):
            if is_lost:
                raise error from None
            return
        if self.is_main and first.host != socket.gethostname():
            raise UserError(
                *map(Text, first.problems["en"], first.problems["zh"])
            ) from None  # printed on that machine's screen, and now on ours
        time.sleep(2 * MAIN_HEAD_START)  # ours follows from that failure, whose process prints it before all end
        raise SystemExit(1) from None

    def _first_failure(self, error: BaseException) -> _Failure:
        """Tell the others of a failure, and return the first that any process has told of."""
        problems = {}
        for language in LANGUAGES:
            lines = error.lines(language) if isinstance(error, UserError) else [kind_and_line(error)]
            problems[language] = [f"{self.process}: {line}" for line in lines]
        ours = _Failure(self.rank, socket.gethostname(), problems)
        if self._store is None:
            return ours
        try:
            return _Failure(**json.loads(self._store.compare_set("failure", "", json.dumps(asdict(ours)))))
        except RuntimeError:  # whoever keeps the store is gone
            return ours

    # -- what the main process tells the others ------------------------------------------------------------------------

    def broadcast(self, value: Any = None) -> Any:
        """Return, in every process, the value that the main one gives: anything that json can hold."""
        if self.size == 1:
            return value
        data = json.dumps(value).encode() if self.is_main else b""
        length = torch.tensor([len(data)])
        dist.broadcast(length, 0)
        if self.is_main:
            block = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        else:
            block = torch.empty(int(length.item()), dtype=torch.uint8)
        dist.broadcast(block, 0)
        return value if self.is_main else json.loads(bytes(block.numpy()))

    def on_main(self, make: Callable[[], T]) -> T:
        """Return, in every process, what a function returns in the main one, where alone it is called."""
        return self.broadcast(make() if self.is_main else None)

    def broadcast_tensors(self, tensors: dict[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor] | None:
        """Return, in every process, the tensors on the CPU that the main one gives, or the None that it gives."""
        if self.size == 1:
            return tensors
        layouts = None  # the type and shape of each
        if tensors is not None:
            layouts = {name: [str(tensor.dtype).split(".")[1], list(tensor.shape)] for name, tensor in tensors.items()}
        layouts = self.broadcast(layouts)
        if layouts is None:
            return None
        received = {}
        for name, (dtype, shape) in layouts.items():
            if self.is_main and tensors is not None:
                tensor = tensors[name].contiguous()
            else:
                tensor = torch.empty(shape, dtype=getattr(torch, dtype))
            if tensor.numel():
                dist.broadcast(tensor.reshape(-1), 0)
            received[name] = tensor
        return received

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
        """Return whether a flag, a bool tensor of one value, is true in every process."""
        if self.size == 1:
            return flag
        least = flag.to(torch.uint8)
        dist.all_reduce(least, dist.ReduceOp.MIN)
        return least.bool()

    def all_reduce_max(self, numbers: Sequence[int]) -> list[int]:
        """Return, in every process, the largest value that any of them has of each of some whole numbers."""
        if self.size == 1:
            return list(numbers)
        largest = torch.tensor(numbers)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return largest.tolist()

    def reduce_to_main(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array over the processes to the main one; what others get means nothing."""
        if self.size == 1 or not array.size:
            return array
        total = torch.from_numpy(array)
        dist.reduce(total, 0)
        return total.numpy()


ALONE = Processes()


def _start_name() -> str:
    """Return what tells this start of the processes from those before a restart, if all of them share one store."""
    is_shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # else each start has a store of its own
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", 0) if is_shared else 0
    return f"attempt {restarts}"


def _is_lost_connection(error: BaseException) -> bool:
    """Say whether an exception means that another process has ended or cannot be reached."""
    is_of_gloo = type(error) is RuntimeError and "gloo" in str(error)
    return is_of_gloo or isinstance(error, dist.DistError)


def _cause(error: BaseException) -> str:
    """Return what gloo or nccl says of a broken connection, without the place in its source and its advice."""
    return re.sub(r"^\[\S*\]\s*", "", first_line(error)).split(". ")[0]
