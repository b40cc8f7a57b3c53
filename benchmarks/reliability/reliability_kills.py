"""Kill every command at random moments and start it again: what it leaves must be what an undisturbed run leaves.

In one process a death is an exception that nothing catches, raised at a moment when something reaches the world
outside: a question, an answer kept, a file synced, renamed, removed. In processes of their own it is SIGKILL at a
random time. Nothing that was answered and kept may be asked again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.reliability.reliability_differences import ended_differently
from benchmarks.reliability.reliability_scenes import Scene
from syntrans.errors import SyntransError
from syntrans_training.prediction.encoders.journal import FeatureJournal

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import kill_points

TRIES = 8
CRASHED = 70  # the code of a process that an error ended which is not ours
Killed = kill_points.Killed
_NOBODY = 1 << 22  # the highest number of a process that Linux can give, and one


@dataclass
class Death(kill_points.Death):
    """Counts, besides what mining does, the features that predict keeps."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every question, every answer or feature kept, every file synced, renamed or removed is counted."""
        add, save = FeatureJournal.add, FeatureJournal.save

        def guarded_add(journal: FeatureJournal, names: Sequence[str], features: Any) -> None:
            self.step()
            self.twice += len(self.kept.intersection(names))
            add(journal, names, features)

        def guarded_save(journal: FeatureJournal) -> int:
            kept = set(journal._new)  # noqa: SLF001
            n_kept = save(journal)
            self.kept |= kept
            return n_kept

        with ExitStack() as stack:
            # A process that does not exist: what a dead life left half written is to look abandoned.
            stack.enter_context(mock.patch.object(os, "getpid", return_value=_NOBODY))
            stack.enter_context(mock.patch.object(FeatureJournal, "add", guarded_add))
            stack.enter_context(mock.patch.object(FeatureJournal, "save", guarded_save))
            for owner, name, guarded in self.patches():
                stack.enter_context(mock.patch.object(owner, name, guarded))
            yield


def in_process(scene: Scene, n: int, rng: random.Random, folder: Path) -> dict[str, Any]:
    """``n`` deaths at random moments, each followed by a life; what differed from an undisturbed run."""
    death = Death()
    with death.watching():
        whole = folder / "whole" / scene.name
        scene.run(whole)
        expected, n_events, n_asked = scene.contents(whole), death.events, len(death.asked)
        hit = missed = different = twice = more = 0
        for number in range(n):
            out = folder / str(number) / scene.name

            def dies(at: float, out: Path = out) -> bool:
                death.forget()
                death.live(at=int(at))
                try:
                    scene.run(out)
                except Killed:
                    return True
                return False

            tries = until_hit(dies, rng.randrange(n_events), out.parent)
            hit, missed = hit + (tries is not None), missed + (TRIES if tries is None else tries)
            death.live()
            scene.run(out)
            different += ended_differently(scene, out, expected, whole)
            twice += death.twice
            more += max(0, len(death.asked) - n_asked - 1)  # the one that was answered and not yet kept
            shutil.rmtree(out.parent)
    outcome = {"scene": scene.name, "moments": n_events, "kills": n, "hit": hit, "missed": missed}
    return {**outcome, "different": different, "asked_twice": twice + more}


def by_signal(scene: Scene, n: int, rng: random.Random, folder: Path) -> dict[str, Any]:
    """``n`` processes ended by SIGKILL at random times, each followed by one that ends by itself."""
    whole = folder / "whole" / scene.name
    began = time.monotonic()
    if code := end(start(scene, whole)):
        raise RuntimeError(f"{scene.name}, undisturbed, ended with {code}")
    seconds = time.monotonic() - began
    expected = scene.contents(whole)
    hit = missed = failed = different = 0
    for number in range(n):
        out = folder / f"signal{number}" / scene.name

        def dies(after: float, out: Path = out) -> bool:
            child = start(scene, out)
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
            return end(child) == -signal.SIGKILL

        tries = until_hit(dies, rng.uniform(0, seconds), out.parent)
        hit, missed = hit + (tries is not None), missed + (TRIES if tries is None else tries)
        failed += end(start(scene, out)) != 0
        different += ended_differently(scene, out, expected, whole)
        shutil.rmtree(out.parent)
    outcome = {"scene": scene.name, "kills": n, "hit": hit, "missed": missed}
    return {**outcome, "failed_again": failed, "different": different}


def until_hit(dies: Callable[[float], bool], at: float, folder: Path) -> int | None:
    """Let a run begin in an empty ``folder`` and die at ``at``; one that had ended before begins anew, to die in half
    the time. How many ended first, None if all did.
    """
    for tries in range(TRIES):
        if dies(at / 2**tries):
            return tries
        if tries + 1 < TRIES:
            shutil.rmtree(folder)
    return None


def start(scene: Scene, out: Path, before: Callable[[], object] = int) -> int:
    """A process of its own that does ``before`` and the scene; its id. Its code is 0, that of an error of ours, or
    `CRASHED` with a traceback.
    """
    child = os.fork()
    if child:
        return child
    code = CRASHED
    try:
        before()
        scene.run(out)
        code = 0
    except SyntransError as error:
        os.write(2, f"{scene.name}: {error}\n".encode())
        code = error.exit_code
    except BaseException:  # noqa: BLE001 - this process ends here, and its code says so
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def end(child: int) -> int:
    """How a process ended, once it has."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
