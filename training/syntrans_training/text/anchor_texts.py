"""The anchor bank: texts of base classes that a picture may be drawn to, and the guard that keeps other classes out.

An anchor is the name of a base class or a kept descriptor of one. A student that is drawn to a text that says the name
of a val or novel class has been told of that class, so such a text is left out, and counted. Which names those are:
    val and novel   as the source of the pictures lists them: keys and names, of a published split also of classes that
                    the copy lacks. No picture is opened for it, and the novel names serve for nothing but this.
    the same ones   as the descriptor file calls them.
    everything else in the descriptor file, where the source lists no novel classes (a folder with base and val alone):
                    any class that is not base may turn out to be novel.
Derived: a name counts where it stands as whole words, singular or plural, whatever the case; a word that is a name and
something else besides costs an anchor. Synonyms after a comma are names of their own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from syntrans.classes.entries import slug
from syntrans.classes.lint import normalised, plurals
from syntrans.contract.reading import read_descriptors
from syntrans.sentences import fill
from syntrans_training.data.datasets import DATASETS
from syntrans_training.data.open_splits import Source
from syntrans_training.text.class_vectors import Knowledge


@dataclass(frozen=True)
class AnchorTexts:
    """What the teacher's text tower is to read; `left_out` counts texts that name a class which is not base."""

    texts: tuple[str, ...]
    left_out: int


def anchor_texts(
    knowledge: Knowledge, base: Iterable[str], barred: Iterable[str], *, name_template: str, descriptor_template: str
) -> AnchorTexts:
    """Names and kept descriptors of the base classes, each text once, without those that say a barred name."""
    texts: dict[str, None] = {}
    for c in base:
        name = knowledge.names[c]
        texts[name_template.format(name=name)] = None
        for row in knowledge.rows.get(c, []):
            if row.kept:
                texts[fill(descriptor_template, text=row.text, name=name)] = None
    says = _pattern(barred)
    fit = [text for text in texts if not (says and says.search(normalised(text)))]
    return AnchorTexts(tuple(fit), len(texts) - len(fit))


def barred_names(source: Source, knowledge: Knowledge, base: Iterable[str], descriptors: Path | None) -> set[str]:
    """The names of val and novel classes, as the head of this file says."""
    barred: set[str] = set()
    for part in ("val", "novel"):
        if part in source.parts:
            there = source.parts[part]
            barred |= {*there.names, *there.names.values(), *there.missing}
        if source.dataset:
            published = DATASETS[source.dataset].split.parts[part]
            barred |= {*published, *published.values()}
    listed = "novel" in source.parts or bool(source.dataset)
    return barred | _in_file(descriptors, knowledge, base, barred if listed else None)


def _in_file(path: Path | None, knowledge: Knowledge, base: Iterable[str], barred: set[str] | None) -> set[str]:
    """Ids and names of the file's classes that are barred; without a list, of all that are not base."""
    if path is None:
        return set()
    base_ids = {row.class_id for c in base for row in knowledge.rows.get(c, [])}
    classes = {row.class_id: row.class_name for row in read_descriptors(path)[0] if row.class_id not in base_ids}
    slugs = None if barred is None else {slug(name) for name in barred}
    return {
        name for pair in classes.items() if slugs is None or slugs & {slug(spelt) for spelt in pair} for name in pair
    }


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    parts = {normalised(part) for name in names for part in name.split(",")}
    words = {form for name in parts if name for form in (name, *plurals(name))}
    if not words:
        return None
    any_of = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{any_of})(?:e?s)?(?!\w)")
