"""The handle on a worker process: start it, speak to it, end it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from syntrans_mining.engines.base import EngineCrashed
from syntrans_mining.engines.workers.deaths import death, oom_kills
from syntrans_mining.engines.workers.environment import LOG_VARIABLE, RUN_VARIABLE
from syntrans_mining.engines.workers.worker import serve


class WorkerHandle:
    """Starts the process, sends it messages, reads its answers.

    With ``fork`` it comes from a server that imports vLLM once; else it is spawned and imports for itself. A GPU's
    worker must be spawned: a forked process cannot use CUDA that its parent has touched. ``wants``: the bytes of memory
    that were planned for it, 0 if none were.
    """

    def __init__(
        self, name: str, log: Path, environment: Mapping[str, str], *, fork: bool = False, wants: int = 0
    ) -> None:
        self.name, self.log, self._wants = name, log, wants
        self._oom_kills = oom_kills()
        self._ending = threading.Lock()  # the run and the worker's thread may both want it to end
        context: Any = multiprocessing.get_context("forkserver" if fork and can_fork() else "spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(self._theirs, str(log), dict(environment)), name=f"syntrans-{name}", daemon=True
        )

    @property
    def started(self) -> bool:
        """Whether `start` was called, successfully."""
        return self._process.pid is not None

    def start(self) -> None:
        """Start the process. EngineCrashed if the server that forks it is gone."""
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            raise EngineCrashed(
                f"{self.name} did not start ({type(error).__name__}, see {self.log.parent}); check the free memory"
            ) from error
        self._theirs.close()

    def send(self, *message: Any) -> None:
        """Send a message. EngineCrashed if nobody is there to take it."""
        try:
            self._connection.send(message)
        except OSError as error:
            # Its frames hold a view of a BytesIO. In a reference cycle that crashes the collector of Python 3.12.0 and
            # 3.12.1 (CPython 111049), and with it the run that only wants to start the worker again.
            raise self._died() from error.with_traceback(None)

    def receive(self) -> tuple[str, Any]:
        """The next ("part", value) or ("end", None); raises an error that was sent. EngineCrashed at a death."""
        try:
            kind, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if kind == "error":
            raise value
        return kind, value

    def call(self, *message: Any) -> Iterator[Any]:
        """Send one message and yield the parts of its answer."""
        self.send(*message)
        while True:
            kind, value = self.receive()
            if kind == "end":
                return
            yield value

    def terminate(self) -> None:
        """Ask the process to end, without waiting for it."""
        if self.started:
            self._process.terminate()

    def stop(self) -> None:
        """End the process, at once: it holds nothing worth saving."""
        if not self.started:
            return
        with self._ending:
            self._process.terminate()
            self._process.join(timeout=1)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()

    def _died(self) -> EngineCrashed:
        with self._ending:
            self._process.join(timeout=5)
        cause = death(self._process.exitcode, self._wants, oom_before=self._oom_kills)
        return EngineCrashed(f"{self.name} {cause}, see {self.log}")


def can_fork() -> bool:
    """Whether this system has fork servers."""
    return sys.platform == "linux"


@contextmanager
def fork_server(environment: Mapping[str, str], log: Path, scratch: Path) -> Iterator[None]:
    """A fork server for the time of the block; it imports vLLM once, and its memory is free afterwards.

    Its socket is in ``scratch``. Inside the block of another one, that one serves.
    """
    if not can_fork() or _fork_server_pid() is not None:
        yield
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syntrans_mining.engines.workers.preload"])
    # Else the standard library makes a folder of its own, which a killed run leaves behind.
    folders: Any = multiprocessing.process.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001
    folders["tempdir"] = str(scratch)
    try:
        with _set({**environment, LOG_VARIABLE: str(log), RUN_VARIABLE: str(os.getpid())}):
            forkserver.ensure_running()
        yield
    finally:
        _end_fork_server()
        del folders["tempdir"]


def _fork_server_pid() -> int | None:
    return getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)


def _end_fork_server() -> None:
    """The standard library ends it only with this process, and keeps how to end it earlier to itself."""
    server: Any = getattr(forkserver, "_forkserver", None)
    pid = _fork_server_pid()
    if pid is None or not hasattr(server, "_stop"):
        return
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # it may be in the middle of a long import
    with contextlib.suppress(OSError):
        server._stop()  # noqa: SLF001


@contextmanager
def _set(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
