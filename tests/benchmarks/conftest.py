"""Calls the programs in benchmarks/."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Calls main() of a file of benchmarks/ with the arguments of a command."""

    def main(command: str, *more: str, **replaced: Path) -> None:
        file, *arguments = shlex.split(command)
        given = [str(replaced.get(a.rpartition("/")[2].replace(".parquet", ""), a)) for a in arguments]
        monkeypatch.setattr(sys, "argv", [file, *given, *more])
        importlib.import_module(".".join(Path(file).with_suffix("").parts)).main()

    return main
