"""Which published class split a division of classes equals, or how it differs from the nearest."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import pair
from syntrans.images.folders import PARTS, FolderPool
from syntrans_training.data.datasets import DATASETS
from syntrans_training.data.pool import Part


@dataclass(frozen=True)
class Difference:
    """What a division lacks of a published split, and has beyond it, by part; class keys as published or as found."""

    name: str
    missing: Mapping[str, list[str]]
    extra: Mapping[str, list[str]]
    shared: int  # classes that are in the same part of both

    @property
    def equal(self) -> bool:
        """The same classes in every part."""
        return not any(self.missing.values()) and not any(self.extra.values())


def difference(name: str, parts: Mapping[str, Part]) -> Difference:
    """Between a division and the published split `name`; a class is met by key or name, whatever its spelling."""
    split = DATASETS[name].split
    entries = [ClassEntry(key, name) for part in split.parts.values() for key, name in part.items()]
    missing, extra, shared = {}, {}, 0
    for part in PARTS:
        ours = parts[part].names if part in parts else {}
        paired = pair([ClassEntry(key, name) for key, name in ours.items()], entries).found
        published = set(split.parts[part])
        missing[part] = sorted(published - set(paired.values()))
        extra[part] = sorted(key for key in ours if paired.get(key) not in published)
        shared += len(published & set(paired.values()))
    return Difference(name, missing, extra, shared)


def same_as(classes: Mapping[str, Collection[str]]) -> str:
    """The published split that these classes are, by part, whatever their spelling; "" for none."""
    parts = {part: Part(FolderPool({}), {key: key for key in keys}) for part, keys in classes.items()}
    sizes = {part: len(classes.get(part, ())) for part in PARTS}
    published = {name: {part: len(keys) for part, keys in one.split.parts.items()} for name, one in DATASETS.items()}
    alike = [name for name, of_parts in published.items() if of_parts == sizes]
    return next((name for name in alike if difference(name, parts).equal), "")


def nearest(parts: Mapping[str, Part]) -> Difference | None:
    """The published split that shares the most classes part by part; None if all share less than half of them."""
    differences = [difference(name, parts) for name in DATASETS]
    best = max(differences, key=lambda d: (d.equal, d.shared / sum(map(len, DATASETS[d.name].split.parts.values()))))
    return best if 2 * best.shared >= sum(len(part.names) for part in parts.values()) > 0 else None
