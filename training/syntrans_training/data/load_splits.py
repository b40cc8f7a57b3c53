"""The only door to pictures: `load_splits` opens a source and decodes its parts into memory-mapped arrays.

A data config ends here: `configured_pictures` says it in plain values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syntrans.classes.entries import composed
from syntrans.errors import InputError
from syntrans.images.columns import ANY, Columns
from syntrans.images.folders import PARTS
from syntrans.images.reference import named_broken
from syntrans.progress import say
from syntrans_training.config import DataConfig
from syntrans_training.data.class_split import ClassSplit
from syntrans_training.data.compare import same_as
from syntrans_training.data.feature_files import feature_files, given_classes, given_splits
from syntrans_training.data.novel_split_guard import may_open
from syntrans_training.data.open_splits import AUTO, Source, open_source
from syntrans_training.data.store import Split, load_split


@dataclass(frozen=True)
class Origin:
    """Which pictures: where they are, what they are, what divides their classes, the most of a class.

    `DataConfig` says each.
    """

    path: str
    dataset: str = AUTO
    split_file: str | ClassSplit | None = None
    columns: Columns = ANY
    per_class: int = 60
    limit_per_class: int | None = None

    def open(self) -> Source:
        """The source; no picture is decoded."""
        return open_source(
            self.path, self.dataset, split_file=self.split_file, columns=self.columns, per_class=self.per_class
        )


@dataclass(frozen=True)
class Decoding:
    """How pictures are stored: side in pixels, the share of a part that may be broken."""

    size: int
    max_broken_share: float = 0.05


@dataclass(frozen=True)
class Pictures:
    """A data set as it is read: which pictures, and how they are stored."""

    origin: Origin
    decoding: Decoding

    def open(self, names: tuple[str, ...]) -> dict[str, Split]:
        """The named splits, as by `load_splits`."""
        return _load(self.origin, names, self.decoding)


def load_splits(
    path: str,
    *,
    size: int,
    names: tuple[str, ...] = PARTS,
    dataset: str = AUTO,
    split_file: str | ClassSplit | None = None,
    per_class: int = 60,
    limit_per_class: int | None = None,
    max_broken_share: float = 0.05,
) -> dict[str, Split]:
    """The named splits of a source, decoded to `size` x `size` (from the cache when they were decoded before).

    Raises `InputError` when a split is missing, incomplete, empty, too broken, or shares a class with another split;
    `novel_split_guard.ClosedSplit` when the novel split is asked for while something is being chosen.
    """
    origin = Origin(path, dataset, split_file, per_class=per_class, limit_per_class=limit_per_class)
    return _load(origin, names, Decoding(size, max_broken_share))


def open_data(data: DataConfig, names: tuple[str, ...], split: ClassSplit | None = None) -> dict[str, Split]:
    """The named splits of a data config, as by `load_splits`; `split` divides its classes instead of its split file."""
    return configured_pictures(data, split).open(names)


def configured_pictures(data: DataConfig, split: ClassSplit | None = None) -> Pictures:
    """A data config in plain values; `split` divides its classes instead of its split file."""
    return Pictures(origin_of(data, split), decoding_of(data))


def origin_of(data: DataConfig, split: ClassSplit | None = None) -> Origin:
    """The pictures of a data config; `split` divides its classes instead of its split file."""
    return Origin(data.path, data.dataset, split or data.split_file, data.columns, data.per_class, data.limit_per_class)


def decoding_of(data: DataConfig) -> Decoding:
    """How the pictures of a data config are stored."""
    return Decoding(data.size, data.max_broken_share)


def _load(origin: Origin, names: tuple[str, ...], decoding: Decoding) -> dict[str, Split]:
    may_open(names)
    limit, broken_share = origin.limit_per_class, decoding.max_broken_share
    if files := feature_files(origin.path):
        classes = given_classes(files)
        check_disjoint(classes)
        dataset, given = same_as(classes), given_splits(names, files, limit_per_class=limit)
        return {name: replace(split, dataset=dataset) for name, split in given.items()}
    source = origin.open()
    check_disjoint({name: part.classes for name, part in source.parts.items()})
    splits = {}
    for name in names:
        images = source.part(name).pictures(limit)
        splits[name] = load_split(
            name, images, size=decoding.size, max_broken_share=broken_share, dataset=source.dataset
        )
        if broken := splits[name].broken:
            say(f"{name}: skipped {len(broken)} broken images: {named_broken(broken)}")
    if source.passed_over:
        say(str(source.passed_over))
    return splits


def class_names(
    path: str, dataset: str = AUTO, *, split_file: str | ClassSplit | None = None, columns: Columns = ANY
) -> list[str]:
    """The classes of all splits, without reading a picture."""
    if files := feature_files(path):
        return [name for names in given_classes(files).values() for name in names]
    source = open_source(path, dataset, split_file=split_file, columns=columns)
    return [name for part in source.parts.values() for name in part.classes]


def check_disjoint(classes: Mapping[str, list[str]]) -> None:
    """InputError when a class is in two splits, also where its name is composed otherwise there."""
    owner: dict[str, str] = {}
    for name, keys in classes.items():
        for key in map(composed, keys):
            if key in owner:
                raise InputError(f"class {key!r} is in {owner[key]} and in {name}; few-shot splits share no class")
            owner[key] = name
