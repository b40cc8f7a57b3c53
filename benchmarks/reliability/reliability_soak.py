"""Thousands of requests of which one in a hundred fails in each way a model or a server can fail: nothing is lost."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.reliability.reliability_scenes import mining_config, pictures
from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import read_descriptors
from syntrans.errors import PartialResult
from syntrans.progress import Silent
from syntrans.runs.file_names import JOURNAL
from syntrans_mining.engines.base import EngineCrashed, Request, Response
from syntrans_mining.engines.fake import FakeEngine
from syntrans_mining.requests.response_cache import ResponseCache
from syntrans_mining.run.mine import mine

WAYS = ("too long", "refused", "failed", "empty", "garbage", "cut off", "not JSON", "wrong JSON", "server away")
CRASHES = 5
_OF_FAILURES = ("too_long", "refused", "engine_failed", "no_answer", "cut_off")
_MIB = 2**20


class Weather:
    """Decides by a request's id what happens to it, and remembers what was asked and what memory it took."""

    def __init__(self, n_requests: int) -> None:
        self.asked: Counter[str] = Counter()
        self.forgiven: set[str] = set()  # ids that may be asked again: nobody answered
        self.ways: Counter[str] = Counter()
        self.memory: list[float] = []
        self._crash_at = {n_requests * number // (CRASHES + 1) for number in range(1, CRASHES + 1)}
        self._generate = FakeEngine.generate

    def generate(self, engine: FakeEngine, requests: Sequence[Request]) -> Iterator[Response]:
        """In place of `FakeEngine.generate`."""
        for request in requests:
            self.asked[request.id] += 1
            n_asked = self.asked.total()
            if n_asked % 500 == 0:
                self.memory.append(_resident())
            if n_asked in self._crash_at:
                self.forgiven.add(request.id)
                self.ways["crashed"] += 1
                raise EngineCrashed("the engine crashed as told")
            number = int(request.id[:8], 16) % 100
            way = WAYS[number] if number < len(WAYS) else None
            if way == "server away" and self.asked[request.id] > 1:
                way = None
            if way:
                self.ways[way] += 1
            yield self._failed(way, request) if way else next(self._generate(engine, [request]))

    def _failed(self, way: str, request: Request) -> Response:
        if way == "server away":
            self.forgiven.add(request.id)
            return Response(request.id, error="server away", transient=True)
        if way in ("too long", "refused", "failed"):
            reason: Any = {"too long": "too_long", "failed": "engine_failed"}.get(way, way)
            return Response(request.id, finish_reason="error", error=way, reason=reason)
        text = {
            "empty": "",
            "garbage": "\x00\x1b[31m{[",
            "not JSON": "Certainly! Here",
            "wrong JSON": '{"descriptors": 7}',
        }
        return Response(request.id, text.get(way, '{"descriptors": [{"fa'), "length" if way == "cut off" else "stop")


def soak(out: Path, n_requests: int) -> dict[str, Any]:
    """Mine until there is nothing left to ask; what was asked, what came of it, and how memory went."""
    config, shown = mining_config(), pictures()["heron"]
    per_class = 7  # at least
    entries = [ClassEntry(f"bird-{i:05d}", f"bird {i:05d}") for i in range(n_requests // per_class + 1)]
    weather, runs, began = Weather(n_requests), 0, time.monotonic()
    images = {entry.id: shown for entry in entries}

    def generate(engine: FakeEngine, requests: Sequence[Request]) -> Iterator[Response]:
        return weather.generate(engine, requests)

    with mock.patch.object(FakeEngine, "generate", generate):
        while True:
            runs += 1
            try:
                result = mine(config, entries, images, out, progress=Silent())
                break
            except PartialResult:
                continue
    rows = read_descriptors(result.descriptors)[0]
    with closing(ResponseCache(out / JOURNAL)) as journal:
        kept = set(journal.keys())
    quarter = len(weather.memory) // 4
    return {
        "requests": weather.asked.total(),
        "failures": dict(sorted(weather.ways.items())),
        "runs": runs,
        "lost": len(set(weather.asked) - kept),
        "asked_twice": sum(n > 1 for key, n in weather.asked.items() if key not in weather.forgiven),
        "classes_without_a_row": len({entry.id for entry in entries} - {row.class_id for row in rows}),
        "rows": len(rows),
        "failed_rows": sum(row.reason in _OF_FAILURES for row in rows),
        "mib_after_a_quarter": round(weather.memory[quarter], 1) if weather.memory else 0.0,
        "mib_at_the_end": round(weather.memory[-1], 1) if weather.memory else 0.0,
        "mib_peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / _MIB
