"""How a worker process ended, in words: by itself, by a signal, or killed by the system for lack of memory."""

from __future__ import annotations

import signal
from pathlib import Path

STATISTICS = Path("/proc/vmstat")


def oom_kills() -> int | None:
    """How many processes this machine has killed for lack of memory since it started; None where nobody counts."""
    try:
        lines = STATISTICS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def death(exit_code: int | None, wants: int, *, oom_before: int | None) -> str:
    """What became of a process that ended with ``exit_code``, minus the signal if one ended it (as Popen has it).

    ``wants``: the bytes that were planned for it. ``oom_before``: `oom_kills` when it started. The system says nowhere
    whom it killed: a SIGKILL while its count grew is taken for that.
    """
    if exit_code is None or exit_code >= 0:
        return f"died (exit code {exit_code})"
    name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"signal {-exit_code}"
    if name != "SIGKILL":
        return f"died ({name})"
    planned = f"{wants / 2**30:.1f} GiB were planned for it" if wants else "nothing was planned for it"
    after = oom_kills()
    if oom_before is not None and after is not None and after > oom_before:
        return f"was killed for lack of memory ({planned}; free some, take fewer engine.workers or smaller models)"
    return f"was killed (SIGKILL) by somebody, or for lack of memory ({planned})"
