"""Commands as real processes: how far one is, what of it lives, and what it left in shared memory."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

SOON = 60
"""Seconds within which a command that was ended is gone. 2 are promised, and 5 for the workers of one that was killed;
a busy machine may need more, one that waits for ever needs more than these."""
SHARED = Path("/dev/shm")


def in_session(session: int) -> list[str]:
    """The commands of all living processes of a session, as /proc has them."""
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its_session) == session and state != "Z":
                    pids.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has just ended
    return pids


def answers_kept(out: Path) -> int:
    """How many answers a mining run has kept in its folder until now; it may be writing."""
    try:
        with closing(sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return 0


def until(happens: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not (happened := happens()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened


def shared_memory() -> set[str]:
    """What lies in shared memory and no living process has mapped: what dead ones left there."""
    names = {path.name for path in SHARED.iterdir()} if SHARED.is_dir() else set()
    for folder in Path("/proc").iterdir() if names else ():
        if folder.name.isdigit():
            try:
                maps = (folder / "maps").read_text()
            except OSError:
                continue  # it has just ended, or is somebody else's
            names -= {name for name in names if f"{SHARED}/{name}" in maps}
    return names
