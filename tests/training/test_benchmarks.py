"""The benchmarks of the bridge, of CMKD and of a finished training: what they compare with what."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow, FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans_training.config import TrainConfig
from syntrans_world.spec import CLASSES
from syntrans_world.truth import judge

# step, the training whose evaluation has it, its row there, the step before
LADDER = [
    ("prototypes", "plain", "plain_prototypes", None),
    ("+ shared space", "plain", "no_text", "prototypes"),
    ("+ names", "plain", "name_only", "+ shared space"),
    ("+ descriptors, raw", "plain", "raw", "+ names"),
    ("+ descriptors, checked", "checked", "syntrans", "+ descriptors, raw"),
    ("+ descriptors, grounded", "grounded", "syntrans", "+ descriptors, checked"),
    ("+ descriptors, kept", "plain", "syntrans", "+ descriptors, grounded"),
    ("+ generator", "generator", "syntrans", "+ descriptors, kept"),
    ("+ reconstructor", "reconstructor", "syntrans", "+ descriptors, kept"),
    ("+ both", "both", "syntrans", "+ descriptors, kept"),
    ("+ gate", "gate", "syntrans", "+ both"),
]


def write_ledger(folder: Path, toy_classes: list[str], descriptor_row: Callable[..., DescriptorRow]) -> Path:
    """A descriptor file of all toy classes with a row that every stage dropped."""
    rows = []
    for name in toy_classes:
        colour, shape = name.split()
        rows += [descriptor_row(name, f"it is {colour}"), descriptor_row(name, f"it is a {shape}")]
        dropped = {"crosscheck": "no_agreement", "ground": "not_seen", "filter": "not_distinctive"}
        for i, (stage, reason) in enumerate(dropped.items()):
            text = f"it is a thing of {toy_classes[i]}"
            rows.append(descriptor_row(name, text, kept=False, stage=stage, reason=reason))
    return write_descriptors(folder / "ledger.parquet", rows, FileMetadata(run_id="t", class_list_sha256="0" * 64))


class Climbed(NamedTuple):
    """benchmarks/training/ladder.py, the folder of its results, and the arguments that it was called with."""

    ladder: Any
    out: Path
    arguments: list[str]

    @property
    def results(self) -> dict[str, Any]:
        return json.loads((self.out / "ladder.json").read_text())["results"]


@pytest.fixture(scope="module")
def climbed(
    repository: Path,
    toy_classes: list[str],
    descriptor_row: Callable[..., DescriptorRow],
    features_of_toys: Path,
    tiny_text_encoder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Climbed:
    """The whole of it, once, on toy features."""
    grids = {key: [1.0] for key in ("feature_powers", "shrinkages", "spread_factors", "lambdas", "prior_shrinkages")}
    root = tmp_path_factory.mktemp("ladder")
    values = {
        "device": "cpu",
        "data": {"path": str(features_of_toys)},
        "encoder": {"method": "precomputed"},
        "text": {"encoder": str(tiny_text_encoder)},
        "ridge": {"episodes": 20, "shrinkages": [1.0], "lambdas": [1.0], "alpha_step": 0.5},
        "vsbird": {"seeds": 2, "steps": 4, **grids},
        "episodes": {"shots": [1, 2], "queries": 4},
    }
    (root / "tiny.yaml").write_text(yaml.safe_dump(values))
    ledger = write_ledger(root, toy_classes, descriptor_row)
    arguments = ["--evaluate", "episodes.shots=[1,2]", "episodes.queries=4", "episodes.episodes=30"]
    given = ["ladder.py", str(ledger), "--config", str(root / "tiny.yaml"), "--out", str(root / "out"), "--seeds", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root / "artifacts"))
        patch.setattr(sys, "argv", [*given, *arguments])
        ladder = importlib.import_module("benchmarks.training.ladder")
        ladder.main()
    return Climbed(ladder, root / "out", [*given, *arguments])


def values_of(climbed: Climbed, step: dict[str, Any], shots: str) -> np.ndarray:
    table = pq.read_table(climbed.out / "evaluate" / step["training"] / "accuracies.parquet")
    return table.filter(pc.equal(table["shots"], int(shots)))[step["row"]].to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("shots", ["1", "2"])
def test_every_step_of_the_ladder_is_compared_with_the_one_before_it(climbed: Climbed, shots: str) -> None:
    steps = climbed.results[shots]["steps"]
    assert [(s["name"], s["training"], s["row"], s["before"]) for s in steps] == LADDER
    assert "gain" not in steps[0]
    values = {step["name"]: values_of(climbed, step, shots) for step in steps}
    for step in steps:
        assert step["mean"] == pytest.approx(100 * values[step["name"]].mean(), abs=1e-3)
        if step["before"]:
            gains = 100 * (values[step["name"]] - values[step["before"]])
            assert step["gain"]["mean"] == pytest.approx(gains.mean(), abs=1e-3)
            assert step["gain"]["half_width"] == pytest.approx(1.96 * gains.std(ddof=1) / 30**0.5, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("shots", ["1", "2"])
def test_other_texts_give_other_answers_on_the_ladder(climbed: Climbed, shots: str) -> None:
    told = ("prototypes", "+ shared space", "+ names", "+ descriptors, raw", "+ descriptors, kept")
    steps = {step["name"]: step for step in climbed.results[shots]["steps"]}
    assert len({values_of(climbed, steps[name], shots).tobytes() for name in told}) == len(told)


@pytest.mark.slow
@pytest.mark.parametrize("training", sorted({step[1] for step in LADDER}))
def test_a_training_of_the_ladder_has_the_parts_that_its_step_names(climbed: Climbed, training: str) -> None:
    heads = json.loads((climbed.out / "train" / training / "train.json").read_text())["config"]["vsbird"]
    every = set(climbed.ladder.PARTS)
    wanted = {"generator": {"generator"}, "reconstructor": {"residual"}, "both": {"generator", "residual"}}
    assert {part for part in every if heads[part]} == wanted.get(training, every if training == "gate" else set())
    assert (heads["steps"], heads["seeds"]) == (4, 1)  # of the config, of --seeds


@pytest.mark.slow
def test_the_table_of_the_ladder_has_a_line_a_step_with_both_numbers_of_shots(climbed: Climbed) -> None:
    lines = (climbed.out / "ladder.md").read_text().splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == [step[0] for step in LADDER]
    for line, *steps in zip(lines, *(climbed.results[shots]["steps"] for shots in "12"), strict=True):
        assert all(f"| {step['mean']:.2f} ± " in line for step in steps)


@pytest.mark.slow
def test_a_ladder_that_is_climbed_again_evaluates_nothing(
    climbed: Climbed, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = climbed.results
    monkeypatch.setattr(sys, "argv", climbed.arguments)
    monkeypatch.setattr(climbed.ladder, "evaluate", lambda *_, **__: pytest.fail("evaluated again"))
    climbed.ladder.main()
    assert climbed.results == before


def test_fewer_descriptors_say_less_and_as_many_as_there_are_say_what_all_do(
    benchmark: Callable[[str], Any], trained_on_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, path = benchmark("training.descriptor_count"), tmp_path / "counts.json"
    given = [str(trained_on_features), "--counts", "1", "2", "--draws", "2", "--quick", "--out", str(path)]
    monkeypatch.setattr(sys, "argv", ["descriptor_count.py", *given])
    counted.main()
    lines = json.loads(path.read_text())["lines"]
    assert [line["descriptors"] for line in lines] == ["1", "2", "all"]
    one, two, whole = (line["text alone"]["mean"] for line in lines)
    assert one < two == whole
    assert lines[1]["minus all"]["mean"] == 0


def test_prediction_sets_grow_with_the_level(
    benchmark: Callable[[str], Any], trained_on_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets, sizes = benchmark("predict.prediction_sets"), {}
    for level in (0.5, 0.99):
        path = tmp_path / "sets.json"
        given = [str(trained_on_features), "--level", str(level), "--quick", "--out", str(path)]
        monkeypatch.setattr(sys, "argv", ["prediction_sets.py", *given])
        sets.main()
        rows = {line["row"]: line for line in json.loads(path.read_text())["lines"]}
        assert rows.keys() == {"visual_only", "fused", "syntrans"}
        sizes[level] = rows["visual_only"]["mean_size"]
    assert sizes[0.5] < sizes[0.99] <= 5


@pytest.mark.slow
def test_predict_gives_the_classes_of_an_evaluation(
    benchmark: Callable[[str], Any], trained_on_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predict.json"
    given = [str(trained_on_features), "--shots", "1", "--quick", "--out", str(path)]
    monkeypatch.setattr(sys, "argv", ["predict_run.py", *given])
    benchmark("predict.predict_run").main()
    assert json.loads(path.read_text())["shots"]["1"]["equal_to_evaluate"] == 1


def test_a_threshold_covers_what_is_stated_and_three_answers_cannot_promise_much(
    benchmark: Callable[[str], Any],
) -> None:
    threshold = benchmark("predict.prediction_sets").threshold
    chances = np.array([[[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]], np.float32)
    assert threshold(chances, np.array([0, 0, 1]), 0.5) == pytest.approx(0.3)  # second of 0.2, 0.3, 0.4
    assert threshold(chances, np.array([0, 0, 1]), 0.95) == 1.0
    seen, new = np.random.default_rng(0).dirichlet(np.ones(5), (2, 400, 5)).astype(np.float32)
    limit = threshold(seen, np.arange(5), 0.9)
    assert (1 - new[:, np.arange(5), np.arange(5)] <= limit).mean() == pytest.approx(0.9, abs=0.02)


def test_a_ladder_with_a_teacher_starts_without_it_and_on_the_world_ends_at_the_truth(
    benchmark: Callable[[str], Any], descriptor_row: Callable[..., DescriptorRow], tmp_path: Path
) -> None:
    ladder, known = benchmark("training.ladder"), CLASSES[0]
    row = descriptor_row(known.name, "it is red", class_id=known.id)
    mined = write_descriptors(tmp_path / "m.parquet", [row], FileMetadata(run_id="t", class_list_sha256="0" * 64))
    config = TrainConfig.model_validate({"data": {"path": "world"}, "distill": {"teacher": "open_clip:clip"}})
    trainings, steps = ladder.plan(config, mined, tmp_path / "out")
    assert [(s.name, s.training, s.before) for s in steps[:2]] == [
        ("prototypes", "no-teacher", None),
        ("+ distillation", "plain", "prototypes"),
    ]
    assert "distill.teacher=null" in trainings["no-teacher"].settings
    assert (steps[-1].name, steps[-1].before) == ("true descriptors", "+ gate")
    told, _ = read_descriptors(trainings["truth"].descriptors)
    assert len(told) > 5
    assert all(judge(row.class_id, row.text) for row in told)
