"""What made a result: command, commit, versions, hardware. Written beside every output."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from syntrans.machine import memory_gib, package_versions


@cache
def git_commit() -> str | None:
    """The commit of the checkout this code lies in, with "+changes" when files differ from it; None in a wheel."""
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        changes = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "") if tracked else None


def _git(folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments],  # noqa: S607 - wherever git is
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return found.stdout.strip()


def hardware() -> dict[str, Any]:
    """CPU, cores, memory, and the GPU where there is one."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory = memory_gib()
    return {
        "cpu": torch.cpu.get_capabilities().get("cpu_name", platform.machine()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": None if memory is None else round(memory, 1),
        "gpu": gpu,
        "system": platform.system(),
    }


def made_by() -> dict[str, Any]:
    """The block that every summary carries under `made_by`."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "git_commit": git_commit(),
        "hardware": hardware(),
        "versions": package_versions(),
    }


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
