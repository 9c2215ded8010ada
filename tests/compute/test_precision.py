import pytest
import torch

from toolkit.base.errors import UserError
from toolkit.compute.precision import Precision, _cpu_bf16, choose_precision, common_precision
from toolkit.compute.processes import ALONE

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("fpu avx2 avx512f", False),
        ("fpu avx512_bf16 amx_tile", True),
        ("amx_bf16", True),
        ("avx512_bf16x", False),
        ("", False),
    ],
)
def test_bf16_on_a_processor_depends_on_its_instructions(tmp_path, flags, fast):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert _cpu_bf16(tmp_path / "cpuinfo") is fast


def test_a_machine_without_cpuinfo_computes_in_fp32(tmp_path):
    assert not _cpu_bf16(tmp_path / "missing")


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_matrix_products_in_the_format_that_was_asked_for(name, dtype):
    layer = torch.nn.Linear(4, 4)
    with choose_precision(name, CPU).autocast():
        assert layer(torch.ones(1, 4)).dtype == dtype
    assert layer.weight.dtype == torch.float32


def test_the_scaler_passes_everything_through_where_fp16_is_not_used():
    scaler = choose_precision("bf16", CPU).scaler()
    assert scaler.scale(torch.tensor(3.0)).item() == 3.0
    assert not scaler.is_enabled()


def test_fp16_on_a_processor_is_refused():
    with pytest.raises(UserError, match="CUDA"):
        choose_precision("fp16", CPU)


@pytest.mark.parametrize("name", ["fp32", "bf16", "auto"])
def test_a_process_alone_computes_in_the_format_it_chooses_itself(name):
    found = common_precision(name, CPU, ALONE)
    assert found == choose_precision(name, CPU)
    assert found in (Precision("fp32", "cpu"), Precision("bf16", "cpu"))
    assert name in (found.name, "auto")


def test_a_process_alone_refuses_fp16_on_a_processor():
    with pytest.raises(UserError, match="CUDA"):
        common_precision("fp16", CPU, ALONE)
