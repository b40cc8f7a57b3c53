"""One command line, run in the process of the tests, and a folder of photos to run it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from syntrans.cli.app import run
from tests.cli.photos import BIRDS, draw_photos

MINING = """
llms: [{name: a, path: fake/a}, {name: b, path: fake/b}]
vlm: {name: v, path: fake/v}
clip: {path: fake/clip}
engine: {kind: fake, workers: 0}
propose: {samples: 1}
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """One command line, in this process."""

    def called(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return called


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with birds.txt, photos/ and a mining config that `mine` holds for the fitting one."""
    from syntrans import machine

    folder = tmp_path / "home"
    draw_photos(folder / "photos", BIRDS, 25)
    (folder / "birds.txt").write_text("\n".join(BIRDS[:-1]))  # the ibis has pictures, and is not asked for
    (folder / "fake.yaml").write_text(MINING)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(machine, "fitting_mining_config", lambda: str(folder / "fake.yaml"))
    return folder
