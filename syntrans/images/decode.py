"""From encoded bytes to an RGB picture: the formats listed here and no other, with limits before anything is unpacked.

Pillow knows formats whose reading starts a program (EPS starts Ghostscript). They are never tried, whatever a file is
called. Nothing but a regular file is ever opened.
"""

from __future__ import annotations

import io
import stat
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}
"""What is read, by Pillow's names, and how such files end."""
MAX_BYTES = 256 * 2**20
"""Larger files are not read."""
MAX_PIXELS = 64_000_000
"""Pictures larger than this are refused before they are unpacked (a small file can claim to be enormous)."""
MAX_FRAMES = 1000
"""Of an animation the first frame is shown; one whose header claims more frames than this is refused."""
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_HEIC_BEGINNINGS = (b"ftypheic", b"ftypheix", b"ftypheim", b"ftyphevc", b"ftypmif1")
_HEIC = "HEIC is not read: save it as JPEG"
_ORIENTATION = 0x0112


@cache
def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this machine's Pillow can read."""
    from PIL import features

    optional = {"WEBP": "webp", "AVIF": "avif"}
    return tuple(name for name in FORMATS if name not in optional or features.check(optional[name]))


@cache
def suffixes() -> frozenset[str]:
    """The endings of picture files, in lower case."""
    return frozenset(suffix for name in formats() for suffix in FORMATS[name])


def suffix_of(data: bytes) -> str:
    """How a file of a readable picture ends; a JPEG of several pictures is still a JPEG."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=formats()) as picture:
        return FORMATS.get(picture.format or "", FORMATS["JPEG"])[0]


def begins_like_a_picture(head: bytes) -> bool:
    """Whether a file without an ending is a picture, by its first 16 bytes."""
    in_box = (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or head[4:12] in (b"ftypavif", b"ftypavis")
    return head.startswith(_BEGINNINGS) or in_box


def read_file(path: Path) -> bytes:
    """The bytes of a picture file; InputError if it cannot be read, is too large, or is no regular file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is no file (a folder, pipe, socket or device); remove it")
        if status.st_size > MAX_BYTES:
            raise InputError(f"{path} has {status.st_size:,} bytes; {_too_large()}")
        with path.open("rb") as stream:
            # Room for more would be asked of the system for every picture; but some systems give every file the size 0.
            return stream.read(status.st_size) or stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read picture {path}: {error.strerror}") from error


def decode(data: bytes, origin: str = "a picture", *, at_least: int | None = None) -> Image.Image:
    """RGB picture, upright, transparency on white; InputError naming ``origin`` if it is broken or too large.

    With ``at_least`` a JPEG may come back smaller than it is, its sides no shorter than that (much faster to unpack).
    Safe in threads.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MAX_BYTES:
        raise InputError(f"{origin} has {len(data):,} bytes; {_too_large()}")
    # Pillow warns of odd metadata and of bombs below its own limit. (`catch_warnings` is not safe in threads.)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        picture = Image.open(io.BytesIO(data), formats=formats())
        _refuse_bomb(picture, origin)
        if at_least is not None:
            picture.draft(None, (at_least, at_least))  # None keeps the mode
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its text is the address of our buffer
        raise _unreadable(origin, _HEIC if data[4:12] in _HEIC_BEGINNINGS else "no known format") from error
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise _unreadable(origin, error) from error
    return upright_rgb(picture, origin)


def upright_rgb(picture: Image.Image, origin: str) -> Image.Image:
    """What `decode` gives of a picture that is opened already; InputError naming ``origin`` if it is broken."""
    try:
        return _rgb(_upright(picture))
    except Exception as error:  # as above
        raise _unreadable(origin, error) from error


def _unreadable(origin: str, why: object) -> InputError:
    return InputError(f"{origin} is not a readable picture ({why}); replace or remove it")


def _too_large() -> str:
    return f"more than {MAX_BYTES:,} are refused; make it smaller"


def _refuse_bomb(picture: Image.Image, origin: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        rule = f"more than {MAX_PIXELS:,} pixels are refused; make it smaller"
        raise InputError(f"{origin} is {width}x{height}; {rule}")
    frames = vars(picture).get("n_frames") or 1  # where the header tells; counting them would mean reading them all
    if frames > MAX_FRAMES:
        raise InputError(f"{origin} has {frames:,} frames; more than {MAX_FRAMES:,} are refused; keep the first")


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says. EXIF that cannot be understood says nothing about the pixels, which are sound."""
    picture.load()  # a TIFF turns itself here, and forgets its orientation
    try:
        turn = _turns().get(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - whatever a crooked tag makes its reader raise
        turn = None
    return picture if turn is None else picture.transpose(turn)


@cache
def _turns() -> dict[int, Image.Transpose]:
    """What makes a picture upright, by EXIF's number of its orientation; 1 is upright."""
    from PIL.Image import Transpose

    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    return dict(enumerate(turns, start=2))


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
