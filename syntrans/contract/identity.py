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
    if not any(entry.definition for entry in entries):
        return {}
    counts = Counter(composed(entry.name) for entry in entries)
    shared = {entry.id: entry.definition for entry in entries if entry.definition and counts[composed(entry.name)] > 1}
    return {DEFINITIONS: shared} if shared else {}


def notes_of_run(folder: Path) -> dict[str, dict[str, str]]:
    """`definition_notes` of a run's class list: files of earlier versions lack them. Empty without a list."""
    path = folder / CLASSES
    return definition_notes(read_class_file(path)) if path.is_file() else {}


def one_identity(path: Path, rows: Iterable[Row], notes: dict[str, Any]) -> Iterator[Row]:
    """``rows``, which come by class id; InputError at two names of one id, or two ids of one name that nothing settles.

    What settles it is a wnid, or a definition in ``notes``.
    """
    settled = {*notes.get(DEFINITIONS, ()), *notes.get("senses", ())}
    ids: dict[str, str] = {}
    class_id = class_name = ""
    for row in rows:
        if row.class_id == class_id and row.class_name != class_name:
            both = f"{class_name!r} and {row.class_name!r}"
            raise InputError(f"{path}: class id {class_id!r} has the names {both}; give each its own id")
        if row.class_id != class_id:
            class_id, class_name = row.class_id, row.class_name
            name = composed(class_name)
            # The row's own string where it will do: a million classes need no second million of strings.
            other = ids.setdefault(class_name if name == class_name else name, class_id)
            if other != class_id and not all(WNID.fullmatch(one) or one in settled for one in (other, class_id)):
                both = f"{other!r} and {class_id!r}"
                rule = "give both a definition in the class list, or names that differ"
                raise InputError(f"{path}: {class_name!r} is the name of the classes {both}; {rule}")
        yield row
