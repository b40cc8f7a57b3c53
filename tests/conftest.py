"""What every test gets: outputs in a temporary folder, no network, no surprises from the machine's settings."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

# How long an example takes is the machine's business: a busy one must not make a test fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A run in the background of a shell starts with Ctrl-C ignored, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Engines take every core that they may use, and two of them side by side get in each other's way.

    So each process of the engines' tier (`pytest -n 2 -m "slow or vllm"`), and all that it starts, has its own core.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and "not vllm" not in config.option.markexpr and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of all outputs, a fresh folder for each test."""
    root = tmp_path / "artifacts"
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(root))
    return root


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the checkout; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not on this machine")
    return folder


@pytest.fixture
def png() -> Callable[[int], bytes]:
    """Makes small PNG files; another number, another picture."""

    def make(number: int, size: int = 8) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 255, (size, size, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        return buffer.getvalue()

    return make


@pytest.fixture
def picture_tree(tmp_path: Path, png: Callable[[int], bytes]) -> Path:
    """A class-per-folder tree: 'goldfinch' and 'house_finch' with three pictures each."""
    root = tmp_path / "photos"
    for n, name in enumerate(["goldfinch", "house_finch"]):
        (root / name).mkdir(parents=True)
        for i in range(3):
            (root / name / f"{i}.png").write_bytes(png(10 * n + i))
    return root
