"""Two runs cannot be in one folder, and a run that has ended keeps nobody out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syntrans.errors import EnvironmentProblem
from syntrans.runs.lock import lock

pytest.importorskip("fcntl")


def test_the_second_run_is_told_who_has_the_folder(tmp_path: Path) -> None:
    taken = pytest.raises(EnvironmentProblem, match=rf"in use by another run \(pid {os.getpid()}\)")
    with lock(tmp_path), taken, lock(tmp_path):
        pytest.fail("both have it")


def test_a_folder_is_free_once_its_run_has_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lock(tmp_path):
        raise KeyboardInterrupt
    with lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_the_pid_of_a_run_before_is_overwritten_whole(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("1234567890123")
    with lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_two_folders_have_two_locks(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with lock(tmp_path / "one"), lock(tmp_path / "other"):
        pass
