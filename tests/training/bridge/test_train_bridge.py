"""Training the bridge: what val chooses, heads kept as soon as they are done, rows rebuilt from the file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.bridge import head_training
from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.bridge.episodic_loss import LossWeights
from syntrans_training.bridge.head_training import HeadProblem, HeadTrainingConfig, train_head
from syntrans_training.bridge.held_out_metrics import held_out_metrics
from syntrans_training.bridge.initialisation import (
    MapInit,
    RawFeatures,
    SpaceSettings,
    fit_metric,
    make_grid,
    transform_features,
)
from syntrans_training.bridge.ridge_baseline import RidgeGrid, fit_ridge_baseline
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.bridge.train_bridge import train_bridge
from syntrans_training.bridge.trained_bridges import read_bridges
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import BRIDGE
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.methods.syntrans import SynTrans
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.task_alpha import DOMAINS, HOME, ClassSpread

C, M, D, S, BASE = 34, 16, 10, 8, 26
pytestmark = pytest.mark.slow  # a bridge is trained, for all of them
PARTS = {"generator": True, "residual": True, "gate": True, "fusion": "evidence"}
HOW = HeadTrainingConfig(
    seeds=2, steps=6, val_checks=2, ways=8, queries=6, tasks_per_step=2, lr=3e-3,
    noise_scale=1.0, text_swap_prob=0.2, descriptor_keep_prob=0.5, losses=LossWeights(), parts=PARTS,
)  # fmt: skip
SHORT = replace(HOW, seeds=1, steps=2, val_checks=1)
GRID = make_grid(
    powers=(1.0, 0.5), shrinkages=(1.0,), noises=(1.0, 2.0), prior_shrinkages=(1.0,), lambdas=(0.3, 3.0),
    name_shares=(0.0,), alphas=(0.0, 0.25, 0.5, 0.75, 1.0),
)  # fmt: skip
ONE = make_grid(  # nothing to choose but alpha
    powers=(1.0,), shrinkages=(1.0,), noises=(1.0,), prior_shrinkages=(1.0,), lambdas=(0.3,),
    name_shares=(0.0,), alphas=(0.0, 0.5, 1.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def world():
    """Class centres that are a linear map of their texts, seen through much noise; val classes that are new."""
    generator = torch.Generator().manual_seed(0)
    text = F.normalize(torch.randn(C, S, generator=generator), dim=-1)
    centres = text @ torch.randn(S, D, generator=generator)
    labels = torch.arange(C).repeat_interleave(M)
    values = 2 + centres[labels] + 1.2 * torch.randn(C * M, D, generator=generator)
    base = Features(values[labels < BASE], labels[labels < BASE], tuple(map(str, range(BASE))), "b")
    val = Features(values[labels >= BASE], labels[labels >= BASE] - BASE, tuple(map(str, range(BASE, C))), "v")
    tasks = {k: draw(EpisodeSpec(5, k, 6, 120, 1), val.labels.numpy()) for k in (1, 3)}
    return base, val, text, tasks


class Texts:
    """`kept` tells the truth, `none` says nothing, anything else is another class's."""

    def __init__(self, text) -> None:
        self.text = text

    def _of(self, variant):
        return {"kept": self.text, "none": torch.zeros_like(self.text)}.get(variant, self.text.roll(1, 0))

    def base(self, variant, share, keep, generator):
        return self._of(variant)[:BASE]

    def val(self, variant, share):
        return self._of(variant)[BASE:]


def build(world, path, *, config=HOW, variants=("kept", "none"), identity="x", grid=GRID):
    base, val, text, tasks = world
    raw = RawFeatures(base.values, base.labels, val.values)
    return train_bridge(raw, Texts(text), tasks, variants, grid, config, path=path, identity=identity)


