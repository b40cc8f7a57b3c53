"""Ground: the vision-language model looks for each statement in pictures of the class and of its nearest class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syntrans_mining.requests.build import build_request
from syntrans_mining.steps.candidate import Candidate, Grounding, kept

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Picture, Request
    from syntrans_mining.models import Model
    from syntrans_mining.requests.dispatcher import Dispatcher
    from syntrans_mining.requests.prompts import Prompt

STEP = "ground"


def ground(
    dispatcher: Dispatcher,
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
    seen = {candidate: _Seen() for candidate in kept(candidates)}
    for (class_id, asking), response in dispatcher.stream(STEP, _asked(candidates, pictures, contrast, model, prompt)):
        if response.p_yes is not None:
            for candidate in asking:
                seen[candidate].add(response.p_yes, of_class=candidate.class_id == class_id)
    looked_at: dict[tuple[str, str | None], list[str]] = {}  # one list for all candidates that share it
    shas = {class_id: [picture.sha256 for picture in shown] for class_id, shown in pictures.items()}
    for candidate in kept(candidates):
        other = _other(candidate, pictures, contrast)
        shown = looked_at.setdefault(
            (candidate.class_id, other), [*shas[candidate.class_id], *(shas[other] if other else ())]
        )
        candidate.grounding = seen.pop(candidate).grounding(model, other, shown)


def drop_unseen(candidates: list[Candidate], *, threshold: float, gap: float | None) -> None:
    """Drop what is not seen in the class's pictures, or (``gap``) not seen more than in the contrast's.

    What the model gave no answer about does not stay either.
    """
    for candidate in kept(candidates):
        seen = candidate.grounding
        if seen is None:
            candidate.drop(STEP, "no_answer")
            continue
        lead = None if seen.p_yes_contrast is None else seen.p_yes - seen.p_yes_contrast
        if seen.p_yes < threshold or (gap is not None and lead is not None and lead < gap):
            candidate.drop(STEP, "not_seen")


def _asked(
    candidates: list[Candidate],
    pictures: Mapping[str, Sequence[Picture]],
    contrast: Mapping[str, str],
    model: Model,
    prompt: Prompt,
) -> Iterator[tuple[tuple[str, list[Candidate]], Request]]:
    """Every question, with the class that is looked at and the candidates that ask.

    All questions about a picture come one after the other: their shared beginning is then in the prefix cache.
    """
    looking: dict[str, dict[str, list[Candidate]]] = {}  # by class looked at and text
    for candidate in kept(candidates):
        for class_id in (candidate.class_id, _other(candidate, pictures, contrast)):
            if class_id:
                looking.setdefault(class_id, {}).setdefault(candidate.text, []).append(candidate)
    for class_id in sorted(looking):
        messages = {text: prompt.render({"descriptor": text}) for text in sorted(looking[class_id])}
        for picture in pictures[class_id]:
            for text, rendered in messages.items():
                yield (class_id, looking[class_id][text]), build_request(model, prompt, rendered, picture=picture)


def _other(candidate: Candidate, pictures: Mapping[str, Sequence[Picture]], contrast: Mapping[str, str]) -> str | None:
    nearest = contrast.get(candidate.class_id)
    return candidate.contrast_with if nearest and candidate.contrast_with in pictures else nearest


@dataclass(slots=True)
class _Seen:
    """The sums of a candidate's answers on pictures of its class and of the other one, and how many there were."""

    of_class: float = 0.0
    n_of_class: int = 0
    other: float = 0.0
    n_other: int = 0

    def add(self, p_yes: float, *, of_class: bool) -> None:
        """Count the answer about one picture."""
        if of_class:
            self.of_class, self.n_of_class = self.of_class + p_yes, self.n_of_class + 1
        else:
            self.other, self.n_other = self.other + p_yes, self.n_other + 1

    def grounding(self, model: Model, other: str | None, images: list[str]) -> Grounding | None:
        """docs/method.md (4): the means over the pictures that got an answer; None when none of the class's did."""
        if not self.n_of_class:
            return None
        contrast = self.other / self.n_other if self.n_other else None
        return Grounding(model.name, model.revision, self.of_class / self.n_of_class, contrast, other, images)
