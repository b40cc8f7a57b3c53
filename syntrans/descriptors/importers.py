"""Descriptions that others have published, brought into the contract as they are: nobody voted, all are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syntrans import __version__
from syntrans.classes.entries import ClassEntry, class_list_sha256, slug
from syntrans.classes.lint import require_clean
from syntrans.classes.match import match, nearest
from syntrans.contract.identity import definition_notes
from syntrans.contract.rows import Author, DescriptorRow, FileMetadata, descriptor_id, normalise_text
from syntrans.contract.writing import write_descriptors
from syntrans.descriptors.import_formats import CITATIONS, Line, Source, read_source
from syntrans.errors import InputError, UsageError
from syntrans.paths import make_dir, remove_rests

_NOT_ASKED = "the descriptions are taken over as published"
_SHOWN = 20


@dataclass
class Imported:
    """What an import wrote, and what became of all that it read.

    ``repeated`` descriptions say what another one of their class says; ``wordless`` ones say nothing. Classes:
    ``empty`` have no description, ``twice`` stood in a source more than once, ``respelled`` are spelled otherwise in
    a further source, ``left_out`` are not on the list.
    """

    descriptors: Path
    sources: list[str]
    n_classes: int = 0
    n_read: int = 0
    n_rows: int = 0
    repeated: int = 0
    wordless: int = 0
    empty: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    respelled: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    n_left_out: int = 0  # descriptions of those

    def messages(self) -> list[str]:
        """What was read, merged and dropped, and why, in lines for people."""
        read, wrote = f"read {self.n_read:,} descriptions", f"wrote {self.n_rows:,} rows of {self.n_classes:,} classes"
        lines = [f"{read} from {', '.join(self.sources)}; {wrote}"]
        for count, text in (
            (
                self.repeated,
                "merged {:,} descriptions into rows that say the same and count as often",
            ),
            (self.wordless, "dropped {:,} descriptions without a word"),
            (self.n_left_out, "dropped {:,} descriptions of classes that are not on the list"),
        ):
            lines += [text.format(count)] if count else []
        for names, what in (
            (self.twice, "merged {:,} classes that a source has more than once: {}"),
            (self.respelled, "merged {:,} classes that a further source spells otherwise: {}"),
            (self.left_out, "left out {:,} classes that are not on the list: {}"),
            (self.empty, "warning: {:,} classes have no description, so their name alone stands for them: {}"),
        ):
            listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            lines += [what.format(len(names), listed)] if names else []
        return lines


def import_descriptions(
    paths: Sequence[Path], out: Path, classes: Sequence[ClassEntry] | None = None, formats: Sequence[str] = ()
) -> Imported:
    """Write ``out/descriptors.parquet`` from published descriptions; further files add to what the first one says.

    ``formats`` is empty (told from the content), one for all files, or one a file. Sentences stay whole; one that a
    class has several times becomes one row that counts as often, with as many authors. With ``classes`` these are
    taken, as `classes.match.match` finds them; without, every class of the sources. A class without a description has
    one dropped row that says so. InputError for malformed files, for a listed class that no source has, and where two
    names cannot be told apart.
    """
    sources = [read_source(path, form) for path, form in zip(paths, _formats(paths, formats), strict=True)]
    done = Imported(out / "descriptors.parquet", [f"{source.path} ({source.form})" for source in sources])
    done.twice = [name for source in sources for name in source.repeated]
    done.n_read = sum(len(lines) for source in sources for lines in source.described.values())
    said = _listed(sources, classes, done) if classes is not None else _united(sources, done)
    require_clean(list(said))
    if not any(normalise_text(line.text) for lines in said.values() for line in lines):
        raise InputError(f"{', '.join(map(str, paths))}: there is no description at all; add some")
    done.n_classes = len(said)
    remove_rests(make_dir(out))
    metadata = _metadata(out.resolve().name, sources, list(said))
    write_descriptors(done.descriptors, _in_order(said, done), metadata)
    return done


def _in_order(said: Said, done: Imported) -> Iterator[DescriptorRow]:
    """All rows by class id, made as they are written and counted; ``said`` is emptied."""
    for entry in sorted(said, key=lambda entry: entry.id):
        for row in _rows(entry, said.pop(entry), done):
            done.n_rows += row.kept
            yield row


def _formats(paths: Sequence[Path], formats: Sequence[str]) -> Sequence[str | None]:
    if not formats:
        return [None] * len(paths)
    if len(formats) not in (1, len(paths)):
        raise UsageError(f"{len(formats)} --format for {len(paths)} files; give none, one for all, or one a file")
    return list(formats) * (len(paths) // len(formats))


Said = dict[ClassEntry, list[Line]]
"""What all sources say of each class."""


def _listed(sources: Sequence[Source], classes: Sequence[ClassEntry], done: Imported) -> Said:
    """The lines of listed classes; InputError naming those that no source has."""
    said: Said = {entry: [] for entry in classes}
    matched: set[str] = set()
    for source in sources:
        by_key = {entry.id: lines for entry, lines in source.described.items()}
        matches = match(classes, source.described, str(source.path))
        matched.update(matches.found)
        for entry in classes:
            said[entry] += by_key.get(matches.found.get(entry.id, ""), [])
        done.left_out = list(dict.fromkeys([*done.left_out, *matches.left_over]))
        done.n_left_out += sum(len(by_key[key]) for key in matches.left_over)
    if missing := [entry for entry in classes if entry.id not in matched]:
        names = [entry.name for source in sources for entry in source.described]
        where, rule = " and ".join(str(source.path) for source in sources), "spelled as in the source, or off the list"
        raise InputError(f"{where} does not describe {len(missing)} listed classes: {nearest(missing, names)}; {rule}")
    return said


def _united(sources: Sequence[Source], done: Imported) -> Said:
    """The lines of all classes: a further source's are added to the same class, or are classes of their own.

    The sources are emptied: a million classes would stand in memory twice.
    """
    said: Said = {}
    for source in sources:
        described: Said = {}
        entries = list(source.described)[::-1]
        while entries:
            lines = source.described.pop(entry := entries.pop())
            described[_settled(entry, lines, source)] = lines
        source.described.clear()  # or its table stays as large as it was
        if len(sources) > 1:
            require_clean(list(described))  # two classes of one source are never the same one of another
        if not said:
            said = described
            continue
        matched = match(list(described), said, str(source.path)).found
        there = {entry.id: entry for entry in said}
        for entry, lines in described.items():
            same = there[matched[entry.id]] if entry.id in matched else entry
            if same.name != entry.name:
                done.respelled.append(f"{entry.name} = {same.name}")
            said.setdefault(same, []).extend(lines)
    return said


def _settled(described: ClassEntry, lines: Sequence[Line], source: Source) -> ClassEntry:
    """A class of a source under its id: the one it was given, or that of its name."""
    if any(line.id for line in lines):
        return described
    identifier = slug(described.name)
    if not identifier:
        rule = "add a word, or give it an id in JSON lines"
        raise InputError(f"{source.path}: {described.name!r} has no letter, digit or sign to call the class by; {rule}")
    return ClassEntry(identifier, described.name)


def _metadata(run_id: str, sources: Sequence[Source], entries: Sequence[ClassEntry]) -> FileMetadata:
    files = [{"format": source.form, "source": source.path.name, "source_sha256": source.sha256} for source in sources]
    return FileMetadata(
        run_id=run_id,
        config=files[0] if len(files) == 1 else {"files": files},
        class_list_sha256=class_list_sha256(entries),
        package_versions={"syntrans": __version__},
        notes={
            "source": "; ".join(dict.fromkeys(CITATIONS[source.form] for source in sources)),
            "skipped": dict.fromkeys(("crosscheck", "ground", "filter", "compose"), _NOT_ASKED),
            **definition_notes(entries),
        },
    )


def _rows(entry: ClassEntry, lines: Sequence[Line], done: Imported) -> list[DescriptorRow]:
    """A row for each thing that is said of a class, weighted by how often it is; a dropped one if there is nothing."""
    said: dict[str, list[tuple[Line, Author]]] = {}
    for sample, line in enumerate(lines):
        if key := normalise_text(line.text):
            said.setdefault(key, []).append((line, _author(line, sample)))
    done.wordless += len(lines) - sum(map(len, said.values()))
    done.repeated += sum(len(group) - 1 for group in said.values())
    if not said:
        done.empty.append(entry.name)
        return [_nothing(entry)]
    return [
        DescriptorRow(
            class_id=entry.id,
            class_name=entry.name,
            descriptor_id=descriptor_id(entry.id, group[0][0].text),
            text=group[0][0].text,
            facet=group[0][0].origin.facet,
            authors=[author for _, author in group],
            kept=True,
            rank=rank,
            weight=float(len(group)),
        )
        for rank, group in enumerate(said.values(), start=1)
    ]


def _nothing(entry: ClassEntry) -> DescriptorRow:
    """The row that keeps a class without descriptions in the file."""
    text = "the source has no description of this class"
    return DescriptorRow(
        class_id=entry.id,
        class_name=entry.name,
        descriptor_id=descriptor_id(entry.id, text),
        text=text,
        facet="other",
        authors=[],
        kept=False,
        stage="propose",
        reason="no_answer",
    )


def _author(line: Line, sample: int) -> Author:
    origin = line.origin
    return Author(
        model=origin.author, revision=origin.revision, prompt=origin.prompt, sample=sample, seed=0, raw=line.text
    )
