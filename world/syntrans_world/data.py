"""The world's pictures as data sets that are taken by name (`syntrans.named_data`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from syntrans.errors import UsageError
from syntrans_world.export import export_cached
from syntrans_world.fine import FAMILIES, FINE_SLOTS
from syntrans_world.spec import SPLIT_SIZES, VALUES


class World:
    """`world`: a hundred classes."""

    def folder(self, part: str, per_class: int) -> Path:
        """Its pictures; it has no parts."""
        if part:
            raise UsageError(f"data.path world/{part}: the world has no parts; say world, or world-fine/shape")
        return export_cached(per_class)

    def sizes(self, part: str) -> Mapping[str, int]:  # noqa: ARG002 - the protocol
        """Classes of each split."""
        return SPLIT_SIZES


class FineWorld:
    """`world-fine/SLOT`: classes that differ in one attribute."""

    def folder(self, part: str, per_class: int) -> Path:
        """Its pictures."""
        self._check(part)
        return export_cached(per_class, fine=part)

    def sizes(self, part: str) -> Mapping[str, int]:
        """Classes of each split."""
        self._check(part)
        return {split: count * len(VALUES[part]) for split, count in FAMILIES.items()}

    def _check(self, part: str) -> None:
        if part not in FINE_SLOTS:
            known = ", ".join(f"world-fine/{slot}" for slot in FINE_SLOTS)
            raise UsageError(f"data.path world-fine/{part}: the fine-grained worlds are {known}")


world, fine = World(), FineWorld()
