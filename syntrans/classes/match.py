"""Matching class names to whatever is called after them: folders, columns, splits, descriptions, descriptors.

Spellings are compared exactly first, then after Unicode composition (macOS writes names decomposed), then without case
and separators. What fits several in one of these is nobody's: the caller is told, and never given one of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from syntrans.classes.entries import ClassEntry, composed, slug
from syntrans.errors import InputError

_SHOWN = 5
_COMPARED = 3  # spellings are only suggested for so many classes: one costs a look at all that is there


class Clash(NamedTuple):
    """Classes and candidates that one spelling brings together, of which there are not one and one."""

    wanted: tuple[ClassEntry, ...]
    available: tuple[str, ...]


class Matches(NamedTuple):
    """``found``: id of a wanted class -> the available key that is its own, each key once.

    ``missing`` has no key, ``left_over`` is nobody's, ``clashes`` could not be told apart.
    """

    found: dict[str, str]
    missing: list[ClassEntry]
    left_over: list[str]
    clashes: list[Clash]


def pair(wanted: Sequence[ClassEntry], available: Iterable[str | ClassEntry]) -> Matches:
    """Pair ``wanted`` classes, whose ids differ, with what is ``available``: keys, or classes whose ids are the keys.

    In each spelling an id that somebody gave comes before the name, and a name before an id made of one. Time grows
    with the number of names, not with its square.
    """
    there = dict.fromkeys(one if isinstance(one, ClassEntry) else ClassEntry(one, one) for one in available)
    pairing = _Pairing({entry.id: entry for entry in wanted}, {entry.id: entry for entry in there})
    for spell in (str, composed, slug):
        pairing.compare(spell)
    pairing.refuse_twins()
    contested = {key for clash in pairing.clashes for key in clash.available}
    left_over = [key for key in pairing.free if key not in contested]
    return Matches(pairing.found, list(pairing.open.values()), left_over, pairing.clashes)


def match(
    wanted: Sequence[ClassEntry],
    available: Iterable[str | ClassEntry],
    where: str,
    *,
    beside: Sequence[ClassEntry] = (),
) -> Matches:
    """As `pair`; InputError naming ``where`` and the candidates if a class or a key could mean several.

    Classes ``beside`` the wanted ones have keys of their own, where there are any, and are not spoken of otherwise.
    """
    there, wanted_ids = list(available), {entry.id for entry in wanted}
    matches = pair([*wanted, *beside], there)
    clashes = [clash for clash in matches.clashes if any(entry.id in wanted_ids for entry in clash.wanted)]
    alone = pair([entry for entry in matches.missing if entry.id not in wanted_ids], there).found if beside else {}
    holders = {key: entry for entry in wanted if (key := matches.found.get(entry.id))}
    names = {entry.id: entry for entry in beside}
    clashes += [Clash((holders[key], names[one]), (key,)) for one, key in alone.items() if key in holders]
    if clashes:
        raise InputError(f"{where}: {_clash_text(clashes[0])}{_more(len(clashes))}")
    keys = {class_id: key for class_id, key in matches.found.items() if class_id in wanted_ids}
    return Matches(keys, [entry for entry in matches.missing if entry.id in wanted_ids], matches.left_over, [])


def nearest(missing: Sequence[ClassEntry], available: Collection[str]) -> str:
    """The names of ``missing`` for a message, the first of them with the spelling that comes nearest."""
    spelled = {slug(key): key for key in available}
    texts = [entry.name for entry in missing[:_SHOWN]]
    for place, entry in enumerate(missing[:_COMPARED]):
        close = difflib.get_close_matches(slug(entry.name), spelled, n=1, cutoff=0.7)
        texts[place] += f" (nearest: {spelled[close[0]]})" if close else ""
    return ", ".join(texts) + (", ..." if len(missing) > _SHOWN else "")


_Field = Callable[[ClassEntry], str]


def _id(entry: ClassEntry) -> str:
    return entry.id


def _name(entry: ClassEntry) -> str:
    return entry.name


def _given_id(entry: ClassEntry) -> str:
    """The id unless it is the name, or made of it."""
    return entry.id if entry.id not in (entry.name, slug(entry.name)) else ""


_FIELDS: tuple[tuple[_Field, _Field], ...] = ((_given_id, _id), (_name, _name), (_id, _id), (_name, _id), (_id, _name))


class _Pairing:
    """The state of one `pair`: what is still ``open`` and ``free``, by id."""

    def __init__(self, wanted: dict[str, ClassEntry], available: dict[str, ClassEntry]) -> None:
        self.open, self.free = wanted, available
        self.found: dict[str, str] = {}
        self.clashes: list[Clash] = []

    def compare(self, spell: Callable[[str], str]) -> None:
        """Take every pair that this spelling brings together; then set aside as clashes what fits several."""
        spelled = _Spelled(spell)
        taken = True
        while taken:  # what was taken leaves fewer candidates to the rest
            taken = sum(self._take(spelled, *fields) for fields in _FIELDS) > 0
        self._set_clashes_aside(spelled)

    def refuse_twins(self) -> None:
        """Keys that differ in composition only are one name: taking one of them would lose the other."""
        taken = {composed(key): (class_id, key) for class_id, key in self.found.items()}
        for key in self.free:
            if composed(key) in taken:
                class_id, other = taken[composed(key)]
                self.clashes.append(Clash((ClassEntry(class_id, composed(key)),), (other, key)))

    def _take(self, spelled: _Spelled, mine: _Field, theirs: _Field) -> bool:
        """Pair those of which one and one have the same key; whether there was a pair."""
        wanted = spelled.groups(self.open.values(), mine)
        there = spelled.groups(self.free.values(), theirs) if wanted else {}
        pairs = [
            (entries[0].id, there[key][0].id)
            for key, entries in wanted.items()
            if len(entries) == 1 and len(there.get(key, ())) == 1
        ]
        for class_id, key in pairs:
            self.found[class_id] = key
            del self.open[class_id], self.free[key]
        return bool(pairs)

    def _set_clashes_aside(self, spelled: _Spelled) -> None:
        there = spelled.groups(self.free.values(), _id, _name) if self.open else {}
        for key, entries in spelled.groups(self.open.values(), _id, _name).items():
            still = tuple(entry for entry in entries if entry.id in self.open)
            if still and key in there:
                self.clashes.append(Clash(still, tuple(entry.id for entry in there[key])))
                for entry in still:
                    del self.open[entry.id]


class _Spelled:
    """A way of spelling that remembers what it has spelled."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        self._spell = spell
        self._known: dict[str, str] = {"": ""}

    def groups(self, entries: Iterable[ClassEntry], *fields: _Field) -> Mapping[str, list[ClassEntry]]:
        """Entries by how one of ``fields`` is spelled, each once a spelling; what has no spelling is left out."""
        by_spelling: dict[str, list[ClassEntry]] = {}
        for entry in entries:
            for key in dict.fromkeys(self._of(field(entry)) for field in fields):
                if key:
                    by_spelling.setdefault(key, []).append(entry)
        return by_spelling

    def _of(self, text: str) -> str:
        if text not in self._known:
            self._known[text] = self._spell(text)
        return self._known[text]


def _clash_text(clash: Clash) -> str:
    classes = " and ".join(shown([entry.name for entry in clash.wanted]))
    ids = ", ".join(entry.id for entry in clash.wanted[:_SHOWN])
    there = " or ".join(shown(clash.available))
    if len(clash.wanted) == 1:
        return f"class {classes} could be {there}; give the exact name or id of the one that is meant"
    return f"{there} could belong to the classes {classes} (ids {ids}); call it by the exact id of one of them"


def shown(names: Sequence[str]) -> list[str]:
    """Names in quotes; with their code points where they look the same."""
    alike = len({composed(name) for name in names}) < len(names) and len(set(names)) > 1
    return [ascii(name) if alike else repr(name) for name in names[:_SHOWN]]


def _more(clashes: int) -> str:
    return f" ({clashes - 1} more of this kind)" if clashes > 1 else ""
