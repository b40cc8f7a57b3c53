"""Filter: CLIP compares each statement with pictures of the class and of its neighbours; the best stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from syntrans.calibration import sigmoid
from syntrans_mining.steps.candidate import Candidate, Clip, by_class, kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans_mining.engines.base import TextVectors

STEP = "filter"
_BLOCK = 256  # rows of the class-by-class matrix that are in memory at a time


@dataclass(frozen=True)
class ClassImages:
    """What CLIP knows about the classes from their pictures.

    ``means`` [class, dim]: mean of the unit image vectors, not normalised, so that a product with a text vector
    is the mean cosine similarity; ``total`` [dim] their sum. ``neighbours`` are other class ids, nearest first;
    with ``against_all`` a statement is compared with all other classes, and those are only the nearest one.
    """

    row_of: Mapping[str, int]
    means: NDArray[np.float32]
    total: NDArray[np.float32]
    neighbours: Mapping[str, list[str]]
    against_all: bool


def class_images(vectors: NDArray[np.float32], class_ids: list[str], *, n_neighbours: int | None) -> ClassImages:
    """From unit image ``vectors`` [image, dim] and the class id of each to means and nearest classes.

    ``n_neighbours``: how many classes a statement is compared with; None for all others.
    """
    import numpy as np

    order = sorted(set(class_ids))
    row_of = {class_id: row for row, class_id in enumerate(order)}
    rows = np.array([row_of[class_id] for class_id in class_ids])
    sums = np.zeros((len(order), vectors.shape[1]), dtype=np.float64)
    np.add.at(sums, rows, vectors)
    means = (sums / np.bincount(rows)[:, None]).astype(np.float32)
    nearest = nearest_rows(means, n_neighbours or 1)
    neighbours = {class_id: [order[i] for i in nearest[row]] for row, class_id in enumerate(order)}
    return ClassImages(row_of, means, means.sum(axis=0), neighbours, against_all=n_neighbours is None)


def nearest_rows(vectors: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """The ``n`` rows nearest by cosine to each row of ``vectors`` [row, dim], nearest first, without itself."""
    import numpy as np

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    blocks = []
    for start in range(0, len(unit), _BLOCK):
        close = unit[start : start + _BLOCK] @ unit.T
        rows = np.arange(len(close))
        close[rows, rows + start] = -np.inf
        order = np.argsort(-close, axis=1, kind="stable")
        blocks.append(order[:, : min(n, len(unit) - 1)].copy())  # a view would keep every block whole
    return np.concatenate(blocks)


def measure(candidates: list[Candidate], texts: TextVectors, images: ClassImages, *, model: str) -> None:
    """Add CLIP's view to every kept candidate; ``texts`` has one row for each of them, in their order.

    The margin, docs/method.md (6), is the similarity to the class less the mean similarity to its neighbours (None
    without any): all other classes, or the nearest, or the one class from which the statement was asked for to tell
    this one.
    """
    for row, candidate in enumerate(kept(candidates)):
        vector = texts.vectors[row]
        similarity = float(vector @ images.means[images.row_of[candidate.class_id]])
        neighbour, theirs = _compared(candidate, images)
        candidate.clip = Clip(
            model=model,
            similarity=similarity,
            margin=None if theirs is None else similarity - float(vector @ theirs),
            neighbour=neighbour,
            tokens=texts.tokens[row],
            truncated=texts.truncated[row],
        )


def _compared(candidate: Candidate, images: ClassImages) -> tuple[str | None, NDArray[np.float32] | None]:
    """The nearest class a statement is compared with, and the mean of all it is compared with."""
    nearest = images.neighbours[candidate.class_id]
    if candidate.contrast_with in images.row_of:
        return candidate.contrast_with, images.means[images.row_of[str(candidate.contrast_with)]]
    if not nearest:
        return None, None
    if images.against_all:
        class_mean = images.means[images.row_of[candidate.class_id]]
        return nearest[0], (images.total - class_mean) / (len(images.means) - 1)
    return nearest[0], images.means[[images.row_of[other] for other in nearest]].mean(axis=0)


def choose(
    candidates: list[Candidate],
    texts: TextVectors | None,
    *,
    margin: float,
    fuse: Mapping[str, float] | None,
    threshold: float,
    budget: int,
    diversity: float,
) -> None:
    """Drop and rank by all that was measured: the last word on what is kept.

    ``texts`` are CLIP's vectors of the kept candidates, in their order; without them the best are taken however alike
    they are. ``fuse``: the weights of docs/method.md (7), if there are any.
    """
    ids = [candidate.id for candidate in kept(candidates)]
    vectors = None if texts is None else dict(zip(ids, texts.vectors, strict=True))
    score_of: Callable[[Candidate], float] = score
    drop_indistinct(candidates, margin=margin)
    if fuse is not None:
        drop_unlikely(candidates, fuse, threshold=threshold)
        score_of = partial(fused, weights=fuse)
    rank(candidates, budget=budget, score=score_of, vectors=vectors, diversity=diversity)


def drop_indistinct(candidates: list[Candidate], *, margin: float) -> None:
    """Drop what fits the neighbours' pictures as well."""
    for candidate in kept(candidates):
        clip = candidate.clip
        if clip is not None and clip.margin is not None and clip.margin < margin:
            candidate.drop(STEP, "not_distinctive")


