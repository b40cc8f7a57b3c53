"""The main loop of a worker process: it hosts engines for one device, and when it ends, its memory is free.

Messages: ``("load", spec)``, ``("call", model, method, payload)``, and a conversation with one model:
``("generate", model)``, any number of ``("requests", [...])``, ``("last",)``. Each is answered by parts and an end.
Requests are read by a thread of their own, so that an engine has the next ones before it is through with the last.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from syntrans.errors import EnvironmentProblem, ModelLoadError, SyntransError
from syntrans_mining.engines.build import build_engine
from syntrans_mining.engines.workers.environment import apply_environment

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from syntrans_mining.engines.base import EngineSpec, Request, Response

# Answers per message, and how long one may wait for others: each message wakes the run's process, and on a machine with
# few cores that costs the model a turn.
PART, PART_SECONDS = 64, 0.2

Inbox = queue.SimpleQueue[tuple[Any, ...]]
Tell = Callable[[tuple[str, Any]], None]


def redirect_output(path: str) -> None:
    """Send this process's output and errors to ``path``: stdout belongs to data, stderr to the CLI."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def serve(connection: Connection, log: str, environment: dict[str, str]) -> None:
    """The process: answer messages until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends us
    redirect_output(log)
    apply_environment(environment)
    _keep_tqdm_in_process()
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, inbox), daemon=True).start()
    engines: dict[str, Any] = {}
    tell = partial(_tell, connection)
    while True:
        message = inbox.get()
        try:
            for part in _handle(engines, message, inbox, tell):
                tell(("part", part))
            tell(("end", None))
        except SyntransError as error:
            tell(("error", type(error)(str(error))))


def _tell(connection: Connection, message: tuple[str, Any]) -> None:
    """Send to the run; without one there is nothing to do. An engine's own failing connections are not meant."""
    try:
        connection.send(message)
    except ConnectionError:
        os._exit(0)


def _read(connection: Connection, inbox: Inbox) -> None:
    """A run that is gone, killed outright perhaps, must not leave its workers behind, deep in a batch."""
    while True:
        try:
            inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)


def _handle(engines: dict[str, Any], message: tuple[Any, ...], inbox: Inbox, tell: Tell) -> Iterator[Any]:
    kind = message[0]
    if kind == "load":
        spec: EngineSpec = message[1]
        engines[spec.name] = _load(spec)
    elif kind == "generate":
        _converse(engines[message[1]], Feed(inbox, tell))
    else:
        _, model, method, payload = message
        yield getattr(engines[model], method)(payload)


class Feed:
    """The requests of a conversation, batch by batch, to be iterated once; and the way back for the answers.

    While answers are ``owed`` it does not wait for the next batch but gives an empty one: the engine has work.
    """

    def __init__(self, inbox: Inbox, send: Tell) -> None:
        self._inbox, self._send = inbox, send
        self._owed, self._last = 0, time.monotonic()
        self._unsent: list[Response] = []

    def __iter__(self) -> Iterator[Sequence[Request]]:
        """Batches until the last."""
        while True:
            if self._owed == 0:
                self.flush()  # or the run would wait for these while we wait for it
            try:
                message = self._inbox.get(block=self._owed == 0)
            except queue.Empty:
                yield ()
                continue
            if message[0] == "last":
                return
            self._owed += len(message[1])
            yield message[1]

    def answer(self, responses: Sequence[Response]) -> None:
        """Send ``responses`` soon."""
        self._owed -= len(responses)
        self._unsent += responses
        if len(self._unsent) >= PART or time.monotonic() - self._last > PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is there."""
        self._last = time.monotonic()
        if self._unsent:
            self._send(("part", self._unsent))
            self._unsent = []


def _converse(engine: Any, feed: Feed) -> None:
    """Answers as they are there: of an engine that streams, or of one that takes batch after batch."""
    if hasattr(engine, "stream"):
        for part in engine.stream(feed):
            feed.answer(part)
    else:
        for batch in feed:
            for response in engine.generate(batch):
                feed.answer([response])
    feed.flush()


def _load(spec: EngineSpec) -> Any:
    try:
        engine = build_engine(spec)
    except (ModelLoadError, EnvironmentProblem) as error:
        raise type(error)(f"model {spec.name!r}: {error}") from error
    gc.collect()
    gc.freeze()  # the libraries' million objects need not be looked through again and again
    return engine


def _keep_tqdm_in_process() -> None:
    """Give tqdm a thread lock: its default is a semaphore between processes, which an ended worker would leak."""
    with contextlib.suppress(ImportError):
        importlib.import_module("tqdm").tqdm.set_lock(threading.RLock())
