from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from syntrans_training.data.store import Split
from syntrans_training.encoder import features
from syntrans_training.engine import checkpoint

SIZE, N = 16, 70


class Pooled(nn.Module):
    """Mean colours of the four quarters: knows where the picture is and which side is which."""

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


@pytest.fixture
def split() -> Split:
    pixels = np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)
    return Split("toy", pixels, np.zeros(N, np.int64), ("a",), tuple(map(str, range(N))), (), "key")


@pytest.fixture
def views(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Views of the toy split, cached in a folder of the test."""

    def make(n_views=3, seed=0, pad=2, size=SIZE, batch_size=None):
        monkeypatch.setattr(features, "view_pad", lambda _size: pad)
        extraction = features.Extraction("w", torch.device("cpu"), cache=tmp_path, batch_size=batch_size)
        return features.extract_views(Pooled(), split, extraction, n_views=n_views, seed=seed, size=size)

    return make


def test_views_differ_from_each_other_and_depend_on_the_seed(views: Callable[..., Any]) -> None:
    drawn = views()
    assert drawn.shape == (N, 3, 12)
    assert not torch.allclose(drawn[:, 0], drawn[:, 1])
    assert not torch.allclose(drawn, views(seed=1))
    assert torch.equal(drawn, views())


def test_more_views_compute_only_the_new_ones(views: Callable[..., Any], tmp_path: Path) -> None:
    few = views(2)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    many = views(4)
    assert torch.equal(many[:, :2], few)
    assert len(list(tmp_path.iterdir())) == 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_without_padding_a_view_is_the_picture_or_its_mirror_image(views: Callable[..., Any], split: Split) -> None:
    whole = split.pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    upright, mirrored = (Pooled()(torch.from_numpy(x.copy())) for x in (whole, whole[..., ::-1]))
    drawn = views(1, pad=0)[:, 0]
    as_is = torch.isclose(drawn, upright, atol=1e-5).all(1)
    assert (as_is | torch.isclose(drawn, mirrored, atol=1e-5).all(1)).all()
    assert 0.2 < as_is.float().mean() < 0.8


def test_a_view_does_not_depend_on_the_batch(views: Callable[..., Any], tmp_path: Path) -> None:
    together = views(1)
    for path in tmp_path.iterdir():
        path.unlink()
    assert torch.allclose(views(1, batch_size=1), together, atol=1e-6)


def test_stored_pictures_of_another_size_are_resized_first(views: Callable[..., Any]) -> None:
    assert views(1, size=8, pad=0).shape == (N, 1, 12)


def test_another_torch_gives_another_file(
    views: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views(1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "load", lambda _path: ({"features": torch.zeros(N, 12)}, {}))
        patch.setattr(torch, "__version__", "99.0")
        views(1)
    assert len(list(tmp_path.iterdir())) == 2


def test_no_views_are_refused(views: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        views(0)


def test_padding_is_skds_at_its_sizes() -> None:
    assert (features.view_pad(84), features.view_pad(32)) == (8, 4)
