"""Which class belongs to base, val and novel: the published splits, or a user's own JSON file.

A file maps train, val and test (or base, val and novel) to lists of classes, each its key or {"id": key, "name": name}.
The published ones are package data, written by scripts/make_splits.py; `splits/SHA256SUMS` has their checksums.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from syntrans.classes.entries import ClassEntry, composed
from syntrans.classes.match import match
from syntrans.errors import InputError, UsageError
from syntrans.files.input_files import read_json
from syntrans.images.folders import ALIASES, PARTS
from syntrans_training.data.pool import Part, Pool

_FOLDER, _SUBSETS = Path(__file__).parent / "splits", Path(__file__).parent / "subsets"
SUBSETS = tuple(sorted(path.stem for path in _SUBSETS.glob("*.json")))  # of known data, class names alone
PUBLISHED = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@dataclass(frozen=True)
class ClassSplit:
    """Classes of base, val and novel, each key -> readable name."""

    title: str
    parts: Mapping[str, Mapping[str, str]]

    @property
    def keys(self) -> set[str]:
        """The keys of all parts."""
        return {key for part in self.parts.values() for key in part}

    @property
    def spellings(self) -> frozenset[str]:
        """Keys and names of all parts."""
        return frozenset(composed(text) for part in self.parts.values() for pair in part.items() for text in pair)

    def divide(self, pool: Pool) -> dict[str, Part]:
        """The pool's classes by part, found by `classes.match.match` (`InputError` where that is not clear)."""
        wanted = [ClassEntry(key, name) for names in self.parts.values() for key, name in names.items()]
        matched = match(wanted, pool.keys, f"class split {self.title}").found
        shown = _names_of(wanted)
        return {
            part: Part(
                pool,
                {matched[key]: shown[key] for key in names if key in matched},
                tuple(key for key in names if key not in matched),
            )
            for part, names in self.parts.items()
        }


def _names_of(classes: list[ClassEntry]) -> dict[str, str]:
    """What each class is called: its name, or its key where the name is also another's name or key."""
    keys, names = {entry.id for entry in classes}, Counter(composed(entry.name) for entry in classes)
    shown = {}
    for entry in classes:
        name = composed(entry.name)
        is_unique = names[name] == 1 and (name == entry.id or name not in keys)
        shown[entry.id] = name if is_unique else entry.id
    return shown


@cache
def published(name: str) -> ClassSplit:
    """The published split of that name; UsageError names them all."""
    if name not in PUBLISHED:
        raise UsageError(f"{name!r} is no published split; known are {', '.join(PUBLISHED)}")
    return read_split(_FOLDER / f"{name}.json")


def split_path(ref: str) -> Path:
    """The split file of `data.split_file`: the name of a shipped subset, or a path."""
    return _SUBSETS / f"{ref}.json" if ref in SUBSETS else Path(ref).expanduser()


def read_split(path: Path) -> ClassSplit:
    """A split file; InputError if it is none, or if a class stands in it twice."""
    if not path.is_file():
        raise InputError(f"split file {path} cannot be read as JSON (it is not there, or is no file); check the path")
    try:
        values = read_json(path, "a split file is a JSON object")
    except InputError as error:
        raise InputError(f"split file: {error}") from error
    rule = "it needs lists of classes under train, val and test (or base, val and novel)"
    if not isinstance(values, dict):
        raise InputError(f"split file {path} holds a {type(values).__name__}; {rule}")
    parts = {part: _classes(path, values, part) for part in PARTS}
    if not any(parts.values()):
        raise InputError(f"split file {path} has the keys {', '.join(values) or '(none)'}; {rule}")
    _check_disjoint(path, parts)
    return ClassSplit(str(values.get("title", path.name)), parts)


def _classes(path: Path, values: Mapping[str, Any], part: str) -> dict[str, str]:
    items: Any = next((values[alias] for alias in ALIASES[part] if alias in values), [])
    names: dict[str, str] = {}
    for item in items if isinstance(items, list) else [items]:
        entry = {"id": item} if isinstance(item, str) else item
        key = entry.get("id", entry.get("wnid")) if isinstance(entry, dict) else None
        if not isinstance(key, str) or not isinstance(entry.get("name", key), str):
            raise InputError(f"split file {path}, {part}: {item!r:.60} is no class; write its key, or id and name")
        if key in names:
            raise InputError(f"split file {path}, {part}: class {key!r} stands there twice")
        names[key] = entry.get("name", key)
    return names


def _check_disjoint(path: Path, parts: Mapping[str, Iterable[str]]) -> None:
    owner: dict[str, str] = {}
    for part, keys in parts.items():
        for key in keys:
            if key in owner:
                raise InputError(f"split file {path}: class {key!r} is in {owner[key]} and in {part}")
            owner[key] = part
