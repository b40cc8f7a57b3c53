"""The world's pictures as data sets that are taken by name (`syntrans.named_data`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from syntrans.errors import UsageError
from syntrans_world.export import export_cached
from syntrans_world.fine import FINE_SLOTS, fine_classes
from syntrans_world.spec import CLASSES, SPLIT_SIZES, WorldClass


class World:
    """`world`: a hundred classes."""

    def folder(self, part: str, per_class: int) -> Path:
        """Its pictures; it has no parts."""
        if part:
            raise UsageError(f"data.path world/{part}: the world has no parts; say world, or world-fine/shape")
        return export_cached(per_class)

    def classes(self, part: str) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - the protocol
        """The names of each split."""
        return _by_split(CLASSES)


class FineWorld:
    """`world-fine/SLOT`: classes that differ in one attribute."""

    def folder(self, part: str, per_class: int) -> Path:
        """The folder of its pictures."""
        self._check(part)
        return export_cached(per_class, fine=part)

    def classes(self, part: str) -> Mapping[str, Sequence[str]]:
        """The names of each split."""
        self._check(part)
        return _by_split(fine_classes(part))

    def _check(self, part: str) -> None:
        if part not in FINE_SLOTS:
            known = ", ".join(f"world-fine/{slot}" for slot in FINE_SLOTS)
            raise UsageError(f"data.path world-fine/{part}: the fine-grained worlds are {known}")


def _by_split(classes: Sequence[WorldClass]) -> dict[str, list[str]]:
    return {split: [entry.name for entry in classes if entry.split == split] for split in SPLIT_SIZES}


world, fine = World(), FineWorld()
