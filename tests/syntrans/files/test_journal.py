"""What sqlite says of a journal becomes what a person can do about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.files.journal import using_journal


def read(path: Path) -> None:
    with using_journal(path), closing(sqlite3.connect(path)) as journal:
        journal.execute("select * from rows").fetchall()


def test_a_file_of_something_else_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("this is a list of birds, and long enough " * 40)
    with pytest.raises(InputError, match="is no journal or is damaged"):
        read(tmp_path / "journal.sqlite")


def test_a_journal_without_its_table_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is damaged \(no such table: rows\)"):
        read(tmp_path / "journal.sqlite")


def test_what_the_disk_refuses_is_a_problem_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="free some room"):
        read(tmp_path / "nowhere" / "journal.sqlite")


def test_a_journal_that_another_holds_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as other, closing(sqlite3.connect(path, timeout=0)) as journal:
        other.execute("create table rows (a)")
        other.execute("begin exclusive")
        with pytest.raises(EnvironmentProblem, match="locked"), using_journal(path):
            journal.execute("select * from rows")


def test_other_errors_are_let_through(tmp_path: Path) -> None:
    with pytest.raises(KeyError), using_journal(tmp_path / "journal.sqlite"):
        raise KeyError("mine")
