"""Who may look at the novel split: no choice ever does, and every evaluation is on record.

While `selecting()` is open, as it is for the whole of `syntrans train`, opening the novel split raises. Evaluations
append a line to artifacts/test_touches.jsonl before they score, so that a report can say how often the novel split of
its data has been looked at: the more often, the less a good number there means.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from syntrans.paths import artifacts_root, disk_problem, make_dir

NOVEL = "novel"
LOG = "test_touches.jsonl"
_selecting: ContextVar[bool] = ContextVar("selecting", default=False)


class ClosedSplit(RuntimeError):
    """Code that chooses something has asked for the novel split."""


@contextmanager
def selecting() -> Iterator[None]:
    """Inside, something is being trained or chosen: the novel split is closed."""
    token = _selecting.set(True)
    try:
        yield
    finally:
        _selecting.reset(token)


def may_open(names: Sequence[str]) -> None:
    """Raises `ClosedSplit` when the novel split is among `names` while something is being chosen."""
    if _selecting.get() and NOVEL in names:
        raise ClosedSplit("the novel split was asked for while something is being chosen; choices see base and val")


def pictures_key(sha256: Sequence[str]) -> str:
    """16 hex that name a set of pictures, whatever their stored size."""
    return hashlib.sha256("".join(sorted(sha256)).encode()).hexdigest()[:16]


def record_touch(data: str, **what: Any) -> int:
    """Append one look at the pictures `data` (see `pictures_key`); returns how many looks there are by now."""
    path = make_dir(artifacts_root()) / LOG
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "data": data, **what}
    # One write in append mode: lines of runs that end at the same moment do not mix.
    try:
        with path.open("ab", buffering=0) as log:
            log.write((json.dumps(line) + "\n").encode())
    except OSError as error:
        raise disk_problem(path, error) from error
    return count_touches(data, path)


def count_touches(data: str, path: Path) -> int:
    """Lines of the log about these pictures; a line that is cut short counts for none."""
    return sum(f'"data": "{data}"' in line for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
