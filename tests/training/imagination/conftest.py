from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_diffusion import make_pipeline

from syntrans.contract.rows import Author, DescriptorRow, descriptor_id
from syntrans.paths import make_dir


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy pipeline of Stable Diffusion's own classes."""
    pytest.importorskip("diffusers")
    return make_pipeline(make_dir(tmp_path_factory.mktemp("diffusion") / "toy"))


@pytest.fixture(scope="session")
def descriptor() -> Callable[..., DescriptorRow]:
    """Makes a row: `descriptor("w001", "a red body", kept=True)`."""

    def make(class_id: str, text: str, *, kept: bool = True, weight: float = 0.5) -> DescriptorRow:
        author = Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=text)
        dropped = {} if kept else {"stage": "filter", "reason": "unlikely"}
        return DescriptorRow(
            class_id=class_id, class_name=f"class {class_id}", descriptor_id=descriptor_id(class_id, text), text=text,
            facet="other", authors=[author], kept=kept, rank=1 if kept else None, weight=weight if kept else None,
            **dropped,
        )  # fmt: skip

    return make
