"""From pictures to features: decoded in threads, looked at in batches, never more than a few batches in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from syntrans.errors import InputError
from syntrans.progress import track
from syntrans_training.prediction.space import Array

BATCH = 32
AHEAD = 4  # batches that are decoded before they are needed

Pixels = NDArray[Any]


@runtime_checkable
class ImageEncoder(Protocol):
    """What reads pictures: `prepare` in any thread, `forward` in one."""

    name: str
    dim: int
    at_least: int  # side that a decoded picture needs for `prepare`

    def prepare(self, picture: Image.Image) -> Pixels:
        """A picture as `forward` takes it."""
        ...

    def forward(self, batch: Pixels) -> Array:
        """Features [n, dim] of prepared pictures."""
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
    """Features [m, d] of the readable ones of n photos; `rows` [m] says which; `broken` maps the others to why."""

    features: Array
    rows: tuple[int, ...]
    broken: dict[int, str]


def encode_photos(
    encoder: ImageEncoder,
    photos: Sequence[Photo],
    label: str,
    keep: Callable[[Sequence[int], Array], None] | None = None,
) -> Encoded:
    """Features of all photos that can be read; nothing is raised for a broken one.

    `keep` is given the rows and the features of every batch.
    """
    features, rows, broken = [np.zeros((0, encoder.dim), np.float32)], [], {}
    with track(label, len(photos), "pictures") as progress:
        batch: list[tuple[int, Pixels]] = []
        for row, found in enumerate(_prepared(encoder, photos)):
            if isinstance(found, str):
                broken[row] = found
            else:
                batch.append((row, found))
            if len(batch) == BATCH or (batch and row == len(photos) - 1):
                read = [r for r, _ in batch]
                rows += read
                features.append(encoder.forward(np.stack([pixels for _, pixels in batch])))
                if keep is not None:
                    keep(read, features[-1])
                batch = []
            progress.advance(1)
    return Encoded(np.concatenate(features), tuple(rows), broken)


def _prepared(encoder: ImageEncoder, photos: Sequence[Photo]) -> Iterator[Pixels | str]:
    """In the order of the photos; a line of text for one that cannot be read."""

    def prepare(photo: Photo) -> Pixels | str:
        try:
            return encoder.prepare(photo.image(at_least=encoder.at_least))  # a large JPEG unpacks much faster
        except InputError as error:
            return str(error)

    waiting: deque[Future[Pixels | str]] = deque()
    rest = iter(photos)
    # Pillow releases the interpreter lock while it decodes and resizes, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting.extend(pool.submit(prepare, photo) for photo in islice(rest, AHEAD * BATCH))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(prepare, photo) for photo in islice(rest, 1))
