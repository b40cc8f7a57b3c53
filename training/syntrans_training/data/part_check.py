"""Is there enough to train on? Said in one sentence before anything is trained, by part, class, key and cure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from syntrans.errors import InputError
from syntrans.images.folders import PARTS
from syntrans.named_data import named_data
from syntrans_training.config import DataConfig, EpisodesConfig
from syntrans_training.data.auto_split import LEAST, LESS
from syntrans_training.data.class_split import ClassSplit
from syntrans_training.data.feature_files import feature_files, given_splits
from syntrans_training.data.open_splits import open_source


@dataclass(frozen=True)
class ClassCount:
    """How many pictures a class has, and how many of them mining did not look at: those may be queries."""

    pictures: int
    free: int


Counts = Mapping[str, Mapping[str, ClassCount]]  # by part, by class


def count_parts(
    data: DataConfig, split: ClassSplit | None, seen: Collection[str], names: tuple[str, ...] = PARTS
) -> Counts:
    """The pictures (or features, read in full) of these parts, novel only where it is there; none is decoded.

    `seen`: sha256 of what mining looked at. Raises `InputError` where a part is missing.
    """
    known = frozenset(seen)
    if files := feature_files(data.path):
        wanted = tuple(name for name in names if name in files or name != "novel")
        splits = given_splits(wanted, files, limit_per_class=data.limit_per_class)
        hashes = {
            name: [[part.sha256[i] for i in np.flatnonzero(part.labels == c)] for c in range(len(part.classes))]
            for name, part in splits.items()
        }
        return {
            name: {c: _count(indices, known) for c, indices in zip(splits[name].classes, groups, strict=True)}
            for name, groups in hashes.items()
        }
    source = open_source(
        data.path, data.dataset, split_file=split or data.split_file, columns=data.columns, per_class=data.per_class
    )
    counts = {}
    for name in names:
        if name in source.parts or name != "novel":
            pictures = source.part(name).pictures(data.limit_per_class)
            counts[name] = {c: _count([ref.sha256 for ref in refs], known) for c, refs in pictures.items()}
    return counts


def named_counts(data: DataConfig) -> Counts | None:
    """What a data set that is taken by name would have, without making it; None for any other data, or a split."""
    named = named_data(data.path)
    if named is None or data.split_file:
        return None
    n = min(data.per_class, data.limit_per_class or data.per_class)
    return {name: dict.fromkeys(classes, ClassCount(n, n)) for name, classes in named[0].classes(named[1]).items()}


def check_parts(counts: Counts, shape: EpisodesConfig) -> None:
    """`InputError` for the first part that has too few classes, or too few pictures in one, for tasks of this shape."""
    most = max(shape.shots)
    for name, classes in counts.items():
        least = LEAST["base"] if name == "base" else shape.ways
        if len(classes) < least:
            raise InputError(f"{_too_few_classes(name, len(classes), shape)}{LESS}")
        need = most + (1 if name == "base" else shape.queries)
        free = {c: count.pictures if name == "base" else count.free for c, count in classes.items()}
        short = sorted((c for c in free if free[c] < need), key=lambda c: free[c])
        if short:
            others = f" (and {len(short) - 1} more classes)" if len(short) > 1 else ""
            told = _too_few_pictures(name, short[0], others, classes[short[0]], shape)
            raise InputError(f"{told}{LESS}")


def _count(hashes: Collection[str], known: frozenset[str]) -> ClassCount:
    return ClassCount(len(hashes), sum(sha not in known for sha in hashes))


def _too_few_classes(name: str, n: int, shape: EpisodesConfig) -> str:
    if name == "base":
        why = f"heads are trained on tasks of half of them: {LEAST['base']} are needed"
        return f"base has {n} classes, and {why}; add classes"
    cure = f"add classes, or --set episodes.ways={n}" if n >= LEAST[name] else "add classes"
    return f"{name} has {n} classes, and {shape.ways}-way tasks (episodes.ways) need {shape.ways}; {cure}"


def _too_few_pictures(name: str, c: str, others: str, count: ClassCount, shape: EpisodesConfig) -> str:
    most = max(shape.shots)
    if name == "base":
        return (
            f"base: class {c}{others} has {count.pictures} pictures, and heads are trained on tasks of {most} shots "
            f"(episodes.shots) and a query: {most + 1} are needed; add pictures, or lower episodes.shots"
        )
    need, looked = most + shape.queries, count.pictures - count.free
    has = f"{count.pictures} pictures" + (
        f", {looked} of which mining looked at (they are no queries)" if looked else ""
    )
    fewer = f"--set episodes.queries={count.free - most}" if count.free > most else "lower episodes.shots"
    cures = (
        [fewer, "add pictures"] if count.pictures < need else [fewer, f"mine again with --set images.reserve={need}"]
    )
    return (
        f"{name}: class {c}{others} has {has}; {most} shots (episodes.shots) and {shape.queries} queries "
        f"(episodes.queries) need {need}: {', or '.join(cures)}"
    )
