import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans_training.episodes.sampler import EPISODE_SCHEMA, EpisodeSpec, draw, frozen, member_table, read, write

LABELS = np.repeat(np.arange(7), [9, 12, 30, 8, 9, 15, 11])


@st.composite
def cases(draw_from):
    ways = draw_from(st.integers(2, 5))
    shots = draw_from(st.integers(1, 4))
    queries = draw_from(st.integers(1, 4))
    sizes = draw_from(st.lists(st.integers(shots + queries, 14), min_size=ways, max_size=ways + 3))
    seed = draw_from(st.integers(0, 2**31))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(labels))
    return EpisodeSpec(ways, shots, queries, 6, seed), labels[order]


@given(cases())
@settings(max_examples=60, deadline=None)
def test_every_episode_is_a_fair_task(case) -> None:
    spec, labels = case
    drawn = draw(spec, labels)
    assert drawn.support.shape == (6, spec.ways, spec.shots)
    assert drawn.query.shape == (6, spec.ways, spec.queries)
    for episode in (drawn[i] for i in range(len(drawn))):
        assert len(set(episode.classes.tolist())) == spec.ways
        images = np.concatenate([episode.support, episode.query], 1)
        assert len(set(images.ravel().tolist())) == images.size  # no image twice, no query among the supports
        assert (labels[images] == episode.classes[:, None]).all()


@given(cases(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_barred_images_are_never_queries(case, seed) -> None:
    spec, labels = case
    barred = np.zeros(len(labels), dtype=bool)
    rng = np.random.default_rng(seed)
    for c in range(labels.max() + 1):  # bar as many as the class can spare
        images = np.flatnonzero(labels == c)
        barred[rng.permutation(images)[: len(images) - spec.shots - spec.queries]] = True
    assert not barred[draw(spec, labels, barred=barred).query].any()


def test_episode_i_depends_on_seed_and_i_alone() -> None:
    few, many = draw(EpisodeSpec(episodes=4, queries=3), LABELS), draw(EpisodeSpec(episodes=9, queries=3), LABELS)
    assert np.array_equal(few.support, many.support[:4])
    assert np.array_equal(few.query, many.query[:4])
    assert not np.array_equal(few.query, draw(EpisodeSpec(episodes=4, queries=3, seed=1), LABELS).query)


def test_the_supports_of_one_shot_are_among_those_of_five() -> None:
    one, five = (draw(EpisodeSpec(shots=k, queries=3, episodes=8), LABELS) for k in (1, 5))
    assert np.array_equal(one.classes, five.classes)
    assert np.array_equal(one.support[..., 0], five.support[..., 0])


def test_a_frozen_file_is_written_once_and_read_back(tmp_path: Path) -> None:
    spec = EpisodeSpec(queries=3, episodes=5)
    first = frozen(spec, LABELS, tmp_path)
    (file,) = tmp_path.glob("episodes-*.parquet")
    stamp = file.stat().st_mtime_ns
    again = frozen(spec, LABELS, tmp_path)
    assert file.stat().st_mtime_ns == stamp
    assert np.array_equal(first.query, again.query)
    assert first.key == again.key == draw(spec, LABELS).key


def test_other_data_or_barred_images_get_another_file(tmp_path: Path) -> None:
    spec = EpisodeSpec(queries=3, episodes=2)
    barred = np.zeros(len(LABELS), dtype=bool)
    barred[20] = True
    frozen(spec, LABELS, tmp_path)
    frozen(spec, LABELS, tmp_path, barred=barred)
    frozen(spec, LABELS[:-1], tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_class_with_too_few_free_images_is_named() -> None:
    with pytest.raises(InputError, match="class number 3 has 8 images, 8 of them"):
        draw(EpisodeSpec(queries=8), LABELS)


def test_a_split_with_too_few_classes_is_refused() -> None:
    with pytest.raises(InputError, match="the split has 4"):
        draw(EpisodeSpec(), np.repeat(np.arange(4), 30))


def test_a_file_that_holds_no_episodes_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="columns"):
        read(tmp_path / "other.parquet")
    (tmp_path / "damaged.parquet").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"damaged\.parquet is not a readable"):
        read(tmp_path / "damaged.parquet")
    write(draw(EpisodeSpec(queries=2, episodes=2), LABELS), tmp_path / "good.parquet")
    assert len(read(tmp_path / "good.parquet")) == 2


@given(cases())
@settings(max_examples=30, deadline=None)
def test_fewer_shots_take_the_first_of_the_supports(case) -> None:
    spec, labels = case
    one = EpisodeSpec(spec.ways, 1, spec.queries, spec.episodes, spec.seed)
    few, many = draw(one, labels), draw(spec, labels)
    assert np.array_equal(few.classes, many.classes)
    assert np.array_equal(few.support, many.support[..., :1])


@given(cases())
@settings(max_examples=20, deadline=None)
def test_a_file_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, case) -> None:
    spec, labels = case
    drawn = draw(spec, labels)
    path = tmp_path_factory.mktemp("episodes") / "episodes.parquet"
    write(drawn, path)
    again = read(path)
    assert again.key == drawn.key
    for name in ("classes", "support", "query"):
        assert np.array_equal(getattr(again, name), getattr(drawn, name))
        assert getattr(again, name).dtype == np.int64


def test_the_draws_never_change() -> None:
    """Frozen files of other machines and papers must stay the same tasks; the hash is that of the first draws."""
    barred = np.zeros(len(LABELS), dtype=bool)
    barred[::11] = True
    drawn = draw(EpisodeSpec(5, 3, 4, 70, 2), LABELS, barred=barred)
    data = b"".join(a.astype("<i8").tobytes() for a in (drawn.classes, drawn.support, drawn.query))
    assert hashlib.sha256(data).hexdigest()[:16] == "4f1a6d8d426303e3"


def test_episodes_of_different_shapes_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"episode": 0, "classes": [0, 1], "support": [[0], [1]], "query": [[2], [3]]}
    rows = [row, {**row, "query": [[2, 4], [3, 5]]}]
    pq.write_table(pa.Table.from_pylist(rows, schema=EPISODE_SCHEMA), tmp_path / "ragged.parquet")
    with pytest.raises(InputError, match="different shapes"):
        read(tmp_path / "ragged.parquet")


def test_the_table_has_the_pictures_of_every_class_in_rising_order_padded_with_minus_one() -> None:
    assert member_table(np.array([1, 0, 1, 3, 1])).tolist() == [[1, -1, -1], [0, 2, 4], [-1, -1, -1], [3, -1, -1]]
    assert member_table(np.array([], dtype=np.int64)).shape == (0, 0)
