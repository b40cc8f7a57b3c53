"""Propose: every LLM writes descriptors of every class, several times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from syntrans.contract.rows import FACETS, descriptor_id
from syntrans_mining.engines.base import Request, Response, Sampling
from syntrans_mining.requests.build import build_request
from syntrans_mining.steps.candidate import Author, Candidate
from syntrans_mining.steps.failures import clean_text, failed_row

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.models import Model
    from syntrans_mining.requests.dispatcher import Dispatcher
    from syntrans_mining.requests.prompts import Prompt

STEP = "propose"


@dataclass(frozen=True)
class Draw:
    """How to draw answers: see `syntrans_mining.config.ProposeConfig`. ``seed`` is the run's."""

    samples: int
    statements: int
    temperature: float
    top_p: float
    max_tokens: int
    tries: int
    seed: int


@dataclass(eq=False, slots=True)
class _Call:
    """One answer that is wanted; ``attempt`` counts what was drawn for it in vain."""

    entry: ClassEntry
    model: Model
    prompt: Prompt
    sample: int
    other: ClassEntry | None = None
    attempt: int = 0


Aside: TypeAlias = "Callable[[Model], Iterable[tuple[Callable[[Response], None], Request]]]"
"""What else a model is asked while it is there: requests, each with who takes its answer."""


@dataclass(frozen=True)
class Contrast:
    """What else is asked: what tells the first of each pair from the second. ``pairs`` finds them, when needed."""

    pairs: Callable[[], Sequence[tuple[ClassEntry, ClassEntry]]]
    prompt: Prompt
    draw: Draw


def propose(
    dispatcher: Dispatcher,
    entries: Sequence[ClassEntry],
    models: Sequence[Model],
    prompts: Sequence[Prompt],
    draw: Draw,
    contrast: Contrast | None = None,
    *,
    order: Sequence[str] | None = None,
    side_requests: Aside | None = None,
) -> list[Candidate]:
    """Statements of all models about all classes, equal ones united; those of ``contrast`` carry the other's id.

    An answer that is cut off or not what the schema says is drawn again with another seed, ``draw.tries`` times
    in all, and then given up; it is never repaired. What stays without an answer is a dropped candidate. Everything
    that a model can be asked follows each other, since models may have to take turns in memory, in the ``order`` of
    these names; the result is as if it were that of ``models``.
    """
    rank = {model.name: number for number, model in enumerate(models)}
    plain, paired = _Said(draw, rank), _Said(contrast.draw if contrast else draw, rank)

    def all_requests() -> Iterator[tuple[_Call | Callable[[Response], None], Request]]:
        for model in sorted(models, key=lambda model: (order or list(rank)).index(model.name)):
            yield from side_requests(model) if side_requests else ()
            for call in _calls(entries, model, prompts, draw.samples, contrast):
                yield call, _request(call, (paired if call.other else plain).draw)

    retry = partial(_retry, draw.tries, lambda call: (paired if call.other else plain).draw)
    for call, response in dispatcher.stream(STEP, all_requests(), retry):
        if isinstance(call, _Call):
            (paired if call.other else plain).hear(call, response)
        else:
            call(response)
    return unite(plain.rows(), paired.rows())


def _calls(
    entries: Sequence[ClassEntry],
    model: Model,
    prompts: Sequence[Prompt],
    samples: int,
    contrast: Contrast | None,
) -> Iterator[_Call]:
    for prompt in prompts:
        for entry in entries:
            yield from (_Call(entry, model, prompt, sample) for sample in range(samples))
    if contrast:
        for entry, other in contrast.pairs():
            numbers = range(contrast.draw.samples)
            yield from (_Call(entry, model, contrast.prompt, sample, other) for sample in numbers)


def unite(first: Iterable[Candidate], second: Iterable[Candidate]) -> list[Candidate]:
    """Both, with equal statements about a class made one: it has all authors, and the pair if one was asked about."""
    united: dict[tuple[str, str], Candidate] = {}
    for candidate in (*first, *second):
        same = united.get((candidate.class_id, candidate.id)) if candidate.kept else None
        if same is not None and same.kept:
            same.authors.extend(candidate.authors)
            same.contrast_with = same.contrast_with or candidate.contrast_with
        else:
            key = candidate.id if candidate.kept else f"{candidate.id} {len(united)}"
            united[candidate.class_id, key] = candidate
    return list(united.values())


