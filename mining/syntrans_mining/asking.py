"""Asking models: what the journal knows is not asked again, what is answered goes there at once, and it is counted."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syntrans.errors import PartialResult

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Request, Response
    from syntrans_mining.engines.pool import Host
    from syntrans_mining.journal import Journal
    from syntrans_mining.progress import Progress

COMMIT = 256  # answers per transaction at most; a pause ends one sooner
COMMIT_SECONDS = 0.5


@dataclass
class Counts:
    """What one model did in one stage. ``asked`` went to the engine, ``from_journal`` did not."""

    asked: int = 0
    from_journal: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Asker:
    """Gives requests to the host, through the journal. ``counts`` is by (stage, model)."""

    host: Host
    journal: Journal
    progress: Progress
    counts: dict[tuple[str, str], Counts] = field(default_factory=lambda: defaultdict(Counts))
    failures: list[dict[str, str]] = field(default_factory=list)

    def ask(self, stage: str, requests: Sequence[Request]) -> dict[str, Response]:
        """The answer to every request, by id. Errors are answers too.

        Raises when the engine dies, and PartialResult when some answers are missing only for the time being.
        """
        by_id = {request.id: request for request in requests}
        self.progress.expect(len(by_id))
        answers = self.journal.get(by_id)
        for key, response in answers.items():
            counts = self.counts[stage, by_id[key].model]
            counts.from_journal += 1
            self._note_failure(stage, by_id[key].model, response)
        self.progress.advance(len(answers))
        missing = [request for key, request in by_id.items() if key not in answers]
        if missing:
            self._ask_host(stage, missing, answers)
        passing = [response for response in answers.values() if response.passing]
        if passing:
            raise PartialResult(
                f"{stage}: {len(passing)} of {len(by_id)} requests got no answer ({passing[0].error}); what was "
                f"answered is kept, the same command asks the rest again"
            )
        return answers

    def _ask_host(self, stage: str, missing: Sequence[Request], answers: dict[str, Response]) -> None:
        models = {request.id: request.model for request in missing}
        fresh: list[tuple[str, Response]] = []
        last = time.monotonic()
        try:
            for response in self.host.generate(missing):
                model = models[response.id]
                answers[response.id] = response
                fresh.append((model, response))
                self._count(stage, model, response)
                if len(fresh) >= COMMIT or time.monotonic() - last > COMMIT_SECONDS:
                    self._keep(stage, fresh)
                    last = time.monotonic()
        finally:
            self._keep(stage, fresh)  # also when the engine dies or the user has had enough

    def _keep(self, stage: str, fresh: list[tuple[str, Response]]) -> None:
        # The list is emptied before the write: an interrupt in between may lose answers, never store one twice.
        kept = list(fresh)
        fresh.clear()
        if kept:
            self.journal.put(stage, kept)
            self.progress.advance(len(kept))

    def _count(self, stage: str, model: str, response: Response) -> None:
        counts = self.counts[stage, model]
        counts.asked += 1
        counts.prompt_tokens += response.prompt_tokens
        counts.completion_tokens += response.completion_tokens
        self._note_failure(stage, model, response)

    def _note_failure(self, stage: str, model: str, response: Response) -> None:
        if response.error:
            self.counts[stage, model].failed += 1
            self.failures.append({"stage": stage, "model": model, "error": response.error})


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
