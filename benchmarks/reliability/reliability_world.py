"""What else the world does to a run: other processes, clocks, moved folders, caches that may not be used."""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.reliability.reliability_differences import ended_differently
from benchmarks.reliability.reliability_disks import own_caches, refused_writes
from benchmarks.reliability.reliability_kills import CRASHED, Death, Killed, end, start
from benchmarks.reliability.reliability_scenes import Scene

SAMPLE = ("mine", "import", "pack")
DISKS = (*SAMPLE, "train", "evaluate", "predict")
_CAPABILITIES = 0x20080522  # the version of their structures, of Linux
_PASS_OVER_MODES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def side_by_side(scene: Scene, folder: Path, n: int, *, one_folder: bool) -> dict[str, Any]:
    """Two processes at once, in one folder or with one fresh cache: both end as the other were not there, or one waits
    its turn with a line.
    """
    whole = folder / "whole" / scene.name
    scene.run(whole)
    expected = scene.contents(whole)
    different, codes = 0, []
    for number in range(n):
        root = folder / f"pair{number}"
        outs = [root / "a" / scene.name, root / ("a" if one_folder else "b") / scene.name]
        with own_caches(root):
            codes += [end(child) for child in [start(scene, out) for out in outs]]
        for out in dict.fromkeys(outs):
            scene.run(out)
            different += ended_differently(scene, out, expected, whole)
        shutil.rmtree(root)
    ends = {"refused_with_a_line": sum(0 < code < CRASHED for code in codes), "crashed": sum(map(_crash, codes))}
    return {"scene": scene.name, "pairs": n, **ends, "different": different}


def clock_back(scene: Scene, folder: Path, n: int, rng: random.Random) -> dict[str, Any]:
    """A death, and from then on a clock that goes back an hour at every look."""

    def backwards(ticks: Iterator[int]) -> Callable[[], float]:
        now = time.time()
        return lambda: now - 3600.0 * next(ticks)

    return _interrupted(scene, folder, n, rng, lambda out: out, lambda: backwards(itertools.count(1)))


def moved(scene: Scene, folder: Path, n: int, rng: random.Random) -> dict[str, Any]:
    """A death, and the folder goes to another place before the run goes on."""

    def move(out: Path) -> Path:
        target = out.parent.with_name(f"{out.parent.name}-moved") / out.name
        target.parent.mkdir()
        if out.exists():
            shutil.move(out, target)
        return target

    return _interrupted(scene, folder, n, rng, move, None)


def closed_caches(scene: Scene, folder: Path) -> list[dict[str, Any]]:
    """A cache whose place a file has taken, one that may not be written, and one that may not even be looked into."""
    whole = folder / "whole" / scene.name
    with own_caches(folder / "whole"):
        scene.run(whole)
    expected, rows = scene.contents(whole), []
    for cache, mode in (("a file in its place", None), ("not to be written", 0o500), ("not to be read", 0)):
        root = folder / cache.replace(" ", "-")
        out, place = root / scene.name, root / "artifacts" / "cache"
        place.parent.mkdir(parents=True)
        if mode is None:
            place.write_text("not a folder")
        else:
            shutil.copytree(folder / "whole" / "artifacts" / "cache", place) if mode == 0 else place.mkdir()
            place.chmod(mode)
        with own_caches(root):
            code = end(start(scene, out, before=_bound_by_modes))
        row = {"scene": scene.name, "cache": cache, "ended": "well", "crashed": int(_crash(code)), "different": 0}
        if code == _UNBOUND:
            row |= {"ended": "not tried: root may pass over modes", "crashed": 0}
        elif code:
            row["ended"] = f"with a line and {code}"
        else:
            row["different"] = int(ended_differently(scene, out, expected, whole))
        rows.append(row)
        if mode is not None:
            place.chmod(0o700)
    return rows


_UNBOUND = 71  # the code of a process that could not give up root's rights


def _bound_by_modes() -> None:
    """Root passes over the modes of files; from here on this process does not, or it ends."""
    if os.geteuid() != 0:
        return
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
        if libc.capget(header, sets) == 0:
            sets[0] &= ~_PASS_OVER_MODES  # of those in effect
            if libc.capset(header, sets) == 0:
                return
    os._exit(_UNBOUND)


def _crash(code: int) -> bool:
    return code == CRASHED or code < 0


def _interrupted(
    scene: Scene,
    folder: Path,
    n: int,
    rng: random.Random,
    move: Callable[[Path], Path],
    clock: Callable[[], Callable[[], float]] | None,
) -> dict[str, Any]:
    death, hit, different = Death(), 0, 0
    whole = folder / "whole" / scene.name
    with death.watching():
        scene.run(whole)
        expected, n_events = scene.contents(whole), death.events
        for number in range(n):
            out = folder / str(number) / scene.name
            death.live(at=rng.randrange(n_events))
            try:
                scene.run(out)
            except Killed:
                hit += 1
            death.live()
            out = move(out)
            with mock.patch.object(time, "time", clock()) if clock else ExitStack():
                scene.run(out)
            different += ended_differently(scene, out, expected, whole)
    return {"scene": scene.name, "runs": n, "hit": hit, "different": different}


def all_of_it(scenes: Mapping[str, Scene], folder: Path, rng: random.Random, share: float) -> dict[str, Any]:
    """Every misfortune of this file; with a ``share`` below 1, fewer of each, and the quickest scenes."""
    few, every, sample = max(1, round(10 * share)), max(1, round(1 / share)), share < 1
    disks = [scenes[name] for name in (SAMPLE if sample else DISKS)]
    own = [(scenes[name], folder / name) for name in ("mine", "train")][: 1 if sample else None]
    sharing = [scenes[name] for name in ("evaluate", "train")][: 1 if sample else None]
    closing = [scenes[name] for name in ("evaluate", "train", "predict")][: 1 if sample else None]
    return {
        "refused writes": [refused_writes(scene, folder / "disk" / scene.name, every) for scene in disks],
        "one folder": [side_by_side(scene, at / "one", few, one_folder=True) for scene, at in own],
        "one cache": [side_by_side(s, folder / s.name / "two", few, one_folder=False) for s in sharing],
        "clock set back": [clock_back(scene, at / "clock", few, rng) for scene, at in own],
        "folder moved": [moved(scene, at / "moved", few, rng) for scene, at in own],
        "closed cache": [row for s in closing for row in closed_caches(s, folder / s.name / "closed")],
    }
