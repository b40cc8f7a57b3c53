"""The novel split is closed to choices, and every look at it is on record."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from syntrans_training.baselines.grid_search import calibrate, grid_search
from syntrans_training.data import load_splits
from syntrans_training.data.novel_split_guard import LOG, ClosedSplit, pictures_key, record_touch, selecting
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import Prototype, RidgeRegression
from syntrans_training.methods.base import LinearMethod, Method
from syntrans_training.scoring.scored_classifier import ScoredClassifier


def world(noise=1.0, dim=8):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 20)
    values = rng.normal(size=(8, dim))[labels] + rng.normal(0, noise, (len(labels), dim))
    return torch.from_numpy(values).float(), draw(EpisodeSpec(5, 1, 8, 60, 0), labels)


def test_the_novel_split_cannot_be_opened_while_something_is_chosen(toy_data: Path) -> None:
    with selecting(), pytest.raises(ClosedSplit, match="novel"):
        load_splits(str(toy_data), size=20, names=("val", "novel"))
    assert load_splits(str(toy_data), size=20, names=("novel",))["novel"].name == "novel"


def test_a_selection_that_opens_the_novel_split_fails(toy_data: Path) -> None:
    def build(lam):
        load_splits(str(toy_data), size=20, names=("novel",))
        return RidgeRegression(lam=lam)

    with pytest.raises(ClosedSplit):
        grid_search(build, {"lam": (0.1, 1.0)}, *world(), n_classes=8)


def test_all_of_training_is_a_selection(toy_data: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from syntrans_training.config import TrainConfig
    from syntrans_training.pipeline import train, training_run

    monkeypatch.setattr(training_run, "open_texts", lambda *_: load_splits(str(toy_data), size=20, names=("novel",)))
    shape = {"device": "cpu", "data": {"path": str(toy_data), "size": 20}, "episodes": {"queries": 9}}
    config = TrainConfig.model_validate(shape)
    with pytest.raises(ClosedSplit):
        train.train(config, out=artifacts / "run")


def test_the_setting_with_the_best_val_accuracy_is_chosen_and_every_trial_is_kept() -> None:
    class Half(LinearMethod):
        """Answers at random for `good=False`."""

        def __init__(self, *, good) -> None:
            self.good = good

        def classifiers(self, support, classes):
            return Prototype().classifiers(support if self.good else torch.ones_like(support), classes)

    chosen = grid_search(Half, {"good": (False, True)}, *world(0.3), n_classes=8)
    assert chosen.setting == {"good": True}
    assert [trial["good"] for trial in chosen.trials] == [False, True]
    assert chosen.accuracy == pytest.approx(max(trial["val"] for trial in chosen.trials), abs=1e-6)


def test_an_empty_grid_is_one_setting() -> None:
    assert grid_search(Prototype, {}, *world(), n_classes=8).setting == {}


def test_scores_that_are_twice_as_large_get_half_the_temperature() -> None:
    values, tasks = world()

    class Twice(LinearMethod):
        def classifiers(self, support, classes):
            linear = Prototype().classifiers(support, classes)
            return type(linear)(linear.weight * 2, cosine=True)

    methods: dict[str, Method] = {"a": Prototype(), "b": Twice()}
    rows = {name: ScoredClassifier((method,), values) for name, method in methods.items()}
    once, twice = calibrate(rows, tasks).values()
    assert once / twice == pytest.approx(2, rel=0.35)  # the grid's step is a third


def test_looks_are_counted_per_set_of_pictures(artifacts: Path) -> None:
    assert [record_touch("aa", command="x") for _ in range(3)] == [1, 2, 3]
    assert record_touch("bb", command="y") == 1
    with (artifacts / LOG).open("a") as log:
        log.write('{"time": "2026')
    assert record_touch("aa", command="z") == 4  # a line that was cut short swallows none
    lines = (artifacts / LOG).read_text().splitlines()
    assert json.loads(lines[0])["command"] == "x"


def test_the_same_pictures_have_one_key_in_any_order() -> None:
    assert pictures_key(["b", "a"]) == pictures_key(["a", "b"])
    assert pictures_key(["a"]) != pictures_key(["a", "b"])
