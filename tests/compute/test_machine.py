import pytest
import torch

from toolkit.base.errors import UserError
from toolkit.base.process import Process
from toolkit.compute.machine import Machine, choose_machine
from toolkit.compute.precision import choose_precision
from toolkit.compute.processes import ALONE, Processes

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)


@pytest.mark.parametrize("precision_name", ["fp32", "bf16", "auto"])
def test_a_machine_is_the_device_the_format_and_the_processes_that_were_asked_for(precision_name):
    machine = choose_machine("cpu", precision_name, ALONE)
    assert machine == Machine(CPU, choose_precision(precision_name, CPU), ALONE)
    assert machine.is_main


@pytest.mark.parametrize(("device_name", "precision_name"), [("tpu9", "fp32"), ("cpu", "fp16")])
def test_a_machine_that_is_not_there_is_refused(device_name, precision_name):
    with pytest.raises(UserError, match="--device tpu9|--precision fp16"):
        choose_machine(device_name, precision_name, ALONE)


def test_the_threads_of_a_machine_count_on_the_cpu_alone():
    assert Machine(CPU, FP32).thread_count == torch.get_num_threads()
    assert Machine(torch.device("cuda"), FP32).thread_count is None


def test_work_that_one_process_does_alone_is_done_on_the_same_device():
    machine = Machine(CPU, FP32, Processes(Process(rank=1, size=2, local_rank=1)))
    assert not machine.is_main
    assert machine.alone() == Machine(CPU, FP32, ALONE)
    assert machine.alone().is_main


def test_a_model_for_prediction_is_not_shared_with_other_processes():
    machine = Machine(CPU, FP32, Processes(Process(rank=1, size=2, local_rank=1)))
    model = torch.nn.Linear(2, 2)
    assert machine.wrap_for_prediction(model) is model  # to share it would wait for the other process


def test_a_model_for_training_on_one_cpu_is_not_wrapped():
    model = torch.nn.Linear(2, 2)
    assert Machine(CPU, FP32).wrap_for_training(model) is model
