"""Pictures by class, from folders or Parquet files in the Hugging Face image form; decoded with limits."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from syntrans import image_parquet
from syntrans.class_match import match, nearest
from syntrans.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from syntrans.classes import ClassEntry

SPLITS = ("base", "val", "novel", "train", "test")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
MAX_PIXELS = 64_000_000
"""Pictures larger than this are refused before they are unpacked (a small file can claim to be enormous)."""


class ImageRef(NamedTuple):
    """One encoded picture. ``sha256`` is of the encoded bytes, ``origin`` says where it came from."""

    class_key: str
    sha256: str
    load: Callable[[], bytes]
    origin: str = ""

    def image(self, at_least: int | None = None) -> Image.Image:
        """The decoded picture, see `decode`; InputError naming its origin if it is broken."""
        return decode(self.load(), self.origin or f"{self.class_key} {self.sha256[:12]}", at_least=at_least)


def open_images(path: str | Path, limit_per_class: int | None = None) -> dict[str, list[ImageRef]]:
    """Pictures by class key (folder name, or class column as it is), classes and pictures in a stable order.

    ``path`` is a class-per-folder tree, one Parquet file, or a folder of either (``base.parquet``, ``val/``).
    Parquet is in the form that `image_parquet` reads. With ``limit_per_class`` only
    the first so many of each class are read. No picture is held in memory: each is read when it is looked at.
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
            keys.update(image_parquet.labels(place))
    return sorted(keys)


def match_classes(images: dict[str, list[ImageRef]], entries: Sequence[ClassEntry]) -> dict[str, list[ImageRef]]:
    """Pictures by class id; which class key is whose, `class_match.match` says.

    InputError names the classes without pictures, and what could belong to several. Pictures of other classes are left
    out.
    """
    there = [key for key, refs in images.items() if refs]
    matches = match(entries, there, "pictures")
    if matches.missing:
        listed, have = nearest(matches.missing, there), ", ".join(there[:3])
        raise InputError(
            f"{len(matches.missing)} of {len(entries)} classes have no picture: {listed}; name the folders like the "
            f"classes (pictures are there for: {have} ...), or take the classes off the list"
        )
    return {entry.id: images[matches.found[entry.id]] for entry in entries}


def decode(data: bytes, origin: str = "a picture", *, at_least: int | None = None) -> Image.Image:
    """RGB picture, upright, transparency on white; InputError naming ``origin`` if it is broken or too large.

    With ``at_least`` a JPEG may come back smaller than it is, its sides no shorter than that (much faster to unpack).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    # Pillow warns of odd metadata and of bombs below its own limit. (`catch_warnings` is not safe in threads.)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        picture = Image.open(io.BytesIO(data))
        _refuse_bomb(picture, origin)
        if at_least is not None:
            picture.draft(None, (at_least, at_least))  # None keeps the mode
        return _rgb(ImageOps.exif_transpose(picture))
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its text is the address of our buffer
        raise InputError(f"{origin} is not a readable picture (no known format); replace or remove it") from error
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise InputError(f"{origin} is not a readable picture ({error}); replace or remove it") from error


def _refuse_bomb(picture: Image.Image, origin: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        rule = f"more than {MAX_PIXELS:,} pixels are refused; make it smaller"
        raise InputError(f"{origin} is {width}x{height}; {rule}")


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return _eight_bits(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    straight = picture.convert("LA") if picture.mode == "La" else picture
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(straight.convert("RGBA"))
    return page.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of more than eight bits; white is 65535, or 255 or 1.0 where no pixel is brighter than that."""
    import numpy as np
    from PIL import Image

    grey = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    brightest = float(grey.max(initial=0))
    if picture.mode.startswith("I;"):
        white = 65535.0
    elif picture.mode == "F" and brightest <= 1:
        white = 1.0
    else:
        white = 255.0 if brightest <= 255 else 65535.0
    return Image.fromarray((grey * (255 / white)).round().clip(0, 255).astype(np.uint8))


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
        yield ImageRef(folder.name, digest, partial(read_file, file), str(file))


def _from_parquet(path: Path, limit: int | None) -> Iterator[ImageRef]:
    keys = image_parquet.labels(path)
    taken: Counter[str] = Counter()
    rows = []
    for row, key in enumerate(keys):
        if limit is None or taken[key] < limit:
            taken[key] += 1
            rows.append(row)
    return image_parquet.references(path, keys, rows)


def read_file(path: Path) -> bytes:
    """The bytes of a picture file; InputError if they cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read picture {path}: {error.strerror}") from error
