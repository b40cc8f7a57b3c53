"""Filter: CLIP compares each statement with pictures of the class and of its neighbours; the best stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syntrans_mining.candidates import Candidate, Clip, by_class, kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans_mining.engines.base import TextVectors

STAGE = "filter"


@dataclass(frozen=True)
class ClassImages:
    """What CLIP knows about the classes from their pictures.

    ``means`` [class, dim]: mean of the unit image vectors, not normalised, so that a product with a text vector
    is the mean cosine similarity. ``neighbours`` are other class ids, nearest first.
    """

    row_of: Mapping[str, int]
    means: NDArray[np.float32]
    neighbours: Mapping[str, list[str]]


def class_images(vectors: NDArray[np.float32], class_ids: list[str], *, n_neighbours: int) -> ClassImages:
    """From unit image ``vectors`` [image, dim] and the class id of each to means and nearest classes."""
    import numpy as np

    order = sorted(set(class_ids))
    rows = np.array([order.index(class_id) for class_id in class_ids])
    means = np.stack([vectors[rows == row].mean(axis=0) for row in range(len(order))]).astype(np.float32)
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    close = unit @ unit.T
    np.fill_diagonal(close, -np.inf)
    nearest = np.argsort(-close, axis=1, kind="stable")[:, : min(n_neighbours, len(order) - 1)]
    neighbours = {class_id: [order[i] for i in nearest[row]] for row, class_id in enumerate(order)}
    return ClassImages({class_id: row for row, class_id in enumerate(order)}, means, neighbours)


def measure(candidates: list[Candidate], texts: TextVectors, images: ClassImages, *, model: str) -> None:
    """Add CLIP's view to every kept candidate; ``texts`` has one row for each of them, in their order.

    The margin is the similarity to the class less the mean similarity to its neighbours (None without any).
    """
    if not kept(candidates):
        return  # vectors of no text have no dimension either
    similarities = texts.vectors @ images.means.T
    for row, candidate in enumerate(kept(candidates)):
        own = float(similarities[row, images.row_of[candidate.class_id]])
        others = images.neighbours[candidate.class_id]
        theirs = [float(similarities[row, images.row_of[other]]) for other in others]
        candidate.clip = Clip(
            model=model,
            similarity=own,
            margin=own - sum(theirs) / len(theirs) if theirs else None,
            neighbour=others[0] if others else None,
            tokens=texts.tokens[row],
            truncated=texts.truncated[row],
        )


def drop_indistinct(candidates: list[Candidate], *, margin: float) -> None:
    """Drop what fits the neighbours' pictures as well."""
    for candidate in kept(candidates):
        clip = candidate.clip
        if clip is not None and clip.margin is not None and clip.margin < margin:
            candidate.drop(STAGE, "not_distinctive")


def score(candidate: Candidate) -> float:
    """Agreement times P(yes) in the pictures (what was not measured counts as 1); CLIP's margin breaks ties."""
    believed = 1.0 if candidate.agreement is None else candidate.agreement
    seen = 1.0 if candidate.grounding is None else candidate.grounding.p_yes
    margin = candidate.clip.margin if candidate.clip else None
    return believed * seen * (1.0 + (margin or 0.0))


def rank(candidates: list[Candidate], *, budget: int) -> None:
    """Keep the ``budget`` best of each class; give those rank (from 1) and weight (the scores, summing to 1)."""
    for group in by_class(kept(candidates)).values():
        best = sorted(group, key=lambda candidate: (-score(candidate), candidate.text))
        for candidate in best[budget:]:
            candidate.drop(STAGE, "over_budget")
        scores = [max(score(candidate), 1e-6) for candidate in best[:budget]]
        for place, (candidate, value) in enumerate(zip(best[:budget], scores, strict=True), start=1):
            candidate.rank, candidate.weight = place, value / sum(scores)
