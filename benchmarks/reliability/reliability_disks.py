"""A disk that takes nothing more from some write on: full, or read-only."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.reliability.reliability_differences import ended_differently
from benchmarks.reliability.reliability_kills import CRASHED
from benchmarks.reliability.reliability_scenes import Scene
from syntrans.errors import SyntransError

ERRORS = (errno.ENOSPC, errno.EROFS)
_OF_SQLITE = {errno.ENOSPC: sqlite3.SQLITE_FULL, errno.EROFS: sqlite3.SQLITE_READONLY}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Disk:
    """Counts writes, and refuses all from number ``at`` on with the error ``number``."""

    at: int | None = None
    number: int = errno.ENOSPC
    writes: int = 0

    def write(self) -> None:
        """One more write; OSError if the disk takes no more."""
        self.writes += 1
        if self.refused:
            raise OSError(self.number, os.strerror(self.number))

    @property
    def refused(self) -> bool:
        """Whether a write was refused so far."""
        return self.at is not None and self.writes >= self.at

    def _guarding(self, function: Callable[..., Any], writes: Callable[..., bool]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if writes(*args, **kwargs):
                self.write()
            return function(*args, **kwargs)

        return guarded

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every folder made, file opened for writing, synced or renamed, and every row of a journal is a write."""
        disk = self

        class Connection(sqlite3.Connection):
            def executemany(self, *args: Any) -> sqlite3.Cursor:
                try:
                    disk.write()
                except OSError as error:
                    refused = sqlite3.OperationalError(str(error))
                    refused.sqlite_errorcode = _OF_SQLITE[disk.number]
                    raise refused from None
                return super().executemany(*args)

        with ExitStack() as stack:
            for owner, name, writes in (
                (os, "fsync", _always),
                (os, "replace", _always),
                (os, "open", _opens_to_write),
                (io, "open", _opens_file_to_write),
                (builtins, "open", _opens_file_to_write),
                (Path, "mkdir", _makes),
                (Path, "replace", _always),
            ):
                stack.enter_context(mock.patch.object(owner, name, self._guarding(getattr(owner, name), writes)))
            stack.enter_context(mock.patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=Connection)))
            yield


def _always(*_args: Any, **_kwargs: Any) -> bool:
    return True


def _makes(path: Path, *_args: Any, **_kwargs: Any) -> bool:
    return not path.exists()  # a full disk does not mind a folder that is there


def _opens_to_write(path: Any, flags: int, *_args: Any, **_kwargs: Any) -> bool:
    return bool(flags & _WRITING) and not str(path).startswith("/dev/")


def _opens_file_to_write(file: Any, mode: str = "r", *_args: Any, **_kwargs: Any) -> bool:
    return isinstance(file, str | Path) and bool(set(mode) & set("wax+")) and not str(file).startswith("/dev/")


def refused_writes(scene: Scene, folder: Path, every: int = 1) -> dict[str, Any]:
    """A disk that fills and one that turns read-only, at every ``every``-th write and for all that follow: one line,
    and the next run ends as if nothing had been.
    """
    for name in ("first", "whole"):  # what a process does once, it does in the first
        whole, disk = folder / name / scene.name, Disk()
        with own_caches(whole.parent), disk.watching():
            scene.run(whole)
    expected = scene.contents(whole)
    outcome: dict[str, Any] = {"scene": scene.name, "writes": disk.writes}
    outcome |= dict.fromkeys(("refused", "not_reached", "ended_with_a_line", "went_on", "crashed", "different"), 0)
    for at in range(1 + min(every, disk.writes) // 2, disk.writes + 1, every):
        for number in ERRORS:
            out = folder / f"disk{at}-{number}" / scene.name
            with own_caches(out.parent):
                code, refused = _on_disk(scene, out, at, number)
                outcome["refused" if refused else "not_reached"] += 1
                outcome["crashed" if code == CRASHED else "ended_with_a_line" if code else "went_on"] += 1
                scene.run(out)
                outcome["different"] += ended_differently(scene, out, expected, whole)
            shutil.rmtree(out.parent)
    return outcome


def own_caches(folder: Path) -> AbstractContextManager[object]:
    """Caches of its own for a run, so that it does all that the first run on a machine does."""
    return mock.patch.dict(os.environ, {"SYNTRANS_ARTIFACTS": str(folder / "artifacts")})


def _on_disk(scene: Scene, out: Path, at: int, number: int) -> tuple[int, bool]:
    """The exit code of a run on such a disk, and whether it came as far as the write that is refused."""
    disk = Disk(at, number)
    try:
        with disk.watching():
            scene.run(out)
    except SyntransError as error:
        return error.exit_code, disk.refused
    except Exception:  # noqa: BLE001 - this is what is looked for
        traceback.print_exc()
        return CRASHED, disk.refused
    return 0, disk.refused
