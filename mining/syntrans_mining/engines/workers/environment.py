"""Environment variables of a worker process, set before anything of vLLM or torch is imported there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOG_VARIABLE, RUN_VARIABLE = "SYNTRANS_WORKER_LOG", "SYNTRANS_RUN_PID"
_SCRUBBED = ("VLLM_DP_",)  # left over from a launcher, they make an engine wait for ranks that never come
_FIXED = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # we are the worker process; 3 s to load instead of 31
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "HF_HUB_OFFLINE": "1",  # models are local folders by now
    "TOKENIZERS_PARALLELISM": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_DEFAULTS = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}


def worker_environment(
    *, gpus: Sequence[int] = (), threads: int | None = None, exact: bool = False, scratch: Path | None = None
) -> dict[str, str]:
    """What a worker's environment gains: its GPUs and no others, its share of the cores, vLLM's privacy.

    ``exact`` asks vLLM for answers that do not depend on what else is in the batch (GPUs from compute capability
    8.0); on CPUs, where vLLM has no such mode, it pins the number of threads, on which sums depend. ``scratch``: the
    folder of its temporary files, since a process that is killed removes none.
    """
    values = dict(_FIXED)
    if scratch is not None:
        values |= {"TMPDIR": str(scratch), "TORCHINDUCTOR_CACHE_DIR": _inductor_cache()}
    if gpus:
        values["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
    if len(gpus) > 1:
        values["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"  # tensor parallelism needs a process per GPU
    if exact and gpus:
        values["VLLM_BATCH_INVARIANT"] = "1"
    elif exact:
        values["OMP_NUM_THREADS"] = "1"
    elif threads:
        values["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
    return values


def _inductor_cache() -> str:
    """Where torch keeps what it compiled, by default among the temporary files: it is to outlive a run."""
    given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    return given or str(Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid() if hasattr(os, 'getuid') else ''}")


def apply_environment(values: dict[str, str] | None = None) -> None:
    """Set ``values`` (nothing given: what every engine needs) in this process, and take away what would mislead."""
    for name in [name for name in os.environ if name.startswith(_SCRUBBED)]:
        del os.environ[name]
    os.environ.update(worker_environment() if values is None else values)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
