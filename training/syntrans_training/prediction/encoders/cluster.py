"""Many pictures on the machines of a Ray cluster: each opens the encoder and reads its share from a shared disk."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from syntrans.errors import EnvironmentProblem, SyntransError
from syntrans.images.columns import Columns
from syntrans.images.decode import read_file
from syntrans.images.parquet import Row
from syntrans.images.reference import ImageRef, Picture
from syntrans.machine import cores
from syntrans.progress import track
from syntrans.runs.ray_cluster import join_cluster
from syntrans_training.prediction.encoders.pipeline import (
    Encoded,
    ImageEncoder,
    Keep,
    encode_photos,
    of_grey,
)
from syntrans_training.prediction.shapes import Float

PART = 256
"""Pictures that one worker is given at a time."""
_ROUNDING = 0.01
"""Share of its length by which a grey picture's features may differ on another machine, whose processor or GPU rounds
otherwise; those of other weights are far apart."""
_FILE = -1  # stands for the row of a picture that is a file of its own
_IN_CLUSTER = ("HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "TOKENIZERS_PARALLELISM", "PYTHONPATH")
_READ = pa.schema(
    [
        ("number", pa.list_(pa.int64())),
        ("features", pa.list_(pa.list_(pa.float32()))),
        ("broken", pa.list_(pa.int64())),
        ("why", pa.list_(pa.string())),
    ]
)


# From where pictures are, by number (a row of `_place`), to rows of `_READ`, as they come.
ReadElsewhere = Callable[[Mapping[int, dict[str, Any]]], Iterator[dict[str, Any]]]


class Reader:
    """A worker process: opens the encoder once, which says `expected` of a grey picture.

    Raises `EnvironmentProblem` where it is another one than here.
    """

    def __init__(self, ref: str | None, expected: Float[np.ndarray, " d"]) -> None:
        from syntrans_training.prediction.encoders.choose import open_image_encoder

        self._encoder = open_image_encoder(ref).encoder
        there = of_grey(self._encoder)
        difference = np.linalg.norm(there - expected) if len(there) == len(expected) else np.inf
        if not difference <= _ROUNDING * np.linalg.norm(expected):
            raise EnvironmentProblem(
                f"a machine of the cluster has another encoder ({self._encoder.name}); install the same files there, "
                "or name one on a shared disk with --encoder"
            )

    def __call__(self, parts: pa.Table) -> pa.Table:
        """A row of `_READ` for each part, a table of where pictures are."""
        return pa.Table.from_pylist([self._read(part) for part in parts.to_pylist()], schema=_READ)

    def _read(self, part: dict[str, Any]) -> dict[str, Any]:
        places = zip(part["path"], part["row"], part["image"], part["origin"], strict=True)
        encoded = encode_photos(self._encoder, [_picture(*place) for place in places], "read pictures")
        number = part["number"]
        return {
            "number": [number[row] for row in encoded.rows],
            "features": encoded.features.tolist(),
            "broken": [number[row] for row in encoded.broken],
            "why": list(encoded.broken.values()),
        }


def encode_on_cluster(
    encoder: ImageEncoder,
    ref: str | None,
    pictures: Sequence[Picture],
    label: str,
    keep: Keep | None = None,
    *,
    workers: int,
    address: str | None,
) -> Encoded:
    """As `encode_photos`, by `workers` processes of the cluster at `address` that open the encoder `ref`.

    Files and rows of Parquet are read there, under the same paths as here; what lies in archives is read here.
    Raises `EnvironmentProblem` where the cluster fails.
    """
    join_cluster(address, cores())
    read = partial(_read_there, ref=ref, expected=of_grey(encoder), workers=workers)
    return encode_elsewhere(encoder, pictures, label, keep, read=read)


def encode_elsewhere(
    encoder: ImageEncoder, pictures: Sequence[Picture], label: str, keep: Keep | None, *, read: ReadElsewhere
) -> Encoded:
    """As `encode_photos`; what another machine can read too is read by `read`, the rest here."""
    places = {number: place for number, picture in enumerate(pictures) if (place := _place(picture))}
    here = [number for number in range(len(pictures)) if number not in places]
    features = np.zeros((len(pictures), encoder.dim), np.float32)
    left = encode_photos(encoder, [pictures[number] for number in here], label)
    rows = [here[row] for row in left.rows]
    features[rows] = left.features
    broken = {here[row]: why for row, why in left.broken.items()}
    with track(label, len(places), "pictures") as progress:
        for part in read(places):
            features[part["number"]] = np.reshape(part["features"], (-1, encoder.dim))
            rows += part["number"]
            broken |= dict(zip(part["broken"], part["why"], strict=True))
            if keep is not None and part["number"]:
                keep(part["number"], features[part["number"]])
            progress.advance(len(part["number"]) + len(part["broken"]))
    rows.sort()
    return Encoded(features[rows], tuple(rows), broken)


def _place(picture: Picture) -> dict[str, Any] | None:
    """Path, row and image column of a picture that another machine can read."""
    load = picture.load
    if isinstance(load, Row):
        return {"path": str(load.path), "row": load.number, "image": load.columns.image, "origin": picture.origin}
    if isinstance(load, partial) and load.func is read_file:
        return {"path": str(load.args[0]), "row": _FILE, "image": None, "origin": picture.origin}
    return None


def _picture(path: str, row: int, image: str | None, origin: str) -> Picture:
    columns = Columns(image=image, unlabelled=True)
    load = partial(read_file, Path(path)) if row == _FILE else Row(Path(path), row, columns)
    return ImageRef("", "", load, origin)


def _read_there(
    places: Mapping[int, dict[str, Any]], *, ref: str | None, expected: Float[np.ndarray, " d"], workers: int
) -> Iterator[dict[str, Any]]:
    """Rows of `_READ`, as they come, by workers that open the encoder `ref`."""
    import ray.data
    from ray.exceptions import RayError

    numbers = list(places)
    parts = []
    for start in range(0, len(numbers), PART):
        part = numbers[start : start + PART]
        columns = {key: [places[number][key] for number in part] for key in ("path", "row", "image", "origin")}
        parts.append({"number": part, **columns})
    if not parts:
        return
    there = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        Reader,
        fn_constructor_args=(ref, expected),
        batch_size=1,
        batch_format="pyarrow",
        concurrency=min(workers, len(parts)),
        num_cpus=1,
        runtime_env={"env_vars": {name: os.environ[name] for name in _IN_CLUSTER if name in os.environ}},
    )
    try:
        for table in there.iter_batches(batch_size=1, batch_format="pyarrow"):
            yield from table.to_pylist()
    except RayError as error:
        raise EnvironmentProblem(f"the Ray cluster could not read the pictures: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """One line: our own error on the worker, else the last line that Ray tells."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SyntransError):
            return str(cause)
        cause = getattr(cause, "cause", None) or cause.__cause__
    return str(error).strip().splitlines()[-1][:300]
