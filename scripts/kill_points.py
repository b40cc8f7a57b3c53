"""Moments at which a run can be killed inside one process; for tests and benchmarks.

A death is an exception that nothing catches, raised when something reaches the world outside: a question, an answer
kept, a file synced, renamed, removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans_mining.engines.fake import FakeEncoder, FakeEngine
from syntrans_mining.requests.response_cache import ResponseCache

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Request, Response


class Killed(BaseException):
    """What no `except Exception` catches: as close to SIGKILL as one process comes."""


@dataclass
class Death:
    """Counts what a run does to the world outside; from event ``at`` on the process is dead and does nothing more."""

    at: int | None = None
    events: int = 0
    asked: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    twice: int = 0

    def step(self) -> None:
        """One moment to die at."""
        self.events += 1
        if self.at is not None and self.events > self.at:
            raise Killed

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with a moment before and one after it."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = function(*args, **kwargs)
            self.step()
            return result

        return guarded

    def live(self, at: int | None = None) -> None:
        """Begin another life, which ends at event ``at``."""
        self.at, self.events = at, 0

    def forget(self) -> None:
        """Begin the first life of another run."""
        self.asked, self.kept, self.twice = [], set(), 0
        self.live()

    def patches(self) -> list[tuple[object, str, Callable[..., Any]]]:
        """Owner, name and guarded function of every moment of a mining run, to be put in place by the caller."""
        generate, put = FakeEngine.generate, ResponseCache.put

        def guarded_generate(engine: FakeEngine, requests: Sequence[Request]) -> Iterator[Response]:
            for request in requests:
                self.step()
                self.asked.append(request.id)
                self.twice += request.id in self.kept
                yield from generate(engine, [request])

        def guarded_put(journal: ResponseCache, stage: str, model: str, response: Response) -> None:
            self.step()
            put(journal, stage, model, response)
            self.kept.add(response.id)
            self.step()

        whole: tuple[tuple[object, str], ...] = (
            (ResponseCache, "put_vectors"),
            (FakeEncoder, "embed_texts"),
            (FakeEncoder, "embed_images"),
            (os, "replace"),
            (Path, "unlink"),
            (Path, "replace"),
        )
        guarded = [(owner, name, self.around(getattr(owner, name))) for owner, name in whole]
        # What a process has written outlives it: to wait for the disk would show nothing.
        guarded.append((os, "fsync", self.around(lambda _: None)))
        return [(FakeEngine, "generate", guarded_generate), (ResponseCache, "put", guarded_put), *guarded]
