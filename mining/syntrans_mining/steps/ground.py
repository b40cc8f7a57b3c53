"""Ground: the vision-language model looks for each statement in pictures of the class and of its nearest class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from syntrans_mining.candidates import Candidate, Grounding, kept
from syntrans_mining.engines.base import Message, Picture, Request, Sampling
from syntrans_mining.journal import request_key

if TYPE_CHECKING:
    from syntrans_mining.asking import Asker
    from syntrans_mining.models import Model
    from syntrans_mining.prompts import Prompt

STAGE = "ground"
ONE_TOKEN = Sampling(max_tokens=1)


def ground(
    asker: Asker,
    candidates: list[Candidate],
    pictures: Mapping[str, Sequence[Picture]],
    contrast: Mapping[str, str],
    model: Model,
    prompt: Prompt,
) -> None:
    """Add to every kept candidate the mean P(yes) over ``pictures`` of its class, and over its contrast class's.

    ``contrast`` is the nearest other class by class id; classes that are not in it get no contrast. A statement that
    was asked for to tell the class from another one is looked for in pictures of that one.
    """
    texts = {text: prompt.render({"descriptor": text}) for text in sorted({c.text for c in kept(candidates)})}
    requests: dict[tuple[str, str], Request] = {}  # by (picture, text): a picture serves several classes
    for candidate in kept(candidates):
        for picture in _looked_at(candidate, pictures, contrast):
            key = (picture.sha256, candidate.text)
            if key not in requests:
                requests[key] = _request(texts[candidate.text], picture, model, prompt)
    # All questions about a picture one after the other: their shared beginning is then in the prefix cache.
    answers = asker.ask(STAGE, [requests[key] for key in sorted(requests)])
    p_yes = {key: answers[request.id].p_yes for key, request in requests.items()}
    for candidate in kept(candidates):
        candidate.grounding = _grounding(candidate, pictures, _other(candidate, pictures, contrast), model, p_yes)


def drop_unseen(candidates: list[Candidate], *, threshold: float, gap: float | None) -> None:
    """Drop what is not seen in the class's pictures, or (``gap``) not seen more than in the contrast's.

    What the model gave no answer about does not stay either.
    """
    for candidate in kept(candidates):
        seen = candidate.grounding
        if seen is None:
            candidate.drop(STAGE, "no_answer")
            continue
        lead = None if seen.p_yes_contrast is None else seen.p_yes - seen.p_yes_contrast
        if seen.p_yes < threshold or (gap is not None and lead is not None and lead < gap):
            candidate.drop(STAGE, "not_seen")


def _looked_at(
    candidate: Candidate, pictures: Mapping[str, Sequence[Picture]], contrast: Mapping[str, str]
) -> list[Picture]:
    other = _other(candidate, pictures, contrast)
    return [*pictures[candidate.class_id], *(pictures[other] if other else ())]


def _other(candidate: Candidate, pictures: Mapping[str, Sequence[Picture]], contrast: Mapping[str, str]) -> str | None:
    nearest = contrast.get(candidate.class_id)
    return candidate.contrast_with if nearest and candidate.contrast_with in pictures else nearest


def _request(messages: tuple[Message, ...], picture: Picture, model: Model, prompt: Prompt) -> Request:
    key = request_key(
        identity=f"{model.name}\n{model.identity}",
        prompt_sha256=prompt.sha256,
        messages=messages,
        sampling=ONE_TOKEN,
        picture=picture.sha256,
        yes_no=True,
    )
    return Request(key, model.name, messages, ONE_TOKEN, picture=picture, yes_no=True)


def _grounding(
    candidate: Candidate,
    pictures: Mapping[str, Sequence[Picture]],
    other: str | None,
    model: Model,
    p_yes: Mapping[tuple[str, str], float | None],
) -> Grounding | None:
    """The mean over the pictures that got an answer; None when none did."""

    def mean(class_id: str) -> float | None:
        values = [p_yes[picture.sha256, candidate.text] for picture in pictures[class_id]]
        answered = [value for value in values if value is not None]
        return fmean(answered) if answered else None

    own = mean(candidate.class_id)
    if own is None:
        return None
    shown = [*pictures[candidate.class_id], *(pictures[other] if other else ())]
    return Grounding(
        model=model.name,
        revision=model.revision,
        p_yes=own,
        p_yes_contrast=mean(other) if other else None,
        contrast_class=other,
        images=[picture.sha256 for picture in shown],
    )
