"""Files with damaged bytes: each reader must refuse, or give what was written; nothing else.

A mutant has one to eight bytes changed, a run of zeros, a piece cut out of it, doubled or moved, or its end missing.
"""

from __future__ import annotations

import io
import random
import shutil
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.reliability_files import Kind
from syntrans.contract.imagined import ImaginedRow
from syntrans.errors import SyntransError


def fuzz(name: str, kind: Kind, n: int, rng: random.Random) -> dict[str, Any]:
    """``n`` mutants of a file: how many were refused, read as they were written, and read as something else."""
    data, true = kind.path.read_bytes(), kind.read(kind.path)
    outcome: dict[str, Any] = {"kind": name, "mutants": n, "refused": 0, "true": 0, "wrong": 0, "crashed": 0}
    folder = kind.path.parent.with_name(f"{kind.path.parent.name}-mutant")
    shutil.copytree(kind.path.parent, folder)
    mutant = folder / kind.path.name
    for _ in range(n):
        for rest in folder.glob(f"{mutant.name}-*"):  # sqlite's
            rest.unlink()
        mutant.write_bytes(mutated(data, rng))
        outcome[_outcome(kind, mutant, true)] += 1
    shutil.rmtree(folder)
    return outcome


def _outcome(kind: Kind, mutant: Path, true: Any) -> str:
    try:
        with redirect_stderr(io.StringIO()):  # what was passed over
            read = kind.read(mutant)
    except SyntransError:
        return "refused"
    except Exception:  # noqa: BLE001 - this is what is looked for
        traceback.print_exc()
        return "crashed"
    if kind.in_pieces:
        return "refused" if not read else "true" if _part_of(read, true) else "wrong"
    return "true" if _same(read, true) else "wrong"


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


def _part_of(read: Mapping[str, Any], true: Mapping[str, Any]) -> bool:
    return read.keys() <= true.keys() and all(_same(value, true[key]) for key, value in read.items())


def _same(read: Any, true: Any) -> bool:
    """Equal, arrays and what holds them by their values too."""
    if isinstance(true, np.ndarray):
        return isinstance(read, np.ndarray) and read.dtype == true.dtype and np.array_equal(read, true)
    if isinstance(true, Mapping):
        return read.keys() == true.keys() and all(_same(read[key], value) for key, value in true.items())
    if isinstance(true, list | tuple):
        return type(read) is type(true) and len(read) == len(true) and all(map(_same, read, true))
    if isinstance(true, ImaginedRow):
        return _same(vars(read), vars(true))
    return bool(type(read) is type(true) and read == true)
