"""Temporary folders that no process leaves behind for long: what a killed one left is removed at the next start.

Each is locked by its process for as long as that lives, so that nobody else takes it for abandoned.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syntrans.errors import EnvironmentProblem

PREFIX = "syntrans-"
LONGEST = 55  # bytes of TMPDIR: a socket's path holds 107, and a worker's adds the names of two folders and its own
_UNLOCKED = "new-syntrans-"  # for the moment between a folder's making and its locking
_MOMENT = 3600  # seconds: no living process is that long about it


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for the time of the block. EnvironmentProblem where none can be made."""
    remove_abandoned()
    try:
        folder = Path(tempfile.mkdtemp(prefix=_UNLOCKED, dir=_place()))
    except OSError as error:
        raise EnvironmentProblem(
            f"no temporary folder can be made ({error.strerror}); free some room, or set TMPDIR"
        ) from error
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # where there are no locks its name stays, and nobody takes it away
            stack.enter_context(_locked(folder))
            folder = folder.rename(folder.with_name(PREFIX + folder.name.removeprefix(_UNLOCKED)))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _place() -> Path:
    """Where temporary folders go: TMPDIR, or /tmp where that leaves no room for the name of a worker's socket."""
    place = tempfile.gettempdir()
    return Path("/tmp" if len(os.fsencode(place)) > LONGEST and os.access("/tmp", os.W_OK) else place)  # noqa: S108


def remove_abandoned() -> None:
    """Remove the folders of processes that have ended without removing them."""
    with contextlib.suppress(OSError):
        for folder in (*_place().glob(f"{PREFIX}*"), *_place().glob(f"{_UNLOCKED}*")):
            with contextlib.suppress(OSError):  # it is in use, or somebody else's
                if folder.name.startswith(_UNLOCKED) and time.time() - folder.stat().st_mtime < _MOMENT:
                    continue
                with _locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock ``folder``. OSError if another process has it, or where there are no such locks."""
    try:
        import fcntl
    except ImportError as error:
        raise OSError("no file locks on this system") from error
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
