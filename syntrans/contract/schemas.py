"""The columns of the two Parquet files of the contract, as pyarrow schemas.

Floats are 32 bits wide, here and in the rows, so that what is read equals what was written.
"""

from __future__ import annotations

import pyarrow as pa


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", item))  # the name that Parquet prescribes, so that reading changes nothing


_TEXT, _F32, _ENUM = pa.string(), pa.float32(), pa.dictionary(pa.int32(), pa.string())
_AUTHOR = {"model": _TEXT, "revision": _TEXT, "prompt": _TEXT, "sample": pa.int32(), "seed": pa.int64(), "raw": _TEXT}
_SEEN = {"model": _TEXT, "revision": _TEXT, "p_yes": _F32}
_VOTE = {**_SEEN, "p_calibrated": _F32}
_GROUNDING = {**_SEEN, "p_yes_contrast": _F32, "contrast_class": _TEXT, "images": _list(_TEXT)}
_CLIP = {
    "model": _TEXT,
    "similarity": _F32,
    "margin": _F32,
    "neighbour": _TEXT,
    "tokens": pa.int32(),
    "truncated": pa.bool_(),
}

DESCRIPTOR_SCHEMA = pa.schema(
    {
        "class_id": _TEXT,
        "class_name": _TEXT,
        "descriptor_id": _TEXT,
        "text": _TEXT,
        "facet": _ENUM,
        "contrast_with": _TEXT,
        "authors": _list(pa.struct(_AUTHOR)),
        "votes": _list(pa.struct(_VOTE)),
        "agreement": _F32,
        "grounding": pa.struct(_GROUNDING),
        "clip": pa.struct(_CLIP),
        "kept": pa.bool_(),
        "stage": _ENUM,
        "reason": _ENUM,
        "duplicate_of": _TEXT,
        "rank": pa.int32(),
        "weight": _F32,
    }
)


def semantics_schema(dim: int) -> pa.Schema:
    """The schema of ``semantics.parquet`` for embeddings of ``dim`` numbers."""
    return pa.schema(
        {
            "class_id": _TEXT,
            "class_name": _TEXT,
            "summary": _TEXT,
            "n_kept": pa.int32(),
            "encoder": _TEXT,
            "encoder_revision": _TEXT,
            "embedding": pa.list_(pa.field("element", _F32), dim),
        }
    )
