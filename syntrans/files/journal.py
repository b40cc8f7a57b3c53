"""Errors of sqlite about a journal, as the errors that a person meets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syntrans.errors import EnvironmentProblem, InputError

_OF_THE_DISK = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_OF_THE_DISK |= {sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM}


@contextmanager
def using_journal(path: Path) -> Iterator[None]:
    """EnvironmentProblem for what the disk refuses, InputError for a file that is damaged or something else."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _OF_THE_DISK:
            rule = "free some room, or choose another --out, and run the same command again"
            raise EnvironmentProblem(f"cannot write {path}: {error}; {rule}") from error
        what = "no journal or is damaged" if code == sqlite3.SQLITE_NOTADB else "damaged"
        raise InputError(f"{path} is {what} ({error}); remove it, or choose another --out") from error
    except UnicodeDecodeError as error:  # sqlite quotes damaged text in its own messages
        raise InputError(f"{path} is damaged ({error}); remove it, or choose another --out") from error
