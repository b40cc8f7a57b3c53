"""How much memory is free, asked of the system and never by touching a GPU from this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from syntrans.errors import EnvironmentProblem

BACK = 0.98  # of what was free before counts as free again
_CGROUP = Path("/sys/fs/cgroup")

Measure = Callable[[], Sequence[int]]


def free_memory(device: Literal["cpu", "cuda"]) -> list[int]:
    """Free bytes of each GPU that this process may use, or of the machine (one number)."""
    return _gpus() if device == "cuda" else [_machine()]


def wait_until_back(
    measure: Measure, expected: Sequence[int], need: int, *, timeout: float = 60.0, poll: float = 0.5
) -> str | None:
    """Wait until the memory of ended processes is free again: 98 % of ``expected`` bytes on each device.

    If other programs have taken it meanwhile, and ``need`` bytes are there all the same, a line that says so comes
    back; if not, EnvironmentProblem.
    """
    deadline = time.monotonic() + timeout
    while True:
        free = measure()
        if all(now >= BACK * before for now, before in zip(free, expected, strict=True)):
            return None
        if time.monotonic() >= deadline:
            break
        time.sleep(poll)
    missing = max(before - now for now, before in zip(free, expected, strict=True))
    text = f"{missing / 2**30:.1f} GiB of the memory that ended models held did not come back within {timeout:.0f} s"
    if min(free) >= need:
        return f"{text}; what is free is enough to go on"
    raise EnvironmentProblem(
        f"{text}, and the next models need {need / 2**30:.1f} GiB where {min(free) / 2**30:.1f} are free; see what "
        f"else uses it, then run the same command again"
    )


def _machine() -> int:
    available = 0
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) << 10
    except OSError:
        available = _sysconf()
    limit = _number(_CGROUP / "memory.max")
    if limit is not None:
        available = min(available, max(0, limit - (_number(_CGROUP / "memory.current") or 0)))
    return available


def _sysconf() -> int:
    """Where there is no /proc: half of the machine's memory, which no system reports as free."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _gpus() -> list[int]:
    """By the driver's own tool: asking CUDA here would make this process unable to fork or spawn cleanly."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        raise EnvironmentProblem("nvidia-smi is not here, so the GPU's memory cannot be seen; set engine.memory_gib")
    command = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentProblem(f"nvidia-smi does not answer ({error}); check the driver") from error
    free = [int(line) << 20 for line in answer.stdout.split()]
    seen = [number for number in visible_gpus(len(free)) if number < len(free)]
    if not seen:
        raise EnvironmentProblem("CUDA_VISIBLE_DEVICES leaves no GPU by number; name some, or set engine.device=cpu")
    return [free[number] for number in seen]


def visible_gpus(count: int | None) -> list[int]:
    """The driver's numbers of the GPUs that CUDA_VISIBLE_DEVICES leaves, all ``count`` (or one) where it is not set."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return list(range(count or 1))
    return [int(part) for part in named.split(",") if part.strip().isdigit()]
