"""``imagined.parquet``: pictures and final latents that a latent diffusion model made from descriptors.

One row per picture that was asked for, kept or not. Pictures lie in the form of Hugging Face ``datasets`` (a struct of
bytes and path), latents as 16-bit numbers in row-major order with their shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syntrans.contract.parquet import Migration, read_table
from syntrans.errors import InputError
from syntrans.files.sealed_parquet import sealed_writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGINED_VERSION = 1
IMAGINED = "imagined.parquet"
IMAGINED_REASONS = (
    "not_a_number",  # the model's latent or picture holds NaN or infinity
    "unsafe",  # the pipeline's own safety checker refused it
    "other_class",  # CLIP finds it nearer to another class's text, or not near enough to its own
)
_MIGRATIONS: dict[int, Migration] = {}
_GROUP = 256
_TEXT, _F32 = pa.string(), pa.float32()
IMAGINED_SCHEMA = pa.schema(
    {
        "class_id": _TEXT,
        "class_name": _TEXT,
        "picture_id": _TEXT,
        "prompt": _TEXT,
        "descriptor_ids": pa.list_(pa.field("element", _TEXT)),
        "seed": pa.int64(),
        "image": pa.struct({"bytes": pa.binary(), "path": _TEXT}),
        "latent": pa.list_(pa.field("element", pa.float16())),
        "latent_shape": pa.list_(pa.field("element", pa.int32())),
        "similarity": _F32,
        "margin": _F32,
        "neighbour": _TEXT,
        "kept": pa.bool_(),
        "reason": pa.dictionary(pa.int32(), _TEXT),
        "model": _TEXT,
        "revision": _TEXT,
    }
)


@dataclass(frozen=True)
class ImaginedRow:
    """One picture. ``image`` (PNG) and ``latent`` (float16 [c, h, w]) are None where none could be made.

    ``similarity`` is CLIP's cosine to the text of its class, ``margin`` its lead over the nearest other class,
    ``neighbour``.
    """

    class_id: str
    class_name: str
    picture_id: str
    prompt: str
    descriptor_ids: tuple[str, ...]
    seed: int
    image: bytes | None
    latent: NDArray[np.float16] | None
    similarity: float | None
    margin: float | None
    neighbour: str | None
    reason: str | None
    model: str
    revision: str

    @property
    def kept(self) -> bool:
        """Whether it serves for training."""
        return self.reason is None


def write_imagined(path: Path, rows: Iterable[ImaginedRow], metadata: Mapping[str, str]) -> None:
    """Write rows as they come, completely or not at all."""
    stream, notes = iter(rows), {"schema_version": str(IMAGINED_VERSION), **metadata}
    with sealed_writer(path, IMAGINED_SCHEMA, metadata=notes) as writer:
        while group := list(islice(stream, _GROUP)):
            writer.write_table(_table(group))


def read_imagined(path: str | Path) -> tuple[list[ImaginedRow], dict[str, str]]:
    """Rows and metadata; InputError where the file does not keep the contract or a latent is not of its shape."""
    table, metadata = read_table(Path(path), lambda _found: IMAGINED_SCHEMA, IMAGINED_VERSION, _MIGRATIONS)
    return list(_rows(Path(path), table)), metadata


def _table(rows: list[ImaginedRow]) -> pa.Table:
    columns = []
    for field in IMAGINED_SCHEMA:
        values = [_cell(row, field.name) for row in rows]
        if pa.types.is_dictionary(field.type):
            columns.append(pa.array(values, pa.string()).dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=IMAGINED_SCHEMA)


def _cell(row: ImaginedRow, name: str) -> object:
    if name == "image":
        return None if row.image is None else {"bytes": row.image, "path": f"{row.picture_id}.png"}
    if name == "latent":
        return None if row.latent is None else row.latent.astype(np.float16).ravel()
    if name == "latent_shape":
        return None if row.latent is None else list(row.latent.shape)
    return getattr(row, name)


def _rows(path: Path, table: pa.Table) -> Iterator[ImaginedRow]:
    number = 0
    for batch in table.to_batches(_GROUP):
        latents = batch.column("latent")
        for i, values in enumerate(batch.drop_columns(["latent", "kept"]).to_pylist()):
            shape = values.pop("latent_shape")
            picture = values.pop("image")
            latent = latents[i].values.to_numpy(zero_copy_only=False) if latents[i].is_valid else None
            if (latent is None) != (shape is None) or (latent is not None and latent.size != np.prod(shape)):
                rule = "a latent holds as many numbers as its shape says"
                raise InputError(f"{path}, row {number}: latent of shape {shape}: {rule}; write the file again")
            yield ImaginedRow(
                **{**values, "descriptor_ids": tuple(values["descriptor_ids"] or ())},
                image=picture and picture["bytes"],
                latent=None if latent is None else latent.reshape(shape),
            )
            number += 1
