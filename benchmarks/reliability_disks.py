"""What the world does to a run besides killing it: disks, clocks, other processes, moved folders, closed caches."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from reliability_differences import ended_differently
from reliability_kills import Death, Killed, end, start
from reliability_scenes import Scene

from syntrans.errors import SyntransError


@dataclass
class Disk:
    """Refuses write number ``at`` with the error ``number``; counts them all."""

    at: int | None = None
    number: int = errno.ENOSPC
    writes: int = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every folder made, file synced and file renamed is a write."""

        def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
            def write(*args: Any, **kwargs: Any) -> Any:
                self.writes += 1
                if self.at is not None and self.writes == self.at:
                    raise OSError(self.number, os.strerror(self.number))
                return function(*args, **kwargs)

            return write

        with ExitStack() as stack:
            for owner, name in ((os, "fsync"), (os, "replace"), (Path, "mkdir"), (Path, "replace")):
                stack.enter_context(mock.patch.object(owner, name, refusing(getattr(owner, name))))
            yield


def refused_writes(scene: Scene, folder: Path, every: int = 1) -> dict[str, Any]:
    """A full and a read-only disk in turn at every write: one line, and the next run ends as if nothing had been."""
    disk = Disk()
    whole = folder / "whole" / scene.name
    with disk.watching():
        scene.run(whole)
    expected, n_writes = scene.contents(whole), disk.writes
    found: dict[str, Any] = {
        "scene": scene.name,
        "writes": n_writes,
        "tried": 0,
        "ended_with_a_line": 0,
        "went_on": 0,
        "different": 0,
    }
    for at in range(1, n_writes + 1, every):
        out = folder / f"disk{at}" / scene.name
        disk = Disk(at, (errno.ENOSPC, errno.EROFS)[at % 2])
        with disk.watching():
            try:
                scene.run(out)
                found["went_on"] += 1
            except SyntransError:
                found["ended_with_a_line"] += 1
        scene.run(out)
        found["tried"] += 1
        found["different"] += ended_differently(scene, out, expected, whole)
        shutil.rmtree(folder / f"disk{at}")
    return found


def side_by_side(scene: Scene, folder: Path, n: int, *, one_folder: bool) -> dict[str, Any]:
    """Two processes at once, in one folder or with one fresh cache: both end as the other were not there, or one waits
    its turn with a line.
    """
    whole = folder / "whole" / scene.name
    scene.run(whole)
    expected = scene.contents(whole)
    different = refused = 0
    for number in range(n):
        root = folder / f"pair{number}"
        outs = [root / "a" / scene.name, root / ("a" if one_folder else "b") / scene.name]
        with mock.patch.dict(os.environ, {"SYNTRANS_ARTIFACTS": str(root / "artifacts")}):
            codes = [end(child) for child in [start(scene, out) for out in outs]]
        refused += sum(code != 0 for code in codes)
        for out in dict.fromkeys(outs):
            scene.run(out)
            different += ended_differently(scene, out, expected, whole)
        shutil.rmtree(root)
    return {"scene": scene.name, "pairs": n, "refused_with_a_line": refused, "different": different}


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


def closed_cache(scene: Scene, folder: Path) -> dict[str, Any]:
    """The cache cannot be written: a file stands where its folder should be."""
    whole, out, root = (folder / name / scene.name for name in ("whole", "closed", "root"))
    scene.run(whole)
    root.mkdir(parents=True)
    (root / "cache").write_text("not a folder")
    with mock.patch.dict(os.environ, {"SYNTRANS_ARTIFACTS": str(root)}):
        try:
            scene.run(out)
        except SyntransError as error:
            return {"scene": scene.name, "ended": f"with a line: {error}"[:60], "different": 0}
    return {"scene": scene.name, "ended": "well", "different": int(scene.contents(out) != scene.contents(whole))}


def _interrupted(
    scene: Scene,
    folder: Path,
    n: int,
    rng: random.Random,
    move: Callable[[Path], Path],
    clock: Callable[[], Callable[[], float]] | None,
) -> dict[str, Any]:
    death, different = Death(), 0
    whole = folder / "whole" / scene.name
    with death.watching():
        scene.run(whole)
        expected, n_events = scene.contents(whole), death.events
        for number in range(n):
            out = folder / str(number) / scene.name
            death.live(at=rng.randrange(n_events))
            with suppress(Killed):
                scene.run(out)
            death.live()
            out = move(out)
            with mock.patch.object(time, "time", clock()) if clock else ExitStack():
                scene.run(out)
            different += ended_differently(scene, out, expected, whole)
    return {"scene": scene.name, "runs": n, "different": different}


def all_of_it(scenes: Mapping[str, Scene], folder: Path, rng: random.Random, share: float) -> dict[str, Any]:
    """Every misfortune of this file; with a ``share`` below 1, fewer of each."""
    few = max(1, round(10 * share))
    every = max(1, round(1 / share))
    small = [scenes[name] for name in ("mine", "import", "pack", "train", "evaluate")][: None if share == 1 else 3]
    return {
        "refused writes": [refused_writes(scene, folder / "disk" / scene.name, every) for scene in small],
        "one folder": [side_by_side(scenes["mine"], folder / "one", few, one_folder=True)],
        "one cache": [side_by_side(scenes["train"], folder / "two", few // 2, one_folder=False)] if share == 1 else [],
        "clock set back": [clock_back(scenes["mine"], folder / "clock", few, rng)],
        "folder moved": [moved(scenes["mine"], folder / "moved", few, rng)],
        "closed cache": [closed_cache(scene, folder / "closed" / scene.name) for scene in small[3:]],
    }
