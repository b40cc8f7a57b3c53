"""A process that hosts engines for one device, and the handle by which the run speaks to it.

The worker answers one call at a time: ``("load", spec)`` or ``("call", model, method, payload)``. A method
that yields is sent on in parts. When the process ends, its memory is free; when it dies, the handle says so.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

from syntrans.errors import EnvironmentProblem, ModelLoadError, SyntransError
from syntrans_mining.engines.base import EngineCrashed, EngineSpec
from syntrans_mining.engines.build import build_engine

LOG_VARIABLE = "SYNTRANS_WORKER_LOG"
PART = 64  # responses per message: few enough to lose little, many enough to cost nothing


class WorkerHandle:
    """The parent's side: starts the process, sends calls, reads the parts of their answers.

    `start` may take as long as the fork server takes to import vLLM, so it is a step of its own.
    """

    def __init__(self, number: int, context: Any, log: Path) -> None:
        self.number, self.log = number, log
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, str(log)), name=f"syntrans-worker-{number}", daemon=True
        )
        self._theirs = theirs

    def start(self) -> None:
        """Start the process, unless it has been. EngineCrashed if the server that forks it is gone."""
        if self._process.pid is not None:
            return
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            raise EngineCrashed(
                f"worker {self.number} did not start ({type(error).__name__}, see {self.log.parent}); check the free "
                f"memory, the same command goes on from there"
            ) from error
        self._theirs.close()

    def call(self, *message: Any) -> Iterator[Any]:
        """Send one message and yield the parts of its answer. EngineCrashed if the process dies over it."""
        try:
            self._connection.send(message)
            while True:
                kind, payload = self._connection.recv()
                if kind == "part":
                    yield payload
                elif kind == "end":
                    return
                else:
                    raise payload
        except (EOFError, OSError) as error:
            self._process.join(timeout=5)
            code = self._process.exitcode
            raise EngineCrashed(
                f"worker {self.number} died (exit code {code}, see {self.log}); what was answered is kept, "
                f"the same command goes on from there"
            ) from error

    def stop(self) -> None:
        """End the process, at once: it holds nothing worth saving."""
        if self._process.pid is None:
            return
        self._process.terminate()
        self._process.join(timeout=3)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def make_worker(number: int, log: Path, *, fork: bool) -> WorkerHandle:
    """A worker process: forked from a server that imports vLLM once (CPUs), or spawned, importing for itself.

    Of a forked one only the server is started here; `WorkerHandle.start` waits for it. A GPU's worker must be
    spawned: a forked process cannot use CUDA that its parent has touched.
    """
    if fork and sys.platform == "linux":
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(["syntrans_mining.engines.preload"])
        ensure_running()
        return WorkerHandle(number, forking, log)
    worker = WorkerHandle(number, multiprocessing.get_context("spawn"), log)
    worker.start()
    return worker


def redirect_output(path: str) -> None:
    """Send this process's output and errors to ``path``: stdout belongs to data, stderr to the CLI."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _serve(connection: Connection, log: str) -> None:
    """The process: answer calls until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends us
    redirect_output(log)
    _die_with_parent()
    _keep_tqdm_in_process()
    engines: dict[str, Any] = {}
    while True:
        try:
            message = connection.recv()
        except (EOFError, ConnectionError):
            os._exit(0)
        try:
            for part in _handle(engines, message):
                connection.send(("part", part))
            connection.send(("end", None))
        except ConnectionError:
            os._exit(0)
        except SyntransError as error:
            connection.send(("error", type(error)(str(error))))


def _handle(engines: dict[str, Any], message: tuple[Any, ...]) -> Iterator[Any]:
    if message[0] == "load":
        spec: EngineSpec = message[1]
        engines[spec.name] = _load(spec)
        return
    _, model, method, payload = message
    result = getattr(engines[model], method)(payload)
    if method != "generate":
        yield result
        return
    part = []
    for response in result:
        part.append(response)
        if len(part) == PART:
            yield part
            part = []
    yield part


def _load(spec: EngineSpec) -> Any:
    try:
        return build_engine(spec)
    except (ModelLoadError, EnvironmentProblem) as error:
        raise type(error)(f"model {spec.name!r}: {error}") from error


def _keep_tqdm_in_process() -> None:
    """Give tqdm a thread lock: its default is a semaphore between processes, which an ended worker would leak."""
    with contextlib.suppress(ImportError):
        importlib.import_module("tqdm").tqdm.set_lock(threading.RLock())


def _die_with_parent() -> None:
    """A run that is killed outright must not leave its workers behind, deep in a batch."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
