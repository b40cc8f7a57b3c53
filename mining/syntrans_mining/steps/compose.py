"""Compose: from the kept statements of a class to one summary sentence and one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syntrans.contract.rows import SemanticsRow
from syntrans_mining.steps.candidate import BLOCK, Candidate, by_class, kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.requests.embeddings import Vectors

STEP = "compose"


def semantics_of(
    entries: Sequence[ClassEntry],
    candidates: list[Candidate],
    vectors: Vectors,
    *,
    encoder: str,
    templates: tuple[str, str],
    summary: str,
    separator: str,
    summaries: Mapping[str, str] | None = None,
) -> list[SemanticsRow]:
    """One row per class, as `compose` makes it, a block of classes at a time.

    ``vectors`` are of ``encoder``, which reads descriptors and names by these two ``templates``.
    """
    of_text, of_name = templates
    groups = by_class(kept(candidates))
    rows: list[SemanticsRow] = []
    for start in range(0, len(entries), BLOCK):
        block = entries[start : start + BLOCK]
        chosen = [candidate for entry in block for candidate in groups.get(entry.id, ())]
        names = [of_name.format(name=entry.name, descriptor="") for entry in block]
        texts = [of_text.format(name=c.class_name, descriptor=c.text) for c in chosen]
        rows += compose(
            chosen,
            block,
            vectors.of_texts(texts).vectors,
            vectors.of_texts(names).vectors,
            encoder=(encoder, vectors.model.revision),
            summaries=summaries or {},
            summary=summary,
            separator=separator,
        )
    return rows


def compose(
    candidates: list[Candidate],
    entries: Sequence[ClassEntry],
    vectors: NDArray[np.float32],
    name_vectors: NDArray[np.float32],
    *,
    encoder: tuple[str, str],
    summaries: Mapping[str, str],
    summary: str,
    separator: str,
) -> list[SemanticsRow]:
    """One row per class. ``summaries`` are by class id; where there is none, ``summary`` is filled in.

    ``vectors`` [kept candidate, dim] and ``name_vectors`` [class, dim] are unit; a class's vector is the weighted
    mean of its statements' vectors, normalised again (docs/method.md (9) without the name), or its name's vector when
    nothing is kept.
    """
    row_of = {candidate: row for row, candidate in enumerate(kept(candidates))}
    grouped = by_class(kept(candidates))
    rows = []
    for number, entry in enumerate(entries):
        chosen = sorted(grouped.get(entry.id, []), key=lambda candidate: candidate.rank or 0)
        vector = _mean(chosen, vectors, row_of) if chosen else name_vectors[number]
        rows.append(
            SemanticsRow(
                class_id=entry.id,
                class_name=entry.name,
                summary=summaries.get(entry.id) or _summary(entry, chosen, summary, separator),
                n_kept=len(chosen),
                encoder=encoder[0],
                encoder_revision=encoder[1],
                embedding=vector.tolist(),
            )
        )
    return rows


def _mean(
    chosen: Sequence[Candidate], vectors: NDArray[np.float32], row_of: Mapping[Candidate, int]
) -> NDArray[np.float32]:
    import numpy as np

    weights = np.array([candidate.weight or 0.0 for candidate in chosen], dtype=np.float32)
    mean = weights @ vectors[[row_of[candidate] for candidate in chosen]]
    unit: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


def _summary(entry: ClassEntry, chosen: Sequence[Candidate], summary: str, separator: str) -> str:
    """The class and its statements, best first; of a class without any, its name (and definition)."""
    if chosen:
        return summary.format(name=entry.name, descriptors=separator.join(c.text for c in chosen))
    return f"{entry.name}: {entry.definition}" if entry.definition else entry.name
