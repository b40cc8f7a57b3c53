import json

import numpy as np
import pytest
import torch

from syntrans_training import checkpoint
from syntrans_training.backbones import build
from syntrans_training.data.augment import Pictures
from syntrans_training.loop import NanStop, Recipe, fit, learning_rate
from syntrans_training.tasks.cross_entropy import CrossEntropy

CPU = torch.device("cpu")


def make_task():
    pixels = np.random.default_rng(3).integers(0, 256, (24, 16, 16, 3), np.uint8)
    torch.manual_seed(0)
    encoder = build("resnet12-tiny", drop_rate=0.1, drop_ramp_steps=4)
    return CrossEntropy(encoder, Pictures(pixels, np.arange(24) % 3, device=CPU, view={"size": 16}), n_classes=3)


def run(folder, epochs, optimizer="sgd", stop_after=None, identity="a"):
    task = make_task()

    def stop(epoch):
        if epoch == stop_after:
            raise KeyboardInterrupt
        return {}

    files = {"state_file": folder / "state.safetensors", "metrics_file": folder / "metrics.jsonl"}
    recipe = Recipe(epochs=epochs, batch_size=8, lr=0.01, optimizer=optimizer, seed=5)
    fit(task, recipe, device=CPU, identity=identity, after_epoch=stop, **files)
    return task.module.state_dict()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_stopped_and_resumed_run_ends_in_the_same_bits(tmp_path, optimizer):
    (tmp_path / "straight").mkdir()
    (tmp_path / "stopped").mkdir()
    straight = run(tmp_path / "straight", 3, optimizer)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", 3, optimizer, stop_after=2)
    resumed = run(tmp_path / "stopped", 3, optimizer)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_state_of_another_configuration_is_not_taken_up(tmp_path, capsys):
    run(tmp_path, 1, identity="a")
    run(tmp_path, 1, identity="b")
    assert "starting from scratch" in capsys.readouterr().err
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1  # nothing of the other one's


def test_every_epoch_leaves_a_line(tmp_path):
    run(tmp_path, 2)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"cross_entropy", "loss", "lr", "images_per_s"} <= rows[0].keys()


def test_nan_stops_the_run_and_names_the_steps(tmp_path):
    task = make_task()
    with torch.no_grad():
        task.head.weight[0, 0] = float("nan")
    files = {"state_file": tmp_path / "s.safetensors", "metrics_file": tmp_path / "m.jsonl"}
    with pytest.raises(NanStop, match="between steps 0 and 2") as stopped:
        fit(task, Recipe(1, 8, 0.1), device=CPU, identity="a", **files)
    assert stopped.value.exit_code == 2


def test_the_rate_warms_up_and_falls_to_nothing():
    recipe = Recipe(epochs=10, batch_size=1, lr=1.0, warmup_epochs=2)
    rates = [learning_rate(recipe, step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[-1] < 0.01


def test_published_steps_fall_after_the_listed_epochs():
    recipe = Recipe(epochs=5, batch_size=1, lr=1.0, warmup_epochs=0, schedule="steps", decay_epochs=(2, 4))
    assert [learning_rate(recipe, step, 2) for step in range(10)] == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 2)


def test_a_damaged_state_is_named(tmp_path):
    from syntrans.errors import InputError

    (tmp_path / "state.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"state\.safetensors is not a readable checkpoint"):
        run(tmp_path, 1)


def test_a_checkpoint_keeps_tensors_and_note(tmp_path):
    tensors = {"a": torch.arange(3.0), "b": torch.zeros((), dtype=torch.int64)}
    checkpoint.save(tmp_path / "x.safetensors", tensors, {"epoch": 3})
    found, note = checkpoint.load(tmp_path / "x.safetensors")
    assert note == {"epoch": 3}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert checkpoint.weights_hash(found) == checkpoint.weights_hash(tensors)
