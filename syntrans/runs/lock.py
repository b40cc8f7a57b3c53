"""The lock that keeps two runs out of one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syntrans.errors import EnvironmentProblem
from syntrans.paths import disk_problem


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep ``folder`` for this process; EnvironmentProblem with the other's pid if it is taken.

    The lock is the operating system's, so that of a killed run is gone with it, whatever process has its pid now.
    """
    try:
        import fcntl
    except ImportError:  # Windows: no lock rather than one that outlives its process
        yield
        return
    path = folder / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_problem(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise EnvironmentProblem(
                f"{folder} is in use by another run (pid {pid}); wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise EnvironmentProblem(f"cannot lock {path} ({error.strerror}); choose another --out") from error
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError as error:
            raise disk_problem(path, error) from error
        yield
    finally:
        os.close(descriptor)
