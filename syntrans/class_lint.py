"""The rules for class lists, each a function from entries to findings.

A class list is where mistakes are cheapest: a name that means two things gives descriptors of the wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from syntrans.classes import ClassEntry, LintFinding

_WNID = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"\d+[._-]\s*[A-Za-z]")
_ARTICLE = re.compile(r"^(a|an|the) ")
# Names with a second visual meaning that language models may describe instead. Not complete, and cannot be.
_HOMONYMS = frozenset(
    (  # noqa: SIM905 - as a list it would be seventy lines
        "bass bat bow buck bulb can cardinal cock crane date drill drumstick fan file fly hawk horn jaguar jay "
        "kite mole monitor mouse mustang nail nut orange palm pen perch pipe pitcher plane pool press puck ray "
        "ring ruler seal skate sole spring squash suit swallow tank tick tie trunk turkey vault"
    ).split()
)


def normalised(name: str) -> str:
    """The form in which two names are the same: case, spaces, '_', '-' and a leading article do not count."""
    words = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
    return _ARTICLE.sub("", words)


def duplicate_ids(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """Two lines with one id (error)."""
    for identifier, group in _groups(entries, lambda entry: entry.id):
        if all(entry.id == _default_id(entry) for entry in group):
            continue  # nobody gave these ids: duplicate_names says it in the user's words
        names = ", ".join(repr(entry.name) for entry in group)
        text = f"id {identifier!r} is given to {names}; ids must differ"
        yield LintFinding("error", "duplicate_id", text, (identifier,))


def duplicate_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """One name for two classes: an error, unless a wnid or a definition tells each of them apart."""
    for _, group in _groups(entries, lambda entry: normalised(entry.name)):
        ids = tuple(dict.fromkeys(entry.id for entry in group))
        if len(ids) == 1 and len(group) > 1 and group[0].id != _default_id(group[0]):
            continue  # said by duplicate_ids
        senses = {entry.definition for entry in group if entry.definition}
        settled = len(ids) == len(group) and (all(map(_has_wnid, group)) or len(senses) == len(group))
        names = ", ".join(repr(entry.name) for entry in group)
        if settled:
            yield LintFinding("warning", "same_name", f"{names}: one name, told apart by {', '.join(ids)}", ids)
        else:
            text = f"{names}: the same name {len(group)} times; remove one, or give each an id and a definition"
            yield LintFinding("error", "duplicate_name", text, ids)


def contained_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A name inside another one ('bear' in 'polar bear'): statements about one drift to the other."""
    by_name = {f" {normalised(entry.name)} ": entry for entry in entries}
    for name, entry in by_name.items():
        longer = [other for text, other in by_name.items() if name in text and text != name]
        if longer:
            listed = ", ".join(repr(other.name) for other in longer[:3]) + (" ..." if len(longer) > 3 else "")
            text = f"{entry.name!r} is part of {listed}; descriptors of one may be drawn from the other"
            yield LintFinding("warning", "name_in_name", text, (entry.id, *(other.id for other in longer)))


def ambiguous_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A name known to mean two things, with neither wnid nor definition to settle it."""
    for entry in entries:
        if normalised(entry.name) in _HOMONYMS and not entry.definition and not _has_wnid(entry):
            text = f"{entry.name!r} means more than one thing; add a definition (id<TAB>name<TAB>definition)"
            yield LintFinding("warning", "ambiguous", text, (entry.id,))


def wnids_as_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A WordNet id where a language model needs words."""
    for entry in entries:
        if _WNID.fullmatch(entry.name):
            text = f"{entry.name!r} is a WordNet id, no name; write {entry.name}<TAB>name"
            yield LintFinding("warning", "wnid_as_name", text, (entry.id,))


def file_like_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A folder name instead of a display name: underscores, a leading number."""
    for entry in entries:
        if "_" in entry.name or _NUMBERED.match(entry.name):
            better = re.sub(r"^\d+[._-]\s*", "", entry.name).replace("_", " ")
            text = f"{entry.name!r} looks like a folder name; language models do better with {better!r}"
            yield LintFinding("warning", "file_like", text, (entry.id,))


def odd_characters(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """Characters that cannot be seen or look like others: controls, zero width, not composed, replacement."""
    for entry in entries:
        odd = sorted({_spelled(c) for c in entry.name if _is_odd(c)})
        if unicodedata.normalize("NFC", entry.name) != entry.name:
            odd.append("letters in decomposed form")
        if odd:
            text = f"{entry.name!r} holds {', '.join(odd)}; type the name again"
            yield LintFinding("warning", "odd_characters", text, (entry.id,))


def too_few(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """One class has no neighbour to be told from."""
    if len(entries) == 1:
        text = "only one class: nothing to tell it from, so contrasts and margins stay empty"
        yield LintFinding("warning", "one_class", text, (entries[0].id,))


RULES: tuple[Callable[[Sequence[ClassEntry]], Iterable[LintFinding]], ...] = (
    duplicate_ids,
    duplicate_names,
    contained_names,
    ambiguous_names,
    wnids_as_names,
    file_like_names,
    odd_characters,
    too_few,
)


def _groups(entries: Sequence[ClassEntry], key: Callable[[ClassEntry], str]) -> Iterator[tuple[str, list[ClassEntry]]]:
    found: dict[str, list[ClassEntry]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return ((value, group) for value, group in found.items() if len(group) > 1)


def _default_id(entry: ClassEntry) -> str:
    from syntrans.classes import slug

    return slug(entry.name)


def _has_wnid(entry: ClassEntry) -> bool:
    return _WNID.fullmatch(entry.id) is not None


def _is_odd(character: str) -> bool:
    unseen = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs"}
    return unseen or character == "\N{REPLACEMENT CHARACTER}"


def _spelled(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
