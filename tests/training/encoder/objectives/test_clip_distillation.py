"""What a CLIP teaches without labels: the projector, the stored crops, and the task that trains on them."""

import itertools
import signal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from syntrans_training.backbones import Encoder
from syntrans_training.backbones.resnet12 import ResNet12
from syntrans_training.data.augment import Pictures, StoredCrops, crop_views, random_views
from syntrans_training.data.store import Split
from syntrans_training.encoder import features
from syntrans_training.encoder.objectives.clip_distillation import ClipDistill, TeacherTargets, Terms
from syntrans_training.engine.trainer import Recipe, fit
from syntrans_training.modules.projector import Projector

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


# projector


def test_a_linear_projector_turns_a_text_into_a_classifier_of_features() -> None:
    projector, features_, text = Projector(5, 8, kind="linear"), torch.randn(3, 5), unit(4, 8)
    matrix = projector.layers.get_parameter("weight")
    lengths = (features_ @ matrix.T).norm(dim=1, keepdim=True)
    assert torch.allclose(projector(features_) @ text.T, features_ @ (text @ matrix).T / lengths, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_projected_features_are_unit_and_in_single_precision(kind: Literal["linear", "mlp"]) -> None:
    projector = Projector(5, 8, kind=kind)
    with torch.autocast("cpu", torch.bfloat16):
        projected = projector(torch.randn(4, 5))
    assert projected.dtype == torch.float32
    assert torch.allclose(projected.norm(dim=1), torch.ones(4), atol=1e-6)


# stored crops


class Colours(nn.Module):
    """Mean colours of the four quarters."""

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, 2).flatten(1)


def test_a_crop_depends_on_seed_view_and_place_alone() -> None:
    crops = StoredCrops(12, views=3, seed=5)
    items = torch.tensor([7, 2, 7])
    numbers = crops.numbers(items, torch.tensor([1, 0, 1]))
    assert torch.equal(numbers[:, 0], numbers[:, 2])
    assert torch.equal(numbers[:, 1:2], StoredCrops(12, views=1, seed=5).numbers(torch.tensor([2]), torch.tensor([0])))
    assert not torch.equal(numbers, crops.numbers(items, torch.tensor([1, 2, 1])))
    assert not torch.equal(numbers, StoredCrops(12, views=3, seed=6).numbers(items, torch.tensor([1, 0, 1])))


def test_random_views_are_cut_as_stored_ones_are() -> None:
    pixels = torch.from_numpy(PIXELS)
    for view in ({"size": 10, "crop_pad": 2}, {"size": 10, "crop_area": (0.4, 0.9)}):
        numbers = torch.rand(8, 12, generator=torch.Generator().manual_seed(1))
        drawn = random_views(pixels, torch.Generator().manual_seed(1), **view, jitter=0.0)
        assert torch.equal(drawn, crop_views(pixels, numbers[:5], **view))


@pytest.mark.parametrize(
    "view", [{"size": 8, "crop_pad": 2}, {"size": 8, "crop_area": (0.4, 0.9)}], ids=["pad", "area"]
)
def test_the_teacher_sees_the_same_part_of_the_picture(view) -> None:
    view = {"size": 8, **view}
    draws = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(6, 3, 3, 3, generator=draws), size=(16, 16), mode="bicubic").clamp(0, 1)
    pixels = (smooth * 255).byte().permute(0, 2, 3, 1)
    numbers = torch.rand(5, 6, generator=draws)
    student, teacher = crop_views(pixels, numbers, **view), crop_views(pixels, numbers, **view, shown=32)
    assert teacher.shape == (6, 3, 32, 32)
    again = F.interpolate(teacher, size=(8, 8), mode="bilinear", antialias=True)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    assert (again - student)[inner].abs().mean() < 0.03
    assert (again.flip(3) - student)[inner].abs().mean() > 0.05


def test_the_student_sees_the_crops_that_the_teacher_was_asked_about(tmp_path: Path) -> None:
    split = Split("toy", PIXELS, np.zeros(12, np.int64), ("a",), tuple(map(str, range(12))), (), "key")
    crops, view = StoredCrops(12, views=3, seed=0), {"size": 16, "crop_pad": 2, "flip": 0.5}
    extraction = features.Extraction("w", CPU, cache=tmp_path)
    settings: dict[str, Any] = {"view": view, "shown": 16}
    taught = features.extract_crops(Colours(), split, crops, extraction, **settings)
    assert (taught.shape, taught.dtype) == ((12, 3, 12), torch.float16)
    pictures = Pictures(PIXELS, split.labels, device=CPU, view={**view, "jitter": 0.0})
    items = torch.tensor([3, 11, 3, 0, 5, 6, 7, 8])
    shown, _, which = pictures.stored(items, crops, torch.Generator().manual_seed(1))
    assert len(set(which.tolist())) > 1
    assert torch.allclose(F.normalize(Colours()(shown), dim=1), taught[items, which].float(), atol=1e-3)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    more = features.extract_crops(Colours(), split, StoredCrops(12, views=4, seed=0), extraction, **settings)
    assert torch.equal(more[:, :3], taught)
    assert len(list(tmp_path.iterdir())) == 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_half_precision_is_for_the_teacher_not_for_where_it_looks(tmp_path: Path) -> None:
    split = Split("toy", PIXELS, np.zeros(12, np.int64), ("a",), tuple(map(str, range(12))), (), "key")
    crops, seen = StoredCrops(12, views=1, seed=0), []
    view: dict[str, Any] = {"size": 8, "crop_area": (0.4, 0.9)}
    teacher = Colours()
    teacher.register_forward_pre_hook(lambda _, args: seen.append(args[0].float()))
    extraction = features.Extraction("w", CPU, precision="bf16", cache=tmp_path)
    features.extract_crops(teacher, split, crops, extraction, view=view, shown=32)
    numbers = crops.numbers(torch.arange(12), torch.zeros(12, dtype=torch.long))
    assert torch.allclose(seen[0], crop_views(torch.from_numpy(PIXELS), numbers, **view, shown=32), atol=1e-5)


