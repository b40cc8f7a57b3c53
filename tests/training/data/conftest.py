"""Toy copies of the published data sets, each made once."""

from collections.abc import Callable
from pathlib import Path

import archives
import pytest


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The toy copy of a data set, made once."""
    folders = {}

    def make(name, per_class=2):
        if name not in folders:
            folders[name] = archives.MAKERS[name](tmp_path_factory.mktemp(name) / "data", per_class)
        return folders[name]

    return make
