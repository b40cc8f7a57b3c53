"""Few-shot episodes as values: drawn from a seed, frozen in a file, shared by every method.

Episode i is drawn from `np.random.default_rng((seed, i))`, so it depends neither on how many are drawn nor on their
order. Within an episode the classes and the order of the images do not depend on the number of shots: the supports of
the 1-shot episode i are among those of its 5-shot twin.

Sizes: E episodes, N ways (classes), K shots (supports per class), Q queries per class.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.files.sealed_parquet import read_sealed, write_sealed
from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import say

EPISODE_SCHEMA = pa.schema(
    [
        ("episode", pa.int32()),
        ("classes", pa.list_(pa.int32())),
        ("support", pa.list_(pa.list_(pa.int32()))),
        ("query", pa.list_(pa.list_(pa.int32()))),
    ]
)


BLOCK = 64  # episodes drawn at once: their lots fit a processor's cache


@dataclass(frozen=True)
class Episode:
    """One task. `classes` [N] are class numbers of the split; `support` [N, K] and `query` [N, Q] are image numbers."""

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    query: NDArray[np.int64]


@dataclass(frozen=True)
class Episodes:
    """E tasks at once: `classes` [E, N], `support` [E, N, K], `query` [E, N, Q]; `key` names their recipe."""

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    query: NDArray[np.int64]
    key: str = ""

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, i: int) -> Episode:
        return Episode(self.classes[i], self.support[i], self.query[i])

    def chunks(self, size: int) -> Iterator["Episodes"]:
        """The same tasks in runs of at most `size`, which bounds the memory of an evaluation."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield Episodes(self.classes[part], self.support[part], self.query[part], self.key)


@dataclass(frozen=True)
class EpisodeSpec:
    """What an episode looks like; the recipe together with the data decides every draw."""

    ways: int = 5
    shots: int = 1
    queries: int = 15
    episodes: int = 2000
    seed: int = 0


def draw(
    spec: EpisodeSpec,
    labels: NDArray[np.int64],
    *,
    barred: NDArray[np.bool_] | None = None,
    names: Sequence[str] | None = None,
) -> Episodes:
    """Draw `spec.episodes` tasks from images with class numbers `labels` [n].

    `barred` [n] marks images that may be supports but never queries (pictures that mining has looked at); `names` are
    the classes' names, for messages.
    Raises `InputError` when a class has too few images or the split too few classes.
    """
    table = member_table(labels)
    barred = np.zeros(len(labels), dtype=bool) if barred is None else barred
    _check(spec, table, barred, names or [f"number {c}" for c in range(len(table))])
    not_query = np.where(table >= 0, barred[table], True)
    blocks = range(0, spec.episodes, BLOCK)
    parts = [_draw_block(spec, i, min(i + BLOCK, spec.episodes), table, not_query) for i in blocks]
    classes, support, query = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Episodes(classes, support, query, episodes_key(spec, labels, barred))


