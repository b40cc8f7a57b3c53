from pathlib import Path

import pytest
import torch

from syntrans_training.config import EncoderConfig
from syntrans_training.data import load_splits
from syntrans_training.data.store import Split
from syntrans_training.encoder import training as encoder
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.engine import checkpoint, training_state
from syntrans_training.engine.run_files import ENCODER_FILES, STATE
from syntrans_training.engine.trainer import fit
from syntrans_training.pipeline.encoder_stage import encoder_stage
from syntrans_training.pipeline.generations import plan

CPU = torch.device("cpu")
SMALL = EncoderConfig.model_validate(
    {
        "backbone": "resnet12-tiny",
        "train_size": 16,
        "test_size": 16,
        "epochs": 2,
        "batch_size": 16,
        "precision": "fp32",
        "generation1": {"epochs": 1, "decay_epochs": []},
    }
)


@pytest.fixture
def splits(toy_data: Path) -> dict[str, Split]:
    return load_splits(str(toy_data), size=20, names=("base", "val"))


def with_method(method, **more):
    return SMALL.model_copy(update={"method": method, **more})


def train(config, splits, out, seed=0):
    out.mkdir(parents=True, exist_ok=True)
    return encoder_stage(config, splits["base"], splits["val"], out, seed=seed, device=CPU, reuse=True)


def identity(config, **more):
    return plan(config, **{"base_key": "k", "device": CPU, "seed": 0, **more}).identity


@pytest.mark.slow
def test_generation_1_trains_its_teacher_first_and_keeps_both(splits: dict[str, Split], tmp_path: Path) -> None:
    out = tmp_path / "train" / "a"
    _, note = train(with_method("skd-gen1"), splits, out)
    teacher, teacher_note = checkpoint.load(out / "skd-gen0.safetensors")
    student, _ = checkpoint.load(out / "encoder.safetensors")
    assert note["method"] == "skd-gen1"
    assert note["teacher"] == teacher_note
    assert (teacher_note["method"], list(teacher_note["val_1_shot"]), list(note["val_1_shot"])) == (
        "skd-gen0",
        ["2"],
        ["1"],
    )
    assert "rotation_head.weight" in teacher
    assert not torch.equal(student["head.weight"], teacher["head.weight"])
    left = {path.name for path in out.iterdir()}
    assert left >= {"metrics.jsonl", "skd-gen0.metrics.jsonl"}
    assert "state.safetensors" not in left


@pytest.mark.slow
def test_generation_0_of_another_run_is_taken_over_as_teacher(
    splits: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(with_method("skd-gen0"), splits, tmp_path / "train" / "zero")
    trained = []
    monkeypatch.setattr(encoder, "fit", lambda task, *a, **k: (trained.append(type(task).__name__), fit(task, *a, **k)))
    train(with_method("skd-gen1"), splits, tmp_path / "train" / "one")
    assert trained == ["SKDGen1"]
    zero, one = (
        checkpoint.load(tmp_path / "train" / name)[0]
        for name in ("zero/encoder.safetensors", "one/skd-gen0.safetensors")
    )
    assert all(torch.equal(zero[name], one[name]) for name in zero)


@pytest.mark.slow
def test_a_stop_in_generation_1_does_not_cost_generation_0(
    splits: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, _ = train(with_method("skd-gen1"), splits, tmp_path / "straight" / "run")

    def stop_in_the_second(task, *args, **kwargs) -> None:
        if type(task).__name__ == "SKDGen1":
            raise KeyboardInterrupt
        fit(task, *args, **kwargs)

    out = tmp_path / "stopped" / "run"
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "fit", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            train(with_method("skd-gen1"), splits, out)
    monkeypatch.setattr(encoder, "fit", lambda task, *a, **k: fit(task, *a, **k) if hasattr(task, "teacher") else 1 / 0)
    again, _ = train(with_method("skd-gen1"), splits, out)
    assert all(
        torch.equal(a, b) for a, b in zip(straight.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_states_that_a_death_at_the_very_end_left_are_removed(
    splits: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(training_state, "remove", lambda _: None)
        train(with_method("cross_entropy"), splits, out)
    assert (out / STATE).is_file()
    train(with_method("cross_entropy"), splits, out)
    assert not list(out.glob("state*"))


@pytest.mark.parametrize("change", [{"lr": 0.04}, {"epochs": 3}, {"rotation_gamma": 1.0}, {"drop_rate": 0.1}])
def test_what_changes_generation_0_changes_generation_1(change) -> None:
    for method in ("skd-gen0", "skd-gen1"):
        assert identity(with_method(method)) != identity(with_method(method, **change))


@pytest.mark.parametrize("change", [{"test_size": 32}, {"val_every": 1}])
def test_what_changes_no_weight_changes_no_identity(change) -> None:
    for method in ("cross_entropy", "skd-gen1"):
        assert identity(with_method(method)) == identity(with_method(method, **change))


def test_an_identity_holds_what_its_method_reads() -> None:
    other = with_method(
        "cross_entropy", rotation_gamma=1.0, generation1=SMALL.generation1.model_copy(update={"gamma": 1.0})
    )
    assert identity(with_method("cross_entropy")) == identity(other)
    methods = ("cross_entropy", "skd-gen0", "skd-gen1")
    assert len({identity(with_method(method)) for method in methods}) == 3
    assert identity(SMALL, seed=1) != identity(SMALL) != identity(SMALL, base_key="other")


def test_every_file_of_the_stage_is_known_to_no_resume() -> None:
    assert {"encoder.safetensors", "skd-gen0.safetensors", "state.safetensors", "metrics.jsonl"} < set(ENCODER_FILES)


def test_a_frozen_encoder_is_not_trained(
    splits: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "fit", lambda *_, **__: pytest.fail("trained"))
    frozen, note = train(with_method("frozen"), splits, tmp_path / "train" / "a", seed=3)
    torch.manual_seed(3)
    fresh = build_encoder(SMALL)
    assert all(
        torch.equal(a, b) for a, b in zip(frozen.state_dict().values(), fresh.state_dict().values(), strict=True)
    )
    assert note["val_1_shot"] == {}
