"""CMKD as a method of the encoder stage: two generations, base knowledge alone, and a student without text."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from syntrans.contract.rows import descriptor_id
from syntrans.errors import InputError, UsageError
from syntrans_training.config import EncoderConfig, EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.data.class_split import read_split, split_path
from syntrans_training.data.store import Split
from syntrans_training.encoder import training as encoder
from syntrans_training.encoder.cmkd import ClassKnowledge, class_knowledge
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import ENCODER_FILES
from syntrans_training.engine.trainer import fit
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.encoder_stage import encoder_stage
from syntrans_training.pipeline.generations import plan
from syntrans_training.pipeline.train import train as train_all
from syntrans_world.fine import fine_classes

CPU = torch.device("cpu")
TASKS = {"ways": 3, "shots": 1, "queries": 4, "steps_per_epoch": 3, "teacher_epochs": 2, "width": 16}
SMALL = {
    "method": "cmkd",
    "backbone": "conv4",
    "train_size": 16,
    "test_size": 16,
    "epochs": 2,
    "optimizer": "adamw",
    "lr": 0.001,
    "precision": "fp32",
    "val_every": 1,
}
EVALUATE = EvaluateConfig.model_validate(
    {"device": "cpu", "episodes": {"shots": [1], "queries": 5, "episodes": 40}, "control_draws": 1}
)


@pytest.fixture
def splits(toy_data: Path) -> dict[str, Split]:
    return load_splits(str(toy_data), size=20, names=("base", "val"))


def small(**cmkd):
    return EncoderConfig.model_validate({**SMALL, "cmkd": {**TASKS, **cmkd}})


def vectors(count, seed):
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def knowledge(base=0, val=1):
    return ClassKnowledge(vectors(8, base), vectors(5, val), f"seed {base}")


def train(config, splits, out, told):
    out.mkdir(parents=True, exist_ok=True)
    stage = {"seed": 0, "device": CPU, "reuse": True, "knowledge": told}
    return encoder_stage(config, splits["base"], splits["val"], out, **stage)


def identity(config, key="k"):
    return plan(config, base_key="b", device=CPU, seed=0, knowledge_key=key).identity


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_teacher_is_trained_first_and_says_how_good_it_is(splits: dict[str, Split], tmp_path: Path) -> None:
    _, note = train(small(), splits, tmp_path / "train" / "a", knowledge())
    teacher, teacher_note = checkpoint.load(tmp_path / "train" / "a" / "cmkd-teacher.safetensors")
    assert (teacher_note["method"], note["method"]) == ("cmkd-teacher", "cmkd")
    assert note["teacher"] == teacher_note
    assert list(teacher_note["val_1_shot"]) == list(note["val_1_shot"]) == ["1", "2"]
    assert {name.split(".")[0] for name in teacher} == {"teacher", "encoder"}
    student, _ = checkpoint.load(tmp_path / "train" / "a" / "encoder.safetensors")
    assert {name.split(".")[0] for name in student} == {"encoder"}
    left = {path.name for path in (tmp_path / "train" / "a").iterdir()}
    assert {"metrics.jsonl", "cmkd-teacher.metrics.jsonl"} < left <= {*ENCODER_FILES, "tensorboard"}


def test_without_the_relation_loss_no_teacher_is_trained_and_no_setting_of_it_counts(
    splits: dict[str, Split], tmp_path: Path
) -> None:
    alone, note = train(small(relation_weight=0), splits, tmp_path / "train" / "a", None)
    assert "teacher" not in note
    assert not (tmp_path / "train" / "a" / "cmkd-teacher.safetensors").exists()
    taught, _ = train(small(relation_weight=5), splits, tmp_path / "train" / "b", knowledge())
    assert not same(alone, taught)
    assert identity(small(relation_weight=0)) == identity(
        small(relation_weight=0, temperature=0.1, width=8, knowledge="name"), key="other"
    )


@pytest.mark.slow
def test_the_knowledge_of_val_classes_changes_no_weight(splits: dict[str, Split], tmp_path: Path) -> None:
    one, _ = train(small(), splits, tmp_path / "one" / "a", knowledge(val=1))
    two, _ = train(small(), splits, tmp_path / "two" / "a", knowledge(val=2))
    other, _ = train(small(), splits, tmp_path / "three" / "a", knowledge(base=3))
    assert same(one, two)
    assert not same(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"relation_weight": 2.0},
        {"temperature": 0.1},
        {"relation": "distance"},
        {"teacher_lr": 0.1},
        {"queries_told": True},
    ],
)
def test_what_changes_the_teaching_changes_the_student(change) -> None:
    assert identity(small()) != identity(small(**change))
    assert identity(small()) != identity(small(), key="other knowledge")


def test_a_relation_loss_changes_no_teacher() -> None:
    of = [
        plan(small(**more), base_key="b", device=CPU, seed=0).teacher.identity
        for more in ({}, {"relation_weight": 3.0})
    ]
    assert of[0] == of[1]


@pytest.mark.slow
def test_a_stop_in_the_student_does_not_cost_the_teacher(
    splits: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, _ = train(small(), splits, tmp_path / "straight" / "run", knowledge())
    trained = []

    def stop_in_the_student(task, *args, **kwargs) -> None:
        trained.append(type(task).__name__)
        if trained == ["CMKDTeacher", "CMKDStudent"]:
            raise KeyboardInterrupt
        fit(task, *args, **kwargs)

    monkeypatch.setattr(encoder, "fit", stop_in_the_student)
    out = tmp_path / "stopped" / "run"
    with pytest.raises(KeyboardInterrupt):
        train(small(), splits, out, knowledge())
    again, _ = train(small(), splits, out, knowledge())
    assert trained == ["CMKDTeacher", "CMKDStudent", "CMKDStudent"]
    assert same(straight, again)


@pytest.mark.slow
def test_the_teacher_may_look_through_the_encoder_of_another_run(
    tiny_config: Callable[..., TrainConfig], artifacts: Path
) -> None:
    config = whole(tiny_config)
    teacher = train_all(
        config.model_copy(update={"encoder": small(relation_weight=0)}), out=artifacts / "train" / "teacher"
    )
    own = small(teacher_backbone=str(teacher.folder))
    note = train_all(config.model_copy(update={"encoder": own}), out=artifacts / "train" / "a").report["encoder"]
    tensors, _ = checkpoint.load(artifacts / "train" / "a" / "cmkd-teacher.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"teacher"}
    assert note["teacher"]["val_1_shot"]
    with pytest.raises(UsageError, match="neither own"):
        identity(small(teacher_backbone="nowhere"))


def whole(tiny_config):
    return tiny_config(
        encoder=small().model_dump(), ridge={"shrinkages": [None]}, baselines={"names": ["euclidean"], "episodes": 10}
    )


@pytest.mark.slow
def test_the_student_is_evaluated_on_pictures_alone(
    tiny_config: Callable[..., TrainConfig], write_toy_descriptors: Callable[..., Path], artifacts: Path
) -> None:
    descriptors = write_toy_descriptors()
    run = train_all(whole(tiny_config), out=artifacts / "train" / "a", descriptors=descriptors)
    told = evaluate(run.folder, EVALUATE, out=artifacts / "evaluate" / "told")
    # Without its teacher, and asked with other words: what the student says is the same to the last bit.
    (run.folder / "cmkd-teacher.safetensors").unlink()
    other = write_toy_descriptors(rejected=False).rename(descriptors.with_name("other.parquet"))
    lines = pq.read_table(other)
    texts = [f"it is a {i % 3} thing" for i in range(len(lines))]
    ids = [descriptor_id(owner, text) for owner, text in zip(lines["class_id"].to_pylist(), texts, strict=True)]
    for name, values in {"text": texts, "descriptor_id": ids}.items():
        lines = lines.set_column(lines.schema.get_field_index(name), lines.schema.field(name), [values])
    pq.write_table(lines, other)
    untold = evaluate(run.folder, EVALUATE, out=artifacts / "evaluate" / "untold", descriptors=other)
    for row in ("plain_prototypes", "euclidean"):
        assert told["results"]["1"][row] == untold["results"]["1"][row]
    assert told["results"]["1"]["semantic_only"] != untold["results"]["1"]["semantic_only"]


def test_controls_of_the_knowledge_say_nothing_or_something_wrong() -> None:
    calls = []

    def of(count):
        def embedded(variant, share, _draw):
            calls.append((variant, share))
            return vectors(count, 0)

        return embedded

    def told(kind, name_share=0.0):
        return class_knowledge(kind, of(8), of(5), name_share=name_share, described=True)

    true = told("descriptors", name_share=0.5)
    assert calls == [("kept", 0.5)] * 2
    assert not told("none").base.any()
    shuffled = told("shuffled").base
    assert sorted(shuffled.tolist()) == sorted(true.base.tolist())
    assert not (shuffled == true.base).all(1).any()
    assert told("name").base.equal(true.base)
    assert calls[-1][0] == "name"
    told("statements")
    assert calls[-1] == ("statements", 0.0)


def test_base_classes_too_small_for_a_task_are_said_before_the_work(splits: dict[str, Split], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"encoder\.cmkd\.queries"):
        train(small(queries=20), splits, tmp_path / "train" / "a", knowledge())


def test_the_animals_of_caltech_stay_in_their_parts() -> None:
    animals = read_split(split_path("caltech101-animals"))
    assert {part: len(names) for part, names in animals.parts.items()} == {"base": 64, "val": 9, "novel": 6}
    published = Path(__file__).parents[4] / "shared" / "data" / "caltech101" / "splits.json"
    if not published.is_file():
        pytest.skip("the class split of Caltech-101 (../shared/data) is not on this machine")
    whole_split = read_split(published)
    assert all(set(names) <= set(whole_split.parts[part]) for part, names in animals.parts.items())


@pytest.mark.parametrize("slot", ["shape", "fill", "pattern"])
def test_fine_grained_classes_of_a_split_differ_in_exactly_one_attribute(slot: str) -> None:
    classes = fine_classes(slot)
    for split in ("val", "novel"):
        family = [np.array(entry.attributes) for entry in classes if entry.split == split]
        assert {int((a != b).sum()) for i, a in enumerate(family) for b in family[:i]} == {1}
        assert len(family) >= 5
    assert len({entry.attributes for entry in classes}) == len({entry.name for entry in classes}) == len(classes)
