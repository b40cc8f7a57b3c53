"""Crosscheck: the LLMs that did not say it are asked whether it is true; nobody votes on their own statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from syntrans.contract.scalars import float32
from syntrans_mining.requests.build import build_request
from syntrans_mining.steps.candidate import Candidate, Vote, kept

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.engines.base import Request
    from syntrans_mining.models import Model
    from syntrans_mining.requests.dispatcher import Dispatcher
    from syntrans_mining.requests.prompts import Prompt

STEP = "crosscheck"


def crosscheck(
    dispatcher: Dispatcher,
    candidates: list[Candidate],
    entries: Mapping[str, ClassEntry],
    models: Sequence[Model],
    prompt: Prompt,
    order: Sequence[str] | None = None,
) -> None:
    """Add each other model's P(yes), docs/method.md (1), to every kept candidate, votes in the order of ``models``.

    ``order``: in which they are asked, by name.
    """
    named = {model.name: model for model in models}
    requests = (
        ((candidate, named[name]), _request(candidate, entries[candidate.class_id], named[name], prompt))
        for name in order or named
        for candidate in kept(candidates)
        if name not in candidate.author_models
    )
    for (candidate, model), response in dispatcher.stream(STEP, requests):
        if response.p_yes is not None:
            candidate.votes.append(Vote(model=model.name, revision=model.revision, p_yes=response.p_yes))
    place = {name: number for number, name in enumerate(named)}
    for candidate in candidates:
        candidate.votes.sort(key=lambda vote: place[vote.model])


def agree(candidates: list[Candidate], *, n_models: int) -> None:
    """Add to every kept candidate the agreement of authors and judges; votes count as calibrated, if they are.

    A candidate whose judges all failed to answer has no agreement: its authors alone are no check.
    """
    for candidate in kept(candidates):
        n_authors = len(candidate.author_models)
        if candidate.votes or n_authors == n_models:
            candidate.agreement = float32(agreement(n_authors, [opinion(vote) for vote in candidate.votes]))


def opinion(vote: Vote) -> float:
    """The calibrated probability, or the raw one where nothing was calibrated."""
    return vote.p_yes if vote.p_calibrated is None else vote.p_calibrated


def mean_disagreement(candidates: list[Candidate]) -> float | None:
    """Mean over statements of the standard deviation of the judges' P(yes), at most 0.5; None without two judges."""
    spreads = [pstdev([opinion(vote) for vote in c.votes]) for c in kept(candidates) if len(c.votes) > 1]
    return fmean(spreads) if spreads else None


def drop_disagreed(candidates: list[Candidate], *, threshold: float) -> None:
    """Drop what the models do not agree on, and what was asked about without an answer."""
    for candidate in kept(candidates):
        if candidate.agreement is None or candidate.agreement < threshold:
            candidate.drop(STEP, "no_answer" if candidate.agreement is None else "no_agreement")


def agreement(n_authors: int, votes: Sequence[float]) -> float:
    """docs/method.md (3): mean over all models, 1 for an author, P(yes) for the others. Between 0 and 1."""
    return (n_authors + sum(votes)) / (n_authors + len(votes))


def _request(candidate: Candidate, entry: ClassEntry, model: Model, prompt: Prompt) -> Request:
    values = {"name": entry.name, "definition": entry.definition, "descriptor": candidate.text}
    return build_request(model, prompt, prompt.render(values))
