"""The dispatcher asks models: what the cache knows not again, what is answered is kept at once, and it counts.

Requests are rendered, answered and read in windows: while one is being answered, the next one is rendered and the one
before is read, so that the engines never wait and memory does not grow with the number of classes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from syntrans.errors import PartialResult

if TYPE_CHECKING:
    from syntrans.progress import Progress
    from syntrans_mining.engines.base import Request, Response
    from syntrans_mining.engines.workers.host import Host
    from syntrans_mining.requests.response_cache import ResponseCache

WINDOW = 8192
"""Requests in a window: a few tens of MB, and many batches of any engine, which runs dry once a window."""

T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What one model did in one step. ``asked`` went to the engine, ``from_journal`` did not; tokens are of both."""

    asked: int = 0
    from_journal: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


Retry: TypeAlias = Callable[[T, "Response"], "Request | None"]
"""Another request in place of one that was answered, if the answer will not do."""


class _RetryChain(Generic[T]):
    """Requests on their way to an answer that will do. ``open``: what is asked, and the first request it is asked for.

    ``answered``: the first request's id, by the id of the request whose answer it is to have.
    """

    def __init__(self, requests: Sequence[tuple[T, Request]], retry: Retry[T] | None) -> None:
        self.open = {request.id: (request.id, request) for _, request in requests}
        self.answered: dict[str, str] = {}
        self._tags = {request.id: tag for tag, request in requests}
        self._retry = retry

    def next_request(self, response: Response) -> Request | None:
        """The request that follows from an answer, which then is open in its place."""
        first, _ = self.open.pop(response.id)
        request = self._retry(self._tags[first], response) if self._retry else None
        if request is None:
            self.answered[response.id] = first
        else:
            self.open[request.id] = (first, request)
        return request


@dataclass
class Dispatcher:
    """Gives requests to the host, through the cache. ``counts`` is by (step, model).

    ``note`` is told every request with its answer and step.
    """

    host: Host
    cache: ResponseCache
    progress: Progress
    counts: dict[tuple[str, str], Counts] = field(default_factory=lambda: defaultdict(Counts))
    failures: list[dict[str, str]] = field(default_factory=list)
    note: Callable[[str, Request, Response], None] = lambda _step, _request, _response: None

    def ask(self, step: str, requests: Sequence[Request]) -> dict[str, Response]:
        """The answer to every request, by id; for steps that need all of them at once. Otherwise as `stream`."""
        return {response.id: response for _, response in self.stream(step, ((r, r) for r in requests))}

    def stream(
        self, step: str, requests: Iterable[tuple[T, Request]], retry: Retry[T] | None = None
    ) -> Iterator[tuple[T, Response]]:
        """The answer to every request, beside what it was handed in with, in the order of the requests.

        Where ``retry`` has another request to make, its answer takes the place of the one before; it is asked while
        its model is there. Errors are answers too. Raises when the engine dies, and at the end PartialResult when
        some answers are missing only for the time being.
        """
        source = iter(requests)
        window = list(islice(source, WINDOW))
        done: deque[tuple[T, Response]] = deque()
        transient: list[Response] = []
        while window:
            answers: dict[str, Response] = {}
            following: list[tuple[T, Request]] = []
            chain = _RetryChain(window, retry)
            for key, response in self._answers(step, chain):
                answers[key] = response
                following.extend(islice(source, min(2, WINDOW - len(following))))
                for _ in range(min(2, len(done))):
                    yield done.popleft()
            yield from done
            transient += [response for response in answers.values() if response.transient]
            done = deque((tag, answers[request.id]) for tag, request in window)
            window = following + list(islice(source, WINDOW - len(following)))
        yield from done
        if transient:
            raise PartialResult(
                f"{step}: {len(transient)} requests got no answer ({transient[0].error}); what was answered is kept, "
                f"the same command asks the rest again"
            )

    def _answers(self, step: str, chain: _RetryChain[T]) -> Iterator[tuple[str, Response]]:
        """One answer for each id: those of the cache, then the engines', each kept before it is handed on."""
        self.progress.expect(len(chain.open))
        for key, response in self._known(step, chain):
            yield key, response

        def next_request(response: Response) -> Request | None:
            request = chain.open[response.id][1]
            self.cache.put(request.step or step, request.model, response)
            self._count(request.step or step, request.model, response)
            self.note(request.step or step, request, response)
            self.progress.advance(1)
            following = chain.next_request(response)
            self.progress.expect(1 if following else 0)
            return following

        missing = [request for _, request in chain.open.values()]
        for response in self.host.generate(missing, next_request) if missing else ():
            if response.id in chain.answered:
                yield chain.answered.pop(response.id), response

    def _known(self, step: str, chain: _RetryChain[T]) -> Iterator[tuple[str, Response]]:
        """What the cache answers, and what it answers to the requests that follow from that."""
        while kept := self.cache.get(chain.open):
            for response in kept.values():
                request = chain.open[response.id][1]
                counts = self.counts[request.step or step, request.model]
                counts.from_journal += 1
                counts.prompt_tokens += response.prompt_tokens  # an earlier leg's, and the run's all the same
                counts.completion_tokens += response.completion_tokens
                self._note_failure(request.step or step, request.model, response)
                self.note(request.step or step, request, response)
                self.progress.advance(1)
                if chain.next_request(response) is not None:
                    self.progress.expect(1)
                else:
                    yield chain.answered.pop(response.id), response

    def _count(self, step: str, model: str, response: Response) -> None:
        counts = self.counts[step, model]
        counts.asked += 1
        counts.prompt_tokens += response.prompt_tokens
        counts.completion_tokens += response.completion_tokens
        self._note_failure(step, model, response)

    def _note_failure(self, step: str, model: str, response: Response) -> None:
        if response.error:
            self.counts[step, model].failed += 1
            self.failures.append({"stage": step, "model": model, "error": response.error})


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of several counts."""
    result = Counts()
    for item in counts:
        result.asked += item.asked
        result.from_journal += item.from_journal
        result.failed += item.failed
        result.prompt_tokens += item.prompt_tokens
        result.completion_tokens += item.completion_tokens
    return result
