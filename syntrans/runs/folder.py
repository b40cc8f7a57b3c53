"""The folder that a run works in: a new one, an unfinished one of the same request, or the one that was named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from syntrans.console import say
from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError, UsageError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, new_run_dir
from syntrans.runs.file_names import REQUEST
from syntrans.runs.legs import LEGS
from syntrans.runs.lock import lock
from syntrans.runs.past_runs import unfinished

_REFUSALS = (UsageError, InputError, EnvironmentProblem, ModelLoadError)
_NOTHING_MADE = {REQUEST, LEGS, ".lock"}  # seconds that were counted are no work to go on from


def run_dir(kind: str, out: Path | None, request: dict[str, Any], finished: str, *, resume: bool) -> Path:
    """The folder to work in: ``out``, else an unfinished run of the same request, else a new one.

    ``out`` is not made: the run does that. A run counts as finished when it has the file ``finished``.
    """
    if out is not None:
        return out
    wanted = semantic_hash(request)
    begun = unfinished(kind, wanted, finished) if resume else None
    if begun:
        say(f"going on with the unfinished run {begun}")
        return begun
    target = new_run_dir(kind)
    atomic_write_text(target / REQUEST, json.dumps({"hash": wanted, **request}, indent=2, ensure_ascii=False))
    return target


@contextmanager
def removed_if_refused(folder: Path) -> Iterator[None]:
    """A run that is refused before it has made anything leaves no folder that was not there before.

    A folder of the user's stays, be it empty; so does one that another run has by now.
    """
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    if (folder / REQUEST).is_file():  # `run_dir` has made it
        new_folders = [folder]
    try:
        yield
    except _REFUSALS:
        if new_folders and folder.is_dir() and {path.name for path in folder.iterdir()} <= _NOTHING_MADE:
            with suppress(EnvironmentProblem), lock(folder):
                shutil.rmtree(folder, ignore_errors=True)
                for above in new_folders[1:]:
                    with suppress(OSError):
                        above.rmdir()
        raise