@pytest.fixture(scope="module")
def built(world, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("vsbird") / BRIDGE
    return build(world, path, variants=("kept", "none", "name", "random")), path


def side_of(world, path):
    base, val, text, tasks = world
    grid = RidgeGrid((None,), (1.0,), (0.0, 0.5, 1.0), (0.0,))
    ridge = fit_ridge_baseline(base, val, lambda *_: (text[:BASE], text[BASE:]), tasks, ("kept",), grid)
    texts = Texts(text)
    return SplitFeatures(val.values, ridge, lambda v, share, draw: texts.val(v, share), bridges=read_bridges(path))


def test_true_text_is_worth_more_than_none_and_with_one_support_none_more_than_lies(built) -> None:
    val = {(c["variant"], c["shots"]): c["val"] for c in built[0]["choices"]}
    for shots in (1, 3):
        assert val["kept", shots] > val["none", shots] + 0.02
    assert val["none", 1] > val["name", 1]


def test_pictures_count_more_with_more_supports(built) -> None:
    note = built[0]
    assert [c["shots"] for c in note["choices"] if c["variant"] == "kept"] == [1, 3]
    curve = {c["shots"]: dict(map(tuple, c["curve"])) for c in note["choices"] if c["variant"] == "kept"}
    assert curve[3][0.0] > curve[1][0.0]  # visual only
    assert curve[3][1.0] == pytest.approx(curve[1][1.0], abs=0.08)  # semantic only knows no supports


def test_a_saved_head_is_the_one_that_val_found_best(world, built) -> None:
    bridges, logs = read_bridges(built[1]), built[0]["heads"]
    pictures = bridges.phi(world[1].values)
    for log in logs:
        variant, shots = log["variant"], log["shots"]
        text, head = Texts(world[2]).val(variant, 0.0), bridges.heads[variant, shots][log["seed"]]
        measured = alpha_curve(head, pictures, text, world[3][shots], [0.5]).mean().item()
        assert measured == pytest.approx(log["val"], abs=1e-5)
        assert (measured > log["val_before"] + 1e-5) == (log["step"] > 0)
    assert {log["step"] > 0 for log in logs} == {True, False}  # to some heads training was worth something


def test_true_text_tells_base_classes_apart_that_play_novel_ones(built) -> None:
    kept = [log["semantic_base"] for log in built[0]["heads"] if log["variant"] == "kept"]
    assert min(kept) > 0.4  # chance is 1 in 5


def test_rows_from_the_file_have_the_accuracy_that_val_saw(world, built) -> None:
    rows = build_rows(side_of(world, built[1]), {}, n_classes=C - BASE, shots=3, draws=2)
    scored = score_episodes({"syntrans": rows["syntrans"]}, world[3][3], n_classes=C - BASE, chunk=50)["syntrans"]
    chosen = next(c for c in built[0]["choices"] if (c["variant"], c["shots"]) == ("kept", 3))
    assert scored.accuracy.mean() == pytest.approx(chosen["val"], abs=1e-5)
    assert rows["syntrans"].settings["alpha"] == chosen["alpha"]
    assert len(rows["syntrans"].methods) == HOW.seeds


def test_controls_stand_beside_the_row(world, built) -> None:
    rows = build_rows(side_of(world, built[1]), {}, n_classes=C - BASE, shots=1, draws=3)
    controls = [name for name, row in rows.items() if row.group == "control"]
    assert controls == ["no_text", "name_only", "random_words", "shuffled", "half_shuffled"]
    assert len(rows["shuffled"].methods) == 3  # the draws; the two heads take turns
    assert {"visual_only", "semantic_only", "fused", "syntrans"} <= rows.keys()


@pytest.mark.parametrize(
    ("level", "row", "prior"), [("val", "syntrans_inductive", HOME), ("inductive", "syntrans", DOMAINS)]
)
def test_tasks_of_the_runs_own_pictures_are_judged_by_the_prior_of_such(world, built, level, row, prior) -> None:
    side = side_of(world, built[1])
    n = side.bridges.heads["kept", 1][0].build_memory().metric.precision.shape[0]
    spread = ClassSpread(torch.ones(n), torch.ones(n), torch.ones(n), torch.ones(1))
    side.bridges.spreads["kept", 1] = [spread] * HOW.seeds
    rows = build_rows(side, {}, n_classes=C - BASE, shots=1, draws=1, level=level)
    for method in rows[row].methods:
        assert isinstance(method, SynTrans)
        assert method.worth is not None
        assert method.worth.domains == prior


def test_metrics_for_training_do_not_know_the_classes_that_play_novel_ones(world) -> None:
    base, val, text, _ = world
    raw, text = RawFeatures(base.values, base.labels, val.values), text[:BASE]
    _, pictures = transform_features(raw, 1.0)
    space, start = GRID.spaces[0], GRID.starts[0]
    metrics = held_out_metrics(pictures, text, space, start, size=8)
    left_out = torch.stack([one.held_out_mask for one in metrics])
    assert (left_out.sum(1) == 8).all()
    assert left_out.sum(0).max() - left_out.sum(0).min() <= 4
    first = left_out[0]
    moved = replace(
        pictures, base=pictures.base + 9.0 * first[pictures.labels, None], means=pictures.means + 9.0 * first[:, None]
    )
    again = held_out_metrics(moved, text - 3.0 * first[:, None], space, start, size=8)
    assert torch.allclose(again[0].metric.transform, metrics[0].metric.transform, atol=1e-4)
    assert not torch.allclose(again[1].metric.transform, metrics[1].metric.transform, atol=1e-4)


def test_texts_that_say_nothing_leave_base_classes_at_chance(world) -> None:
    """Tasks of base classes would be solved by any text if the metric had seen the classes that play novel ones."""
    base, val, _, tasks = world
    wide = 60  # more directions than classes, as in real encoders
    lift = torch.randn(D, wide, generator=torch.Generator().manual_seed(1)) / D**0.5
    generator = torch.Generator().manual_seed(2)
    centres = torch.randn(BASE, wide, generator=generator)
    raw = RawFeatures(base.values @ lift / 5 + centres[base.labels], base.labels, val.values @ lift)
    _, pictures = transform_features(raw, 1.0)
    texts, space, start = (
        Texts(torch.randn(C, S, generator=generator)),
        SpaceSettings(1.0, 0.1, 1.0),
        MapInit(0.1, 1.0, 0.0),
    )
    text = texts.base("kept", 0.0, 1.0, generator)
    left_out, metric = held_out_metrics(pictures, text, space, start, size=8), fit_metric(pictures, text, space, start)
    task = HeadProblem(pictures, metric, start, texts, "kept", 1, tasks[1], left_out)
    _, log = train_head(task, 0, replace(HOW, steps=0))
    assert abs(log["semantic_base"] - 1 / 5) < 0.08


def test_an_interrupted_stage_goes_on_after_the_last_finished_heads(
    world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(HOW, steps=2, val_checks=1)
    expected, path = build(world, tmp_path / "whole", config=short), tmp_path / BRIDGE
    begun, train = [], head_training.train_head

    def stop(task, *rest, **more):
        begun.append((task.variant, task.shots))
        if len(begun) == 8:  # one head for each of 2 noises and 2 shots, both of (kept, 1), the second of (kept, 3)
            raise KeyboardInterrupt
        return train(task, *rest, **more)

    monkeypatch.setattr(head_training, "train_head", stop)
    torch.set_num_threads(1)  # heads one after another
    with pytest.raises(KeyboardInterrupt):
        build(world, path, config=short)
    assert [(c["variant"], c["shots"]) for c in checkpoint.read_note(path)["choices"]] == [("kept", 1)]
    assert build(world, path, config=short) == expected
    assert len(begun) == 8 + 6
    one, other = checkpoint.load(path)[0], checkpoint.load(tmp_path / "whole")[0]
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_heads_side_by_side_are_the_heads_one_after_another(world, tmp_path: Path) -> None:
    threads, notes = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        notes.append(build(world, tmp_path / str(count), variants=("kept",), grid=ONE, config=replace(SHORT, seeds=2)))
    torch.set_num_threads(threads)
    assert notes[0] == notes[1]
    one, other = (checkpoint.load(tmp_path / count)[0] for count in ("1", "2"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_file_of_another_identity_is_begun_anew(world, tmp_path: Path) -> None:
    closed = {"config": replace(HOW, steps=0), "grid": ONE}
    build(world, tmp_path / "f", variants=("kept",), **closed)
    note = build(world, tmp_path / "f", variants=("none",), identity="y", **closed)
    assert {c["variant"] for c in note["choices"]} == {"none"}


def test_without_steps_there_is_one_closed_form(world, tmp_path: Path) -> None:
    note = build(world, tmp_path / "f", config=replace(HOW, steps=0), variants=("kept",), grid=ONE)
    assert [h["seed"] for h in note["heads"]] == [0, 0]
    assert all(h["step"] == 0 and h["val"] == h["val_before"] for h in note["heads"])


@pytest.mark.parametrize("change", [{"generator": False}, {"residual": False}, {"gate": False}, {"fusion": "convex"}])
def test_each_part_can_be_switched_off_and_the_file_knows(world, tmp_path: Path, change) -> None:
    build(world, tmp_path / "f", config=replace(SHORT, parts=PARTS | change), variants=("kept",), grid=ONE)
    head = read_bridges(tmp_path / "f").heads["kept", 1][0]
    assert (head.generator is None) == (change == {"generator": False})
    assert (head.reconstructor.residual is None) == (change == {"residual": False})
    assert (head.text_gate is None) == (change == {"gate": False})
    assert head.fusion == change.get("fusion", "evidence")
