"""Runs on fake engines, in this process unless a test asks for workers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from syntrans.classes.entries import ClassEntry
from syntrans.images.image_set import ImageRef
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans_mining.run.output_files import MineResult

Configure = Callable[..., MiningConfig]


@pytest.fixture(scope="session")
def configure() -> Configure:
    """Makes configs for three fake LLMs; ``args`` go to all of them, keywords replace whole sections."""

    def make(args: dict[str, Any] | None = None, workers: int = 0, **sections: Any) -> MiningConfig:
        values: dict[str, Any] = {
            "llms": [{"name": name, "path": name, "args": args or {}} for name in ("ann", "bob", "cleo")],
            "vlm": {"name": "eye", "path": "eye"},
            "clip": {"path": "fake"},
            "engine": {"kind": "fake", "workers": workers},
            "crosscheck": {"threshold": 0.4},
            "ground": {"threshold": 0.3},
            "filter": {"margin": -0.2},
            "images": {"reserve": 0},
        }
        return MiningConfig.model_validate({**values, **sections})

    return make


@pytest.fixture(scope="session")
def entries() -> list[ClassEntry]:
    return [ClassEntry(name, name) for name in ("heron", "ibis", "kestrel", "linnet")]


@pytest.fixture(scope="session")
def images(entries: list[ClassEntry]) -> dict[str, list[ImageRef]]:
    def ref(class_id: str, number: int) -> ImageRef:
        seed = sum(map(ord, class_id)) + number
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (seed % 256, number, 9)).save(buffer, format="PNG")
        data = buffer.getvalue()
        return ImageRef(class_id, hashlib.sha256(data).hexdigest(), partial(bytes, data))

    return {entry.id: [ref(entry.id, number) for number in range(6)] for entry in entries}


@pytest.fixture
def run(entries: list[ClassEntry], images: dict[str, list[ImageRef]], tmp_path: Path) -> Callable[..., MineResult]:
    """Mines the four birds, silently."""

    def go(config: MiningConfig, out: Path | None = None, **options: Any) -> MineResult:
        shown = options.pop("images", images)
        named = options.pop("classes", entries)
        progress = options.pop("progress", None) or Silent()
        return mine(config, named, shown, out or tmp_path / "out", progress=progress, **options)

    return go
