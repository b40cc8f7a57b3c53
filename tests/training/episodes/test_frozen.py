"""Frozen episodes of an evaluation: drawn without seen queries, refused, or dropped; or taken from a file."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from syntrans.errors import InputError
from syntrans_training.data import load_splits
from syntrans_training.data.store import Split
from syntrans_training.episodes.frozen import episodes_name, open_frozen_episodes
from syntrans_training.episodes.sampler import EpisodeSpec, draw, write

SPEC = EpisodeSpec(5, 1, 4, 40, 0)


@pytest.fixture
def split(toy_data: Path, artifacts: Path) -> Split:
    return load_splits(str(toy_data), size=20, names=("novel",))["novel"]


def some_seen(split, count=1):
    seen = np.zeros(len(split), dtype=bool)
    for c in range(5):
        seen[np.flatnonzero(split.labels == c)[:count]] = True
    return seen


def unseen(split):
    return np.zeros(len(split), dtype=bool)


def test_by_default_seen_pictures_are_never_queries(split: Split) -> None:
    seen = some_seen(split)
    tasks = open_frozen_episodes(SPEC, split, seen, seen_queries="exclude", file=None)
    assert not seen[tasks.episodes.query].any()
    assert seen[tasks.episodes.support].any()  # supports they may be
    assert tasks.dropped == 0


def test_refuse_ends_a_run_whose_queries_mining_has_seen(split: Split) -> None:
    with pytest.raises(
        InputError, match=r"of 40 episodes have a query that mining looked at.*seen_queries=drop_episode"
    ) as caught:
        open_frozen_episodes(SPEC, split, some_seen(split), seen_queries="error", file=None)
    assert caught.value.exit_code == 3


def test_drop_leaves_out_exactly_the_episodes_with_a_seen_query(split: Split) -> None:
    seen = some_seen(split)
    whole = open_frozen_episodes(SPEC, split, unseen(split), seen_queries="drop_episode", file=None)
    tasks = open_frozen_episodes(SPEC, split, seen, seen_queries="drop_episode", file=None)
    clean = [i for i in range(40) if not seen[whole.episodes.query[i]].any()]
    assert tasks.numbers.tolist() == clean
    assert tasks.dropped == 40 - len(clean) > 0
    assert np.array_equal(tasks.episodes.query, whole.episodes.query[clean])
    assert tasks.episodes.key == whole.episodes.key


def test_drop_that_leaves_nothing_is_said(split: Split) -> None:
    with pytest.raises(InputError, match="leaves 0 of 40"):
        open_frozen_episodes(SPEC, split, ~unseen(split), seen_queries="drop_episode", file=None)


@pytest.mark.parametrize("seen_queries", ["exclude", "error"])
def test_a_given_file_with_a_seen_query_is_refused(
    split: Split, tmp_path: Path, seen_queries: Literal["exclude", "error"]
) -> None:
    write(draw(SPEC, split.labels), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="mining looked at"):
        open_frozen_episodes(SPEC, split, some_seen(split), seen_queries=seen_queries, file=tmp_path / "e.parquet")


def test_a_file_of_more_shots_serves_fewer(split: Split, tmp_path: Path) -> None:
    five = draw(EpisodeSpec(5, 3, 4, 40, 0), split.labels)
    write(five, tmp_path / episodes_name(3))
    tasks = open_frozen_episodes(SPEC, split, unseen(split), seen_queries="exclude", file=tmp_path / episodes_name(3))
    assert np.array_equal(tasks.episodes.support, five.support[:, :, :1])
    assert tasks.episodes.key not in ("", five.key)
    whole = open_frozen_episodes(EpisodeSpec(5, 3, 4), split, unseen(split), seen_queries="exclude", file=tmp_path)
    assert whole.episodes.key == five.key


def test_a_file_of_fewer_shots_is_refused(split: Split, tmp_path: Path) -> None:
    write(draw(SPEC, split.labels), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="1-shot episodes; 2 shots"):
        open_frozen_episodes(
            EpisodeSpec(5, 2), split, unseen(split), seen_queries="exclude", file=tmp_path / "e.parquet"
        )


def test_episodes_of_other_data_are_refused(split: Split, tmp_path: Path) -> None:
    write(draw(SPEC, np.repeat(np.arange(7), 14)), tmp_path / "more.parquet")
    with pytest.raises(InputError, match="other data"):
        open_frozen_episodes(SPEC, split, unseen(split), seen_queries="exclude", file=tmp_path / "more.parquet")
    write(draw(SPEC, np.tile(np.arange(5), 14)), tmp_path / "mixed.parquet")
    with pytest.raises(InputError, match="under other classes"):
        open_frozen_episodes(SPEC, split, unseen(split), seen_queries="exclude", file=tmp_path / "mixed.parquet")


def test_dropping_keeps_the_whole_file_so_that_numbers_mean_the_same_everywhere(split: Split) -> None:
    tasks = open_frozen_episodes(SPEC, split, some_seen(split), seen_queries="drop_episode", file=None)
    assert len(tasks.whole) == 40 > len(tasks.episodes)
    assert np.array_equal(tasks.whole.query[tasks.numbers], tasks.episodes.query)


def test_a_file_of_another_shape_is_refused(split: Split, tmp_path: Path) -> None:
    write(draw(EpisodeSpec(3, 1, 2, 10, 0), split.labels), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="3-way episodes with 2 queries"):
        open_frozen_episodes(SPEC, split, unseen(split), seen_queries="exclude", file=tmp_path / "e.parquet")


def test_a_file_whose_supports_are_queries_is_refused(split: Split, tmp_path: Path) -> None:
    tasks = draw(SPEC, split.labels)
    tasks.query[3, 0, 0] = tasks.support[3, 0, 0]
    write(tasks, tmp_path / "e.parquet")
    with pytest.raises(InputError, match="a picture or a class twice"):
        open_frozen_episodes(SPEC, split, unseen(split), seen_queries="exclude", file=tmp_path / "e.parquet")
