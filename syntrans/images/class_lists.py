"""Class lists of any form: a file, a built-in list, or a folder of class folders."""

from __future__ import annotations

from pathlib import Path

from syntrans.classes.entries import ClassEntry, composed, entry_of, is_folder, read_class_file
from syntrans.errors import InputError
from syntrans.images.files import visible_folders
from syntrans.images.folders import class_folders


def read_classes(source: str | Path) -> list[ClassEntry]:
    """The classes of a folder of class folders, or of whatever `read_class_file` reads. InputError as there."""
    if not is_folder(source):
        return read_class_file(source)
    return [entry_of({"name": name}, f"{source}, folder {name}") for name in _folder_names(Path(source))]


def _folder_names(folder: Path) -> list[str]:
    """The names of the classes whose folders lie in ``folder``, for a class list; also where no picture is in them.

    A ``_`` is read as a blank, unless two names would be one. InputError where there is none.
    """
    keys = list(class_folders(folder).keys) or [below.name for below in visible_folders(folder)]
    if not keys:
        raise InputError(f"{folder} has no class folders; give a class list, or one folder a class")
    names = [key.replace("_", " ") for key in keys]
    return names if len({composed(name) for name in names}) == len(keys) else keys
