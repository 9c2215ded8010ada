"""Which passes are recorded, and what is computed where none can be.

That a recording computes what was recorded only a card can show: benchmarks/gpu.py does.
"""

import pytest
import torch

from toolkit.training import pass_graphs
from toolkit.training.pass_graphs import MOST_GRAPHS, PassGraphs, PassTensors


def tensors(rows: int, length: int, value: int = 1, shares: bool = False) -> PassTensors:
    inputs = {"input_ids": torch.full((rows, length), value), "attention_mask": torch.ones(rows, length)}
    of_rows = torch.full((rows,), 0.5) if shares else None
    return PassTensors(inputs, torch.zeros(rows, dtype=torch.long), torch.tensor(2.0), of_rows)


def loss(given: PassTensors) -> torch.Tensor:
    return given.inputs["input_ids"].sum() * given.weight


class Recorder:
    """Stands in for CUDA: a graph that is replayed computes anew from where it was recorded to read."""

    def __init__(self, monkeypatch):
        self.works = []
        self.fails = False
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: self)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: torch.no_grad())
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
        monkeypatch.setattr(pass_graphs, "_captured", self.captured)

    def captured(self, graph, pool, work):
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.works.append(work)
        self.result = torch.full((), -1.0)
        return self.result

    def wait_stream(self, other):
        pass

    def pool(self):
        return self

    def replay(self):
        self.result.copy_(self.works[-1]())


def test_a_shape_is_recorded_when_it_comes_for_the_second_time_and_read_anew_each_time(monkeypatch):
    recorder = Recorder(monkeypatch)
    graphs = PassGraphs()
    computed = []

    def work(given: PassTensors) -> torch.Tensor:
        computed.append(given)
        return loss(given)

    answers = [float(graphs.run(work, tensors(2, 8, value))) for value in (1, 2, 3)]
    assert answers == [32.0, 64.0, 96.0]
    assert len(graphs) == len(recorder.works) == 1
    first, *others = computed
    assert len({id(given) for given in others}) == 1  # the second and the third pass read one place
    kept = graphs.run(work, tensors(2, 8, 4))
    graphs.run(work, tensors(2, 8, 5))
    assert float(kept) == 128.0  # the loss of a pass is not overwritten by that of the next


def test_each_shape_has_a_recording_of_its_own(monkeypatch):
    Recorder(monkeypatch)
    graphs = PassGraphs()
    for given in (tensors(2, 8), tensors(2, 16), tensors(3, 8), tensors(2, 8, shares=True)):
        for count in range(2):
            before = len(graphs)
            graphs.run(loss, given)
            assert len(graphs) - before == count


def test_no_more_than_so_many_are_recorded(monkeypatch):
    Recorder(monkeypatch)
    graphs = PassGraphs()
    for length in range(1, MOST_GRAPHS + 3):
        answers = {float(graphs.run(loss, tensors(1, length))) for _ in range(3)}
        assert answers == {2.0 * length}
    assert len(graphs) == MOST_GRAPHS


def test_what_cannot_be_recorded_is_computed_and_nothing_is_recorded_from_then_on(monkeypatch):
    recorder = Recorder(monkeypatch)
    recorder.fails = True
    graphs = PassGraphs()
    assert [float(graphs.run(loss, tensors(2, 8))) for _ in range(3)] == [32.0] * 3
    recorder.fails = False
    assert [float(graphs.run(loss, tensors(1, 8))) for _ in range(3)] == [16.0] * 3
    assert len(graphs) == 0


def test_tensors_are_copied_and_overwritten_whole():
    own = tensors(2, 3, 1, shares=True).copy()
    other = tensors(2, 3, 7, shares=True)
    assert own.shape == other.shape
    own.take_over(other)
    assert all(torch.equal(one, two) for one, two in zip(own, other, strict=True))
    other.inputs["input_ids"].zero_()
    assert int(own.inputs["input_ids"][0, 0]) == 7
    with pytest.raises(ValueError, match="zip"):
        own.take_over(tensors(2, 3))
