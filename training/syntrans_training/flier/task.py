"""A few-shot task of the field's protocol: all classes, K shots of each, imagined pictures beside, one fixed test set.

Shots come from a pool of pictures of every class, the test set is all the rest that mining has not seen: the same for
every number of shots and every seed, as in CoOp's splits (Zhou et al., arXiv 2109.01134).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from syntrans.errors import InputError
from syntrans_training.data.load_splits import Origin
from syntrans_training.data.part_check import check_parts, count_parts, named_counts
from syntrans_training.flier.model import Pictures, Projection
from syntrans_training.imagination.imagined_file import Imagined
from syntrans_training.text.class_vectors import read_knowledge


@dataclass(frozen=True)
class Task:
    """`real` lie class by class, `shots` of each."""

    shots: int
    seed: int
    real: Pictures
    imagined: Pictures | None
    query: Pictures
    text: Float[Tensor, "c d"]
    projection: Projection


@dataclass(frozen=True)
class Division:
    """Of each class the pictures that shots are drawn from, and all pictures that are tested."""

    pool: tuple[NDArray[np.int64], ...]
    test: NDArray[np.int64]


def divide(
    labels: Int[np.ndarray, " n"], seen: Bool[np.ndarray, " n"], classes: tuple[str, ...], *, pool: int, most: int
) -> Division:
    """Seen pictures go into the pool first. InputError where a class has no `most` shots or nothing left to test."""
    pools, tests = [], []
    for c, name in enumerate(classes):
        mine = np.flatnonzero(labels == c)
        ordered = np.concatenate([mine[seen[mine]], mine[~seen[mine]]])
        size = shots_from(name, len(mine), int(seen[mine].sum()), pool=pool, most=most)
        pools.append(np.sort(ordered[:size]))
        tests.append(ordered[size:])
    return Division(tuple(pools), np.sort(np.concatenate(tests)))


def shots_from(name: str, n: int, seen: int, *, pool: int, most: int) -> int:
    """How many of a class's `n` pictures go into the pool, of which mining has `seen` some; InputError for too few."""
    size = max(pool, seen)
    if size < most or n <= size:
        raise InputError(
            f"class {name!r} has {n} pictures: {most} shots and a test picture need more than {max(size, most)}; "
            "give it more, or lower shots or support_pool"
        )
    return size


def draw_shots(division: Division, shots: int, seed: int) -> Int[Tensor, " s"]:
    """The shots of all classes, class by class; those of few shots are the first of those of many."""
    chosen = [np.random.default_rng((seed, c)).permutation(pool)[:shots] for c, pool in enumerate(division.pool)]
    return torch.from_numpy(np.concatenate(chosen))


def check_inputs(
    origin: Origin,
    descriptors: Path | None,
    part: str,
    *,
    imagined: Imagined | None,
    episodes: Mapping[str, Any] | None,
    pool: int,
    most: int,
    apart_from: Collection[str] = (),
) -> None:
    """`InputError` where a class of `part` has no text, no imagined picture or too few pictures, or is elsewhere too.

    `episodes`: the shape of frozen ones; without them, `most` shots are drawn from `pool` pictures of every class. A
    data set that is taken by name is not made: it is counted by what it would have.
    """
    seen = read_knowledge(descriptors, ()).images_seen
    counts = (named_counts(origin) or count_parts(origin, seen, (part,))).get(part)
    if counts is None:
        raise InputError(f"{origin.path} has no {part} classes; FLIER is evaluated on them")
    check_apart(counts, apart_from)
    read_knowledge(descriptors, list(counts))
    if imagined is not None:
        imagined.ids_of(list(counts))
    if episodes is not None:
        check_parts({part: counts}, **episodes)
        return
    for name, count in counts.items():
        looked_at = count.pictures - count.free
        shots_from(name, count.pictures, looked_at, pool=pool, most=most)


def check_apart(novel: Collection[str], val: Collection[str]) -> None:
    """InputError where a class that settings were chosen on would be tested."""
    both = sorted(set(novel) & set(val))
    if both:
        raise InputError(f"class {both[0]!r} is in val and in novel; few-shot splits share no class")
