"""What a FLIER run would refuse after its pictures are encoded, said before: in a dry run too."""

from collections.abc import Collection
from pathlib import Path

from syntrans.errors import InputError
from syntrans_training.config.flier import FlierConfig
from syntrans_training.data.load_splits import origin_of
from syntrans_training.data.part_check import check_parts, count_parts, named_counts
from syntrans_training.flier.task import shots_from
from syntrans_training.imagination.imagined_file import open_imagined
from syntrans_training.text.class_vectors import read_knowledge


def check_inputs(config: FlierConfig, descriptors: Path | None, part: str, *, apart_from: Collection[str] = ()) -> None:
    """`InputError` where a class of `part` has no text, no imagined picture or too few pictures, or is elsewhere too.

    A data set that is taken by name is not made: it is counted by what it would have.
    """
    origin, seen = origin_of(config.data), read_knowledge(descriptors, ()).images_seen
    counts = (named_counts(origin) or count_parts(origin, seen, (part,))).get(part)
    if counts is None:
        raise InputError(f"{config.data.path} has no {part} classes; FLIER is evaluated on them")
    check_apart(counts, apart_from)
    read_knowledge(descriptors, list(counts))
    if config.imagined_per_class:
        open_imagined(config.imagined).ids_of(list(counts))
    if config.episodes is not None:
        check_parts({part: counts}, **config.episodes.shape)
        return
    for name, count in counts.items():
        looked_at = count.pictures - count.free
        shots_from(name, count.pictures, looked_at, pool=config.support_pool, most=max(config.shots))


def check_apart(novel: Collection[str], val: Collection[str]) -> None:
    """InputError where a class that settings were chosen on would be tested."""
    both = sorted(set(novel) & set(val))
    if both:
        raise InputError(f"class {both[0]!r} is in val and in novel; few-shot splits share no class")
