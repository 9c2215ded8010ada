import json
import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from tests.conftest import ended, processes
from toolkit.base.errors import UserError
from toolkit.compute.processes import ALONE, Processes

TOLD = {
    "labels": ["差", "好 😀", ""],
    "scores": {"macro f1": [0.1, 1e-300, -2.5e30, 2**53]},
    "none": None,
    "é": [[], {}],
}
TENSORS = {
    "input_ids": ("int32", [2, 3], [[0, 1, 2], [3, 4, 2**31 - 1]]),
    "types": ("uint8", [3], [0, 1, 255]),
    "lengths": ("int64", [2], [2**40, -1]),
    "weights": ("float32", [1, 2], [[np.float32(0.1).item(), -2.5]]),
    "step": ("float32", [], 3.0),
    "count": ("int64", [], -7),
    "no_rows": ("int64", [0, 4], []),
    "no_columns": ("uint8", [2, 0], [[], []]),
    "turned": ("float32", [3, 2], [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]),
    "every_other": ("int32", [3], [0, 2, 4]),
}
ASKS = """
import json, sys
from pathlib import Path

import numpy as np
import torch

from toolkit.base.errors import UserError
from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.processes import Processes


def own_tensors():
    return {
        "input_ids": torch.tensor([[0, 1, 2], [3, 4, 2**31 - 1]], dtype=torch.int32),
        "types": torch.tensor([0, 1, 255], dtype=torch.uint8),
        "lengths": torch.tensor([2**40, -1]),
        "weights": torch.tensor([[0.1, -2.5]]),
        "step": torch.tensor(3.0),
        "count": torch.tensor(-7),
        "no_rows": torch.empty(0, 4, dtype=torch.int64),
        "no_columns": torch.empty(2, 0, dtype=torch.uint8),
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "every_other": torch.arange(6, dtype=torch.int32)[::2],
    }


def seen(tensors):
    return {name: [str(t.dtype).split(".")[1], list(t.shape), t.tolist()] for name, t in tensors.items()}


def main():
    folder, got, calls, process = Path(sys.argv[1]), {}, [], this_process()
    rank = process.rank
    with Processes(process) as processes:
        told = json.loads((folder / "told.json").read_text(encoding="utf-8")) if rank == 0 else "of no account"
        got["share"] = processes.broadcast(told)
        got["none"] = processes.broadcast(None if rank == 0 else "of no account")
        got["empty"] = [processes.broadcast([] if rank == 0 else None), processes.broadcast("" if rank == 0 else None)]
        got["first"] = processes.on_main(lambda: [calls.append(rank), f"made by {rank}"][1])
        got["calls"] = calls
        got["tensors"] = seen(processes.broadcast_tensors(own_tensors() if rank == 0 else None))
        got["no_tensors"] = [processes.broadcast_tensors(), processes.broadcast_tensors({} if rank == 0 else None)]
        own = torch.tensor([float(rank), 10.0 * rank, 0.5, -rank])
        got["means"], got["own"] = processes.all_reduce_mean(list(own)), own.tolist()
        got["no_means"] = processes.all_reduce_mean([])
        tenths = [torch.tensor(0.1 * (rank + 1)), torch.tensor(1e8 + rank)]
        one_by_one = processes.all_reduce_mean(tenths[:1]) + processes.all_reduce_mean(tenths[1:])
        got["exact"] = [processes.all_reduce_mean(tenths), one_by_one]
        got["everywhere"] = [processes.all_true(torch.tensor(up)).item() for up in (True, rank != 1, False)]
        got["largest"] = [
            processes.all_reduce_max([False, rank == 1, rank]),
            processes.all_reduce_max([-rank - 1, -(1 << 40), 1 << 40]),
        ]
        logits = np.zeros((7, 2), np.float32)
        logits[rank::3] = np.float32(0.1) * (1 + np.arange(7, dtype=np.float32))[rank::3, None]
        total = processes.reduce_to_main(logits)
        got["sum"] = [str(total.dtype), total.tolist()]
        got["empty_sum"] = list(processes.reduce_to_main(np.zeros((0, 2), np.float32)).shape)
        (folder / f"{rank}.json").write_text(json.dumps(got))
        processes.broadcast()
        if rank == 1:
            raise UserError("its disk is full")
        processes.broadcast("which process 1 will never hear")
        processes.all_reduce_mean([torch.ones(())])
        (folder / f"{rank} went on").touch()


sys.exit(run_script(main))
"""
WAITS = """
import sys, time

import torch

from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.processes import Processes


def main():
    with Processes(this_process()) as processes:
        processes.broadcast("we have met")
        print("here", flush=True)
        if processes.rank == 1:
            time.sleep(60)
        processes.broadcast("which process 1 will never hear")
        processes.all_reduce_mean([torch.ones(())])


sys.exit(run_script(main))
"""
FAILS_LAST = """
import sys, time

from toolkit.base.errors import UserError
from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.processes import Processes


def main():
    with Processes(this_process()) as processes:
        processes.broadcast("we have met")
        if processes.is_main:
            time.sleep(1)  # the other one is leaving
            raise UserError("the disk is full")


sys.exit(run_script(main))
"""


# -- one process alone -----------------------------------------------------------------------------------------------