def test_colours_change_for_the_student_and_are_drawn_anew() -> None:
    crops = StoredCrops(12, views=1, seed=0)
    still, wild = (
        Pictures(PIXELS, np.zeros(12, np.int64), device=CPU, view={"size": 16, "jitter": j}) for j in (0.0, 0.4)
    )
    items = torch.arange(12)
    plain, one, two = (
        part.stored(items, crops, torch.Generator().manual_seed(seed))[0]
        for part, seed in ((still, 1), (wild, 1), (wild, 2))
    )
    assert torch.equal(plain, still.stored(items, crops, torch.Generator().manual_seed(2))[0])
    assert not torch.allclose(plain, one, atol=0.02)
    assert not torch.allclose(one, two, atol=0.02)


# the task


def make_task(terms=None, *, labels=None, shard=(0, 1), gather=None, interrupt_at=()):
    torch.manual_seed(0)
    tower = ResNet12((8, 8, 8, 8), drop_rate=0.1, drop_ramp_steps=4)
    encoder = Encoder(tower, feature_dim=tower.feature_dim)
    labels = np.arange(12) % 3 if labels is None else labels
    pictures = Pictures(PIXELS, labels, device=CPU, view={"size": 16, "jitter": 0.2}, shard=shard)
    taught = TeacherTargets(StoredCrops(12, views=2, seed=0), unit(24, 8).reshape(12, 2, 8).half(), unit(20, 8, seed=1))
    task = ClipDistill(
        encoder, Projector(8, 8), pictures, taught, terms or Terms(), head=nn.Linear(8, 3), gather=gather
    )
    calls, losses = itertools.count(), task.losses

    def interrupted(items, generator):
        if next(calls) in interrupt_at:
            signal.raise_signal(signal.SIGTERM)
        return losses(items, generator)

    task.losses = interrupted
    return task


def run(folder, task):
    folder.mkdir(exist_ok=True)
    files = {"state_file": folder / "state.safetensors", "metrics_file": folder / "metrics.jsonl"}
    fit(task, Recipe(3, 4, 0.02, seed=5), device=CPU, identity="a", **files)
    return task.module.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory):
    """The weights of a run that nothing stopped."""
    return run(tmp_path_factory.mktemp("straight"), make_task())


@pytest.mark.parametrize("name", ["text", "relation", "feature", "cross_entropy"])
def test_every_term_stands_on_its_own_weight(name: str) -> None:
    off = {"text": 0.0, "relation": 0.0, "feature": 0.0, "cross_entropy": 0.0}
    terms = [
        make_task(Terms(**{**off, name: weight})).losses(torch.arange(6), torch.Generator().manual_seed(0))
        for weight in (1.0, 3.0)
    ]
    assert [list(losses) for losses in terms] == [[name], [name]]
    assert terms[1][name].item() == pytest.approx(3 * terms[0][name].item(), rel=1e-5)
    assert terms[0][name] > 0


def test_no_label_is_used_unless_it_is_asked_for(straight, tmp_path: Path) -> None:
    mixed = np.random.default_rng(1).permutation(np.arange(12) % 3)
    assert same(straight, run(tmp_path / "b", make_task(labels=mixed)))
    terms = Terms(cross_entropy=1.0)
    assert not same(run(tmp_path / "c", make_task(terms)), run(tmp_path / "d", make_task(terms, labels=mixed)))


@pytest.mark.parametrize("step", range(9))
def test_a_distillation_stopped_at_any_step_ends_in_the_same_bits(straight, tmp_path: Path, step: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", make_task(interrupt_at=(step,)))
    assert same(straight, run(tmp_path / "stopped", make_task()))


def test_processes_that_share_a_batch_have_its_losses() -> None:
    items, given = torch.tensor([5, 1, 8, 2, 0, 11, 3, 7]), []

    def losses(shard, gather=None):
        task = make_task(shard=shard, gather=gather)
        task.module.eval()  # BatchNorm's share of the batch is distributed.py's business
        task.projector.register_forward_hook(lambda *call: given.append(call[-1]))
        return task.losses(items, torch.Generator().manual_seed(4))

    whole = losses((0, 1))
    rows = given[0]
    parts = [losses((rank, 2), lambda _: rows) for rank in (0, 1)]
    for name, value in whole.items():
        assert sum(part[name].item() for part in parts) / 2 == pytest.approx(value.item(), rel=1e-4)


def test_a_term_without_what_it_needs_is_refused() -> None:
    task = make_task()
    given = (task.encoder, task.projector, task.pictures)
    with pytest.raises(ValueError, match="anchors"):
        ClipDistill(*given, TeacherTargets(task.taught.crops, task.taught.features), Terms())
    with pytest.raises(ValueError, match="head"):
        ClipDistill(*given, task.taught, Terms(cross_entropy=1.0))
