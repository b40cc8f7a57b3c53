"""One command line, run in the process of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from syntrans.cli.app import run


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
