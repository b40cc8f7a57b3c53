"""The request queue between steps and worker processes: a request waits for a worker that hosts its model."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syntrans.errors import SyntransError


@dataclass(eq=False)
class WorkItem:
    """One piece of work; ``parts`` fills with ("part", value), and at last ("end", None) or ("error", error).

    ``share``: of a step's requests, how many one worker may have under way, so that each of its workers gets some.
    """

    model: str
    method: str
    payload: Any
    share: int = 1
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
        """The answer of a call that has one part."""
        (value,) = self.results()
        return value


class Calls:
    """Work items in the order of their coming. Everything here may be called from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closing = False
        self.failure: SyntransError | None = None
        self._waiting: deque[WorkItem] = deque()
        self._busy: set[object] = set()
        self._unread = 0

    def submit(self, work_items: Sequence[WorkItem]) -> None:
        """Add work. Raises what ended the run's workers, if something has."""
        with self.changed:
            if self.failure:
                raise self.failure
            self._waiting.extend(work_items)
            self.changed.notify_all()

    def put_back(self, work_item: WorkItem) -> None:
        """Work that was taken and not done: it comes first again."""
        with self.changed:
            self._waiting.appendleft(work_item)
            self.changed.notify_all()

    def deliver(self, work_item: WorkItem, responses: Sequence[Any]) -> None:
        """Hand answers to who waits for them; until they are `read`, what follows from them may still come."""
        with self.changed:
            self._unread += len(responses)
        work_item.parts.put(("part", list(responses)))

    def read(self, n: int) -> None:
        """So many answers have been read, and what follows from them has been submitted."""
        with self.changed:
            self._unread -= n
            if not self._unread:
                self.changed.notify_all()

    def take(self, model: str) -> WorkItem | None:
        """The next requests to ``model``, if some are waiting."""
        with self.changed:
            return self._remove(lambda work_item: work_item.model == model and work_item.method == "generate")

    def next(
        self, worker: object, loaded: Collection[str], *, idle: bool, retired: Callable[[], bool]
    ) -> WorkItem | None:
        """The next work item for one of ``loaded``. None to load another model meanwhile (``idle``), or to stop."""
        with self.changed:
            self._busy.discard(worker)
            self.changed.notify_all()
            while not (self.closing or retired()):
                work_item = self._remove(lambda work_item: work_item.model in loaded)
                if work_item or idle:
                    self._busy.add(worker)
                    return work_item
                self.changed.wait()
        return None

    def wait_for_others(self, hosted: Callable[[], Collection[str]]) -> str | None:
        """Wait until no worker is busy and only models that are not ``hosted`` are asked; the first one's name.

        Also until every answer has been read: it may have to be asked again, and its model is still there now.
        None when the queue closes or has failed.
        """
        with self.changed:
            while not (self.closing or self.failure):
                waiting_models = [work_item.model for work_item in self._waiting]
                if waiting_models and not self._busy and not self._unread and not set(waiting_models) & set(hosted()):
                    return waiting_models[0]
                self.changed.wait()
        return None

    def finish(self, worker: object) -> None:
        """A worker has ended and is no longer busy."""
        with self.changed:
            self._busy.discard(worker)
            self.changed.notify_all()

    def fail(self, error: SyntransError, lost: Sequence[WorkItem] = ()) -> None:
        """No more work will be done: all that waits or will wait learns of it."""
        with self.changed:
            if self.closing:
                return
            self.failure = self.failure or error
            waiting = [*self._waiting, *lost]
            self._waiting.clear()
            self.changed.notify_all()
        for work_item in waiting:
            work_item.parts.put(("error", error))

    def close(self) -> None:
        """Wake everyone up, to end."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait, unless the queue closes meanwhile."""
        with self.changed:
            self.changed.wait_for(lambda: self.closing, timeout=seconds)

    def _remove(self, fits: Callable[[WorkItem], bool]) -> WorkItem | None:
        for work_item in self._waiting:
            if fits(work_item):
                self._waiting.remove(work_item)
                return work_item
        return None
