"""`Part`: base, val or novel of a data set, as some of the classes of a pool of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

from syntrans.errors import InputError
from syntrans.images.reference import Picture, Pool

__all__ = ["Part", "Picture", "Pool"]


@dataclass(frozen=True)
class Part:
    """Base, val or novel: some classes of a pool under the names that results are reported with."""

    pool: Pool
    names: Mapping[str, str]  # key in the pool -> name
    missing: tuple[str, ...] = ()  # classes of the split that the pool does not have

    def __post_init__(self) -> None:
        """`InputError` where two keys have one name: the pictures of one of them would be lost."""
        key_of: dict[str, str] = {}
        for key, name in self.names.items():
            if name in key_of:
                raise InputError(f"classes {key_of[name]!a} and {key!a} are both called {name!r}; merge or rename them")
            key_of[name] = key

    @property
    def classes(self) -> list[str]:
        """The names, sorted."""
        return sorted(self.names.values())

    def pictures(self, limit: int | None = None) -> dict[str, list[Picture]]:
        """The pictures by class name."""
        by_key = self.pool.pictures(list(self.names), limit)
        return {self.names[key]: by_key[key] for key in self.names}
