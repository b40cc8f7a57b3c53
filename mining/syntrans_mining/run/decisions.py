"""What a run decides by what was measured, and what a finished run is decided by again: choice and class vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from syntrans_mining.steps import compose
from syntrans_mining.steps import filter as filtering
from syntrans_mining.steps.candidate import BLOCK, Candidate, by_class, kept

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans.contract.rows import SemanticsRow
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.base import TextVectors
    from syntrans_mining.models_config import ClipConfig, EncoderConfig
    from syntrans_mining.requests.embeddings import Vectors


def embed(config: MiningConfig, candidates: list[Candidate], vectors: Vectors | None) -> TextVectors | None:
    """CLIP's text vectors of the kept candidates, in their order; None without CLIP."""
    if vectors is None or config.clip is None:
        return None
    template = config.clip.template
    return vectors.of_texts([template.format(name=c.class_name, descriptor=c.text) for c in kept(candidates)])


def choose(config: MiningConfig, candidates: list[Candidate], texts: TextVectors | None) -> None:
    """Drop and rank by all that was measured; ``texts`` are of the kept candidates, in their order.

    Without ``texts`` the best are taken however alike they are.
    """
    settings = config.filter
    vectors = (
        None if texts is None else {c.id: vector for c, vector in zip(kept(candidates), texts.vectors, strict=True)}
    )
    score: Callable[[Candidate], float] = filtering.score
    filtering.drop_indistinct(candidates, margin=settings.margin)
    if settings.fuse is not None:
        weights = settings.fuse.model_dump()
        filtering.drop_unlikely(candidates, weights, threshold=settings.threshold)
        score = partial(filtering.fused, weights=weights)
    filtering.rank(candidates, budget=settings.budget, score=score, vectors=vectors, diversity=settings.diversity)


def semantics_of(
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    candidates: list[Candidate],
    vectors: Vectors,
    encoder: ClipConfig | EncoderConfig,
    summaries: Mapping[str, str] | None = None,
) -> list[SemanticsRow]:
    """One row per class, from the kept candidates; ``vectors`` are of ``encoder``."""
    groups = by_class(kept(candidates))
    rows: list[SemanticsRow] = []
    for start in range(0, len(entries), BLOCK):
        block = entries[start : start + BLOCK]
        chosen = [candidate for entry in block for candidate in groups.get(entry.id, ())]
        names = [encoder.name_template.format(name=entry.name, descriptor="") for entry in block]
        texts = [encoder.template.format(name=c.class_name, descriptor=c.text) for c in chosen]
        rows += compose.compose(
            chosen,
            block,
            vectors.of_texts(texts).vectors,
            vectors.of_texts(names).vectors,
            encoder=(encoder.path, vectors.model.revision),
            summaries=summaries or {},
            summary=config.compose.summary,
            separator=config.compose.separator,
        )
    return rows
