"""What two ends of a run differ in, said, and both kept to be looked at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability.reliability_scenes import Scene
from syntrans.console import say

SHOWN = 5


def ended_differently(scene: Scene, out: Path, expected: object, whole: Path) -> bool:
    """Whether what ``out`` holds is not what ``whole``, the undisturbed run, held; if so says where, and keeps both."""
    contents = scene.contents(out)
    if contents == expected:
        return False
    kept = Path(tempfile.mkdtemp(prefix=f"different-{scene.name.replace(' ', '-')}-"))
    for name, folder in (("whole", whole), ("out", out)):
        shutil.copytree(folder.parent, kept / name)
    places = list(differences(expected, contents))
    say(f"{scene.name}: {len(places)} differences, both ends are kept in {kept}")
    for place in places[:SHOWN]:
        say(f"  {place}")
    return True


def differences(expected: Any, actual: Any, where: str = "") -> Iterator[str]:
    """Each place in nested values that is not the same, with both values, cut."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key in [*expected, *(actual.keys() - expected.keys())]:
            yield from differences(expected.get(key), actual.get(key), f"{where}.{key}")
    elif _listed(expected) and _listed(actual) and len(expected) == len(actual):
        for number, (before, after) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(before, after, f"{where}[{number}]")
    elif expected != actual:
        yield f"{where or 'all'}: {expected!r:.200} became {actual!r:.200}"


def _listed(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
