import itertools
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.backbones import Encoder
from syntrans_training.backbones.resnet12 import ResNet12
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy
from syntrans_training.engine import checkpoint
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.trainer import NanStop, Recipe, fit, learning_rate

CPU = torch.device("cpu")


def make_task(interrupt_at=()):
    """24 pictures of 3 classes; the steps of `interrupt_at`, counted over all of the task's, are interrupted."""
    pixels = np.random.default_rng(3).integers(0, 256, (24, 16, 16, 3), np.uint8)
    torch.manual_seed(0)
    tower = ResNet12((8, 8, 8, 8), drop_rate=0.1, drop_ramp_steps=4)
    encoder = Encoder(tower, feature_dim=tower.feature_dim)
    task = CrossEntropy(encoder, Pictures(pixels, np.arange(24) % 3, device=CPU, view={"size": 16}), n_classes=3)
    calls, losses = itertools.count(), task.losses

    def interrupted(items, generator):
        if next(calls) in interrupt_at:
            signal.raise_signal(signal.SIGTERM)
        return losses(items, generator)

    task.losses = interrupted
    return task


def run(folder, epochs=3, *, identity="a", task=None, after_epoch=None, **recipe):
    task = task or make_task()
    folder.mkdir(exist_ok=True)
    files: dict[str, Any] = {"state_file": folder / "state.safetensors", "metrics_file": folder / "metrics.jsonl"}
    settings = Recipe(epochs=epochs, batch_size=8, seed=5, **{"lr": 0.01, **recipe})
    fit(task, settings, device=CPU, identity=identity, after_epoch=after_epoch, **files)
    return task.module.state_dict()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory):
    """The folder and the weights of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, run(folder)


def stop(folder, *steps, **more) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(folder, task=make_task(interrupt_at=steps), **more)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


RECIPES = {
    "adamw": {"optimizer": "adamw"},
    "published": {"optimizer": "sgd-published", "schedule": "steps", "decay_epochs": (1,), "warmup_epochs": 0},
    "average": {"ema": 0.9},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_run_stopped_in_an_epoch_ends_in_the_same_bits(tmp_path: Path, recipe) -> None:
    straight = run(tmp_path / "straight", **recipe)
    stop(tmp_path / "stopped", 4, **recipe)
    assert same(straight, run(tmp_path / "stopped", **recipe))


@pytest.mark.parametrize("step", range(9))
def test_a_run_stopped_at_any_step_goes_on_with_the_next(straight, tmp_path: Path, step: int) -> None:
    stop(tmp_path / "stopped", step)
    task, taken = make_task(), []
    losses = task.losses
    task.losses = lambda items, generator: (taken.append(1), losses(items, generator))[1]
    assert same(straight[1], run(tmp_path / "stopped", task=task))
    assert len(taken) == 8 - step


def test_a_run_stopped_again_and_again_leaves_the_same_numbers(straight, tmp_path: Path) -> None:
    for _ in range(4):
        stop(tmp_path / "stopped", 1)  # its second step
    run(tmp_path / "stopped")
    whole, stopped = (read_rows(folder / "metrics.jsonl") for folder in (straight[0], tmp_path / "stopped"))
    names = ("epoch", "cross_entropy", "loss", "lr")
    assert [[row[name] for name in names] for row in whole] == [[row[name] for name in names] for row in stopped]


def test_a_second_signal_does_not_wait_for_the_step(tmp_path: Path) -> None:
    task = make_task()

    def twice(*_) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    task.losses = twice
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, task=task)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_states_are_saved_within_an_epoch_when_it_is_time(straight, tmp_path: Path) -> None:
    def crash(*_) -> None:
        raise RuntimeError

    task = make_task()
    losses, calls = task.losses, itertools.count()
    task.losses = lambda *given: crash() if next(calls) == 5 else losses(*given)
    with pytest.raises(RuntimeError):
        run(tmp_path / "crashed", task=task, save_minutes=0)
    assert checkpoint.read_note(tmp_path / "crashed" / "state.safetensors")["step"] == 2
    assert checkpoint.read_note(tmp_path / "crashed" / "state-before.safetensors")["step"] == 1
    assert same(straight[1], run(tmp_path / "crashed"))


@pytest.mark.parametrize("damage", ["cut", "bit"])
def test_a_damaged_state_is_named_and_the_one_before_taken_up(
    straight, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    stop(tmp_path / "a", 4)
    state = tmp_path / "a" / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[-8] ^= 1
    state.write_bytes(data[:-100] if damage == "cut" else data)
    resumed = run(tmp_path / "a")
    said = capsys.readouterr().err
    assert "state.safetensors is damaged" in said
    assert "resuming from state-before.safetensors: epoch 2, after step 0" in said
    assert same(resumed, straight[1])


def test_without_a_whole_state_the_run_starts_again(
    straight, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "state.safetensors").write_bytes(b"garbage")
    resumed = run(tmp_path / "a")
    assert "no saved state is whole; starting from scratch" in capsys.readouterr().err
    assert same(resumed, straight[1])


def test_the_average_is_what_is_looked_at_and_kept(straight, tmp_path: Path) -> None:
    looked = {}
    kept = run(tmp_path / "a", ema=0.9, after_epoch=lambda e, module: looked.update(module.state_dict()) or {})
    assert same(kept, looked)
    assert not torch.equal(kept["head.weight"], straight[1]["head.weight"])


def test_the_average_follows_its_decay(tmp_path: Path) -> None:
    weights = []
    task = make_task()
    losses = task.losses
    task.losses = lambda *given: (weights.append(task.head.bias.detach().clone()), losses(*given))[1]
    kept = run(tmp_path / "a", 1, task=task, ema=0.75, warmup_epochs=0)
    last = run(tmp_path / "b", 1, warmup_epochs=0)["head.bias"]
    first, *rest = [*weights[1:], last]
    for value in rest:
        first = 0.75 * first + 0.25 * value
    assert torch.allclose(kept["head.bias"], first, atol=1e-6)


def test_curves_are_written_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, 2)
    curves = EventAccumulator(str(tmp_path / "tensorboard" / "metrics")).Reload()
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(e.step, e.value) for e in curves.Scalars("loss")] == [(r["epoch"], pytest.approx(r["loss"])) for r in rows]


def test_state_of_another_configuration_is_not_taken_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, 1, identity="a")
    run(tmp_path, 1, identity="b")
    assert "starting from scratch" in capsys.readouterr().err
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1  # nothing of the other one's


def test_every_epoch_leaves_a_line(tmp_path: Path) -> None:
    run(tmp_path, 2)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"cross_entropy", "loss", "lr", "images_per_s"} <= rows[0].keys()


def test_nan_stops_the_run_and_names_the_steps(tmp_path: Path) -> None:
    task = make_task()
    with torch.no_grad():
        task.head.weight[0, 0] = float("nan")
    files: dict[str, Any] = {"state_file": tmp_path / "s.safetensors", "metrics_file": tmp_path / "m.jsonl"}
    with pytest.raises(NanStop, match="between steps 0 and 2") as stopped:
        fit(task, Recipe(1, 8, 0.1), device=CPU, identity="a", **files)
    assert stopped.value.exit_code == 2


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    recipe = Recipe(epochs=10, batch_size=1, lr=1.0, warmup_epochs=2)
    rates = [learning_rate(recipe, step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[-1] < 0.01


def test_published_steps_fall_after_the_listed_epochs() -> None:
    recipe = Recipe(epochs=5, batch_size=1, lr=1.0, warmup_epochs=0, schedule="steps", decay_epochs=(2, 4))
    assert [learning_rate(recipe, step, 2) for step in range(10)] == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 2)


def test_a_checkpoint_keeps_tensors_and_note(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.zeros((), dtype=torch.int64)}
    checkpoint.save(tmp_path / "x.safetensors", tensors, {"epoch": 3})
    tensors_read, note = checkpoint.load(tmp_path / "x.safetensors")
    assert note == {"epoch": 3}
    assert all(torch.equal(tensors_read[name], tensors[name]) for name in tensors)
    assert checkpoint.weights_hash(tensors_read) == checkpoint.weights_hash(tensors)


class Doubled(torch.nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Line:
    """One linear map, whose outputs are to be small."""

    n_items = 16

    def __init__(self) -> None:
        self.module = torch.nn.ModuleDict({"encoder": Doubled(4, 2)})

    def losses(self, items, _generator):
        return {"size": self.module["encoder"](torch.ones(len(items), 4)).square().mean()}


@pytest.mark.slow
def test_a_look_at_val_runs_what_was_compiled_eagerly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def backend(graph, _inputs):
        return lambda *inputs: ran.append(1) or graph.forward(*inputs)

    compiler = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiler(module, backend=backend))
    ran_while_looking = []

    def look(_epoch, module):
        before = len(ran)
        module.get_submodule("encoder")(torch.zeros(5, 4))
        ran_while_looking.append(len(ran) - before)
        return {}

    run(tmp_path, epochs=2, task=Line(), after_epoch=look, compiled=True)
    assert len(ran) == 4
    assert ran_while_looking == [0, 0]
