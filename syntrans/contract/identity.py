"""Checks that class ids and names are unique, as the writers of the contract demand of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from syntrans.classes.entries import WNID, ClassEntry, composed, read_class_file
from syntrans.errors import InputError

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow, SemanticsRow

Row = TypeVar("Row", "DescriptorRow", "SemanticsRow")
CLASSES = "classes.jsonl"
"""The class list in the folder of a mining run."""
DEFINITIONS = "definitions"
"""Key of the files' notes: class id -> definition, of classes that share their name with another one."""


def definition_notes(entries: Sequence[ClassEntry]) -> dict[str, dict[str, str]]:
    """The notes that tell classes of one name apart; empty where none share one, or none is defined."""
    counts = Counter(composed(entry.name) for entry in entries)
    shared = {entry.id: entry.definition for entry in entries if entry.definition and counts[composed(entry.name)] > 1}
    return {DEFINITIONS: shared} if shared else {}


def notes_of_run(folder: Path) -> dict[str, dict[str, str]]:
    """`definition_notes` of a run's class list: files of earlier versions lack them. Empty without a list."""
    path = folder / CLASSES
    return definition_notes(read_class_file(path)) if path.is_file() else {}


def one_identity(path: Path, rows: Iterable[Row], notes: dict[str, Any]) -> Iterator[Row]:
    """``rows`` as they come; InputError at two names under one id, or at two ids under one name that nothing settles.

    What settles it is a wnid, or a definition in ``notes``.
    """
    settled = {*notes.get(DEFINITIONS, ()), *notes.get("senses", ())}
    names: dict[str, str] = {}
    ids: dict[str, str] = {}
    for row in rows:
        name = names.setdefault(row.class_id, row.class_name)
        if name != row.class_name:
            both = f"{name!r} and {row.class_name!r}"
            raise InputError(f"{path}: class id {row.class_id!r} has the names {both}; give each its own id")
        other = ids.setdefault(composed(row.class_name), row.class_id)
        if other != row.class_id and not all(WNID.fullmatch(one) or one in settled for one in (other, row.class_id)):
            both = f"{other!r} and {row.class_id!r}"
            rule = "give both a definition in the class list, or names that differ"
            raise InputError(f"{path}: {row.class_name!r} is the name of the classes {both}; {rule}")
        yield row
