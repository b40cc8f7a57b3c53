"""Made-up features for bridge.py: like an encoder's pooled features, with class means that names tell of.

Classes have the names of tieredImageNet's and 60 pictures each: so many for base, 16 for val, 20 novel ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from syntrans_training.data.class_split import published
from syntrans_training.text.encoders import open_text_encoder
from syntrans_training.text.text_encoder_choice import MINILM

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PER_CLASS, VAL, NOVEL, DIRECTIONS = 60, 16, 20, 256


def class_names(count: int) -> list[str]:
    """The first names of tieredImageNet's classes."""
    parts = published("tiered").parts
    return [name for part in ("base", "val", "novel") for name in parts[part].values()][:count]


def write_features(folder: Path, *, dim: int, base: int, seed: int = 0) -> list[str]:
    """Files for `data.path=folder`, the same for the same sizes; returns the names of all classes."""
    names, rng = class_names(base + VAL + NOVEL), np.random.default_rng([seed, dim, base])
    means, within = _means(names, dim, rng), _directions(dim, rng)
    starts = {"base": 0, "val": base, "novel": base + VAL, "": len(names)}
    for (part, first), last in zip(starts.items(), [*starts.values()][1:], strict=False):
        labels = np.repeat(np.arange(first, last), PER_CLASS)
        spread = rng.normal(size=(len(labels), DIRECTIONS)) @ within + 0.05 * rng.normal(size=(len(labels), dim))
        features = np.maximum(0.4 + means[labels] + spread, 0).astype(np.float32)
        table = pa.table({"class": [names[i] for i in labels], "feature": list(features)})
        pq.write_table(table, folder / f"{part}.features.parquet")
    return names


def _directions(dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """[DIRECTIONS, dim]: random directions whose share of the variance falls as 1 / rank."""
    return rng.normal(size=(DIRECTIONS, dim)) * np.arange(1, DIRECTIONS + 1)[:, None] ** -0.5 / 2


def _means(names: list[str], dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """[classes, dim]: half of the variance is linear in the names' vectors, half is the class's own."""
    vectors = open_text_encoder(f"package:{MINILM}/model").encode([f"a photo of a {name}" for name in names])
    told = (vectors - vectors.mean(0)) @ rng.normal(size=(vectors.shape[1], DIRECTIONS)) * 1.2
    own = rng.normal(size=(len(names), DIRECTIONS)) * told.std()
    class_means: NDArray[np.float64] = 0.1 * (told + own) @ _directions(dim, rng)
    return class_means
