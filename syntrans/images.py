"""Pictures by class, from folders or Parquet files in the Hugging Face image form; decoded with limits."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from syntrans.classes import ClassEntry, slug
from syntrans.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

SPLITS = ("base", "val", "novel", "train", "test")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
MAX_PIXELS = 64_000_000
"""Pictures larger than this are refused before they are unpacked (a small file can claim to be enormous)."""
_LABEL_COLUMNS = ("class", "label", "class_name", "class_id")


class ImageRef(NamedTuple):
    """One encoded picture. ``sha256`` is of the encoded bytes, ``origin`` says where it came from."""

    class_key: str
    sha256: str
    load: Callable[[], bytes]
    origin: str = ""

    def image(self) -> Image.Image:
        """The decoded picture, RGB; InputError naming its origin if it is broken."""
        return decode(self.load(), self.origin)


def open_images(path: str | Path, limit_per_class: int | None = None) -> dict[str, list[ImageRef]]:
    """Pictures by class key (folder name, or class column as it is), classes and pictures in a stable order.

    ``path`` is a class-per-folder tree, one Parquet file, or a folder of either (``base.parquet``, ``val/``).
    Parquet has ``image: struct<bytes, path>`` and ``class`` or ``label`` as text. With ``limit_per_class`` only
    the first so many of each class are read. Pictures from Parquet are held in memory.
    """
    found: dict[str, list[ImageRef]] = {}
    for ref in _walk(Path(path), limit_per_class):
        refs = found.setdefault(ref.class_key, [])
        if limit_per_class is None or len(refs) < limit_per_class:
            refs.append(ref)
    if not found:
        raise InputError(f"{path} holds no picture; give one folder a class, or Parquet with image and class")
    return dict(sorted(found.items()))


def class_keys(path: str | Path) -> list[str]:
    """The class keys below ``path``, sorted, without reading a picture; same forms and errors as `open_images`."""
    keys: set[str] = set()
    for place in _places(Path(path)):
        if place.is_dir():
            keys.add(place.name)
        else:
            with _opened(place) as (file, column):
                found = file.read(columns=[column])[column].to_pylist()
            if None in found:
                raise InputError(f"{place}, row {found.index(None)} lacks a class; write the file again with all")
            keys.update(found)
    return sorted(keys)


def match_classes(images: dict[str, list[ImageRef]], entries: Sequence[ClassEntry]) -> dict[str, list[ImageRef]]:
    """Pictures by class id: a class key is looked up as id, then as name, then as slug of either.

    InputError names the classes without pictures. Pictures of other classes are left out.
    """
    by_slug: dict[str, list[ImageRef]] = {}
    for key, refs in images.items():
        by_slug.setdefault(slug(key), refs)
    matched = {
        entry.id: images.get(entry.id)
        or images.get(entry.name)
        or by_slug.get(slug(entry.id))
        or by_slug.get(slug(entry.name))
        or []
        for entry in entries
    }
    without = [entry.name for entry in entries if not matched[entry.id]]
    if without:
        listed = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
        have = ", ".join(list(images)[:3])
        raise InputError(
            f"{len(without)} of {len(entries)} classes have no picture: {listed}; name the folders like the "
            f"classes (pictures are there for: {have} ...), or take the classes off the list"
        )
    return matched


def decode(data: bytes, origin: str = "a picture") -> Image.Image:
    """RGB picture, upright; InputError naming ``origin`` if it is broken or larger than MAX_PIXELS."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow only warns of a decompression bomb below twice its limit; ours is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data))
        width, height = picture.size
        if width * height > MAX_PIXELS:
            rule = f"more than {MAX_PIXELS:,} pixels are refused; make it smaller"
            raise InputError(f"{origin} is {width}x{height}; {rule}")
        return ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError as error:  # its text is the address of our buffer
        raise InputError(f"{origin} is not a readable picture (no known format); replace or remove it") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{origin} is not a readable picture ({error}); replace or remove it") from error


def _walk(path: Path, limit: int | None) -> Iterator[ImageRef]:
    for place in _places(path):
        yield from _from_folder(place, limit) if place.is_dir() else _from_parquet(place, limit)


def _places(path: Path) -> Iterator[Path]:
    """The Parquet files and class folders that make up ``path``, in a stable order."""
    if path.is_file():
        if path.suffix != ".parquet":
            raise InputError(f"{path} is a file; give a folder of pictures by class, or a Parquet file")
        yield path
        return
    if not path.is_dir():
        raise InputError(f"images {str(path)!r} is not there; give a folder, or a Parquet file")
    yield from sorted(path.glob("*.parquet"))
    for folder in sorted(below for below in path.iterdir() if _is_visible_folder(below)):
        inside = sorted(below for below in folder.iterdir() if _is_visible_folder(below))
        yield from inside if folder.name in SPLITS and inside else [folder]


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _from_folder(folder: Path, limit: int | None) -> Iterator[ImageRef]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    for file in files[:limit]:
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"cannot read picture {file}: {error.strerror}") from error
        yield ImageRef(folder.name, digest, partial(_read, file), str(file))


def _from_parquet(path: Path, limit: int | None) -> Iterator[ImageRef]:
    with _opened(path) as (file, column):
        yield from _rows(path, file, column, limit)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pq.ParquetFile, str]]:
    """The open file and the name of its class column; InputError if it is not in the Hugging Face image form."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            column = next((name for name in _LABEL_COLUMNS if name in schema.names), None)
            if column is None or "image" not in schema.names:
                columns = ", ".join(schema.names)
                raise InputError(f"{path} has columns {columns}; it needs 'image' and 'class' (or 'label')")
            _check_types(path, schema, column)
            yield file, column
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]})") from error


def _rows(path: Path, file: pq.ParquetFile, column: str, limit: int | None) -> Iterator[ImageRef]:
    taken: dict[str, int] = {}
    row = 0
    for batch in file.iter_batches(batch_size=256, columns=["image", column]):
        images = batch.column("image")
        for offset, key in enumerate(batch.column(column).to_pylist()):
            if limit is None or taken.get(key, 0) < limit:
                taken[key] = taken.get(key, 0) + 1
                data = images[offset]["bytes"].as_py()
                origin = f"{path}, row {row + offset}"
                if not isinstance(key, str) or not data:
                    raise InputError(f"{origin} lacks a class or picture bytes; write the file again with both")
                yield ImageRef(key, hashlib.sha256(data).hexdigest(), partial(bytes, data), origin)
        row += batch.num_rows


def _check_types(path: Path, schema: pa.Schema, column: str) -> None:
    import pyarrow as pa

    label, image = schema.field(column).type, schema.field("image").type
    text = pa.types.is_dictionary(label) or pa.types.is_string(label) or pa.types.is_large_string(label)
    if not text:
        raise InputError(f"{path}: column {column!r} is {label}; classes must be text, so that they can be matched")
    if not pa.types.is_struct(image) or image.get_field_index("bytes") < 0:
        raise InputError(f"{path}: column 'image' is {image}; it must be struct<bytes: binary, path: string>")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read picture {path}: {error.strerror}") from error
