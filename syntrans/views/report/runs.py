"""From what a person names to the parts of a page: which kind of run it is, and who reads that kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from syntrans.errors import InputError
from syntrans.views.report.mining import mining_part

Part = dict[str, Any]


class Kind(NamedTuple):
    """A kind of run: the file that says a folder is one and finished, and the reader of that file."""

    file: str
    read: Callable[[Path], Part]


KINDS = (Kind("descriptors.parquet", mining_part),)


def parts_of(runs: Sequence[Path]) -> list[Part]:
    """One part for each run, in their order; InputError for what is none, or is not finished."""
    return [part for run in runs for part in _parts(run)]


def _parts(run: Path) -> list[Part]:
    if run.is_file():
        found = [kind for kind in KINDS if run.name == kind.file]
        if found:
            return [found[0].read(run)]
        raise InputError(f"{run} is no file of a run; give the folder of a run, or its descriptors.parquet")
    if not run.is_dir():
        raise InputError(f"{run} is not there; give the folder of a run")
    parts = [kind.read(run / kind.file) for kind in KINDS if (run / kind.file).is_file()]
    if parts:
        return parts
    raise InputError(f"{run} holds no finished run; give the folder of a run")
