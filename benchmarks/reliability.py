"""How the program takes it: killed, on full disks, beside itself, with damaged files and bad input, through a soak.

    python benchmarks/reliability.py                       all of it (minutes); writes docs/reliability.md
    python benchmarks/reliability.py --share 0.02 --out FILE   a sample

Engines are fake and trainings tiny, so that thousands of runs fit; the code that keeps, reads and renames is the
real one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import reliability_disks as disks
import reliability_inputs as inputs
import reliability_kills as kills
import reliability_mutants as mutants
from reliability_scenes import Scene, scenes
from reliability_soak import soak

from syntrans.console import say
from syntrans.provenance import git_commit, hardware, package_versions

KILLS = {"mine": 640, "import": 120, "pack": 120, "train": 60, "train encoder": 12, "evaluate": 60, "predict": 60}
SIGNALS = {"mine": 30, "import": 10, "pack": 10, "train": 10, "evaluate": 5, "predict": 10}
MUTANTS = 500
REQUESTS = 20_000
SMALL = ("mine", "import", "pack", "predict")
_HERE = Path(__file__).resolve().parent
TEMPLATE = _HERE / "reliability.md.jinja"
RESULT = _HERE / "results" / "reliability.json"
PAGE = _HERE.parent / "docs" / "reliability.md"
Part = Callable[[Path, Mapping[str, Scene], int, float], Any]
Kill = Callable[[Scene, int, random.Random, Path], dict[str, Any]]


def measure(root: Path, seed: int, share: float, parts: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of all ``parts``, with ``share`` of the numbers above (the slowest scenes only where it is 1)."""
    os.environ["SYNTRANS_ARTIFACTS"] = str(root / "artifacts")
    git_commit()  # kept from now on: it changes when somebody commits meanwhile, and processes would not agree
    made = scenes(root / "inputs")
    found = {}
    for part in parts or PARTS:
        began = time.monotonic()
        found[part] = PARTS[part](root / part, made, seed, share)
        say(f"{part}: {time.monotonic() - began:.0f} s")
    return found


def _random(seed: int, *what: str) -> random.Random:
    """A generator for each part, so that no figure depends on what else is measured."""
    return random.Random(" ".join([str(seed), *what]))


def _killed(kill: Kill, numbers: Mapping[str, int]) -> Part:
    def measured(root: Path, made: Mapping[str, Scene], seed: int, share: float) -> list[dict[str, Any]]:
        chosen = {name: max(1, round(n * share)) for name, n in numbers.items() if share == 1 or name in SMALL}
        return [kill(made[name], n, _random(seed, kill.__name__, name), root / name) for name, n in chosen.items()]

    return measured


def _world(root: Path, made: Mapping[str, Scene], seed: int, share: float) -> dict[str, Any]:
    return disks.all_of_it(made, root, _random(seed, "world"), share)


def _mutants(root: Path, made: Mapping[str, Scene], seed: int, share: float) -> list[dict[str, Any]]:
    n = max(5, round(MUTANTS * share))
    kinds = mutants.kinds(made, root).items()
    return [mutants.fuzz(kind, path, read, n, _random(seed, kind)) for kind, (path, read) in kinds]


def _inputs(root: Path, made: Mapping[str, Scene], _seed: int, share: float) -> dict[str, Any]:
    made["import"].run(root)  # the file that is damaged
    endings = inputs.try_all(root, every=max(1, round(1 / share)))
    codes = Counter(str(ending.code) for ending in endings)
    bad = [ending._asdict() for ending in endings if not ending.ok]
    return {
        "tried": len(endings),
        "codes": dict(sorted(codes.items())),
        "bad": bad,
        "slowest": max(ending.seconds for ending in endings),
    }


def _soak(root: Path, _made: Mapping[str, Scene], _seed: int, share: float) -> dict[str, Any]:
    return soak(root, max(400, round(REQUESTS * share)))


PARTS: dict[str, Part] = {
    "soak": _soak,
    "kills": _killed(kills.in_process, KILLS),
    "signals": _killed(kills.by_signal, SIGNALS),
    "world": _world,
    "mutants": _mutants,
    "inputs": _inputs,
}


def faults(found: Mapping[str, Any]) -> list[str]:
    """What is not as promised, in words; empty when all is well."""
    wrong = []
    rows = [*found["kills"], *found["signals"], *(row for part in found["world"].values() for row in part)]
    wrong += [f"{row['scene']}: {row['different']} runs ended differently" for row in rows if row["different"]]
    wrong += [f"{row['scene']}: {row['asked_twice']} asked twice" for row in found["kills"] if row["asked_twice"]]
    wrong += [
        f"{row['kind']}: {row['wrong']} wrong, {row['crashed']} crashed"
        for row in found["mutants"]
        if row["wrong"] + row["crashed"]
    ]
    wrong += [f"{ending['command']}: {ending['code']} {ending['line']}" for ending in found["inputs"]["bad"]]
    soaked = found["soak"]
    wrong += [f"soak: {soaked[key]} {key}" for key in ("lost", "asked_twice", "classes_without_a_row") if soaked[key]]
    return wrong


def page(result: Mapping[str, Any]) -> str:
    """docs/reliability.md."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - Markdown
    environment.filters["table"] = _table
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(result)


def _table(rows: Sequence[Mapping[str, Any]], *columns: str) -> str:
    lines = [" | ".join(column.replace("_", " ") for column in columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(row[column]) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def made_by(seed: int) -> dict[str, Any]:
    """Command, commit, versions and machine."""
    versions = {name: version for name, version in package_versions().items() if name in ("torch", "pyarrow", "numpy")}
    return {
        "command": f"python benchmarks/reliability.py --seed {seed}",
        "git_commit": git_commit(),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), **versions},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write result and page, and end with 1 if something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    origin, began = made_by(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.seed, given.share)
    result = {**found, "seconds": round(time.monotonic() - began), "made_by": origin}
    if given.out == PAGE:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    given.out.write_text(page(result), encoding="utf-8")
    wrong = faults(found)
    print("\n".join(wrong) or "all as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
