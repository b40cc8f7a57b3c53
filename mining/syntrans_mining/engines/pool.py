"""Workers behind one queue: calls go to whichever worker hosts the model and is free.

One thread per worker sends and receives, so several models answer at the same time; with the inline host
(fake engines, servers) the calls run in the thread of the caller and nothing is started at all.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from syntrans.errors import SyntransError
from syntrans.paths import make_dir
from syntrans_mining.engines.build import build_engine
from syntrans_mining.engines.worker import LOG_VARIABLE, WorkerHandle, make_worker

if TYPE_CHECKING:
    from syntrans_mining.engines.base import EngineSpec, Request, Response, TextVectors


ENCODERS = ("clip", "fake-clip")


class Host(Protocol):
    """Where engines live: a pool of processes, or this process."""

    @property
    def load_seconds(self) -> dict[str, float]:
        """Seconds spent loading, by model."""
        ...

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers of any models, as they come."""
        ...

    def embed(self, model: str, method: str, payload: Any) -> Ticket:
        """Start ``embed_texts`` or ``embed_images``; the ticket gives the result when it is there."""
        ...

    def close(self) -> None:
        """End everything at once."""
        ...


@dataclass
class Ticket:
    """A call under way; ``parts`` fills with ("part", value), and at last ("end", None) or ("error", error)."""

    model: str
    method: str
    payload: Any
    parts: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)

    def results(self) -> Iterator[Any]:
        """The parts as they come; raises what the engine raised."""
        while True:
            kind, value = self.parts.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value

    def result(self) -> Any:
        """The only part."""
        (value,) = self.results()
        return value


class Pool:
    """``placement`` lists, for each worker, the engines it hosts, in the order of their loading.

    Loading starts at once and goes on whenever a worker has nothing to answer. ``chunk`` requests make one call.
    """

    def __init__(self, placement: Sequence[Sequence[EngineSpec]], logs: Path, *, chunk: int = 256) -> None:
        self._chunk = chunk
        self._condition = threading.Condition()
        self._calls: deque[Ticket] = deque()
        self._failure: SyntransError | None = None
        self._closing = False
        self.load_seconds: dict[str, float] = {}
        with _worker_environment(len(placement), logs / "imports.log"):
            self._workers = [
                make_worker(number, logs / f"worker-{number}.log", fork=_may_fork(hosted))
                for number, hosted in enumerate(placement)
            ]
        for worker, hosted in zip(self._workers, placement, strict=True):
            threading.Thread(target=self._drive, args=(worker, list(hosted)), daemon=True).start()

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers to requests of any models, as they come. Raises what ended a worker."""
        by_model: dict[str, list[Request]] = {}
        for request in requests:
            by_model.setdefault(request.model, []).append(request)
        done: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        tickets = [
            Ticket(model, "generate", part, done)
            for model, asked in by_model.items()
            for part in _parts(asked, self._chunk)
        ]
        self._submit(tickets)
        open_tickets = len(tickets)
        while open_tickets:
            kind, value = done.get()
            if kind == "error":
                raise value
            if kind == "end":
                open_tickets -= 1
            else:
                yield from value

    def embed(self, model: str, method: str, payload: Any) -> Ticket:
        """Start an encoder's call; its result comes with the ticket."""
        ticket = Ticket(model, method, payload)
        self._submit([ticket])
        return ticket

    def close(self) -> None:
        """End all workers; calls under way are lost."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        for worker in self._workers:
            worker.stop()

    def _submit(self, tickets: Sequence[Ticket]) -> None:
        with self._condition:
            if self._failure:
                raise self._failure
            self._calls.extend(tickets)
            self._condition.notify_all()

    def _drive(self, worker: WorkerHandle, pending: list[EngineSpec]) -> None:
        """One worker's thread: answer what its loaded models are asked, load the next model otherwise."""
        loaded: set[str] = set()
        try:
            worker.start()
        except SyntransError as error:
            self._fail(error, None)
            return
        while True:
            ticket = self._next(loaded, idle=bool(pending))
            if self._closing:
                worker.stop()  # it may have started only after `close` went by
                return
            try:
                if ticket is not None:
                    for part in worker.call("call", ticket.model, ticket.method, ticket.payload):
                        ticket.parts.put(("part", part))
                    ticket.parts.put(("end", None))
                    continue
                spec = pending.pop(0)
                start = time.perf_counter()
                for _ in worker.call("load", spec):
                    pass
                self.load_seconds[spec.name] = time.perf_counter() - start
                loaded.add(spec.name)
            except SyntransError as error:
                self._fail(error, ticket)
                return

    def _next(self, loaded: set[str], *, idle: bool) -> Ticket | None:
        """The next call for a loaded model; None to load another one meanwhile (``idle``) or to stop."""
        with self._condition:
            while not self._closing:
                for ticket in self._calls:
                    if ticket.model in loaded:
                        self._calls.remove(ticket)
                        return ticket
                if idle:
                    return None
                self._condition.wait()
        return None

    def _fail(self, error: SyntransError, ticket: Ticket | None) -> None:
        """A worker is gone: everything that waits or will wait learns of it."""
        with self._condition:
            if self._closing:
                return
            self._failure = self._failure or error
            waiting = [*self._calls, *([ticket] if ticket else [])]
            self._calls.clear()
        for lost in waiting:
            lost.parts.put(("error", error))


