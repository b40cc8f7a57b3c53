"""The driver of one worker process, a thread of the run: load, feed, read; and when it dies, start it again.

A crash is nobody's fault at first: what was under way is asked again one at a time. What kills the process when it
is alone is to blame, and gets an error for an answer as soon as the restarted process has shown that it works.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syntrans.errors import SyntransError
from syntrans_mining.engines.base import EngineCrashed, EngineSpec, Request, Response

if TYPE_CHECKING:
    from syntrans_mining.engines.workers.calls import Calls, WorkItem
    from syntrans_mining.engines.workers.handle import WorkerHandle

GO_ON = "what was answered is kept, the same command goes on from there"
POISON = "the model's process died over this request, twice"


@dataclass
class LoadStats:
    """What happens to the models of a run: seconds and number of loads by model, and what the user should hear."""

    load_seconds: dict[str, float] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _: None

    def loaded(self, model: str, seconds: float) -> None:
        """``model`` was loaded."""
        self.load_seconds[model] = self.load_seconds.get(model, 0.0) + seconds
        self.loads[model] = self.loads.get(model, 0) + 1


@dataclass(frozen=True)
class _Asked:
    """A request under way, and the work item that waits for its answer."""

    request: Request
    work_item: WorkItem


class Driver:
    """Drives one worker that hosts ``specs``. ``make`` gives a new process; ``backoff`` is slept before each restart.

    As many restarts in a row as ``backoff`` has numbers are tried; any answer begins the count again.
    At most ``window`` requests are under way at the worker.
    """

    def __init__(
        self,
        specs: Sequence[EngineSpec],
        make: Callable[[], WorkerHandle],
        calls: Calls,
        stats: LoadStats,
        *,
        window: int,
        backoff: Sequence[float],
    ) -> None:
        self._specs, self._make, self._calls, self._stats = list(specs), make, calls, stats
        self._window, self._backoff = window, backoff
        self._handle = make()
        self._pending, self._loaded = list(specs), dict[str, EngineSpec]()
        self._crashes, self._retired = 0, False
        self._work_item: WorkItem | None = None  # taken from the queue, not yet given to the worker or not yet done
        self._open: dict[str, _Asked] = {}  # given to the worker in the conversation under way
        self._trial: _Asked | None = None  # asked alone
        self._suspects: deque[_Asked] = deque()
        self._quarantined: list[_Asked] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def models(self) -> set[str]:
        """The models that this worker answers for."""
        return {spec.name for spec in self._specs}

    def start(self) -> None:
        """Begin: load the first model, then answer and load in turn."""
        self._thread.start()

    def retire(self) -> None:
        """End the process and wait for it; the worker must not be busy."""
        self._retired = True
        with self._calls.changed:
            self._calls.changed.notify_all()
        self._thread.join()

    def terminate(self) -> None:
        """Ask the process to end whatever it does, without waiting for it."""
        self._retired = True
        self._handle.terminate()

    def kill(self) -> None:
        """End the process whatever it does."""
        self._retired = True
        self._handle.stop()

    def wait(self) -> None:
        """Wait, but not for ever, until the thread has seen the end: it may just be starting a process."""
        self._thread.join(timeout=1)

    def _run(self) -> None:
        try:
            while self._advance():
                pass
        except Exception as error:  # noqa: BLE001  a thread that ends without a word is a run that waits for ever
            problem = error if isinstance(error, SyntransError) else EngineCrashed(f"{error!r}; {GO_ON}")
            in_flight = [*self._suspects, *self._quarantined, *self._open.values()]
            lost = [item.work_item for item in in_flight] + ([self._work_item] if self._work_item else [])
            self._calls.fail(problem, lost)
        finally:
            self._handle.stop()
            self._calls.finish(self)

    def _advance(self) -> bool:
        """One piece of work. False when there is none any more."""
        if self._stopping():
            return False
        try:
            if not self._handle.started:
                self._handle.start()
            if self._stopping():
                return False
            if self._suspects or self._quarantined:
                self._clear_up()
                return True
            retired, idle = (lambda: self._retired), bool(self._pending)
            self._work_item = self._calls.next(self, self._loaded, idle=idle, retired=retired)
            if self._stopping():
                return False
            if self._work_item is None:
                self._load(self._pending[0])
            elif self._work_item.method == "generate":
                self._converse(self._work_item.model, self._work_item.share)
            else:
                self._call(self._work_item)
        except EngineCrashed as error:
            if self._stopping():
                return False
            self._restart(error)
        return True

    def _stopping(self) -> bool:
        return self._retired or self._calls.closing

    def _load(self, spec: EngineSpec) -> None:
        start = time.perf_counter()
        for _ in self._handle.call("load", spec):
            pass
        self._pending.remove(spec)
        self._loaded[spec.name] = spec
        self._stats.loaded(spec.name, time.perf_counter() - start)

    def _call(self, work_item: WorkItem) -> None:
        for part in self._handle.call("call", work_item.model, work_item.method, work_item.payload):
            work_item.parts.put(("part", part))
        work_item.parts.put(("end", None))
        self._work_item, self._crashes = None, 0

    def _converse(self, model: str, share: int) -> None:
        """Ask ``model`` what waits for it, always some more than it can work on at once, until nothing waits."""
        # A cluster divides the work itself.
        window = sys.maxsize if self._loaded[model].kind == "ray" else min(self._window, share)
        self._handle.send("generate", model)
        while True:
            while self._work_item is not None and len(self._open) < window:
                work_item, self._work_item = self._work_item, None
                self._open |= {request.id: _Asked(request, work_item) for request in work_item.payload}
                self._handle.send("requests", work_item.payload)
                self._work_item = self._calls.take(model)
                if self._work_item is None:
                    self._handle.send("last")
            kind, part = self._handle.receive()
            if kind == "end":
                return
            self._answered(part)

    def _answered(self, responses: Sequence[Response]) -> None:
        self._crashes = 0
        for response in responses:
            self._calls.deliver(self._open.pop(response.id).work_item, [response])

    def _clear_up(self) -> None:
        """After a crash: one suspect alone; when one has been answered or none is left, the blamed are judged."""
        model = (self._next_suspect() if self._suspects else self._quarantined[0]).request.model
        if model not in self._loaded:
            self._load(next(spec for spec in self._pending if spec.name == model))
            return
        if self._suspects:
            suspect = self._next_suspect()
            self._suspects.remove(suspect)
            self._try_alone(suspect)
        for blamed in self._quarantined:
            response = Response(blamed.request.id, finish_reason="error", error=POISON)
            self._calls.deliver(blamed.work_item, [response])
        self._quarantined.clear()

    def _next_suspect(self) -> _Asked:
        """The first; while somebody is blamed the last, since requests that kill often stand side by side."""
        return self._suspects[-1 if self._quarantined else 0]

    def _try_alone(self, suspect: _Asked) -> None:
        self._trial, self._open = suspect, {suspect.request.id: suspect}
        for message in (("generate", suspect.request.model), ("requests", [suspect.request]), ("last",)):
            self._handle.send(*message)
        while (received := self._handle.receive())[0] != "end":
            self._answered(received[1])
        self._trial = None

    def _restart(self, error: EngineCrashed) -> None:
        """A new process with the same models. EngineCrashed when too many died in a row."""
        if self._work_item:
            self._calls.put_back(self._work_item)
            self._work_item = None
        if self._trial:
            self._quarantined.append(self._trial)
        else:
            self._suspects.extend(self._open.values())
        self._trial, self._open = None, {}
        self._crashes += 1
        if self._crashes > len(self._backoff):
            names = ", ".join(sorted(self.models))
            raise EngineCrashed(f"{error}, {self._crashes} times in a row (models: {names}); {GO_ON}") from error
        self._stats.say(f"{error}; starting it again ({self._crashes} of {len(self._backoff)})")
        self._handle.stop()
        self._calls.sleep(self._backoff[self._crashes - 1])
        if self._stopping():
            return
        self._handle = self._make()
        self._pending, self._loaded = list(self._specs), {}
