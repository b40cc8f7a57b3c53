"""The process of vLLM on a Ray cluster: it ends with the worker that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ENGINE = "import time, syntrans_mining.engines.ray_worker; print('watching', flush=True); time.sleep(60)"
WORKER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ENGINE!r}])"


def ended(pid: int) -> bool:
    """Gone, or dead and not yet waited for."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_an_engine_whose_worker_was_killed_ends() -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE)
    assert worker.stdout
    assert worker.stdout.readline() == b"watching\n"
    (engine,) = map(int, Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split())
    assert not ended(engine)
    worker.kill()
    worker.wait()
    deadline = time.monotonic() + 60
    while not ended(engine) and time.monotonic() < deadline:
        time.sleep(0.1)
    alive = not ended(engine)
    if alive:
        os.kill(engine, signal.SIGKILL)
    worker.stdout.close()
    assert not alive
