"""The folders of earlier runs below artifacts/: found by time, and none of them, however damaged, stops a new run.

A run that was killed, copied by half or made by another program may leave anything. What cannot be read is passed
over; where a person would miss it, with a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from syntrans.console import say
from syntrans.errors import InputError
from syntrans.files.input_files import read_json
from syntrans.paths import files_of_runs
from syntrans.runs.file_names import REQUEST


def newest_readable(kinds: Sequence[str], filename: str, fits: Callable[[Path], bool]) -> Path | None:
    """The youngest of `files_of_runs` that ``fits``; one of which that raises InputError is passed over, and said."""
    for path in files_of_runs(kinds, filename):
        try:
            if fits(path):
                return path
        except InputError as error:
            say(f"passed over: {error}")
    return None


def is_json_object(path: Path) -> bool:
    """Whether a file holds a JSON object; InputError when it is no JSON."""
    return isinstance(read_json(path, "remove its folder, or run again"), dict)


def unfinished(kind: str, request_hash: str, finished: str) -> Path | None:
    """The youngest folder of a run with this request that has not left the file ``finished``; None without one."""
    requests = sorted(files_of_runs([kind], REQUEST), key=lambda path: path.parent.name, reverse=True)
    for path in requests:
        folder = path.parent
        if not os.path.lexists(folder / finished) and _request_hash(path) == request_hash and _can_write(folder):
            return folder
    return None


def _request_hash(path: Path) -> str | None:
    try:
        request: Any = read_json(path, "its run is not taken up; remove the folder")
    except InputError as error:
        say(f"passed over: {error}")
        return None
    return request.get("hash") if isinstance(request, dict) else None


def _can_write(folder: Path) -> bool:
    if os.access(folder, os.W_OK | os.X_OK):
        return True
    say(f"passed over: {folder} is an unfinished run of this command, and writing there is not permitted")
    return False
