"""`Host`: the interface through which steps reach models; and `Inline`, which runs them in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from syntrans.errors import SyntransError
from syntrans_mining.engines.build import build_engine
from syntrans_mining.engines.workers.calls import WorkItem

if TYPE_CHECKING:
    from syntrans_mining.engines.base import EngineSpec, Request, Response


NextRequest: TypeAlias = "Callable[[Response], Request | None]"
"""What is to be asked next, now that an answer is there: of the same model, under an id of its own."""


def no_next(response: Response) -> None:
    """Nothing follows from an answer."""


class Host(Protocol):
    """A pool of processes, or this process."""

    @property
    def load_seconds(self) -> dict[str, float]:
        """Seconds spent loading, by model."""
        ...

    @property
    def loads(self) -> dict[str, int]:
        """How often each model was loaded."""
        ...

    def generate(self, requests: Sequence[Request], next_request: NextRequest = no_next) -> Iterator[Response]:
        """Answers of any models, as they come, and those to what follows. The ids of all requests differ."""
        ...

    def embed(self, model: str, method: str, payload: Any) -> WorkItem:
        """Start ``embed_texts`` or ``embed_images``; the work item gives the result when it is there."""
        ...

    def close(self) -> None:
        """End everything at once."""
        ...


class Inline:
    """Engines in this process: servers (a client is light) and fakes."""

    def __init__(self, specs: Sequence[EngineSpec]) -> None:
        self.engines: dict[str, Any] = {}
        try:
            for spec in specs:
                self.engines[spec.name] = build_engine(spec)
        except SyntransError:
            self.close()
            raise
        self.load_seconds: dict[str, float] = {}
        self.loads: dict[str, int] = {}

    def generate(self, requests: Sequence[Request], next_request: NextRequest = no_next) -> Iterator[Response]:
        """Answers, model by model."""
        for model, of_model in by_model(requests).items():
            waiting = of_model
            while waiting:
                following = []
                for response in self.engines[model].generate(waiting):
                    if (request := next_request(response)) is not None:
                        following.append(request)
                    yield response
                waiting = following

    def embed(self, model: str, method: str, payload: Any) -> WorkItem:
        """The result, already there."""
        work_item = WorkItem(model, method, payload)
        work_item.parts.put(("part", getattr(self.engines[model], method)(payload)))
        work_item.parts.put(("end", None))
        return work_item

    def close(self) -> None:
        """Close the connections of those that have some."""
        for engine in self.engines.values():
            if hasattr(engine, "close"):
                engine.close()


def by_model(requests: Sequence[Request]) -> dict[str, list[Request]]:
    """``requests`` of each model, in their order: what was put side by side shares its beginning in the cache."""
    grouped: dict[str, list[Request]] = {}
    for request in requests:
        grouped.setdefault(request.model, []).append(request)
    return grouped
