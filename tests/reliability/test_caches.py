"""Caches and checkpoints: what is damaged is made again, what cannot be kept is used without being kept."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from syntrans.errors import EnvironmentProblem, InputError
from syntrans_training.data.store import Split
from syntrans_training.encoder import features
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import EpisodeSpec, frozen
from syntrans_training.text import encoders as text

LABELS = np.repeat(np.arange(6), 8)


def flip(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 4
    path.write_bytes(bytes(data))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_checkpoint_with_a_changed_byte_is_refused_or_true_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for place in np.linspace(0, 0.999, 40):
        checkpoint.save(path, {"weight": torch.arange(40.0)}, {"identity": "one", "epoch": 3})
        flip(path, float(place))
        with contextlib.suppress(InputError):
            tensors, note = checkpoint.load(path)
            assert tensors["weight"].tolist() == list(range(40))
            assert note == {"identity": "one", "epoch": 3}


def test_a_damaged_file_of_a_training_counts_as_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bridge.safetensors"
    checkpoint.save(path, {"weight": torch.arange(40.0)}, {"identity": "one"})
    assert checkpoint.load_matching(path, "another") is None
    assert checkpoint.load_matching(path, "one") is not None
    flip(path, 0.95)
    assert checkpoint.load_matching(path, "one") is None
    assert "passed over" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_weights_and_tables_have_the_same_permissions(tmp_path: Path) -> None:
    from syntrans.paths import atomic_write_text

    checkpoint.save(tmp_path / "a.safetensors", {"weight": torch.ones(2)}, {})
    atomic_write_text(tmp_path / "train.json", "{}")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_frozen_episodes_that_were_damaged_are_drawn_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = EpisodeSpec(queries=2, episodes=4)
    first = frozen(spec, LABELS, tmp_path)
    flip(next(tmp_path.glob("*.parquet")), 0.5)
    again = frozen(spec, LABELS, tmp_path)
    assert again.query.tolist() == first.query.tolist()
    assert "drawn again" in capsys.readouterr().err


def test_episodes_that_cannot_be_kept_are_used_all_the_same(
    full_disk: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(frozen(EpisodeSpec(queries=2, episodes=4), LABELS, tmp_path)) == 4
    assert "not kept for the next run" in capsys.readouterr().err


def _lengths(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[len(t), 1.0] for t in texts], np.float32)


def encoder() -> text.TextEncoder:
    return text.TextEncoder("lengths", "r1", lambda: text.TextModel(_lengths))


def test_text_vectors_whose_cache_was_damaged_are_computed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = encoder().encode(["a red breast", "a tail"], cache=tmp_path)
    flip(next(tmp_path.rglob("*.parquet")), 0.4)
    assert encoder().encode(["a red breast", "a tail"], cache=tmp_path).tolist() == first.tolist()
    assert "passed over" in capsys.readouterr().err


def test_text_vectors_that_cannot_be_kept_are_used_all_the_same(full_disk: None, tmp_path: Path) -> None:
    assert encoder().encode(["a red breast"], cache=tmp_path).shape == (1, 2)


def test_a_text_has_one_vector_in_a_run_whether_or_not_it_can_be_kept(full_disk: None, tmp_path: Path) -> None:
    def of_batch(texts: Sequence[str]) -> NDArray[np.float32]:  # as padding changes the last bits
        return np.array([[len(text), len(texts)] for text in texts], np.float32)

    reader = text.TextEncoder("lengths", "r1", lambda: text.TextModel(of_batch))
    (first,) = reader.encode(["a tail"], cache=tmp_path)
    assert reader.encode(["a tail", "a red breast"], cache=tmp_path)[0].tolist() == first.tolist()


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not even be looked into, not by root either."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(path: Any, *args: Any, **kwargs: Any) -> Any:
            if str(path).startswith(f"{tmp_path}/closed/"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *args, **kwargs)

        return look

    for name in ("stat", "lstat", "open", "scandir", "mkdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return tmp_path / "closed" / "cache"


def test_a_cache_that_may_not_be_read_is_done_without(closed: Path) -> None:
    assert encoder().encode(["a red breast"], cache=closed).shape == (1, 2)
    assert len(frozen(EpisodeSpec(queries=2, episodes=4), LABELS, closed)) == 4
    split = Split("base", np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1, np.int64), ("a",), ("0" * 64,), (), "k")
    values, _ = features._cached({"size": 8}, split, closed, lambda: torch.ones(2))  # noqa: SLF001
    assert values.tolist() == [1, 1]


def test_a_cache_of_hashes_that_was_damaged_says_nothing(tmp_path: Path, artifacts: Path) -> None:
    import sqlite3
    from contextlib import closing

    from syntrans.images.hashes import sha256_of

    picture = tmp_path / "a.png"
    picture.write_bytes(b"a picture")
    os.utime(picture, (1e9, 1e9))
    true = sha256_of([picture])
    with closing(sqlite3.connect(artifacts / "cache" / "hashes.sqlite")) as db, db:
        db.execute("update hashes set sha256 = ?", ["0" * 64])
    assert sha256_of([picture]) == true


def test_a_cache_of_hashes_that_cannot_be_made_is_done_without(tmp_path: Path, artifacts: Path) -> None:
    from syntrans.images.hashes import sha256_of

    artifacts.mkdir()
    (artifacts / "cache").write_text("a file where the folder should be")
    (tmp_path / "a.png").write_bytes(b"a picture")
    assert len(sha256_of([tmp_path / "a.png"])[0]) == 64


def test_two_trainings_never_work_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    from benchmarks.reliability.reliability_scenes import TRAIN, features
    from syntrans.runs.lock import lock
    from syntrans_training.config import TrainConfig
    from syntrans_training.pipeline.train import train

    config = TrainConfig.model_validate({**TRAIN, "data": {"path": str(features(tmp_path / "features"))}})
    (tmp_path / "out").mkdir()
    with lock(tmp_path / "out"), pytest.raises(EnvironmentProblem, match="in use by another run"):
        train(config, out=tmp_path / "out")
