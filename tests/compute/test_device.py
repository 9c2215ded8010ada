import pytest
import torch
from torch.nn.parallel import DataParallel

from toolkit.base.errors import UserError
from toolkit.base.process import Process
from toolkit.base.torch_versions import set_autocast_dtype
from toolkit.compute.device import choose_device, device_count, seed_step, unwrap, wrap

CPU = torch.device("cpu")
SECOND = Process(rank=1, size=2, local_rank=1)
no_cards = pytest.mark.skipif(torch.cuda.device_count() > 0, reason="is about a machine without CUDA")


@pytest.mark.parametrize("place", [Process(), SECOND, Process(rank=5, size=8, local_rank=5)], ids=str)
def test_the_cpu_is_there_for_every_process(place):
    assert choose_device("cpu", place) == CPU


def test_auto_is_the_best_kind_of_device_that_torch_finds():
    kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto") == torch.device(kind)


@no_cards
def test_auto_is_the_cpu_for_several_processes_without_cards():
    assert choose_device("auto", SECOND) == CPU


@pytest.mark.parametrize("name", ["cuda:99", "cpu:1", "meta", "tpu9", "nonsense", "", "cuda:-1", "cuda:one"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(UserError, match=f"^--device {name}: "):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:0", "cuda:1", "cuda:99", "cpu:0", "mps:0"])
def test_one_device_for_all_of_several_processes_is_refused(name):
    with pytest.raises(
        UserError, match=f"--device {name}: each of several processes uses a card of its own; use --device cuda"
    ):
        choose_device(name, SECOND)


@pytest.mark.parametrize("name", ["tpu9", "meta"])
def test_an_unknown_device_is_refused_for_several_processes_too(name):
    with pytest.raises(UserError, match=f"--device {name}: "):
        choose_device(name, SECOND)


def test_a_process_without_a_card_of_its_own_number_is_refused_and_told_the_number():
    with pytest.raises(UserError, match=f"--device cuda:99: this machine has {torch.cuda.device_count()} cuda devices"):
        choose_device("cuda", Process(rank=99, size=100, local_rank=99))


def test_a_model_on_the_cpu_is_not_wrapped():
    model = torch.nn.Linear(2, 2)
    assert wrap(model, CPU) is model
    assert unwrap(model) is model
    assert device_count(model) == 1


def test_the_model_in_a_wrapper_is_found():
    model = torch.nn.Linear(2, 2)
    assert unwrap(DataParallel(model)) is model


def draws(*numbers: int) -> list[float]:
    seed_step(*numbers)
    return torch.rand(20).tolist()


def test_a_step_draws_the_same_whenever_it_is_taken():
    first = draws(7, 3, 1)
    torch.rand(1000)
    draws(7, 4, 1)
    assert draws(7, 3, 1) == first
    torch.manual_seed(99)
    assert draws(7, 3, 1) == first


def test_the_draws_of_seeds_steps_and_processes_all_differ():
    numbers = [(seed, step, rank) for seed in (0, 1, 2**31) for step in (0, 1, 2, 1000) for rank in (0, 1, 2)]
    assert len({tuple(draws(*each)) for each in numbers}) == len(numbers) == 36


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_the_threads_of_several_cards_are_told_the_number_format_of_autocast(dtype, monkeypatch):
    """Replicas have the model's hooks, and torch enters autocast in each thread in fp16, whatever ours has."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    told, model = [], torch.nn.Linear(2, 2)
    monkeypatch.setattr("toolkit.compute.device.set_autocast_dtype", lambda *given: told.append(given))
    monkeypatch.setattr(model, "to", lambda device: model)
    wrapped = wrap(model, torch.device("cuda"), dtype=dtype)
    assert isinstance(wrapped, DataParallel)
    unwrap(wrapped)(torch.ones(1, 2))
    assert told == ([] if dtype == torch.float32 else [("cuda", dtype)])


def test_the_number_format_of_autocast_is_set():
    before = autocast_format()
    set_autocast_dtype("cuda", torch.bfloat16)
    assert autocast_format() == torch.bfloat16
    set_autocast_dtype("cuda", before)


def autocast_format() -> torch.dtype:
    new = hasattr(torch, "get_autocast_dtype")
    return torch.get_autocast_dtype("cuda") if new else torch.get_autocast_gpu_dtype()
