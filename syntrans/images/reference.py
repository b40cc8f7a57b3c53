"""References to pictures, their pools by class, and what was passed over while they were looked for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from syntrans.errors import InputError
from syntrans.images.decode import decode

if TYPE_CHECKING:
    from PIL import Image

UNREADABLE = hashlib.sha256(b"").hexdigest()
"""Stands for a picture whose bytes cannot be read; decoding it will say why."""
FEW_BROKEN = 2
"""So many broken pictures never end a run, however small the data set."""
SHOWN_BROKEN = 20
"""So many broken pictures are named in one message."""


@runtime_checkable
class Picture(Protocol):
    """One picture, not decoded yet. `ImageRef` is one; the pixels of an archive have their own.

    ``sha256`` (64 hex digits) is of the encoded bytes, or of the raw pixels where a data set stores raw pixels.
    ``origin`` says where it came from; ``load`` gives encoded bytes.
    """

    @property
    def sha256(self) -> str: ...  # noqa: D102

    @property
    def origin(self) -> str: ...  # noqa: D102

    @property
    def load(self) -> Callable[[], bytes]: ...  # noqa: D102

    def image(self, at_least: int | None = None) -> Image.Image:
        """The RGB picture, see `decode`; InputError naming it if it is broken."""
        ...


class Contained(ABC):
    """A loader whose bytes lie deep in another file: slow to reach, and not to be sent to a process."""

    @abstractmethod
    def __call__(self) -> bytes:
        """The encoded bytes."""


class ImageRef(NamedTuple):
    """One encoded picture. ``sha256`` is of the encoded bytes, ``origin`` says where it came from."""

    class_key: str
    sha256: str
    load: Callable[[], bytes]
    origin: str = ""

    def image(self, at_least: int | None = None) -> Image.Image:
        """The decoded picture, see `decode`; InputError naming its origin if it is broken."""
        return decode(self.load(), self.origin or f"{self.class_key} {self.sha256[:12]}", at_least=at_least)


_CURES = dict.fromkeys((".heic files", ".heif files"), "; save as JPEG to have them read")  # by kind


class PassedOver:
    """What was left out, by kind: how often, and the first name."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, name: str, n: int = 1) -> None:
        """Count ``n`` more of a kind."""
        before, first = self._found.get(kind, (0, name))
        self._found[kind] = before + n, first.encode("utf-8", "replace").decode()

    def add_all(self, kind: str, names: Sequence[str]) -> None:
        """Count these, of one kind."""
        if names:
            self.add(kind, names[0], len(names))

    def update(self, other: PassedOver) -> None:
        """Count what another has counted."""
        for kind, (n, name) in other._found.items():
            self.add(kind, name, n)

    @property
    def counts(self) -> dict[str, int]:
        """How many, by kind."""
        return {kind: n for kind, (n, _) in self._found.items()}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __str__(self) -> str:
        """In one line, as "passed over: 2 .txt files (a.txt, ...), 1 broken links (a.jpg)"."""
        parts = [
            f"{n:,} {kind} ({name}{', ...' if n > 1 else ''}{_CURES.get(kind, '')})"
            for kind, (n, name) in self._found.items()
        ]
        return f"passed over: {', '.join(parts)}"


@runtime_checkable
class Pool(Protocol):
    """Pictures by class key, as the source spells the keys."""

    @property
    def keys(self) -> Sequence[str]:
        """The class keys that are there, known without reading a picture."""
        ...

    @property
    def passed_over(self) -> PassedOver:
        """What was left out in what has been listed so far."""
        ...

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """The pictures of these classes, in a stable order; at most the first ``limit`` of each."""
        ...


class MergedPool:
    """Several pools; a class that is in two is taken from the first."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._pools = pools

    @property
    def keys(self) -> Sequence[str]:
        """The class keys of all pools."""
        return sorted({key for pool in self._pools for key in pool.keys})

    @property
    def passed_over(self) -> PassedOver:
        """Of all, and the classes whose pictures in a later pool are left out."""
        total, counted = passed_over(self._pools), set[str]()
        for pool in self._pools:
            total.add_all("classes that are in two places", [key for key in pool.keys if key in counted])
            counted.update(pool.keys)
        return total

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Each class from the first pool that has it."""
        by_class: dict[str, list[Picture]] = {}
        for pool in self._pools:
            here = set(pool.keys)
            by_class |= pool.pictures([key for key in keys if key in here and key not in by_class], limit)
        return {key: by_class[key] for key in keys}


def passed_over(pools: Iterable[Pool]) -> PassedOver:
    """What several pools have left out."""
    total = PassedOver()
    for pool in pools:
        total.update(pool.passed_over)
    return total


def check_broken(broken: Sequence[str], n: int, *, share: float, what: str, key: str) -> None:
    """InputError where more than ``share`` of ``n`` pictures are broken, and more than `FEW_BROKEN`.

    ``broken`` says what is wrong with each, ``what`` whose they are, ``key`` which key allows more.
    """
    if len(broken) > max(FEW_BROKEN, share * n):
        raise InputError(
            f"{len(broken)} of {n} images of {what} are broken, {key} allows {share:.1%}: {named_broken(broken)}"
        )


def named_broken(broken: Sequence[str]) -> str:
    """What is wrong with each of the broken pictures; of very many with the first `SHOWN_BROKEN`."""
    return first_few(broken, "; ", SHOWN_BROKEN)


def first_few(names: Sequence[str], separator: str = ", ", n: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f"{separator}and {len(names) - n} more" if len(names) > n else ""
    return f"{separator.join(names[:n])}{more}"
