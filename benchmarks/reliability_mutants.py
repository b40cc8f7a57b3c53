"""Files with damaged bytes: each reader must refuse, or give what was written; nothing else.

A mutant has one to eight bytes changed, a run of zeros, a piece cut out of it, doubled or moved, or its end missing.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from reliability_scenes import Scene

from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.descriptors.run_facts import read_report
from syntrans.errors import SyntransError
from syntrans_mining.requests.response_cache import JOURNAL, ResponseCache
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.episodes.sampler import read as read_episodes
from syntrans_training.episodes.sampler import write as write_episodes

Reader = Callable[[Path], Any]


def fuzz(kind: str, path: Path, read: Reader, n: int, rng: random.Random) -> dict[str, Any]:
    """``n`` mutants of a file: how many were refused, read as they were written, and read as something else."""
    data, true = path.read_bytes(), read(path)
    found: dict[str, Any] = {"kind": kind, "mutants": n, "refused": 0, "true": 0, "wrong": 0, "crashed": 0}
    folder = path.parent / "mutant"
    for _ in range(n):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        mutant = folder / path.name
        mutant.write_bytes(mutated(data, rng))
        try:
            found["true" if _same(read(mutant), true) else "wrong"] += 1
        except SyntransError:
            found["refused"] += 1
        except Exception:  # noqa: BLE001 - this is what is looked for
            found["crashed"] += 1
    shutil.rmtree(folder, ignore_errors=True)
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one kind of damage, never as they were."""
    changed = bytearray(data)
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 2, 16, 512)))
    kind = rng.choice(("bytes", "bytes", "bytes", "zeros", "cut", "double", "move", "end"))
    if kind == "bytes":
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "zeros":
        changed[start:end] = bytes(end - start)
    elif kind == "cut":
        del changed[start:end]
    elif kind == "double":
        changed[start:start] = data[start:end]
    elif kind == "move":
        del changed[start:end]
        place = rng.randrange(len(changed) + 1)
        changed[place:place] = data[start:end]
    else:
        del changed[start:]
    return mutated(data, rng) if bytes(changed) == data else bytes(changed)


def kinds(scenes: Mapping[str, Scene], folder: Path) -> dict[str, tuple[Path, Reader]]:
    """A file of every kind that is read again, and its reader."""
    mined, trained = folder / "mined", folder / "trained"
    scenes["mine"].run(mined)
    scenes["train"].run(trained)
    with closing(ResponseCache(mined / JOURNAL)) as journal:
        keys = list(journal.keys())
    episodes = folder / "episodes.parquet"
    write_episodes(draw(EpisodeSpec(queries=2, episodes=20), np.repeat(np.arange(8), 8)), episodes)
    return {
        "descriptors.parquet": (mined / "descriptors.parquet", read_descriptors),
        "semantics.parquet": (mined / "semantics.parquet", read_semantics),
        "journal.sqlite": (mined / JOURNAL, lambda path: _answers(path, keys)),
        "run.json": (mined / "run.json", read_report),
        "*.safetensors": (trained / "vsbird.safetensors", _tensors),
        "episodes-*.parquet": (episodes, _episodes),
    }


def _answers(path: Path, keys: list[str]) -> dict[str, Any]:
    with closing(ResponseCache(path)) as journal:
        return dict(journal.get(keys))


def _tensors(path: Path) -> tuple[str, dict[str, Any]]:
    tensors, note = checkpoint.load(path)
    return checkpoint.weights_hash(tensors), note


def _episodes(path: Path) -> list[Any]:
    found = read_episodes(path)
    return [found.classes.tolist(), found.support.tolist(), found.query.tolist(), found.key]


def _same(found: Any, true: Any) -> bool:
    """Of a journal, what is there must be true; what is not there is asked again."""
    if isinstance(found, dict) and isinstance(true, dict) and found.keys() <= true.keys():
        return all(true[key] == value for key, value in found.items())
    return bool(found == true)
