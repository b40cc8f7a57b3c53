"""Which folder a run takes: its unfinished one, or a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.runs.folder import removed_if_refused, run_dir
from syntrans.runs.legs import Clock, Legs
from syntrans.runs.lock import lock


def test_the_same_request_goes_on_in_its_unfinished_folder(artifacts: Path) -> None:
    first = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=True) == first
    assert run_dir("mine", None, {"seed": 2}, "done.txt", resume=True) != first
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=False) != first


def test_a_finished_run_is_not_taken_up_again(artifacts: Path) -> None:
    first = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    (first / "done.txt").write_text("")
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=True) != first


def refused(folder: Path) -> None:
    """A run that takes the folder, and is refused before it has made anything."""
    with pytest.raises(InputError), removed_if_refused(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder):
            raise InputError("no")


def test_a_refused_run_leaves_no_folder_that_it_made(artifacts: Path, tmp_path: Path) -> None:
    begun = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    refused(begun)
    refused(run_dir("mine", tmp_path / "a" / "b", {"seed": 1}, "done.txt", resume=True))
    assert not begun.exists()
    assert not (tmp_path / "a").exists()


def test_seconds_that_a_refused_run_counted_are_nothing_made(artifacts: Path, tmp_path: Path) -> None:
    begun = tmp_path / "a"
    with pytest.raises(InputError), removed_if_refused(begun):
        begun.mkdir()
        with lock(begun), Clock(Legs(begun)).clock("opening"):
            raise InputError("no")
    assert not begun.exists()


def test_a_folder_of_the_users_stays_when_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refused(run_dir("mine", tmp_path / "mine", {"seed": 1}, "done.txt", resume=True))
    assert (tmp_path / "mine").is_dir()


def test_a_folder_that_another_run_has_stays_when_this_one_is_refused(artifacts: Path) -> None:
    begun = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    with lock(begun), pytest.raises(EnvironmentProblem), removed_if_refused(begun), lock(begun):
        pass
    assert list(begun.iterdir())
