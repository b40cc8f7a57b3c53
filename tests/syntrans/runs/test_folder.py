"""Which folder a run takes: its unfinished one, or a new one."""

from __future__ import annotations

from pathlib import Path

from syntrans.runs.folder import run_dir


def test_the_same_request_goes_on_in_its_unfinished_folder(artifacts: Path) -> None:
    first = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=True) == first
    assert run_dir("mine", None, {"seed": 2}, "done.txt", resume=True) != first
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=False) != first


def test_a_finished_run_is_not_taken_up_again(artifacts: Path) -> None:
    first = run_dir("mine", None, {"seed": 1}, "done.txt", resume=True)
    (first / "done.txt").write_text("")
    assert run_dir("mine", None, {"seed": 1}, "done.txt", resume=True) != first
