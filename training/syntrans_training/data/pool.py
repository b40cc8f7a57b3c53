"""A part of a data set is some classes of a pool of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

from syntrans.image_reference import Picture, Pool

__all__ = ["Part", "Picture", "Pool"]


@dataclass(frozen=True)
class Part:
    """Base, val or novel: some classes of a pool under the names that results are reported with."""

    pool: Pool
    names: Mapping[str, str]  # key in the pool -> name
    missing: tuple[str, ...] = ()  # classes of the split that the pool does not have

    @property
    def classes(self) -> list[str]:
        """The names, sorted."""
        return sorted(self.names.values())

    def pictures(self, limit: int | None = None) -> dict[str, list[Picture]]:
        """The pictures by class name."""
        found = self.pool.pictures(list(self.names), limit)
        return {self.names[key]: found[key] for key in self.names}
