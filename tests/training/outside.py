"""A hook that forbids to start a program and to speak to anybody, but for those on a list."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

PROGRAMS = {
    "git": "the commit of a checkout, for run.json",
    "nvidia-smi": "the memory of GPUs, and how much of it is free",
    "uname": "`platform` asks it for the name of the processor",
    "ldconfig": "`ctypes.util.find_library` in libraries, for the system's own ones",
    "fc-list": "matplotlib asks it once for the system's fonts",
    "lscpu": "joblib, below scikit-learn, counts the cores with it",
}
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
CALLS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
HERE = ("127.0.0.1", "::1", "localhost")


class Watch:
    """Notes and forbids what is not on the list, while it is ``on``. Python has no way to take a hook away again.

    ``forks``: whether the process may copy itself, as the server of workers does.
    """

    def __init__(self, *, forks: bool = False) -> None:
        self.on, self.forks = False, forks
        self.broken: list[str] = []
        sys.addaudithook(self.look)

    def look(self, event: str, values: tuple[Any, ...]) -> None:
        if self.on and not self.allowed(event, values):
            self.broken.append(f"{event} {values!r:.300}")
            raise PermissionError(f"{event} is not on the list")

    def allowed(self, event: str, values: tuple[Any, ...]) -> bool:
        if event == "os.fork":
            return self.forks
        if event in STARTS:
            return event == "subprocess.Popen" and os.path.basename(os.fspath(values[0])) in PROGRAMS  # noqa: PTH119
        if event in CALLS:
            connection, address = values[0], values[-1]
            return connection.family == socket.AF_UNIX or address[0] in HERE
        return event not in LOOKUPS or values[0] in (*HERE, None)


class WorkerWatch(Watch):
    """The same in a worker, from its start; what it notes goes to a file, which also says that it was there."""

    def __init__(self, notes: str) -> None:
        self._notes = Path(notes)
        super().__init__(forks=True)
        self.note("watched")
        self.on = True

    def look(self, event: str, values: tuple[Any, ...]) -> None:
        if self.on and not self.allowed(event, values):
            self.note(f"{event} {values!r:.300}")
            raise PermissionError(f"{event} is not on the list")

    def note(self, line: str) -> None:
        with self._notes.open("a") as file:
            file.write(f"{line}\n")