class Inline:
    """Engines in this process: servers (a client is light) and fakes."""

    def __init__(self, specs: Sequence[EngineSpec]) -> None:
        self.engines: dict[str, Any] = {spec.name: build_engine(spec) for spec in specs}
        self.load_seconds: dict[str, float] = {}

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers, model by model."""
        by_model: dict[str, list[Request]] = {}
        for request in requests:
            by_model.setdefault(request.model, []).append(request)
        for model, asked in by_model.items():
            yield from self.engines[model].generate(asked)

    def embed(self, model: str, method: str, payload: Any) -> Ticket:
        """The result, already there."""
        ticket = Ticket(model, method, payload)
        ticket.parts.put(("part", getattr(self.engines[model], method)(payload)))
        ticket.parts.put(("end", None))
        return ticket

    def close(self) -> None:
        """Nothing to end."""


def place(specs: Sequence[EngineSpec], replicas: Mapping[str, int], n_workers: int) -> list[list[EngineSpec]]:
    """Which worker hosts which engines: each on ``replicas`` of ``n_workers``, always the emptiest ones.

    Encoders share one more worker: they are small, and needed while the large models are still loading.
    """
    workers: list[list[EngineSpec]] = [[] for _ in range(n_workers)]
    for spec in specs:
        if spec.kind not in ENCODERS:
            for worker in sorted(workers, key=len)[: min(replicas.get(spec.name, 1), n_workers)]:
                worker.append(spec)
    workers.append([spec for spec in specs if spec.kind in ENCODERS])
    return [worker for worker in workers if worker]


def text_vectors(host: Host, model: str, texts: Sequence[str]) -> TextVectors:
    """Unit vectors of ``texts`` by the encoder ``model``."""
    result: TextVectors = host.embed(model, "embed_texts", list(texts)).result()
    return result


def _may_fork(hosted: Sequence[EngineSpec]) -> bool:
    """Forking pays off where the import is long, and is allowed where no GPU is involved."""
    return all(spec.kind == "vllm" and spec.device == "cpu" for spec in hosted)


@contextmanager
def _worker_environment(n_workers: int, log: Path) -> Iterator[None]:
    """The environment in which workers are born: their share of the cores, and where their words go."""
    make_dir(log.parent)
    share = str(max(1, len(os.sched_getaffinity(0)) // n_workers)) if hasattr(os, "sched_getaffinity") else "1"
    values = {LOG_VARIABLE: str(log), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", share)}
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


def _parts(items: Sequence[Request], size: int) -> list[list[Request]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