class _Said:
    """What was said in answer to calls that are drawn alike, and the answers that nobody gave.

    ``rank``: a model's place, by name, in the order in which the result is to be, whoever was asked first.
    """

    def __init__(self, draw: Draw, rank: Mapping[str, int]) -> None:
        self.draw, self._rank = draw, rank
        self._said: dict[tuple[str, str], Candidate] = {}
        self._failed: list[Candidate] = []

    def hear(self, call: _Call, response: Response) -> None:
        """Take the last answer to a call."""
        seed, answer = _seed(self.draw.seed, call), parse_answer(response)
        if answer is None:
            self._failed.append(_failed(call, seed, response))
        else:
            self._unite(call, seed, answer.statements)
            self._failed += [_malformed(call, seed, number, item) for number, item in answer.malformed]

    def rows(self) -> list[Candidate]:
        """The candidates, dropped ones last."""
        for candidate in self._said.values():
            candidate.authors.sort(key=self._place)
        rows = (
            sorted(group, key=lambda row: self._place(row.authors[0])) for group in (self._said.values(), self._failed)
        )
        return [row for group in rows for row in group]

    def _place(self, author: Author) -> int:
        return self._rank[author.model]

    def _unite(self, call: _Call, seed: int, statements: list[tuple[str, str]]) -> None:
        """Add ``statements``: one candidate per class and normalised text, with everyone who said it.

        It stands where the first author's place is, in that one's words. Answers come in the order of the calls, so
        the result does not depend on who answered first.
        """
        for facet, text in statements:
            key = (call.entry.id, descriptor_id(call.entry.id, text))
            same = self._said.get(key)
            author = _author(call, seed, text if same is None or text != same.text else same.text)
            if same is None:
                pair = call.other.id if call.other else None
                same = self._said[key] = Candidate(call.entry.id, call.entry.name, text, facet, [], contrast_with=pair)
            elif self._rank[call.model.name] < min(map(self._place, same.authors)):
                self._said[key] = self._said.pop(key)  # to the end, where this model's come
                same.text, same.facet = text, facet
            same.authors.append(author)


def _retry(tries: int, draw_of: Callable[[_Call], Draw], call: Any, response: Response) -> Request | None:
    """The request for another draw of an answer that is none. One that met an error would meet it again."""
    if not isinstance(call, _Call) or response.error or call.attempt + 1 == tries or parse_answer(response) is not None:
        return None
    call.attempt += 1
    return _request(call, draw_of(call))


def _failed(call: _Call, seed: int, response: Response) -> Candidate:
    row = failed_row(STEP, call.entry, _author(call, seed, raw=""), response)
    if call.other is not None:
        row.contrast_with = call.other.id
        row.text = f"{row.text[:-1]}, against {call.other.name})"
    return row


def _malformed(call: _Call, seed: int, number: int, item: str) -> Candidate:
    """The dropped candidate for an item that is no statement, in an answer that has others."""
    where = f"{call.model.name}'s answer to {call.prompt.id}, sample {call.sample}"
    against = f", against {call.other.name}" if call.other else ""
    row = Candidate(
        call.entry.id,
        call.entry.name,
        f"(item {number} of {where}{against}, is no statement)",
        "other",
        [_author(call, seed, item)],
        contrast_with=call.other.id if call.other else None,
    )
    row.drop(STEP, "malformed")
    return row


class Answer(NamedTuple):
    """(facet, text) pairs, and what else the list held: its place, from 1, and itself as JSON."""

    statements: list[tuple[str, str]]
    malformed: list[tuple[int, str]]


def parse_answer(response: Response) -> Answer | None:
    """The statements of an answer; None if it was cut off, is not what was asked for, or holds no statement at all.

    A bare list of strings is an answer too: servers without structured outputs give it.
    """
    if response.error or response.finish_reason == "length":
        return None
    try:
        values = json.loads(response.text)
    except (ValueError, RecursionError):
        return None
    items = values.get("descriptors") if isinstance(values, dict) else values
    if not isinstance(items, list) or not items:
        return None
    parsed = Answer([], [])
    for number, item in enumerate(items, start=1):
        statement = _statement(item)
        if statement is None:
            parsed.malformed.append((number, clean_text(json.dumps(item, ensure_ascii=False))))
        else:
            parsed.statements.append(statement)
    return parsed if parsed.statements else None


def _statement(item: Any) -> tuple[str, str] | None:
    if isinstance(item, str):
        return "other", clean_text(item)
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return None
    facet = item.get("facet")
    return (facet if facet in FACETS else "other"), clean_text(item["text"])


def _request(call: _Call, draw: Draw) -> Request:
    values = {"name": call.entry.name, "definition": call.entry.definition, "n": draw.statements}
    if call.other is not None:
        values |= {"other": call.other.name, "other_definition": call.other.definition}
    messages = call.prompt.render(values)
    sampling = Sampling(draw.max_tokens, draw.temperature, draw.top_p, _seed(draw.seed, call))
    return build_request(call.model, call.prompt, messages, sampling)


def _seed(run_seed: int, call: _Call) -> int:
    """31 bits from everything that tells this answer from others, so that no two draw the same numbers."""
    parts = [run_seed, call.entry.id, call.model.name, call.prompt.id, call.sample, call.attempt]
    parts += [call.other.id] if call.other else []
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _author(call: _Call, seed: int, raw: str) -> Author:
    return Author(call.model.name, call.model.revision, call.prompt.id, call.sample, seed, raw)
