import subprocess
import sys

import pytest
import torch

from syntrans.errors import EnvironmentProblem, UsageError
from syntrans_training.engine.devices import autocast, epoch_generator, pick_compile, pick_device, pick_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        pick_precision("fp16", CPU)


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_without_bf16_takes_fp16(monkeypatch: pytest.MonkeyPatch, native: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: native)
    assert pick_precision("auto", CUDA) == expected


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bf16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "fp32"),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_a_cpu_trains_in_bf16_where_that_is_faster(monkeypatch: pytest.MonkeyPatch, cpu, expected: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    assert pick_precision("auto", CPU) == expected


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_run_in_the_precision(precision: str, dtype) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_compiling_is_for_gpus_unless_asked_for() -> None:
    assert [pick_compile(name, CPU) for name in ("auto", "never", "always")] == [False, False, True]
    assert pick_compile("auto", CUDA)


COMPILED = """
import torch
from syntrans_training import backbones
encoder, x = backbones.build("resnet12-tiny").eval(), torch.rand(2, 3, 16, 16)
with torch.no_grad():
    plain = encoder(x)
    encoder.compile()
    assert torch.allclose(encoder(x), plain, atol=1e-4)
"""


@pytest.mark.slow
def test_a_compiled_encoder_gives_the_same_features() -> None:
    # In a process of its own: the compiler cannot look through the shape checks that tests run under.
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_processes_share_batches_but_not_dropout() -> None:
    numbers = [(torch.rand(3, generator=epoch_generator(0, 2, rank)), torch.rand(3)) for rank in (0, 1)]
    assert torch.equal(numbers[0][0], numbers[1][0])
    assert not torch.equal(numbers[0][1], numbers[1][1])


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="'cuda:99' is not there"):
        pick_device("cuda:99")
