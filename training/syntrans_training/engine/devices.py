"""Devices, precision and random numbers: where a run gets the things that change its bits."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from syntrans.errors import EnvironmentProblem, UsageError


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises `EnvironmentProblem` when there is no such device.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # accelerate's launcher sets it
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
            reason = str(error).splitlines()[0]
            raise EnvironmentProblem(f"device {name!r} is not there ({reason}); take auto or cpu") from error
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_devices(name: str) -> list[torch.device]:
    """All devices of that name: "auto" and "cuda" are every GPU; see `pick_device`."""
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    return [pick_device(name)]


def pick_precision(name: str, device: torch.device) -> str:
    """The precision of that name.

    "auto" takes bf16 where the device multiplies it faster than fp32, else fp16 on GPUs, fp32 on CPUs.
    """
    if name == "fp16" and device.type != "cuda":
        raise UsageError("encoder.precision fp16 is for GPUs; take auto, fp32 or bf16")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and _cpu_gains_by_bf16() else "fp32"


def _cpu_gains_by_bf16() -> bool:
    """With AMX; with AVX512-BF16 alone on AMD's processors, but not on Intel's, which do no more products with it.

    A training step was measured 2.5 times faster in bf16 than in fp32 on an AMD EPYC; on an Intel Xeon without AMX it
    takes 1.3 (tiny ResNet-12, 48 px) to 1.6 times as long (ResNet-12, 84 px), and on an AMD EPYC that has no more than
    AVX2, where bf16 is emulated, ten times as long.
    """
    cpu = torch.cpu.get_capabilities()
    return cpu.get("amx_bf16", False) or (cpu.get("avx512_bf16", False) and "Intel" not in cpu.get("cpu_name", ""))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The block within which convolutions and matrix products run in `precision`."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def pick_compile(name: str, device: torch.device) -> bool:
    """Whether to compile: "auto" does on CUDA only.

    There the compiler fuses what lies between convolutions in about a minute, once. On CPUs it needs a C++ compiler
    and does not pay: a step of the narrow ResNet-12 in bf16 was measured 9 % slower compiled.
    """
    return device.type == "cuda" if name == "auto" else name == "always"


def epoch_generator(seed: int, epoch: int, rank: int = 0) -> torch.Generator:
    """A CPU generator that depends on (seed, epoch) alone; also seeds the global one, which dropout draws from.

    Processes share the generator's numbers, which make batches and views, but not the global one's.
    """
    mixed = (seed * 1_000_003 + epoch) % 2**63
    torch.manual_seed((mixed + rank * 7_919_000_003) % 2**63)
    return torch.Generator().manual_seed(mixed + 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch works on one thread inside: for thousands of small steps, where threads cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def no_denormals() -> Iterator[None]:
    """Numbers below 1e-38 count as 0 in this thread: a processor takes a hundred times as long over them.

    Gradients of a cross-entropy are full of them wherever a class is hopeless.
    """
    np.finfo(np.float32), np.finfo(np.float64)  # numpy looks for them once, and warns if they are not there
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def thread_pool(most: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch has, at `most` so many, each at work without torch's threads within an operation.

    The operations here are small: dividing each between threads costs as much as it saves, and where other programs
    want the same cores, the threads wait for each other at every one of them.
    """
    count = min(torch.get_num_threads(), most or torch.get_num_threads())
    with one_thread(), ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool
