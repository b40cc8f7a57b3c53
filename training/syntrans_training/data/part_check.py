"""Is there enough to train on? Said in one sentence before anything is trained, by part, class, key and cure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from syntrans.errors import InputError
from syntrans.images.folders import PARTS
from syntrans.named_data import named_data
from syntrans_training.data.auto_split import LEAST, LESS
from syntrans_training.data.feature_files import feature_files, given_splits
from syntrans_training.data.load_splits import Origin


@dataclass(frozen=True)
class ClassCount:
    """How many pictures a class has, and how many of them mining did not look at: those may be queries."""

    pictures: int
    free: int


Counts = Mapping[str, Mapping[str, ClassCount]]  # by part, by class


def count_parts(origin: Origin, seen: Collection[str], names: tuple[str, ...] = PARTS) -> Counts:
    """The pictures (or features, read in full) of these parts, novel only where it is there; none is decoded.

    `seen`: sha256 of what mining looked at. Raises `InputError` where a part is missing.
    """
    looked_at = frozenset(seen)
    if files := feature_files(origin.path):
        wanted = tuple(name for name in names if name in files or name != "novel")
        splits = given_splits(wanted, files, limit_per_class=origin.limit_per_class)
        hashes = {
            name: [[part.sha256[i] for i in np.flatnonzero(part.labels == c)] for c in range(len(part.classes))]
            for name, part in splits.items()
        }
        return {
            name: {c: _count(indices, looked_at) for c, indices in zip(splits[name].classes, groups, strict=True)}
            for name, groups in hashes.items()
        }
    source, counts = origin.open(), {}
    for name in names:
        if name in source.parts or name != "novel":
            pictures = source.part(name).pictures(origin.limit_per_class)
            counts[name] = {c: _count([ref.sha256 for ref in refs], looked_at) for c, refs in pictures.items()}
    return counts


def named_counts(origin: Origin) -> Counts | None:
    """What a data set that is taken by name would have, without making it; None for any other data, or a split."""
    named = named_data(origin.path)
    if named is None or origin.split_file:
        return None
    n = min(origin.per_class, origin.limit_per_class or origin.per_class)
    return {name: dict.fromkeys(classes, ClassCount(n, n)) for name, classes in named[0].classes(named[1]).items()}


def check_parts(counts: Counts, *, ways: int, shots: Sequence[int], queries: int) -> None:
    """`InputError` for the first part that has too few classes, or too few pictures in one, for tasks of this shape."""
    most = max(shots)
    for name, classes in counts.items():
        least = LEAST["base"] if name == "base" else ways
        if len(classes) < least:
            raise InputError(f"{_too_few_classes(name, len(classes), ways)}{LESS}")
        need = most + (1 if name == "base" else queries)
        free = {c: count.pictures if name == "base" else count.free for c, count in classes.items()}
        short = sorted((c for c in free if free[c] < need), key=lambda c: free[c])
        if short:
            others = f" (and {len(short) - 1} more classes)" if len(short) > 1 else ""
            lack = _too_few_pictures(name, f"{short[0]}{others}", classes[short[0]], most, queries)
            raise InputError(f"{lack}{LESS}")


def _count(hashes: Collection[str], looked_at: frozenset[str]) -> ClassCount:
    return ClassCount(len(hashes), sum(sha not in looked_at for sha in hashes))


def _too_few_classes(name: str, n: int, ways: int) -> str:
    if name == "base":
        why = f"heads are trained on tasks of half of them: {LEAST['base']} are needed"
        return f"base has {n} classes, and {why}; add classes"
    cure = f"add classes, or --set episodes.ways={n}" if n >= LEAST[name] else "add classes"
    return f"{name} has {n} classes, and {ways}-way tasks (episodes.ways) need {ways}; {cure}"


def _too_few_pictures(name: str, c: str, count: ClassCount, most: int, queries: int) -> str:
    if name == "base":
        return (
            f"base: class {c} has {count.pictures} pictures, and heads are trained on tasks of {most} shots "
            f"(episodes.shots) and a query: {most + 1} are needed; add pictures, or lower episodes.shots"
        )
    need, looked = most + queries, count.pictures - count.free
    has = f"{count.pictures} pictures" + (
        f", {looked} of which mining looked at (they are no queries)" if looked else ""
    )
    fewer = f"--set episodes.queries={count.free - most}" if count.free > most else "lower episodes.shots"
    cures = (
        [fewer, "add pictures"] if count.pictures < need else [fewer, f"mine again with --set images.reserve={need}"]
    )
    return (
        f"{name}: class {c} has {has}; {most} shots (episodes.shots) and {queries} queries "
        f"(episodes.queries) need {need}: {', or '.join(cures)}"
    )
