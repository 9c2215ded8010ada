"""CUDA graphs of forward and backward passes, so that a card need not wait for Python.

A pass through a BERT launches some thousand kernels, each of which takes Python longer to launch than a fast card to
compute. A graph is such a pass recorded once, and launched as one (NVIDIA, CUDA C++ Programming Guide, "CUDA Graphs").
What it computes and draws at random is the same. It is for one shape of its inputs, and adds to gradients that stay
where they are.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch

MOST_GRAPHS = 64  # so that recording never takes long; passes of further shapes are launched kernel by kernel
LENGTHS_IN_STEPS_OF = 8  # tokens: rows are padded to such a length, so that there are few shapes


@dataclass(frozen=True)
class PassTensors:
    """What a forward and backward pass over B rows reads, all on the device of the model."""

    inputs: dict[str, torch.Tensor]  # of the model, each (B, L) or (B, L, H)
    label_ids: torch.Tensor  # (B,)
    weight: torch.Tensor  # (), what the sum of the rows' losses is multiplied by
    shares: torch.Tensor | None = None  # (B,), which part of a longer row each is; None: each is a row
    targets: torch.Tensor | None = None  # (B, C), probabilities to learn instead of the labels

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Yield all tensors in a fixed order."""
        yield from self.inputs.values()
        for part in fields(self)[1:]:
            tensor = getattr(self, part.name)
            if tensor is not None:
                yield tensor

    @property
    def shape(self) -> tuple:
        """What has to be equal for two passes to be computed by one graph."""
        has_parts = (self.shares is not None, self.targets is not None)
        return (*self.inputs, *has_parts, *((tensor.shape, tensor.dtype) for tensor in self))

    def copy(self) -> "PassTensors":
        """Return the same values in memory of their own."""
        return replace(
            self,
            inputs={name: tensor.clone() for name, tensor in self.inputs.items()},
            **{
                part.name: getattr(self, part.name).clone()
                for part in fields(self)[1:]
                if getattr(self, part.name) is not None
            },
        )

    def take_over(self, other: "PassTensors") -> None:
        """Overwrite the values with those of another pass of the same shape."""
        for own, new in zip(self, other, strict=True):
            own.copy_(new)


ForwardBackward = Callable[[PassTensors], torch.Tensor]  # adds to the gradients and returns the loss, ()


@dataclass(frozen=True)
class _Recording:
    """A recorded pass: where it reads its inputs, and where it leaves the loss."""

    graph: torch.cuda.CUDAGraph
    tensors: PassTensors
    loss: torch.Tensor


class PassGraphs:
    """The recorded passes of a model, by the shapes of their inputs.

    A shape is recorded when it comes for the second time, so that every weight has its gradient by then, and what
    libraries set up at first is there. One that cannot be recorded ends all recording.
    """

    def __init__(self) -> None:
        self._times_seen: Counter[tuple] = Counter()
        self._recordings: dict[tuple, _Recording] = {}
        self._records = True

    def __len__(self) -> int:
        """Return how many passes are recorded."""
        return len(self._recordings)

    def run(self, forward_backward: ForwardBackward, tensors: PassTensors) -> torch.Tensor:
        """Go forward and backward, by a recording if there is one, and return the loss."""
        shape = tensors.shape
        self._times_seen[shape] += 1
        may_record = self._records and len(self._recordings) < MOST_GRAPHS
        if shape not in self._recordings and may_record and self._times_seen[shape] == 2:
            self._record(forward_backward, tensors)
        recording = self._recordings.get(shape)
        if recording is None:
            return forward_backward(tensors)
        recording.tensors.take_over(tensors)
        recording.graph.replay()
        return recording.loss.clone()

    def _record(self, forward_backward: ForwardBackward, tensors: PassTensors) -> None:
        """Record a pass; nothing is computed. All recordings share the memory of what lies between their kernels."""
        own = tensors.copy()
        graph = torch.cuda.CUDAGraph()
        others = next(iter(self._recordings.values()), None)
        pool = None if others is None else others.graph.pool()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            # Not torch.cuda.graph, which empties the cache of freed memory each time.
            with torch.cuda.stream(stream):
                loss = _captured(graph, pool, partial(forward_backward, own))
        except RuntimeError:  # too little memory, or something in the model that only Python can decide
            self._records = False
            torch.cuda.synchronize()
            return
        torch.cuda.current_stream().wait_stream(stream)
        self._recordings[tensors.shape] = _Recording(graph, own, loss)


def _captured(graph: torch.cuda.CUDAGraph, pool: Any, work: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Let a graph record what some work launches, in memory of a pool, and return where that leaves its result."""
    graph.capture_begin(pool=pool, capture_error_mode="thread_local")
    try:
        return work()
    finally:
        graph.capture_end()
