"""From pictures to features: a few batches at a time are decoded in threads, and looked at there or in the order."""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from syntrans.errors import InputError
from syntrans.images.parquet import streamed
from syntrans.machine import cores
from syntrans.progress import track
from syntrans_training.prediction.shapes import Float, Shaped

AHEAD = 2  # batches a thread that are under way before they are needed

Pixels = Shaped[np.ndarray, "..."]
"""A prepared picture, or an array of them: each encoder has its own form."""
Keep = Callable[[Sequence[int], Float[np.ndarray, "n d"]], None]
"""Is given the rows and the features of every batch."""


@runtime_checkable
class ImageEncoder(Protocol):
    """What reads pictures: `prepare` in any thread.

    `batch`: pictures in one `forward`. `in_threads`: every `forward` keeps to its thread, so that as many run at once
    as there are cores; else one runs after the other.
    """

    name: str
    dim: int
    at_least: int  # side that a decoded picture needs for `prepare`
    batch: int
    in_threads: bool

    def prepare(self, picture: Image.Image) -> Pixels:
        """A picture as `forward` takes it."""
        ...

    def forward(self, batch: Any) -> Float[np.ndarray, "n d"]:
        """Features, d = `dim`, of prepared pictures: of an array of them, or of a list where `in_threads`."""
        ...


@runtime_checkable
class Photo(Protocol):
    """A picture to be read, and where it came from; `syntrans.images.reference.Picture` is one."""

    @property
    def origin(self) -> str: ...  # noqa: D102

    def image(self, at_least: int | None = None) -> Image.Image:
        """The RGB picture; `InputError` if it is broken."""
        ...


@dataclass(frozen=True)
class Encoded:
    """Features of the readable ones of n photos; `rows` says which; `broken` maps the others to why."""

    features: Float[np.ndarray, "m d"]
    rows: tuple[int, ...]
    broken: dict[int, str]


@dataclass(frozen=True)
class _Part:
    """A batch on its way: the rows that can be read, their pixels or already their features, and the broken ones."""

    rows: list[int]
    seen: Pixels
    broken: dict[int, str]


def encode_photos(encoder: ImageEncoder, photos: Sequence[Photo], label: str, keep: Keep | None = None) -> Encoded:
    """Features of all photos that can be read; nothing is raised for a broken one."""
    features, rows = [np.zeros((0, encoder.dim), np.float32)], list[int]()
    broken: dict[int, str] = {}
    with track(label, len(photos), "pictures") as progress:
        for part in _parts(encoder, photos):
            broken |= part.broken
            if part.rows:
                features.append(part.seen if encoder.in_threads else encoder.forward(part.seen))
                rows += part.rows
                if keep is not None:
                    keep(part.rows, features[-1])
            progress.advance(len(part.rows) + len(part.broken))
    return Encoded(np.concatenate(features), tuple(rows), broken)


def fingerprint(encoder: ImageEncoder) -> str:
    """16 hex digits of what an encoder says of a grey picture: features of equal ones may be mixed."""
    return hashlib.sha256(of_grey(encoder).tobytes()).hexdigest()[:16]


def of_grey(encoder: ImageEncoder) -> Float[np.ndarray, " d"]:
    """What an encoder says of a grey picture."""
    grey = encoder.prepare(Image.new("RGB", (64, 64), (128, 128, 128)))
    batch = np.stack([grey])  # a copy, as of pictures: torch warns of arrays that may not be written
    return np.asarray(encoder.forward(batch)[0])


def _parts(encoder: ImageEncoder, photos: Sequence[Photo]) -> Iterator[_Part]:
    """In the order of the photos."""

    def look(part: list[tuple[int, Photo]]) -> _Part:
        rows, pixels, broken = [], [], {}
        for row, photo in part:
            try:
                pixels.append(encoder.prepare(photo.image(at_least=encoder.at_least)))  # a large JPEG unpacks faster
                rows.append(row)
            except InputError as error:
                broken[row] = str(error)
        if not rows:
            return _Part(rows, np.zeros(0), broken)
        return _Part(rows, encoder.forward(pixels) if encoder.in_threads else np.stack(pixels), broken)

    threads = min(cores(), len(photos)) or 1
    size = min(encoder.batch, math.ceil(len(photos) / threads))
    rest = enumerate(streamed(photos))
    waiting: deque[Future[_Part]] = deque()
    # Pillow and onnxruntime release the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(threads) as pool:
        while part := list(islice(rest, size)):
            waiting.append(pool.submit(look, part))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
