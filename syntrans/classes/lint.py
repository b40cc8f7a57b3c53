"""The rules for class lists, each a function from entries to findings.

A class list is where mistakes are cheapest: a name that means two things gives descriptors of the wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from syntrans.classes.entries import ARTICLE, WNID, ClassEntry, blank_lines, slug
from syntrans.errors import InputError

_NUMBERED = re.compile(r"\d+[._-]\s*[A-Za-z]")
_IRREGULAR = {"mice": "mouse", "geese": "goose", "oxen": "ox", "men": "man", "women": "woman", "children": "child"}
_ENDINGS = ((r"(?<=[^aeiou])y$", "ies"), (r"fe?$", "ves"))
_ALTERNATIVES = re.compile(r"\s*(?:[,;/]|\bor\b)\s*")


class LintFinding(NamedTuple):
    """One thing that is wrong (error) or will probably hurt (warning), and the ids of its entries."""

    level: Literal["error", "warning"]
    rule: str
    message: str
    entries: tuple[str, ...]


@cache
def homonyms() -> Mapping[str, tuple[str, ...]]:
    """Known names with several visual meanings: normalised name -> short definitions, the most usual one first."""
    lines = Path(__file__).with_name("homonyms.tsv").read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {name: tuple(senses) for name, *senses in fields}


def is_settled(entry: ClassEntry) -> bool:
    """Whether a wnid or a definition says which sense of the name is meant."""
    return bool(entry.definition) or _has_wnid(entry)


@lru_cache(maxsize=1 << 16)
def normalised(name: str) -> str:
    """The form in which two names are the same: case, spaces, '_', '-' and a leading article do not count."""
    words = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
    return ARTICLE.sub("", words)


def plurals(name: str) -> set[str]:
    """Plural forms of a normalised name that are not the name with -s or -es: 'wolves', 'butterflies', 'mice'."""
    *before, last = name.split(" ")
    forms = {plural for plural, one in _IRREGULAR.items() if one == last}
    forms |= {re.sub(ending, plural, last) for ending, plural in _ENDINGS if re.search(ending, last)}
    return {" ".join([*before, form]) for form in forms}


def _number_free(name: str) -> str:
    """A normalised name whose last word is spelt alike in singular and plural, as far as English tells."""
    *before, last = name.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        last = f"{last[:-3]}y"
    elif last.endswith(("ches", "shes", "sses", "xes", "zes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")):
        last = last[:-1]
    return " ".join([*before, re.sub(r"(f|fe|ve)$", "v", last)])


def duplicate_ids(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """Two lines with one id (error), be it given or made of the name."""
    for identifier, group in _groups(entries, lambda entry: entry.id):
        names = ", ".join(repr(entry.name) for entry in group)
        text = f"id {identifier!r} is given to {names}; ids must differ"
        if all(map(_has_default_id, group)):
            if len({normalised(entry.name) for entry in group}) == 1:
                continue  # duplicate_names says it
            rule = "rename one, or give ids: id<TAB>name"
            text = f"{names} differ in case and punctuation only, and would both be {identifier!r}; {rule}"
        yield LintFinding("error", "duplicate_id", text, (identifier,))


def duplicate_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """One name for two classes: an error, unless a wnid or a definition tells each of them apart."""
    for _, group in _groups(entries, lambda entry: normalised(entry.name)):
        ids = tuple(dict.fromkeys(entry.id for entry in group))
        if len(ids) == 1 and len(group) > 1 and not _has_default_id(group[0]):
            continue  # said by duplicate_ids
        senses = {entry.definition for entry in group if entry.definition}
        settled = len(ids) == len(group) and (all(map(_has_wnid, group)) or len(senses) == len(group))
        names = ", ".join(repr(entry.name) for entry in group)
        if settled:
            rule = "" if len(senses) == len(group) else "; models are asked by name and definition, so add definitions"
            yield LintFinding("warning", "same_name", f"{names}: one name, told apart by {', '.join(ids)}{rule}", ids)
        else:
            senses_known = homonyms().get(normalised(group[0].name))
            meanings = f" (it may mean {'; '.join(senses_known)})" if senses_known else ""
            rule = "remove one, or give each an id and a definition"
            text = f"{names}: the same name {len(group)} times{meanings}; {rule}"
            yield LintFinding("error", "duplicate_name", text, ids)


def shared_synonyms(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """'missile' beside 'projectile, missile': one class under two lists of names, unless something settles it."""
    counts = Counter(part for entry in entries for part in _alternatives(entry))
    by_synonym: dict[str, list[ClassEntry]] = defaultdict(list)
    for entry in entries:
        for part in _alternatives(entry):
            if counts[part] > 1:
                by_synonym[part].append(entry)
    for part, group in by_synonym.items():
        whole = {normalised(entry.name) for entry in group}
        if part and len(whole) > 1 and not all(map(is_settled, group)):
            names = ", ".join(repr(entry.name) for entry in group)
            text = f"{names}: both are called {part!r}; keep one name each, or add definitions"
            yield LintFinding("error", "shared_synonym", text, tuple(entry.id for entry in group))


def plural_twins(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """'cat' and 'cats': language models describe both alike."""
    for _, group in _groups(entries, lambda entry: _number_free(normalised(entry.name))):
        if len({normalised(entry.name) for entry in group}) > 1 and not all(map(is_settled, group)):
            names = ", ".join(repr(entry.name) for entry in group)
            text = f"{names}: singular and plural of one name; merge the classes, or add definitions"
            yield LintFinding("warning", "plural_twin", text, tuple(entry.id for entry in group))


def contained_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A name inside another one ('bear' in 'polar bear'): statements about one drift to the other.

    A wnid or a definition says that the shorter name means its own class.
    """
    by_name = {normalised(entry.name): entry for entry in entries}
    lengths = sorted({name.count(" ") + 1 for name in by_name})
    longer_names: dict[str, list[ClassEntry]] = defaultdict(list)
    for name, entry in by_name.items():
        for part in _runs_of_words(name, lengths):
            if part in by_name and not is_settled(by_name[part]):
                longer_names[part].append(entry)
    for name, entry in by_name.items():
        if longer := longer_names.get(name):
            listed = ", ".join(repr(other.name) for other in longer[:3]) + (" ..." if len(longer) > 3 else "")
            text = f"{entry.name!r} is part of {listed}; descriptors of one may be drawn from the other"
            yield LintFinding("warning", "name_in_name", text, (entry.id, *(other.id for other in longer)))