def drop_unlikely(candidates: list[Candidate], weights: Mapping[str, float], *, threshold: float) -> None:
    """Drop what all the evidence together makes less likely than ``threshold``.

    What lacks a part of it (no pictures were given, nobody else could be asked) is not judged: a sum of fewer parts
    cannot be held against the same threshold.
    """
    weighted = {name for name, weight in weights.items() if weight and name != "bias"}
    for candidate in kept(candidates):
        if weighted <= evidence(candidate).keys() and fused(candidate, weights) < threshold:
            candidate.drop(STEP, "unlikely")


def evidence(candidate: Candidate) -> dict[str, float]:
    """What was measured of it: agreement, p_yes and gap (over the contrast class) in pictures, CLIP's margin.

    And ``everywhere``, docs/method.md (5): the chance that it is seen in every single picture of both classes, were the
    pictures independent. True of all of them is what tells nothing ("visible details"); little else comes near 1.
    """
    seen, clip = candidate.grounding, candidate.clip
    other = seen.p_yes_contrast if seen else None
    measured = {
        "agreement": candidate.agreement,
        "p_yes": seen.p_yes if seen else None,
        "gap": None if seen is None or other is None else seen.p_yes - other,
        "everywhere": None if seen is None or other is None else (seen.p_yes * other) ** (len(seen.images) / 2),
        "margin": clip.margin if clip else None,
    }
    return {name: value for name, value in measured.items() if value is not None}


def fused(candidate: Candidate, weights: Mapping[str, float]) -> float:
    """P(true), docs/method.md (7): a logistic model of the `evidence`; what is missing adds nothing."""
    measured = evidence(candidate)
    return sigmoid(weights["bias"] + sum(weights.get(name, 0.0) * value for name, value in measured.items()))


def score(candidate: Candidate) -> float:
    """The score of docs/method.md (8) where (7) has no weights: agreement times P(yes) in the pictures.

    What was not measured counts as 1; CLIP's margin breaks ties.
    """
    measured = evidence(candidate)
    return measured.get("agreement", 1.0) * measured.get("p_yes", 1.0) * (1.0 + measured.get("margin", 0.0))


def rank(
    candidates: list[Candidate],
    *,
    budget: int,
    score: Callable[[Candidate], float] = score,
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
    diversity: float = 0.0,
) -> None:
    """Keep the ``budget`` best of each class; give those rank (from 1) and weight (the scores, summing to 1).

    With ``diversity`` above 0 the best are chosen one after the other by maximal marginal relevance (Carbonell and
    Goldstein, SIGIR 1998; docs/method.md (8)): (1 - diversity) * score - diversity * cosine to the nearest one already
    chosen. ``vectors`` are unit vectors by descriptor id.
    """
    for group in by_class(kept(candidates)).values():
        ordered = sorted(group, key=lambda candidate: (-score(candidate), candidate.text))
        if diversity and vectors is not None:
            ordered = _by_marginal_relevance(ordered, [score(c) for c in ordered], vectors, diversity)
        for candidate in ordered[budget:]:
            candidate.drop(STEP, "over_budget")
        scores = [max(score(candidate), 1e-6) for candidate in ordered[:budget]]
        for place, (candidate, value) in enumerate(zip(ordered[:budget], scores, strict=True), start=1):
            candidate.rank, candidate.weight = place, value / sum(scores)


def _by_marginal_relevance(
    ordered: list[Candidate],
    scores: Sequence[float],
    vectors: Mapping[str, NDArray[np.float32]],
    diversity: float,
) -> list[Candidate]:
    """All of them, in the order in which they are chosen."""
    import numpy as np

    unit = np.stack([vectors[candidate.id] for candidate in ordered])
    relevance = (1 - diversity) * np.array(scores)
    nearest = np.full(len(ordered), -np.inf)
    chosen: list[int] = []
    for _ in ordered:
        value = relevance - diversity * np.where(np.isfinite(nearest), nearest, 0.0)
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
        nearest = np.maximum(nearest, unit @ unit[chosen[-1]])
    return [ordered[i] for i in chosen]
