"""Crosscheck: the LLMs that did not say it are asked whether it is true; nobody votes on their own statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syntrans_mining.candidates import Candidate, Vote, kept
from syntrans_mining.engines.base import Request, Sampling
from syntrans_mining.journal import request_key

if TYPE_CHECKING:
    from syntrans.classes import ClassEntry
    from syntrans_mining.asking import Asker
    from syntrans_mining.models import Model
    from syntrans_mining.prompts import Prompt

STAGE = "crosscheck"
ONE_TOKEN = Sampling(max_tokens=1)


def crosscheck(
    asker: Asker,
    candidates: list[Candidate],
    entries: Mapping[str, ClassEntry],
    models: Sequence[Model],
    prompt: Prompt,
) -> None:
    """Add each other model's P(yes) to every kept candidate, and the agreement that follows.

    A candidate whose judges all failed to answer has no agreement: its authors alone are no check.
    """
    pairs = [(c, model) for model in models for c in kept(candidates) if model.name not in c.author_models]
    requests = [_request(candidate, entries[candidate.class_id], model, prompt) for candidate, model in pairs]
    answers = asker.ask(STAGE, requests)
    for (candidate, model), request in zip(pairs, requests, strict=True):
        p_yes = answers[request.id].p_yes
        if p_yes is not None:
            candidate.votes.append(Vote(model=model.name, revision=model.revision, p_yes=p_yes))
    unanswered = {id(candidate) for candidate, _ in pairs if not candidate.votes}
    for candidate in kept(candidates):
        if id(candidate) not in unanswered:
            candidate.agreement = agreement(len(candidate.author_models), [vote.p_yes for vote in candidate.votes])


def drop_disagreed(candidates: list[Candidate], *, threshold: float) -> None:
    """Drop what the models do not agree on, and what was asked about without an answer."""
    for candidate in kept(candidates):
        if candidate.agreement is None or candidate.agreement < threshold:
            candidate.drop(STAGE, "no_agreement")


def agreement(n_authors: int, votes: Sequence[float]) -> float:
    """Mean over all models: 1 for an author, P(yes) for the others. Between 0 and 1."""
    return (n_authors + sum(votes)) / (n_authors + len(votes))


def _request(candidate: Candidate, entry: ClassEntry, model: Model, prompt: Prompt) -> Request:
    values = {"name": entry.name, "definition": entry.definition, "descriptor": candidate.text}
    messages = prompt.render(values)
    key = request_key(
        identity=f"{model.name}\n{model.identity}",
        prompt_sha256=prompt.sha256,
        messages=messages,
        sampling=ONE_TOKEN,
        yes_no=True,
    )
    return Request(key, model.name, messages, ONE_TOKEN, yes_no=True)
