"""Output that cannot be written, and folders that are no longer there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.app import run
from syntrans.errors import in_one_line

GOLDEN = Path(__file__).resolve().parents[1] / "syntrans" / "contract" / "assets" / "descriptors.parquet"


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "syntrans.cli.app", *arguments]
    return subprocess.run(program, check=False, stderr=subprocess.PIPE, timeout=60, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without /dev/full")
def test_a_full_disk_behind_a_pipe_is_exit_4() -> None:
    with Path("/dev/full").open("wb") as full:
        done = command("inspect", str(GOLDEN), stdout=full)
    assert done.returncode == 4
    assert done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr


def test_a_terminal_without_accents_gets_question_marks() -> None:
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = command("inspect", str(GOLDEN), "--class", "goldfinch", stdout=subprocess.PIPE, env=plain)
    assert done.returncode == 0
    assert b"Gr??e" in done.stdout


@pytest.mark.parametrize("arguments", [["inspect", "x.parquet"], ["mine", "--classes", "x.txt"], ["pack", "run"]])
def test_a_working_directory_that_is_gone_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    before = Path.cwd()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    try:
        assert run(arguments) in (3, 4)
    finally:
        os.chdir(before)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 4, "memory is used up"),
        (RecursionError(), 3, "nested too deep"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 3, "no text"),
        (OSError(5, "Input/output error", "a.txt"), 4, "a.txt: Input/output error"),
    ],
)
def test_what_nobody_expected_of_machine_or_input_is_told_in_a_line(error: Exception, code: int, words: str) -> None:
    text, exit_code = in_one_line(error)  # type: ignore[arg-type]
    assert exit_code == code
    assert words in text
