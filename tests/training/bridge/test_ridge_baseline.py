import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.bridge.ridge_baseline import RidgeGrid, alpha_curve, alpha_grid, fit_ridge_baseline, pack, unpack
from syntrans_training.encoder.features import Features
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import Fused, accuracy
from syntrans_training.modules.solvers.ridge import fit_ridge
from syntrans_training.scoring.prototype_accuracy import prototype_cosines

GRID = RidgeGrid(shrinkages=(None, 1.0), lambdas=(0.1, 1.0), alphas=alpha_grid(0.25), name_shares=(0.0, 1.0))


def world(seed=0, d=12, k=10, per_class=20):
    """Visual class means that are a linear map of the class vectors, seen through much noise."""
    rng = np.random.default_rng(seed)
    s = rng.normal(size=(36, k)).astype(np.float32)
    means = s @ rng.normal(size=(k, d)).astype(np.float32)
    labels = np.repeat(np.arange(36), per_class)
    values = torch.from_numpy(means[labels] + rng.normal(0, 4, (len(labels), d)).astype(np.float32))

    def part(first, last):
        inside = torch.from_numpy((labels >= first) & (labels < last))
        numbers = torch.from_numpy(labels[inside.numpy()] - first)
        return Features(values[inside], numbers, tuple(map(str, range(first, last))), "key")

    return part(0, 26), part(26, 36), F.normalize(torch.from_numpy(s), dim=-1)


@pytest.fixture(scope="module")
def fitted():
    base, val, s = world()
    noise = torch.randn(36, 10, generator=torch.Generator().manual_seed(1))
    tasks = {k: draw(EpisodeSpec(5, k, 10, 120, 1), val.labels.numpy()) for k in (1, 5)}

    def vectors(variant, share):
        text = noise if variant == "name" or share else s
        return text[:26], text[26:]

    return fit_ridge_baseline(base, val, vectors, tasks, ("kept", "name"), GRID), base, val, s, tasks


def test_val_prefers_the_text_that_tells_something(fitted) -> None:
    bridge = fitted[0]
    for shots in (1, 5):
        kept, name = bridge.choices["kept", shots], bridge.choices["name", shots]
        assert kept.name_share == 0.0
        assert kept.val_fused > name.val_fused
        assert kept.val_fused >= kept.val_visual
    assert bridge.choices["kept", 1].alpha > bridge.choices["name", 1].alpha


def test_only_the_text_that_val_prefers_is_left(fitted) -> None:
    bridge = fitted[0]
    for order in (("kept", "name"), ("name", "kept")):
        better = bridge.better_of(order)
        assert better.variants == ("kept",)
        assert better.main == "kept"
        assert set(better.ridges) == set(better.choices) == {("kept", 1), ("kept", 5)}
    assert bridge.better_of(("name",)).main == "name"


def test_the_curve_equals_fused_weights_episode_by_episode(fitted) -> None:
    bridge, _, val, s, tasks = fitted
    queries = bridge.whitening(val.values)
    semantic = F.normalize(bridge.ridges["kept", 1](s[26:]), dim=-1)
    visual = [prototype_cosines(queries, part) for part in tasks[1].chunks(500)]
    curve = alpha_curve(queries, semantic, tasks[1], visual, (0.0, 0.5, 1.0))
    support, query, classes = (torch.from_numpy(a) for a in (tasks[1].support, tasks[1].query, tasks[1].classes))
    for alpha, at_alpha in zip((0.0, 0.5, 1.0), curve, strict=True):
        scores = Fused(semantic, alpha=alpha).scores(queries[support], queries[query.flatten(1)], classes)
        assert at_alpha == pytest.approx(accuracy(scores).mean().item(), abs=2e-3)


def test_a_bridge_survives_its_file(fitted) -> None:
    bridge, _, val, s, _ = fitted
    again = unpack(*pack(bridge))
    assert again.choices == bridge.choices
    assert torch.equal(again.whitening(val.values), bridge.whitening(val.values))
    assert torch.equal(again.ridges["kept", 5](s), bridge.ridges["kept", 5](s))


def test_the_map_is_fitted_on_base_classes_alone(fitted) -> None:
    bridge, base, _, s, _ = fitted
    means = bridge.whitening(base.values)
    means = torch.stack([means[base.labels == c].mean(0) for c in range(26)])
    alone = fit_ridge(s[:26], means, lam=bridge.choices["kept", 1].lam)
    assert torch.allclose(bridge.ridges["kept", 1].weight, alone.weight, atol=1e-6)


@pytest.mark.parametrize("step", [0.05, 0.25, 0.3, 1.0])
def test_an_alpha_grid_begins_with_visual_and_ends_with_semantic(step: float) -> None:
    grid = alpha_grid(step)
    assert (grid[0], grid[-1]) == (0.0, 1.0)
    assert list(grid) == sorted(set(grid))
