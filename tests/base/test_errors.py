import pytest
import torch

from toolkit.base.errors import UserError, is_out_of_memory, message_of
from toolkit.base.languages import Text

CUDA = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
SHORT = {
    "CUDA": CUDA("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"),
    "the CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 137438953472 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "oneDNN": RuntimeError("could not allocate memory"),
    "oneDNN's code": RuntimeError("could not create a primitive"),
    "C++": RuntimeError("std::bad_alloc"),
    "Python": MemoryError(),
}
NOT_SHORT = [
    RuntimeError("CUDA error: device-side assert triggered"), ValueError("out of memory"), KeyboardInterrupt(), None,
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), OSError(12, "Cannot allocate memory"),
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_ten_problems_are_listed_one_by_one(count):
    assert UserError(*(f"line {i}" for i in range(count))).lines() == [f"line {i}" for i in range(count)]


@pytest.mark.parametrize(("count", "last"), [(11, "... and 1 more"), (1234, "... and 1,224 more")])
def test_more_than_ten_problems_are_ten_and_a_count(count, last):
    lines = UserError(*(f"line {i}" for i in range(count))).lines()
    assert lines == [*(f"line {i}" for i in range(10)), last]


def test_a_summary_stands_below_several_problems_and_takes_the_place_of_the_count():
    assert UserError("a", summary="one of three").lines() == ["a"]
    assert UserError("a", "b", summary="two of three").lines() == ["a", "b", "two of three"]
    assert UserError(*"abcdefghijkl", summary="12 of 30").lines() == [*"abcdefghij", "12 of 30"]


def test_a_problem_is_one_line_whatever_it_holds():
    assert UserError("first\nsecond\r\nthird", 4).lines() == ["first second third", "4"]


def test_what_an_exception_says_is_told_in_both_languages_where_they_are_known(tmp_path):
    text = Text("it is empty", "是空的")
    assert message_of(ValueError(text)) == text
    assert message_of(ValueError("as a library says")) == Text("as a library says", "as a library says")
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none").read_bytes()
    assert message_of(caught.value) == Text(str(caught.value), "没有这个文件或目录")


@pytest.mark.parametrize("device", SHORT)
def test_what_each_device_says_when_its_memory_runs_out_is_understood(device):
    assert is_out_of_memory(SHORT[device])


@pytest.mark.parametrize("error", NOT_SHORT, ids=repr)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)
