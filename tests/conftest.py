"""What every test gets: outputs in a temporary folder, no network, no surprises from the machine's settings."""

from __future__ import annotations

import gc
import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from functools import cache
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported lives to the end: looking through it for garbage, again and again, was an eighth of all time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@cache
def of_engines(file: Path) -> bool:
    """Whether a file of tests names one of the marks of the engines' tier."""
    return re.search(r"\bmark\.(slow|vllm)\b", file.read_text(encoding="utf-8")) is not None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The engines' tier imports no file without its marks: to collect the others took each of its processes seconds."""
    whole = not config.option.markexpr.startswith("(slow or vllm)")
    return None if whole or collection_path.suffix != ".py" or of_engines(collection_path) else True


def pytest_itemcollected(item: pytest.Item) -> None:
    """A mark that is given without its name in the file would take a test out of both tiers."""
    if any(item.get_closest_marker(name) for name in ("slow", "vllm")) and not of_engines(item.path):
        raise pytest.UsageError(f"{item.nodeid} has a mark of the engines' tier that its file does not name")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the engines' tier the files that may take longest go first; else a core waits at the end for the other's."""
    if "not vllm" in config.option.markexpr:
        return
    longest: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0), mark.args[0] if mark else 0)
    items.sort(key=lambda item: -longest[item.path])


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


@pytest.fixture(scope="session")
def drawn_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's pictures as a command draws them, which takes ten seconds: once for all processes of this session."""
    from syntrans_world.export import export

    own = tmp_path_factory.getbasetemp()
    return export((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "world", per_class=60)


@pytest.fixture
def world_in_cache(drawn_world: Path, artifacts: Path) -> None:
    """A command of this test finds the world's pictures where an earlier one would have left them."""
    put_into_cache(drawn_world, artifacts)


def put_into_cache(drawn_world: Path, artifacts: Path) -> None:
    """As a link: nothing writes there."""
    cache = artifacts / "cache" / "world"
    cache.mkdir(parents=True)
    (cache / "60").symlink_to(drawn_world)


@pytest.fixture(scope="session")
def vllm_imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The fork server of all runs in this process: importing vLLM takes ten seconds."""
    from syntrans.files.scratch import scratch_folder
    from syntrans_mining.engines.workers.environment import worker_environment
    from syntrans_mining.engines.workers.handle import fork_server

    log = tmp_path_factory.mktemp("fork_server") / "imports.log"
    with scratch_folder() as scratch, fork_server(worker_environment(threads=1, scratch=scratch), log, scratch):
        yield
