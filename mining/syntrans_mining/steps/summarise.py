"""Summarise: one LLM writes a paragraph from a class's kept statements, the others strike what they do not bear out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from syntrans.contract.rows import normalise_text
from syntrans.descriptors.mentions import mention_pattern, name_pattern
from syntrans_mining.engines.base import Response, Sampling
from syntrans_mining.requests.build import build_request
from syntrans_mining.steps.candidate import Candidate, by_class, kept
from syntrans_mining.steps.failures import clean_text
from syntrans_mining.steps.merge import describes

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.models import Model
    from syntrans_mining.requests.dispatcher import Dispatcher
    from syntrans_mining.requests.prompts import Prompt

STEP = "compose"
_END = re.compile(r"(?<=[.!?])\s+(?=\S)")


@dataclass
class Summary:
    """What was written about a class: the sentences that stayed, and those that were struck."""

    stays: list[str]
    struck: list[str]

    @property
    def text(self) -> str:
        """The paragraph; empty if nothing stayed."""
        return " ".join(self.stays)


@dataclass(frozen=True)
class Reading:
    """The prompts: to write (``compose``), to check against the list (``support``) and the class (``crosscheck``)."""

    compose: Prompt
    support: Prompt
    crosscheck: Prompt


def summarise(
    dispatcher: Dispatcher,
    candidates: list[Candidate],
    entries: Sequence[ClassEntry],
    writer: Model,
    judges: Sequence[Model],
    prompts: Reading,
    *,
    max_tokens: int,
    threshold: float,
) -> dict[str, Summary]:
    """Checked paragraphs by class id, of the classes about which something is kept.

    A sentence stays if it names no other class and the ``judges``' mean P(yes) is at least ``threshold`` both for
    "this follows from the kept statements" and for "this is true of the class". No answer is no yes.
    """
    statements = {class_id: _statements(group) for class_id, group in by_class(kept(candidates)).items()}
    described = [entry for entry in entries if entry.id in statements]
    drawn = Sampling(max_tokens=max_tokens)
    requests = [
        (entry, build_request(writer, prompts.compose, prompts.compose.render(_values(entry, statements)), drawn))
        for entry in described
    ]
    written = {entry.id: sentences(response) for entry, response in dispatcher.stream(STEP, requests)}
    opinions = _opinions(dispatcher, described, written, statements, judges, prompts)
    names_any = mention_pattern(entry.name for entry in entries)
    summaries = {}
    for entry in described:
        summaries[entry.id] = summary = Summary([], [])
        class_pattern = name_pattern([entry.name])
        for sentence in written[entry.id]:
            said_of = opinions.get((entry.id, sentence))  # nobody was asked about what may not stand in a prompt
            borne_out = said_of is not None and all(fmean(said) >= threshold for said in said_of)
            stays = borne_out and not names_any.search(class_pattern.sub("it", normalise_text(sentence)))
            (summary.stays if stays else summary.struck).append(sentence)
    return summaries


def sentences(response: Response) -> list[str]:
    """The distinct sentences of an answer; an unfinished last one is left out."""
    if response.error:
        return []
    parts = [clean_text(part) for part in _END.split(clean_text(response.text))]
    whole = [part for part in parts if part.endswith((".", "!", "?"))]
    return list(dict.fromkeys(whole))


def _opinions(
    dispatcher: Dispatcher,
    entries: Sequence[ClassEntry],
    written: Mapping[str, list[str]],
    statements: Mapping[str, list[str]],
    judges: Sequence[Model],
    prompts: Reading,
) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """P(yes) of every judge to both questions, by class id and sentence."""
    opinions: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    requests = []
    for judge in judges:  # one after the other: they may have to take turns in memory
        for entry in entries:
            for sentence in filter(describes, written[entry.id]):
                both = opinions.setdefault((entry.id, sentence), ([], []))
                values = {**_values(entry, statements), "sentence": sentence, "descriptor": sentence}
                for said, prompt in zip(both, (prompts.support, prompts.crosscheck), strict=True):
                    requests.append((said, build_request(judge, prompt, prompt.render(values))))
    for said, response in dispatcher.stream(STEP, requests):
        said.append(response.p_yes or 0.0)
    return opinions


def _statements(group: Sequence[Candidate]) -> list[str]:
    return [candidate.text for candidate in sorted(group, key=lambda candidate: candidate.rank or 0)]


def _values(entry: ClassEntry, statements: Mapping[str, list[str]]) -> dict[str, object]:
    return {"name": entry.name, "definition": entry.definition, "descriptors": statements[entry.id]}
