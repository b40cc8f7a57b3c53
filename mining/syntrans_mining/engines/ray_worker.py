"""Loaded into vLLM's process on a Ray cluster: the process ends when the Ray worker that started it has gone.

vLLM's engine waits for its next request for ever; where the worker was killed none comes, and the engine would keep
its memory and its cores.
"""

from __future__ import annotations

import os
import signal
import threading
import time

EVERY = 1.0  # seconds


class EndsWithItsParent:
    """For vLLM's `worker_extension_cls`: adds nothing to the worker; that it is imported there is enough."""


def watch(parent: int) -> None:
    """Kill this process once its parent is another than ``parent``."""
    while os.getppid() == parent:
        time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=watch, args=(os.getppid(),), name="ends with its parent", daemon=True).start()
