"""Class lists: what a class is called, and which classes a file or a built-in list names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from syntrans.classes import files as class_files
from syntrans.classes.files import ID_FIELDS, NAME_FIELDS, read_records
from syntrans.errors import InputError

BUILTIN = ("mini", "tiered", "cifar-fs", "fc100", "cub", "world")
WNID = re.compile(r"n\d{8}")
ARTICLE = re.compile(r"^(a|an|the)\s+")
_LISTS = Path(__file__).resolve().parent / "lists"


class ClassEntry(NamedTuple):
    """One class: a stable id (wnid, folder name or slug), a display name, and perhaps what is meant by it."""

    id: str
    name: str
    definition: str | None = None


def composed(name: str) -> str:
    """The name as it is told from others: letters and marks composed (Unicode NFC), one blank for any white space."""
    return " ".join(unicodedata.normalize("NFC", name).split())


@lru_cache(maxsize=1 << 16)
def slug(name: str) -> str:
    """A name as an id: lower case, words joined by '-'.

    Letters, marks, digits and signs of all scripts are kept ('Bär' and 'bar', 'C', 'C++' and 'C#' differ); white space
    and punctuation separate words; a character that cannot be seen is spelled out, as in '~200d~'. So two names have
    one id only if they differ in nothing but case, separators, or that spelling; the id of an id is itself. Empty for
    a name of separators alone.
    """
    lower = unicodedata.normalize("NFC", composed(name).lower())
    return re.sub(r"-+", "-", "".join(map(_in_id, lower))).strip("-")


_SIGNS = frozenset("#%*@")
"""Punctuation to Unicode, but what a name may differ by."""


@cache
def _in_id(character: str) -> str:
    """How an id spells a character."""
    if character.isspace() or (unicodedata.category(character)[0] == "P" and character not in _SIGNS):
        return "-"
    return character if character.isprintable() else f"~{ord(character):04x}~"


def read_class_file(source: str | Path) -> list[ClassEntry]:
    """The classes of a file (txt, tsv, csv, json, jsonl, parquet) or of a built-in list.

    Text lines are ``name`` or ``id<TAB>name[<TAB>definition]``, ``#`` starts a comment line; the other forms have
    these fields by name. InputError for a file that is missing, empty, binary, or has a line that says no name.
    Duplicates are the business of `syntrans.classes.lint`.
    """
    path = _locate(source)
    entries = [entry_of(record, place) for place, record in read_records(path)]
    if not entries:
        raise InputError(f"{path} names no class; write one class per line")
    return entries


def is_folder(source: str | Path) -> bool:
    """Whether a class list is given as a folder of class folders."""
    return str(source) not in BUILTIN and Path(source).is_dir()


def class_list_sha256(entries: Iterable[ClassEntry]) -> str:
    """sha256 over ids, names and definitions, whatever file form they came in; the order does not matter."""
    lines = sorted("\t".join([entry.id, entry.name, entry.definition or ""]) for entry in entries)
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()


def blank_lines(source: str | Path) -> list[int]:
    """Numbers of the empty lines between the classes of a text list: a name may be missing there."""
    return [] if is_folder(source) else class_files.blank_lines(_locate(source))


def _locate(source: str | Path) -> Path:
    if str(source) in BUILTIN:
        return _LISTS / f"{source}.tsv"
    path = Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no plain file" if path.exists() else "is not there"
        raise InputError(f"class list {str(source)!r} {what}; give a file, or one of: {', '.join(BUILTIN)}")
    return path


def entry_of(record: dict[str, Any], place: str) -> ClassEntry:
    """The class of one record; InputError naming ``place`` for one that says no name."""

    def field(*keys: str) -> str:
        value = next((record[key] for key in keys if record.get(key) is not None), "")
        if not isinstance(value, str | int):
            raise InputError(f"{place}: {keys[0]} is {value!r:.60}; it must be text")
        text = composed(str(value))
        if not is_unicode(text):
            raise InputError(f"{place}: {keys[0]} {text!a:.60} holds half of a character; type it again")
        return text

    name = field(*NAME_FIELDS)
    if not name:
        raise InputError(f"{place} gives no class name; write name, or id<TAB>name<TAB>definition")
    identifier = field(*ID_FIELDS) or slug(name)
    if not identifier:
        rule = f"add a word, or give it an id: id<TAB>{name}"
        raise InputError(f"{place}: {name!r} has no letter, digit or sign to call the class by; {rule}")
    return ClassEntry(identifier, name, field("definition") or None)


def is_unicode(text: str) -> bool:
    """Whether it can be written at all: JSON and file names may hold halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