def test_a_process_alone_is_told_what_it_tells_and_joins_no_group():
    told, tensors, flag, array = {1, 2}, {"a": torch.arange(3)}, torch.tensor(True), np.ones((2, 2), np.float32)
    with Processes() as processes:
        assert not dist.is_initialized()
        assert (processes.rank, processes.size, processes.is_main) == (0, 1, True)
        assert processes.broadcast(told) is told  # no json on the way
        assert processes.broadcast() is None
        assert processes.broadcast_tensors(tensors) is tensors
        assert processes.broadcast_tensors() is None
        assert processes.all_reduce_mean([torch.tensor(1.5), torch.tensor(0.1)]) == [1.5, np.float32(0.1).item()]
        assert processes.all_reduce_mean([]) == []
        assert processes.all_true(flag) is flag
        assert processes.all_reduce_max([3, -1, True]) == [3, -1, True]
        assert processes.reduce_to_main(array) is array


def test_a_process_alone_makes_once_what_is_made_on_main():
    made = []
    assert ALONE.on_main(lambda: made.append("made") or made) is made
    assert made == ["made"]


@pytest.mark.parametrize("error", [UserError("a mistake"), ValueError("ours"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_a_process_alone_is_left_as_it_is(error):
    with pytest.raises(type(error)) as caught, Processes():
        raise error
    assert caught.value is error


# -- several processes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def met(once):
    """What each of three processes got from the others, how they ended after one of them failed, and their folder."""

    def make(folder: Path) -> list:
        (folder / "told.json").write_text(json.dumps(TOLD), encoding="utf-8")
        (folder / "worker.py").write_text(ASKS, encoding="utf-8")
        with processes(3, folder / "worker.py", folder) as started:
            ends = ended(started)
        files = [folder / f"{rank}.json" for rank in range(3)]
        assert all(file.is_file() for file in files), ends
        return [[json.loads(file.read_text()) for file in files], ends, str(folder)]

    got, ends, folder = once("met", make)
    return got, [tuple(end) for end in ends], Path(folder)


def test_what_the_first_one_shares_is_what_every_process_gets(met):
    for got in met[0]:
        assert got["share"] == TOLD
        assert got["none"] is None
        assert got["empty"] == [[], ""]


def test_only_the_first_one_makes_what_all_get(met):
    assert [got["first"] for got in met[0]] == ["made by 0"] * 3
    assert [got["calls"] for got in met[0]] == [[0], [], []]


def test_tensors_of_any_kind_and_shape_arrive_in_every_process(met):
    for got in met[0]:
        assert got["tensors"] == {name: list(tensor) for name, tensor in TENSORS.items()}
        assert list(got["tensors"]) == list(TENSORS)  # the order is kept too
        assert got["no_tensors"] == [None, {}]


def test_a_mean_is_that_over_the_processes_and_leaves_what_each_brought(met):
    for rank, got in enumerate(met[0]):
        assert got["means"] == [1.0, 10.0, 0.5, -1.0]
        assert got["own"] == [rank, 10 * rank, 0.5, -rank]
        assert got["no_means"] == []


def test_a_mean_of_numbers_in_fp32_is_exact_and_does_not_depend_on_what_else_is_asked(met):
    tenths = sum(Fraction(np.float32(0.1 * (rank + 1)).item()) for rank in range(3)) / 3
    large = sum(Fraction(np.float32(1e8 + rank).item()) for rank in range(3)) / 3
    for got in met[0]:
        assert got["exact"] == [[float(tenths), float(large)]] * 2


def test_a_flag_is_everywhere_and_a_number_the_largest_in_every_process_alike(met):
    for got in met[0]:
        assert got["everywhere"] == [True, False, False]
        assert got["largest"] == [[0, 1, 2], [-1, -(1 << 40), 1 << 40]]


def test_the_first_one_gets_the_sum_to_the_last_bit(met):
    expected = [[(np.float32(0.1) * np.float32(row)).item()] * 2 for row in range(1, 8)]
    assert met[0][0]["sum"] == ["float32", expected]
    assert [got["empty_sum"] for got in met[0]] == [[0, 2]] * 3


def test_a_mistake_in_one_process_is_said_by_it_alone_and_ends_all(met):
    _, ends, folder = met
    assert ends[1] == (2, f"error: process 1 on {socket.gethostname()}: its disk is full\n")
    for status, errors in (ends[0], ends[2]):
        assert status not in (0, None)
        assert not any(word in errors for word in ("error:", "Traceback", "frame #"))
    assert not list(folder.glob("* went on"))


def test_a_mistake_while_the_others_are_leaving_is_the_one_that_is_said(tmp_path):
    (tmp_path / "worker.py").write_text(FAILS_LAST, encoding="utf-8")
    with processes(2, tmp_path / "worker.py") as started:
        (first, first_errors), (last, last_errors) = ended(started)
    assert (first, first_errors) == (2, "error: the disk is full\n")
    assert last not in (0, None)
    assert "Traceback" not in last_errors
    assert last_errors.count("error:") <= 1  # a launcher would have ended it by then


def test_the_death_of_one_process_is_said_once_and_ends_the_others(tmp_path):
    (tmp_path / "worker.py").write_text(WAITS, encoding="utf-8")
    with processes(3, tmp_path / "worker.py") as started:
        for process in started:
            assert process.stdout.readline() == "here\n"
        started[1].kill()
        (first, first_errors), (killed, _), (last, last_errors) = ended(started)
    assert killed == -9
    assert first > 0 < last
    lines = [line for line in (first_errors + last_errors).splitlines() if line.startswith("error:")]
    assert len(lines) == 1, first_errors + last_errors
    assert "another process has ended or cannot be reached" in lines[0]
    assert "Traceback" not in first_errors + last_errors
