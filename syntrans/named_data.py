"""Data sets that installed packages bring by name: `data.path: NAME` or `NAME/PART` in place of a folder.

A package names them in the entry points of the group `syntrans.data`; each has the methods of `NamedData`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

GROUP = "syntrans.data"


class NamedData(Protocol):
    """A data set of base, val and novel classes that is written where it is asked for."""

    def folder(self, part: str, per_class: int) -> Path:
        """Where its pictures lie, in the Hugging Face image form; made if they are not there. UsageError for `part`."""
        ...

    def classes(self, part: str) -> Mapping[str, Sequence[str]]:
        """The names of the classes of each split, known without making a picture."""
        ...


def named_data(path: str) -> tuple[NamedData, str] | None:
    """The data set that a path names, and the part of it after the slash; None where it names none."""
    name, _, part = path.partition("/")
    entry = _installed().get(name)
    return (cast("NamedData", entry.load()), part) if entry else None


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Found once: every look reads the metadata of all installed packages."""
    return {entry.name: entry for entry in reversed(tuple(entry_points(group=GROUP)))}
