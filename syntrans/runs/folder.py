"""The folder that a run works in: a new one, an unfinished one of the same request, or the one that was named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syntrans.console import say
from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError, UsageError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir, new_run_dir
from syntrans.runs.past_runs import REQUEST, unfinished

_REFUSALS = (UsageError, InputError, EnvironmentProblem, ModelLoadError)


def run_dir(kind: str, out: Path | None, request: dict[str, Any], finished: str, *, resume: bool) -> Path:
    """The folder to work in: ``out``, else an unfinished run of the same request, else a new one.

    A run counts as finished when it has the file ``finished``.
    """
    if out is not None:
        return make_dir(out)
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
    """A run that is refused before it has made anything leaves no folder, nor an empty one above it."""
    try:
        yield
    except _REFUSALS:
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= {REQUEST, ".lock"}:
            shutil.rmtree(folder, ignore_errors=True)
        raise
