"""The frozen episodes of an evaluation, and the leak check: no query may be a picture that mining looked at.

`seen_queries` says what happens where the descriptor file's `images_seen` and the queries meet:
    exclude       episodes are drawn without seen pictures among the queries (they may be supports); the default
    error         episodes are drawn, or read from a file, without looking at the descriptors; any leak ends the run
    drop_episode  the same, and the episodes with a leak are left out and counted
A given file cannot be drawn anew, so there `exclude` is `error`. With `error` and `drop_episode` the episodes do not
depend on the descriptors: runs with different descriptor files stay comparable task by task.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans.paths import artifacts_root
from syntrans_training.data import Split
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, frozen, read

SeenQueries = Literal["exclude", "error", "drop_episode"]


@dataclass(frozen=True)
class FrozenEpisodes:
    """Episodes to score. `numbers` [E] are their numbers in `whole`, of which `dropped` had a leak."""

    episodes: Episodes
    numbers: NDArray[np.int64]
    dropped: int
    whole: Episodes


def open_frozen_episodes(
    spec: EpisodeSpec, split: Split, seen: NDArray[np.bool_], *, seen_queries: SeenQueries, file: Path | None
) -> FrozenEpisodes:
    """The episodes of `spec` on a split, drawn once or read from `file`; `seen` [n] marks what mining looked at.

    `file` is an episodes file, which may have more shots than asked (the first ones are taken), or a folder of an
    evaluation with one file per number of shots. Raises `InputError` when it does not fit the data, or on a leak.
    """
    if file is None:
        barred = seen if seen_queries == "exclude" else None
        cache = artifacts_root() / "cache" / "episodes"
        drawn = frozen(spec, split.labels, cache, barred=barred, names=split.classes)
        return without_seen_queries(drawn, seen, seen_queries=seen_queries)
    if file.is_dir():
        file /= episodes_name(spec.shots)
    return without_seen_queries(_fitting(read(file), spec, split, file), seen, seen_queries=seen_queries)


def episodes_name(shots: int) -> str:
    """Under which an evaluation leaves its episodes beside its summary."""
    return f"episodes-{shots}-shot.parquet"


def without_seen_queries(episodes: Episodes, seen: NDArray[np.bool_], *, seen_queries: SeenQueries) -> FrozenEpisodes:
    """`episodes`, all or (`drop_episode`) those without a query of the `seen` pictures [n].

    Raises `InputError` when none may be left out.
    """
    leaking = seen[episodes.query].any((1, 2))
    count = int(leaking.sum())
    if not count:
        return FrozenEpisodes(episodes, np.arange(len(episodes)), 0, episodes)
    if seen_queries != "drop_episode":
        raise InputError(
            f"{count} of {len(episodes)} episodes have a query that mining looked at when it wrote the descriptors; "
            "such a query proves nothing: take other episodes, mine without these pictures, or "
            "--set seen_queries=drop_episode"
        )
    numbers = np.flatnonzero(~leaking)
    if len(numbers) < 2:
        raise InputError(
            f"seen_queries=drop_episode leaves {len(numbers)} of {len(episodes)} episodes; mine without these pictures"
        )
    kept = Episodes(episodes.classes[numbers], episodes.support[numbers], episodes.query[numbers], episodes.key)
    return FrozenEpisodes(kept, numbers, count, episodes)


def _fitting(episodes: Episodes, spec: EpisodeSpec, split: Split, file: Path) -> Episodes:
    """The episodes of a file cut to the shots asked for; `InputError` when they are of other data or too few shots."""
    shots = episodes.support.shape[2]
    if shots < spec.shots:
        raise InputError(f"{file} has {shots}-shot episodes; {spec.shots} shots were asked for (episodes.shots)")
    ways, queries = episodes.query.shape[1:]
    if (ways, queries) != (spec.ways, spec.queries):
        shape = f"--set episodes.ways={ways} --set episodes.queries={queries}"
        raise InputError(f"{file} has {ways}-way episodes with {queries} queries; evaluate with {shape}")
    if len(episodes) < 2:
        raise InputError(f"{file} has {len(episodes)} episode; an interval needs two")
    images = np.concatenate([episodes.support, episodes.query], 2)
    if images.min() < 0 or images.max() >= len(split) or episodes.classes.max() >= len(split.classes):
        raise InputError(f"{file} names images that {split.name} does not have; its episodes are of other data")
    if (split.labels[images] != episodes.classes[:, :, None]).any():
        raise InputError(f"{file} has images under other classes than {split.name}; its episodes are of other data")
    if _twice(images.reshape(len(images), -1)) or _twice(episodes.classes):
        raise InputError(f"{file} has an episode with a picture or a class twice")
    if shots == spec.shots:
        return Episodes(episodes.classes, episodes.support, episodes.query, episodes.key or _content(episodes))
    cut = Episodes(episodes.classes, episodes.support[:, :, : spec.shots], episodes.query)
    return Episodes(cut.classes, cut.support, cut.query, _content(cut))


def _twice(rows: NDArray[np.int64]) -> bool:
    """Whether a row holds a number twice."""
    ordered = np.sort(rows, 1)
    return bool((ordered[:, 1:] == ordered[:, :-1]).any())


def _content(episodes: Episodes) -> str:
    arrays = (episodes.classes, episodes.support, episodes.query)
    return hashlib.sha256(b"".join(np.ascontiguousarray(a, "<i8").tobytes() for a in arrays)).hexdigest()[:16]