def member_table(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pictures of every class [C, m] in rising order, of labels [n]; -1 where a class has fewer than the largest."""
    counts = np.bincount(labels)
    table = np.full((len(counts), counts.max(initial=0)), -1, dtype=np.int64)
    for c, row in enumerate(table):
        row[: counts[c]] = np.flatnonzero(labels == c)
    return table


def _draw_block(
    spec: EpisodeSpec, start: int, stop: int, table: NDArray[np.int64], not_query: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Classes, supports and queries of the episodes `start` to `stop`.

    Every image of an episode's classes draws a lot; the lowest lots become supports, the next lowest that may be
    queries become queries, both in the order of their lots.
    """
    classes = np.empty((stop - start, spec.ways), np.int64)
    lots = np.empty((stop - start, spec.ways, table.shape[1]))
    for j, i in enumerate(range(start, stop)):
        rng = np.random.default_rng((spec.seed, i))
        classes[j] = rng.permutation(len(table))[: spec.ways]
        rng.random(out=lots[j])
    images = table[classes]
    lots[images < 0] = np.inf
    support = _lowest(lots, spec.shots)
    lots[not_query[classes]] = np.inf
    np.put_along_axis(lots, support, np.inf, axis=-1)
    query = _lowest(lots, spec.queries)
    return classes, np.take_along_axis(images, support, -1), np.take_along_axis(images, query, -1)


def _lowest(lots: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Places [..., count] of the lowest lots [..., M] in rising order: argsort's first ones, three times as fast."""
    limit = np.partition(lots, count - 1, axis=-1)[..., count - 1 : count]
    places = (np.flatnonzero(lots <= limit) % lots.shape[-1]).reshape(*lots.shape[:-1], count)
    order = np.argsort(np.take_along_axis(lots, places, -1), axis=-1)
    return np.take_along_axis(places, order, -1)


def _check(spec: EpisodeSpec, table: NDArray[np.int64], barred: NDArray[np.bool_], names: Sequence[str]) -> None:
    if len(table) < spec.ways:
        raise InputError(f"{spec.ways}-way episodes need {spec.ways} classes, the split has {len(table)}")
    for name, row in zip(names, table, strict=True):
        images = row[row >= 0]
        free = int((~barred[images]).sum())
        # In the worst draw every support is an image that could have been a query.
        if free < spec.shots + spec.queries:
            raise InputError(
                f"class {name} has {len(images)} images, {free} of them allowed as queries; {spec.shots} shots and "
                f"{spec.queries} queries need {spec.shots + spec.queries}: lower episodes.queries or add images"
            )


def episodes_key(spec: EpisodeSpec, labels: NDArray[np.int64], barred: NDArray[np.bool_]) -> str:
    """16 hex over everything the draw depends on; labels and what is barred [n]."""
    import hashlib

    data = hashlib.sha256(labels.astype("<i8").tobytes() + np.packbits(barred).tobytes()).hexdigest()
    return semantic_hash({"spec": vars(spec), "data": data, "version": 1})


def frozen(
    spec: EpisodeSpec,
    labels: NDArray[np.int64],
    folder: Path,
    *,
    barred: NDArray[np.bool_] | None = None,
    names: Sequence[str] | None = None,
) -> Episodes:
    """The episodes of `spec`, read from `folder` when they were drawn before, else drawn and written there once.

    Class numbers `labels` and `barred` [n]: see `draw`.
    """
    barred = np.zeros(len(labels), dtype=bool) if barred is None else barred
    path = folder / f"episodes-{episodes_key(spec, labels, barred)}.parquet"
    if os.path.lexists(path):  # False also where one may not look
        try:
            return read(path)
        except InputError as error:
            say(f"drawn again: {error}")
    episodes = draw(spec, labels, barred=barred, names=names)
    try:
        write(episodes, path)
    except EnvironmentProblem as error:
        say(f"not kept for the next run: {error}")
    return episodes


def write(episodes: Episodes, path: Path) -> None:
    """Write the tasks as one Parquet row each, atomically."""
    columns = {
        "episode": pa.array(np.arange(len(episodes), dtype=np.int32)),
        "classes": _nested(episodes.classes),
        "support": _nested(episodes.support),
        "query": _nested(episodes.query),
    }
    table = pa.table(columns, schema=EPISODE_SCHEMA).replace_schema_metadata({"key": episodes.key})
    write_sealed(path, table)


def read(path: Path) -> Episodes:
    """Read a file of `write`; raises `InputError` when it is damaged or holds other columns than `EPISODE_SCHEMA`."""
    table = read_sealed(path)
    if table.schema.names != EPISODE_SCHEMA.names:
        raise InputError(f"{path} holds columns {table.schema.names}, episodes need {EPISODE_SCHEMA.names}")
    try:
        classes, support, query = (_array(table[name]) for name in ("classes", "support", "query"))
        key = (table.schema.metadata or {}).get(b"key", b"").decode()
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} holds episodes of different shapes; delete it and run again") from error
    return Episodes(classes, support, query, key)


def _nested(array: NDArray[np.int64]) -> pa.Array:
    """An array [E, ...] as a list (of lists) per row; Python objects would take a second per 10,000 episodes."""
    column = pa.array(array.ravel().astype(np.int32))
    for size in reversed(array.shape[1:]):
        column = pa.ListArray.from_arrays(np.arange(0, len(column) + 1, size, dtype=np.int32), column)
    return column


def _array(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The inverse of `_nested`; raises `ValueError` when the lists of one level differ in length."""
    values, shape = column.combine_chunks(), [len(column)]
    while pa.types.is_list(values.type):
        sizes = np.unique(values.value_lengths().to_numpy())
        if len(sizes) != 1:
            raise ValueError("ragged")
        shape.append(int(sizes[0]))
        values = values.flatten()
    array: NDArray[np.int64] = values.to_numpy().astype(np.int64).reshape(shape)
    return array
