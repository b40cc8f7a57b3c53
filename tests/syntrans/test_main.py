"""`python -m syntrans` is the program `syntrans`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from syntrans.cli.app import run


def test_python_m_syntrans_says_and_ends_as_the_program_does(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["mine", "--classes", "nowhere.txt"])
    said = capsys.readouterr()
    command = [sys.executable, "-m", "syntrans", "mine", "--classes", "nowhere.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert code
    assert (done.returncode, done.stdout, done.stderr) == (code, said.out, said.err)
