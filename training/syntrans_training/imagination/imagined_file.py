"""A file of imagined pictures, opened by those who train on them, or take them as supports."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.contract.imagined import IMAGINED, ImaginedRow, read_imagined
from syntrans.errors import InputError, UsageError
from syntrans.paths import newest
from syntrans.progress import say
from syntrans.provenance import file_sha256


@dataclass(frozen=True)
class Imagined:
    """A file of imagined pictures: where it is, its hash, its kept rows, and all of its classes."""

    path: Path
    sha256: str
    rows: tuple[ImaginedRow, ...]
    classes: tuple[ClassEntry, ...]
    model: str
    revision: str

    def of_classes(self, classes: Sequence[str | ClassEntry], at_most: int) -> list[tuple[ImaginedRow, int]]:
        """Kept rows, `at_most` so many of each of `classes`, with the number of their class.

        InputError where the file does not know a class; says of which classes it keeps nothing.
        """
        ids, entries = self.ids_of(classes), [_entry(c) for c in classes]
        groups = [[row for row in self.rows if row.class_id == ids[entry.id]][:at_most] for entry in entries]
        without = [entry.name for entry, group in zip(entries, groups, strict=True) if not group]
        if without:
            names = ", ".join(without[:5])
            say(f"no imagined picture is kept of {len(without)} of {len(classes)} classes ({names})")
        return [(row, label) for label, group in enumerate(groups) for row in group]

    def ids_of(self, classes: Sequence[str | ClassEntry]) -> dict[str, str]:
        """Which class of the file each of `classes` is; InputError where one is not there, or could be several."""
        matches = match(list(map(_entry, classes)), list(self.classes), str(self.path))
        if matches.missing:
            names = ", ".join(entry.name for entry in matches.missing[:5])
            raise InputError(
                f"{self.path} has no picture of {len(matches.missing)} of {len(classes)} classes ({names}); "
                "imagine them too, or name another file: --set imagined=DIR"
            )
        return matches.found


def imagined_path(given: str | None) -> Path:
    """The file that is named, which may be its folder, else the newest; UsageError where there is none."""
    path = newest("imagine", IMAGINED) if given is None else Path(given).expanduser()
    if path is None:
        raise UsageError(
            "there are no imagined pictures; run `syntrans imagine` first, or name them: --set imagined=DIR"
        )
    return (path / IMAGINED if path.is_dir() else path).absolute()


def open_imagined(given: str | None) -> Imagined:
    """The file that is named, else the newest.

    InputError where latents differ in shape or are no numbers, or none is kept.
    """
    path = imagined_path(given)
    rows, meta = read_imagined(path)
    kept = tuple(row for row in rows if row.kept and row.latent is not None and row.image is not None)
    shapes = {row.latent.shape for row in kept if row.latent is not None}
    if len(shapes) != 1:
        sizes = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes)) or "none kept"
        raise InputError(f"{path}: latents of one shape are needed, there are {sizes}; imagine again with one model")
    odd = next((row.picture_id for row in kept if row.latent is not None and not np.isfinite(row.latent).all()), None)
    if odd is not None:
        raise InputError(f"{path}: the latent of picture {odd} holds what is no number; imagine again")
    classes = {row.class_id: ClassEntry(row.class_id, row.class_name) for row in rows}
    return Imagined(
        path, file_sha256(path), kept, tuple(classes.values()), meta.get("model", ""), meta.get("revision", "")
    )


def _entry(of: str | ClassEntry) -> ClassEntry:
    return of if isinstance(of, ClassEntry) else ClassEntry(of, of)
