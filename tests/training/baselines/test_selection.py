"""Choosing the baselines: everything on val, each method kept as soon as it is done, rows rebuilt from the file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from syntrans.progress import Tracker
from syntrans_training.baselines.registry import BASELINES
from syntrans_training.baselines.selected import SelectedBaselines
from syntrans_training.baselines.selection import calibrate_rows, select_baselines
from syntrans_training.baselines.training import BaseClasses, HeadTraining
from syntrans_training.bridge.ridge_baseline import RidgeGrid, fit_ridge_baseline
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import SELECTED_BASELINES
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.scoring.scorer import score_episodes

C, M, D, S = 20, 12, 10, 10  # one CLIP has S = D
pytestmark = pytest.mark.slow  # every method is trained and chosen
HOW = HeadTraining(ways=5, shots=1, queries=4, steps=4, batch=4, lr=1e-3, hidden=16, seed=0, published_steps=6)


@pytest.fixture(scope="module")
def world():
    """14 base and 6 val classes whose centres are a linear map of their texts; a ridge map of the two."""
    generator = torch.Generator().manual_seed(0)
    text = F.normalize(torch.randn(C, S, generator=generator), dim=-1)
    centres = text @ torch.randn(S, D, generator=generator)
    labels = torch.arange(C).repeat_interleave(M)
    values = centres[labels] + 0.4 * torch.randn(C * M, D, generator=generator)
    base = Features(values[labels < 14], labels[labels < 14], tuple(map(str, range(14))), "b")
    val = Features(values[labels >= 14], labels[labels >= 14] - 14, tuple(map(str, range(14, 20))), "v")
    tasks = {shots: draw(EpisodeSpec(5, shots, 4, 30, 1), val.labels.numpy()) for shots in (1, 3)}
    grid = RidgeGrid((None,), (1.0,), (0.0, 0.5, 1.0), (0.0,))
    ridge = fit_ridge_baseline(base, val, lambda *_: (text[:14], text[14:]), tasks, ("kept", "name"), grid)
    return base, val, text, tasks, ridge


def run(world, path, names, *, in_clip=False, identity="x", wanted=frozenset()):
    base, val, text, tasks, ridge = world
    side = SplitFeatures(val.values, ridge, lambda *_: text[14:], in_clip=in_clip)
    known = BaseClasses(base.values, ridge.whitening(base.values), base.labels, text[:14])

    def training(shots):
        return replace(HOW, shots=shots)

    select_baselines(names, lambda _: known, side, tasks, training, n_classes=6, path=path, identity=identity)

    def rows(chosen, shots):
        return build_rows(side, chosen.rows(side, shots), n_classes=6, shots=shots, draws=2)

    return calibrate_rows(rows, tasks, wanted=wanted, path=path, identity=identity), side


PLAIN = [name for name, peer in BASELINES.items() if not peer.needs_clip]


def test_a_file_of_before_is_calibrated_again_where_it_lacks_a_row_that_is_wanted(world, tmp_path: Path) -> None:
    path = tmp_path / SELECTED_BASELINES
    run(world, path, ["simpleshot"])
    tensors, note = checkpoint.load(path)
    fitted = note["temperatures"]["1"].pop("fused")
    note["temperatures"]["1"]["visual_only"] = 123.0
    checkpoint.save(path, tensors, note)
    kept, _ = run(world, path, ["simpleshot"])
    assert kept["temperatures"]["1"]["visual_only"] == 123.0
    again, _ = run(world, path, ["simpleshot"], wanted={"fused"})
    assert again["temperatures"]["1"]["fused"] == fitted
    assert again["temperatures"]["1"]["visual_only"] != 123.0


def test_every_method_is_chosen_for_every_number_of_shots_and_beats_chance_on_val(world, tmp_path: Path) -> None:
    note, side = run(world, tmp_path / SELECTED_BASELINES, PLAIN)
    chosen = [e for e in note["choices"] if e.get("row", e["method"]) == e["method"]]
    assert [(e["method"], e["shots"]) for e in chosen] == [(n, k) for k in (1, 3) for n in PLAIN]
    for entry in note["choices"]:
        assert entry["val"] > 0.3  # chance is 0.2
        assert entry["val"] == max(trial["val"] for trial in entry["trials"])
        assert entry["setting"] in [{k: v for k, v in t.items() if k != "val"} for t in entry["trials"]]
    assert set(note["temperatures"]["1"]) >= {"fused", "semantic_only", "visual_only", *PLAIN}
    tensors, read = checkpoint.load(tmp_path / SELECTED_BASELINES)
    rows = SelectedBaselines(read, tensors).rows(side, 3)
    scored = score_episodes(rows, world[3][3], n_classes=6, chunk=100)
    by_name = {e.get("row", e["method"]): e["val"] for e in note["choices"] if e["shots"] == 3}
    assert {n: pytest.approx(o.accuracy.mean(), abs=1e-5) for n, o in scored.items()} == by_name


def test_an_interrupted_stage_goes_on_after_the_last_finished_method(
    world, tmp_path: Path, stop_after, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, whole, path = ["ridge", "am3", "simpleshot"], tmp_path / "whole", tmp_path / SELECTED_BASELINES
    expected, _ = run(world, whole, names)
    with stop_after("other methods", 2):
        run(world, path, names)
    assert [e["method"] for e in checkpoint.read_note(path)["choices"]] == ["ridge", "am3", "am3"]  # by both recipes
    finished: list[str] = []
    monkeypatch.setattr(Tracker, "advance", lambda bar, *_: finished.append(bar.label))
    again, _ = run(world, path, names)
    assert finished.count("other methods") == 4  # of three at two shots each
    assert again == expected
    one, other = checkpoint.load(path)[0], checkpoint.load(whole)[0]
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_file_of_another_identity_is_begun_anew(world, tmp_path: Path) -> None:
    run(world, tmp_path / SELECTED_BASELINES, ["ridge"])
    note, _ = run(world, tmp_path / SELECTED_BASELINES, ["simpleshot"], identity="other")
    assert {e["method"] for e in note["choices"]} == {"simpleshot"}


def test_methods_that_need_clip_are_chosen_only_inside_one(world, tmp_path: Path) -> None:
    names = ["ridge", "zero_shot_name", "tip_adapter"]
    outside, _ = run(world, tmp_path / "a", names)
    inside, side = run(world, tmp_path / "b", names, in_clip=True)
    assert {e["method"] for e in outside["choices"]} == {"ridge"}
    assert {e["method"] for e in inside["choices"]} == set(names)
    assert {row.group for row in SelectedBaselines(inside, {}).rows(side, 1).values()} == {"visual", "semantic"}


def test_of_two_recipes_the_row_is_by_the_one_that_val_prefers_and_the_other_stands_beside_it(
    world, tmp_path: Path
) -> None:
    note, side = run(world, tmp_path / SELECTED_BASELINES, ["gidaris", "semalign", "am3"])
    for shots in (1, 3):
        for method in ("gidaris", "semalign", "am3"):
            pair = [e for e in note["choices"] if (e["method"], e["shots"]) == (method, shots)]
            assert {e["recipe"] for e in pair} == {"ours", "published"}
            assert [e["row"] for e in pair] == [method, f"{method}_other"]
            assert pair[0]["val"] >= pair[1]["val"]
    tensors, read = checkpoint.load(tmp_path / SELECTED_BASELINES)
    widths = {
        e["recipe"]: len(tensors[f"{e['row']}.1.layers.0.bias"])
        for e in read["choices"]
        if (e["method"], e["shots"]) == ("semalign", 1)
    }
    assert widths == {"ours": HOW.hidden, "published": 4096}
    assert set(SelectedBaselines(read, tensors).rows(side, 1)) == {
        "gidaris", "gidaris_other", "semalign", "semalign_other", "am3", "am3_other"
    }  # fmt: skip


def test_choices_of_before_there_were_recipes_still_make_rows(world, tmp_path: Path) -> None:
    note, side = run(world, tmp_path / SELECTED_BASELINES, ["semalign"])
    tensors, _ = checkpoint.load(tmp_path / SELECTED_BASELINES)
    old = [
        {k: v for k, v in e.items() if k not in ("row", "recipe")} for e in note["choices"] if e["row"] == e["method"]
    ]
    assert list(SelectedBaselines({"choices": old}, tensors).rows(side, 3)) == ["semalign"]
