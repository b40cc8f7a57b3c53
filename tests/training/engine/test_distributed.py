"""A training by two processes, and one that is killed, beside one that nothing disturbs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from syntrans_training.engine.metrics_log import read_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def command(toy_data: Path, tiny_text_encoder: Path) -> list[str]:
    """`syntrans train` of a tiny encoder on the toy data, as arguments."""
    settings = {
        "device": "cpu",
        "data.path": toy_data,
        "data.size": 20,
        "encoder.method": "skd-gen1",
        "encoder.epochs": 4,
        "encoder.batch_size": 16,
        "encoder.train_size": 16,
        "encoder.test_size": 16,
        "encoder.lr": 0.02,
        "encoder.val_every": 4,
        "encoder.generation1.epochs": 2,
        "distill.teacher": "package:syntrans_world/weights/clip",
        "distill.views": 1,
        "distill.epochs": 2,
        "distill.batch_size": 16,
        "text.encoder": tiny_text_encoder,
        "ridge": "{episodes: 20, lambdas: [1.0], shrinkages: [null], alpha_step: 0.5}",
        "episodes": "{shots: [1], queries: 5}",
    }
    return [
        "train",
        "--config",
        "smoke",
        *[part for key, value in settings.items() for part in ("--set", f"{key}={value}")],
    ]


def environment(artifacts: Path):
    return {**os.environ, "SYNTRANS_ARTIFACTS": str(artifacts), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def run_one(command, artifacts: Path, out) -> None:
    """Up to the distillation, the last stage that is compared."""
    arguments = [sys.executable, "-m", "syntrans.cli.app", *command, "--stage", "distill", "--out", str(out)]
    subprocess.run(arguments, env=environment(artifacts), check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def alone(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the training by one process that nothing disturbs."""
    root = tmp_path_factory.mktemp("alone")
    run_one(command, root, root / "run")
    return root / "run"


def test_two_processes_draw_the_curve_of_one(command: list[str], alone: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", port]
    done = subprocess.run(
        [sys.executable, "-m", *launch, "--module", "syntrans.cli.app", *command],
        env=environment(tmp_path / "two"),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = done.stdout.split()  # one process answers
    for name in ("skd-gen0.metrics.jsonl", "metrics.jsonl", "distill.metrics.jsonl"):
        one, two = (read_rows(path) for path in (alone / name, tmp_path / folder / name))
        assert [row["epoch"] for row in one] == [row["epoch"] for row in two]
        for key in ("loss", "lr"):
            assert [row[key] for row in two if row["epoch"]] == pytest.approx(
                [row[key] for row in one if row["epoch"]], rel=2e-3
            )
    report = json.loads((tmp_path / folder / "train.json").read_text())
    assert report["encoder"]["method"] == "skd-gen1"
    assert report["distill"]["teacher"]["name"] == "clip"


def test_a_killed_training_ends_in_the_same_bits(command: list[str], alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    saving = ["--out", str(out), "--set", "encoder.save_minutes=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "syntrans.cli.app", *command, *saving],
        env=environment(tmp_path),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (out / "state-before.safetensors").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "encoder.safetensors").exists()
    run_one(command, tmp_path, out)
    for file in ("encoder.safetensors", "distill.safetensors"):
        one, other = (load_file(folder / file) for folder in (alone, out))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
