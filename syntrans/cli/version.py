"""`syntrans --version --json`: what matters for a bug report, without a path or a name of a person."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from syntrans import __version__
from syntrans.machine import facts
from syntrans.paths import artifacts_root
from syntrans.provenance import PACKAGES, git_commit, hardware

# Variables that change what a command does; of those that hold a path only whether they are set is told.
VARIABLES = ("CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "RANK", "WORLD_SIZE", "LOCAL_RANK")
PLACES = ("HF_HOME", "HF_HUB_CACHE", "SYNTRANS_ARTIFACTS", "TMPDIR")


def facts_for_a_report() -> dict[str, Any]:
    """Versions, machine and settings, as plain values."""
    machine = facts(artifacts_root())
    return {
        "schema_version": 1,
        "syntrans": __version__,
        "git_commit": git_commit(),
        "python": f"{platform.python_implementation()} {machine['python']}",
        "system": platform.platform(),
        "in_environment": sys.prefix != sys.base_prefix,
        "hardware": hardware()
        | {"gpu_memory_gib": machine["gpu_memory_gib"], "free_disk_gib": machine["free_disk_gib"]},
        "packages": {name: machine[name] for name in PACKAGES if name != "syntrans"},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ}
        | {name: "(set)" for name in PLACES if name in os.environ},
    }
