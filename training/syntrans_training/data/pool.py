"""What every format gives: a pool of pictures by class key. A part of a data set is some classes of a pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PIL import Image

from syntrans.errors import InputError


@runtime_checkable
@runtime_checkable
class Picture(Protocol):
    """One picture, not decoded yet. `syntrans.images.ImageRef` is one; arrays have their own.

    `sha256` is of the encoded bytes, or of the raw pixels where a data set stores raw pixels.
    """

    @property
    def sha256(self) -> str:
        """64 hex digits."""
        ...

    @property
    def origin(self) -> str:
        """Where it came from, for messages."""
        ...

    def image(self, at_least: int | None = None) -> Image.Image:
        """The RGB picture, see `syntrans.images.decode`; InputError naming it if it is broken."""
        ...


@runtime_checkable
@runtime_checkable
class Pool(Protocol):
    """Pictures by class key, as the source spells the keys."""

    @property
    def keys(self) -> Sequence[str]:
        """The class keys that are there, known without reading a picture."""
        ...

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """The pictures of these classes, in a stable order; at most the first `limit` of each."""
        ...


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
        found = self.pool.pictures(list(self.names), limit)
        return {self.names[key]: found[key] for key in self.names}
