"""Which files of a folder are pictures: one rule for endings, hidden files, links and what is no file at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from syntrans.classes.entries import is_unicode
from syntrans.images.decode import begins_like_a_picture, suffixes
from syntrans.images.reference import PassedOver

_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})  # what systems leave behind
NO_TEXT = "names that are no UTF-8"


def list_pictures(folder: Path) -> tuple[list[Path], PassedOver]:
    """The picture files in ``folder`` and below, sorted, and what was passed over.

    Read are the endings of `decode.FORMATS`, and files without an ending that begin like one of them. Hidden
    files (also the resource forks ``._a.jpg``) and what systems leave behind do not count. Links are followed, but
    no folder is read twice. What is no regular file is not opened, and what has a name that is no text (no UTF-8)
    could not be written down.
    """
    paths, passed = [], PassedOver()
    for kind, path in _walk(folder):
        if kind is None:
            paths.append(path)
        else:
            passed.add(kind, path.name)
    return sorted(paths), passed


def has_picture(folder: Path) -> bool:
    """Whether `list_pictures` would find one; stops at the first."""
    return any(kind is None for kind, _ in _walk(folder))


def loose_pictures(folder: Path) -> tuple[list[Path], PassedOver]:
    """The picture files in ``folder`` itself, sorted, and which of the other files there were passed over."""
    return pictures_among(path for path in visible(folder) if not is_lost_folder(path))


def pictures_among(paths: Iterable[Path]) -> tuple[list[Path], PassedOver]:
    """The picture files of ``paths``, and what was passed over: neither folders nor Parquet, which are read as such."""
    pictures, passed = [], PassedOver()
    for path in paths:
        if is_hidden(path.name) or path.is_dir() or path.suffix == ".parquet":
            continue
        if (kind := _passed_over(path)) is None:
            pictures.append(path)
        else:
            passed.add(kind, path.name)
    return pictures, passed


def is_lost_folder(path: Path) -> bool:
    """Whether a path is a broken link that may have been one to a folder: it does not end like a picture."""
    return path.is_symlink() and not path.exists() and path.suffix.lower() not in suffixes()


def is_picture(path: Path) -> bool:
    """Whether a path is a picture file, by the rules of `list_pictures`."""
    return not is_hidden(path.name) and not path.is_dir() and _passed_over(path) is None


def visible(folder: Path) -> list[Path]:
    """What is in a folder without what is hidden, sorted; nothing where there is no folder or it cannot be read."""
    try:
        return sorted((path for path in folder.iterdir() if not is_hidden(path.name)), key=lambda path: path.name)
    except OSError:
        return []


def visible_folders(folder: Path) -> list[Path]:
    """The folders (also links to some) in a folder, sorted."""
    return [path for path in visible(folder) if path.is_dir()]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name does not count."""
    return name.startswith(".") or name.casefold() in _LITTER


def _walk(top: Path) -> Iterator[tuple[str | None, Path]]:
    """Everything visible below ``top``: None and a picture, or the kind of what is passed over and its path."""
    seen = {_identity(folder) for folder in (top, *top.resolve().parents)}  # a link upwards would lead in circles
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            yield "folders that cannot be opened", folder
            continue
        for entry in entries:
            path = folder / entry.name
            if is_hidden(entry.name):
                continue
            is_folder = path.is_dir() if entry.is_symlink() else entry.is_dir()
            if not is_unicode(entry.name):
                yield NO_TEXT, path
            elif not is_folder:
                yield _passed_over(path, known_file=entry.is_file(follow_symlinks=False)), path
            elif _identity(path) in seen:
                yield "links to folders that are read already", path
            else:
                seen.add(_identity(path))
                waiting.append(path)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _passed_over(path: Path, *, known_file: bool = False) -> str | None:
    """Why a file is no picture; None for a picture."""
    if not is_unicode(path.name):
        return NO_TEXT
    try:
        if not known_file and not stat.S_ISREG(path.stat().st_mode):
            return "pipes, sockets or devices"
    except OSError:
        return "broken links" if path.is_symlink() else "files that cannot be looked at"
    suffix = path.suffix.lower()
    if suffix in suffixes():
        return None
    if suffix:
        return f"{suffix} files"
    try:
        with path.open("rb") as stream:
            return None if begins_like_a_picture(stream.read(16)) else "files without an ending"
    except OSError:
        return "files that cannot be looked at"
