"""Default inputs: which pictures and descriptor file a command takes when it is not told, and why; it says so.

The embedded world is taken where it is asked for, or where there is nothing else, and never besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import pair
from syntrans.console import say
from syntrans.errors import InputError, SyntransError, UsageError
from syntrans.images.class_lists import read_classes
from syntrans.paths import artifacts_root, files_of_runs
from syntrans.runs.past_runs import newest_readable

if TYPE_CHECKING:
    from syntrans.contract.rows import FileMetadata
    from syntrans_training.config import DataConfig
    from syntrans_training.data.load_splits import Origin

WORLD = "world"


class Chosen(NamedTuple):
    """Something that a command takes, and why."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


@overload
def absolute(source: str) -> str: ...
@overload
def absolute(source: str | None) -> str | None: ...
def absolute(source: str | None) -> str | None:
    """Where pictures lie, from anywhere; what is on the Hub stays as it is."""
    return source if source is None or "://" in source else str(Path(source).expanduser().absolute())


def is_pattern(source: str) -> bool:
    """Whether this names pictures otherwise than by one path that can be looked for."""
    return "://" in source or any(sign in source for sign in "*?[")


def images_named(source: str) -> Chosen:
    """The pictures of --images; InputError where nothing is there."""
    if not is_pattern(source) and not Path(source).expanduser().exists():
        raise InputError(f"images {source!r} is not there; give a folder, or a Parquet file")
    return Chosen(absolute(source), "--images")


def export_world() -> Path:
    """The embedded world's pictures, drawn once into the cache."""
    from syntrans_world.export import export_cached

    return export_cached()


def descriptor_files() -> Iterator[Path]:
    """Every descriptors.parquet that was mined or imported, the newest first."""
    yield from files_of_runs(("mine", "import"), "descriptors.parquet")


def newest_descriptor_file() -> Path | None:
    """The newest of `descriptor_files` that can be read; None without one."""
    from syntrans.contract.reading import read_metadata

    return newest_readable(("mine", "import"), "descriptors.parquet", lambda path: bool(read_metadata(path)))


def unfinished_mining() -> Path | None:
    """The newest folder that a run of `mine` has begun; None without one."""
    return max((path for path in (artifacts_root() / "mine").glob("*") if path.is_dir()), default=None)


def descriptor_file(path: Path) -> Path:
    """The file at a path, which may be the folder of a run."""
    return path / "descriptors.parquet" if path.is_dir() else path


def pictures_of(file: Path, meta: FileMetadata) -> Chosen:
    """The pictures that a file was mined with; says what to do where it names none, or they have gone."""
    if meta.pictures is None:
        raise UsageError(
            f"{file} does not say which pictures belong to its classes (it was imported, or mined without pictures); "
            "give them: --images DIR"
        )
    where = meta.pictures.path
    if where != WORLD and not is_pattern(where) and not Path(where).exists():
        raise InputError(f"{file} was mined with the pictures in {where}, which is not there; --images says where")
    return Chosen(where, f"{file} was mined with them")


def fitting_descriptors(data: DataConfig | Origin) -> Chosen | None:
    """The newest file that was mined with these pictures, or knows every one of their classes; None without one."""
    files = list(descriptor_files())
    keys = class_keys(data) if files else []
    for path in files:
        if _mined_with(path, data.path):
            return Chosen(str(path), "the newest that was mined with them")
        if _knows(path, keys):
            return Chosen(str(path), "the newest that has all of their classes")
    return None


def class_keys(data: DataConfig | Origin) -> list[str]:
    """The classes of a training's data, divided or not; of the world without drawing it."""
    if data.path == WORLD:
        return [entry.name for entry in read_classes(WORLD)]
    from syntrans_training.data.load_splits import class_names
    from syntrans_training.data.open_splits import NotDivided, undivided

    try:
        return class_names(data.path, data.dataset, split_file=data.split_file, columns=data.columns)
    except NotDivided:
        pool = undivided(data.path, data.columns)
        return list(pool.keys) if pool else []


def images_seen_with(path: str) -> tuple[Path, Collection[str]] | None:
    """The newest file that was mined with the pictures at ``path``, and what it saw; None without one."""
    from syntrans.contract.reading import read_metadata

    mined = next((file for file in descriptor_files() if _mined_with(file, path)), None)
    return (mined, read_metadata(mined).images_seen) if mined else None


def _mined_with(file: Path, path: str) -> bool:
    from syntrans.contract.reading import read_metadata

    try:
        used = read_metadata(file).pictures
    except SyntransError:  # of a file that is passed over anyway nothing need be said
        return False
    return used is not None and used.path == (path if path == WORLD else absolute(path))


def _knows(path: Path, keys: Sequence[str]) -> bool:
    from syntrans.contract.reading import read_descriptor_table

    try:
        table = read_descriptor_table(path)
    except InputError as error:  # an old wreck
        say(f"passed over: {error}")
        return False
    ids, names = table["class_id"].to_pylist(), table["class_name"].to_pylist()
    matches = pair([ClassEntry(key, key) for key in keys], map(ClassEntry, ids, names))
    return not matches.missing and not matches.clashes
