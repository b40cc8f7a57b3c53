"""Imagined pictures as supports: what is seen in them, and what is said where they do not fit."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from prediction_world import photo

from syntrans.errors import InputError
from syntrans.provenance import file_sha256
from syntrans_training.data.load_splits import Decoding, Origin, Pictures
from syntrans_training.evaluation import imagined_supports
from syntrans_training.evaluation.imagined_supports import Seen, see, see_for_run
from syntrans_training.evaluation.trained_run import TrainedRun
from syntrans_training.evaluation.trained_with import ImaginedOfRun
from syntrans_training.imagination.imagined_file import open_imagined


@pytest.fixture
def file(write_imagined_of: Callable[..., Path], tmp_path: Path) -> Path:
    return write_imagined_of(tmp_path, {name: [photo(name, n) for n in range(3)] for name in ("red", "green")})


def brightness(split) -> torch.Tensor:
    return torch.from_numpy(split.pixels).float().mean((1, 2))


def test_class_means_have_no_mean_of_their_own_and_a_class_without_pictures_has_none() -> None:
    seen = Seen(torch.tensor([[1.0, 0.0], [3.0, 0.0], [8.0, 6.0]]), torch.tensor([0, 0, 2]), 3)
    mean, count = seen.means(lambda values: values)
    assert count.tolist() == [2, 0, 1]
    assert mean.tolist() == [[-3, -3], [0, 0], [3, 3]]


def test_at_most_so_many_kept_pictures_of_each_class_are_seen_at_the_side_that_is_asked_for(file: Path) -> None:
    sides = []
    seen = see(
        open_imagined(str(file)), ["green", "red"], lambda split: sides.append(split.pixels.shape) or brightness(split),
        size=8, at_most=2,
    )  # fmt: skip
    assert sides == [(4, 8, 8, 3)]
    assert seen.labels.tolist() == [0, 0, 1, 1]
    assert seen.values.argmax(1).tolist() == [1, 1, 0, 0]  # green, red


@pytest.fixture
def run(file: Path, monkeypatch: pytest.MonkeyPatch):
    """A finished training with imagined supports, as far as it is asked."""
    monkeypatch.setattr(
        imagined_supports, "feature_stage", lambda _e, _n, split, *_: SimpleNamespace(values=brightness(split))
    )
    return Mock(
        TrainedRun, folder="run", open_encoder=lambda _: (None, {}), report={"imagined": {"sha256": file_sha256(file)}},
        imagined=ImaginedOfRun(str(file), 2), encoder=SimpleNamespace(test_size=8),
        pictures=Pictures(Origin("pictures"), Decoding(8)),
    )  # fmt: skip


def test_a_run_sees_its_own_file_and_says_why_it_has_no_row_for_classes_that_are_not_there(
    run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert see_for_run(run, ["red", "green"], "cpu").labels.tolist() == [0, 0, 1, 1]
    assert see_for_run(run, ["red", "blue"], "cpu") is None
    assert "no row with imagined supports" in capsys.readouterr().err
    run.report = {}
    assert see_for_run(run, ["red", "green"], "cpu") is None


def test_a_file_that_has_changed_since_the_training_is_refused(run) -> None:
    run.report["imagined"]["sha256"] = "0" * 64
    with pytest.raises(InputError, match="has changed since run was trained with it"):
        see_for_run(run, ["red", "green"], "cpu")
