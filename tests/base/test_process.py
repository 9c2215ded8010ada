import socket

import pytest

from toolkit.base.process import Process, this_process

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@pytest.fixture
def launched(monkeypatch):
    """Make the environment what a launcher would, given the values of its variables."""

    def launch(**variables: int) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return launch


def test_a_process_without_a_launcher_is_the_first_of_one(launched):
    launched()
    assert this_process() == Process(rank=0, size=1, local_rank=0)
    assert this_process().is_main


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"RANK": 5, "WORLD_SIZE": 8, "LOCAL_RANK": 1}, Process(rank=5, size=8, local_rank=1)),
        ({"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0}, Process(rank=0, size=2, local_rank=0)),
        ({"RANK": 1, "WORLD_SIZE": 2}, Process(rank=1, size=2, local_rank=0)),
    ],
)
def test_the_place_is_the_one_that_the_launcher_gives(launched, variables, place):
    launched(**variables)
    assert this_process() == place


@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0},
        {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 3},
        {"RANK": 0},
        {"WORLD_SIZE": 4},
        {"WORLD_SIZE": 4, "LOCAL_RANK": 2},
        {"LOCAL_RANK": 2},
    ],
    ids=str,
)
def test_a_launcher_of_one_and_half_an_environment_mean_a_process_alone(launched, variables):
    launched(**variables)
    assert this_process() == Process()


def test_only_the_process_of_number_0_is_the_first_one():
    assert [Process(rank, 3, rank).is_main for rank in range(3)] == [True, False, False]
    assert not Process(rank=4, size=8, local_rank=0).is_main  # the first of a second machine is not that of the run


def test_a_place_is_called_by_its_number_and_its_machine():
    assert str(Process(rank=5, size=8, local_rank=1)) == f"process 5 on {socket.gethostname()}"
