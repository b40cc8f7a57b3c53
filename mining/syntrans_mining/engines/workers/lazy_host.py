"""A host that starts when it is first needed: a run whose every answer is in the cache loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from syntrans_mining.engines.workers.host import NextRequest, no_next

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Request, Response
    from syntrans_mining.engines.workers.calls import WorkItem
    from syntrans_mining.engines.workers.host import Host


class LazyHost:
    """The host that ``make`` makes, once somebody asks it something; ``start`` makes it at once.

    ``make`` is given the name of the model that is asked first, None if that is not known.
    """

    def __init__(self, make: Callable[[str | None], Host]) -> None:
        self._make = make
        self._host: Host | None = None

    @property
    def load_seconds(self) -> dict[str, float]:
        """By model, of those that were loaded."""
        return self._host.load_seconds if self._host else {}

    @property
    def loads(self) -> dict[str, int]:
        """By model, how often it was loaded."""
        return self._host.loads if self._host else {}

    def start(self, first: str | None = None) -> Host:
        """The host, started if it is not yet."""
        if self._host is None:
            self._host = self._make(first)
        return self._host

    def generate(self, requests: Sequence[Request], next_request: NextRequest = no_next) -> Iterator[Response]:
        """As the host does."""
        return self.start(requests[0].model).generate(requests, next_request)

    def embed(self, model: str, method: str, payload: Any) -> WorkItem:
        """As the host does."""
        return self.start(model).embed(model, method, payload)

    def close(self) -> None:
        """End the host, if there is one."""
        if self._host is not None:
            self._host.close()