def ambiguous_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A name known to mean two things, with neither wnid nor definition to settle it."""
    for entry in entries:
        senses = homonyms().get(normalised(entry.name))
        if senses and not is_settled(entry):
            meanings = "; ".join(senses)
            text = f"{entry.name!r} may mean {meanings}; add a definition (id<TAB>name<TAB>definition)"
            yield LintFinding("warning", "ambiguous", text, (entry.id,))


def wnids_as_names(entries: Sequence[ClassEntry]) -> Iterator[LintFinding]:
    """A WordNet id where a language model needs words."""
    for entry in entries:
        if WNID.fullmatch(entry.name):
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


def empty_lines(source: str | Path) -> list[LintFinding]:
    """Empty lines between the classes of a text list; of a file, since the entries know nothing of them."""
    numbers = blank_lines(source)
    places = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
    text = f"{len(numbers)} empty lines ({places}) are left out; is a name missing there?"
    return [LintFinding("warning", "empty_line", text, ())] if numbers else []


RULES: tuple[Callable[[Sequence[ClassEntry]], Iterable[LintFinding]], ...] = (
    duplicate_ids,
    duplicate_names,
    shared_synonyms,
    plural_twins,
    contained_names,
    ambiguous_names,
    wnids_as_names,
    file_like_names,
    odd_characters,
    too_few,
)


def lint(entries: Sequence[ClassEntry]) -> list[LintFinding]:
    """Everything questionable about a class list, errors first."""
    findings = [finding for rule in RULES for finding in rule(entries)]
    return sorted(findings, key=lambda finding: finding.level != "error")


def require_clean(entries: Sequence[ClassEntry]) -> list[LintFinding]:
    """The warnings about a class list; InputError with the first error, if there is one."""
    findings = lint(entries)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        more = f" ({len(errors) - 1} more; see `syntrans classes check`)" if len(errors) > 1 else ""
        raise InputError(f"class list: {errors[0].message}{more}")
    return findings


def _alternatives(entry: ClassEntry) -> Iterable[str]:
    """The names that one name lists: 'projectile, missile' is two."""
    return dict.fromkeys(_ALTERNATIVES.split(normalised(entry.name)))


def _runs_of_words(name: str, lengths: Sequence[int]) -> set[str]:
    """Every run of words inside ``name`` that is of one of ``lengths`` (ascending), apart from all of it."""
    words = name.split(" ")
    return {
        " ".join(words[start : start + length])
        for length in lengths[: bisect_left(lengths, len(words))]
        for start in range(len(words) - length + 1)
    }


def _groups(entries: Sequence[ClassEntry], key: Callable[[ClassEntry], str]) -> Iterator[tuple[str, list[ClassEntry]]]:
    """Entries that share a key, by key. Few do: a list for each of a million keys would take more than the entries."""
    keys = [key(entry) for entry in entries]
    counts = Counter(keys)
    groups: dict[str, list[ClassEntry]] = defaultdict(list)
    for value, entry in zip(keys, entries, strict=True):
        if counts[value] > 1:
            groups[value].append(entry)
    return iter(groups.items())


def _has_default_id(entry: ClassEntry) -> bool:
    return entry.id == slug(entry.name)


def _has_wnid(entry: ClassEntry) -> bool:
    return WNID.fullmatch(entry.id) is not None


def _is_odd(character: str) -> bool:
    unseen = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs"}
    return unseen or character == "\N{REPLACEMENT CHARACTER}"


def _spelled(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
