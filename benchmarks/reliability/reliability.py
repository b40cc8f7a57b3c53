"""Fault injection: kills, full disks, several processes at once, damaged files, bad input, and a soak.

    python benchmarks/reliability/reliability.py                       all of it (minutes); writes docs/reliability.md
    python benchmarks/reliability/reliability.py --share 0.02 --out FILE   a sample; its figures lie beside FILE
    python benchmarks/reliability/reliability.py --part kills --out FILE   one part alone, as JSON
    python benchmarks/reliability/reliability.py --page                the page again, from the figures that are there

Engines are fake and trainings tiny, so that thousands of runs fit; the code that keeps, reads and renames is the
real one. Every part runs in a process of its own, one after the other, so that its seconds and memory are its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability import reliability_files as files
from benchmarks.reliability import reliability_inputs as inputs
from benchmarks.reliability import reliability_kills as kills
from benchmarks.reliability import reliability_mutants as mutants
from benchmarks.reliability import reliability_world as world
from benchmarks.reliability.reliability_scenes import Scene, scenes
from benchmarks.reliability.reliability_soak import soak
from syntrans.console import say
from syntrans.paths import atomic_write_text
from syntrans.provenance import git_commit, hardware, package_versions

KILLS = {"mine": 640, "import": 120, "pack": 120, "train": 60, "train encoder": 12, "evaluate": 60, "predict": 60}
SIGNALS = {"mine": 30, "import": 10, "pack": 10, "train": 10, "evaluate": 10, "predict": 10}
MUTANTS = 500
REQUESTS = 20_000
SLOWEST = 3  # bad inputs that are named
FLAT = 1.1
"""By what memory may grow from a quarter of the soak to its end."""
_HERE = Path(__file__).resolve().parent
TEMPLATE = _HERE / "reliability.md.jinja"
RESULT = _HERE.parent / "results" / "reliability.json"
RAY = _HERE.parent / "results" / "reliability_ray.json"
PAGE = _HERE.parents[1] / "docs" / "reliability.md"
Made = Callable[[], Mapping[str, Scene]]
Part = Callable[[Path, Made, int, float], Any]
Kill = Callable[[Scene, int, random.Random, Path], dict[str, Any]]


def measure(root: Path, seed: int, share: float, parts: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of all ``parts``, with ``share`` of the numbers above; a sample leaves the slowest scenes out."""
    os.environ["SYNTRANS_ARTIFACTS"] = str(root / "artifacts")
    git_commit()  # kept from now on: it changes when somebody commits meanwhile, and processes would not agree
    all_scenes, threads = cache(lambda: scenes(root / "inputs")), torch.get_num_threads()
    torch.set_num_threads(1)  # a process that is forked from one with more may wait for them for ever
    try:
        return {part: PARTS[part](root / part, all_scenes, seed, share) for part in parts or PARTS}
    finally:
        torch.set_num_threads(threads)


def _random(seed: int, *what: str) -> random.Random:
    """A generator for each part, so that no figure depends on what else is measured."""
    return random.Random(" ".join([str(seed), *what]))


def _killed(kill: Kill, numbers: Mapping[str, int], sample: Sequence[str]) -> Part:
    def measured(root: Path, all_scenes: Made, seed: int, share: float) -> list[dict[str, Any]]:
        chosen = {name: max(1, round(n * share)) for name, n in numbers.items() if share == 1 or name in sample}
        return [
            kill(all_scenes()[name], n, _random(seed, kill.__name__, name), root / name) for name, n in chosen.items()
        ]

    return measured


def _world(root: Path, all_scenes: Made, seed: int, share: float) -> dict[str, Any]:
    return world.all_of_it(all_scenes(), root, _random(seed, "world"), share)


def _mutants(root: Path, all_scenes: Made, seed: int, share: float) -> list[dict[str, Any]]:
    n, kinds = max(5, round(MUTANTS * share)), files.kinds(all_scenes(), root)
    return [mutants.fuzz(name, kind, n, _random(seed, name)) for name, kind in kinds.items()]


def _inputs(root: Path, all_scenes: Made, _seed: int, share: float) -> dict[str, Any]:
    all_scenes()["import"].run(root)  # the file that is damaged
    endings = inputs.try_all(root, every=max(1, round(1 / share)))
    codes = Counter(str(ending.code) for ending in endings)
    slowest = sorted(endings, key=lambda ending: -ending.seconds)[:SLOWEST]
    return {
        "tried": len(endings),
        "commands": dict(sorted(Counter(ending.command.split()[0] for ending in endings).items())),
        "codes": dict(sorted(codes.items())),
        "bad": [ending.shown() for ending in endings if not ending.ok],
        "slowest": [{"command": ending.command, "seconds": ending.seconds} for ending in slowest],
    }


def _soak(root: Path, _made: Made, _seed: int, share: float) -> dict[str, Any]:
    return soak(root, max(400, round(REQUESTS * share)))


PARTS: dict[str, Part] = {
    "soak": _soak,
    "kills": _killed(kills.in_process, KILLS, [name for name in KILLS if name != "train encoder"]),
    "signals": _killed(kills.by_signal, SIGNALS, ("mine", "import", "pack", "evaluate")),
    "world": _world,
    "mutants": _mutants,
    "inputs": _inputs,
}


def faults(figures: Mapping[str, Any]) -> list[str]:
    """What is not as promised, in words; empty when all is well."""
    killed = [*figures["kills"], *figures["signals"]]
    rows = [*killed, *(row for part in figures["world"].values() for row in part)]
    wrong = [f"{row['scene']}: only {row['hit']} of {row['kills']} hit" for row in killed if row["hit"] < row["kills"]]
    for key, words in (
        ("different", "runs ended differently"),
        ("asked_twice", "asked twice"),
        ("failed_again", "did not end well after a kill"),
        ("crashed", "ended with what is no error of ours"),
    ):
        wrong += [f"{row['scene']}: {row[key]} {words}" for row in rows if row.get(key)]
    refused = figures["world"].get("refused writes", [])
    wrong += [f"{row['scene']}: no write was refused" for row in refused if not row["refused"]]
    wrong += [
        f"{row['kind']}: {row['wrong']} wrong, {row['crashed']} crashed"
        for row in figures["mutants"]
        if row["wrong"] + row["crashed"]
    ]
    wrong += [f"{ending['command']}: {ending['code']} {ending['said']}" for ending in figures["inputs"]["bad"]]
    soaked = figures["soak"]
    wrong += [f"soak: {soaked[key]} {key}" for key in ("lost", "asked_twice", "classes_without_a_row") if soaked[key]]
    if soaked["mib_at_the_end"] > FLAT * soaked["mib_after_a_quarter"]:
        wrong.append(f"soak: memory grew from {soaked['mib_after_a_quarter']} to {soaked['mib_at_the_end']} MiB")
    return wrong


def page(result: Mapping[str, Any], ray: Mapping[str, Any]) -> str:
    """docs/reliability.md, of the figures of this file and of reliability_ray.py."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - Markdown
    environment.filters["table"] = _table
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        **result, ray=ray, ray_kills=[{**kill, "left": len(kill["left"])} for kill in ray["kills"]], flat=FLAT
    )


def _table(rows: Sequence[Mapping[str, Any]], *columns: str) -> str:
    lines = [" | ".join(column.replace("_", " ") for column in columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(row[column]) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def made_by(seed: int, share: float) -> dict[str, Any]:
    """Command, commit, versions and machine."""
    versions = {name: version for name, version in package_versions().items() if name in ("torch", "pyarrow", "numpy")}
    return {
        "command": f"python benchmarks/reliability/reliability.py --seed {seed}"
        + (f" --share {share}" if share != 1 else ""),
        "seed": seed,
        "git_commit": git_commit(),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), **versions},
    }


def alone(part: str, seed: int, share: float) -> dict[str, Any]:
    """A part in a process of its own: its figures, commit, seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        options = ["--part", part, "--seed", str(seed), "--share", str(share), "--out", str(out)]
        # OpenMP's threads do not live on in forked processes, which then wait for them for ever: none are begun.
        subprocess.run([sys.executable, __file__, *options], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
        figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    say(f"{part}: {figures['seconds']} s, {figures['mib_peak']} MiB")
    return figures


def _part(part: str, seed: int, share: float) -> dict[str, Any]:
    """What `alone` returns, measured in this process."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), seed, share, [part])
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    facts = {"part": part, "git_commit": git_commit(), "seconds": round(time.monotonic() - began)}
    return {**facts, "mib_peak": round(max(peaks) / 1024), "found": figures[part]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write result and page, and end with 1 if something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    if given.part:
        atomic_write_text(given.out, json.dumps(_part(given.part, given.seed, given.share), indent=1) + "\n")
        return 0
    figures = RESULT if given.out == PAGE else given.out.with_suffix(".json")
    if not given.page:
        measure_all(figures, given.seed, given.share)
    result = json.loads(figures.read_text(encoding="utf-8"))
    atomic_write_text(given.out, page(result, json.loads(RAY.read_text(encoding="utf-8"))))
    wrong = faults(result)
    wrong += [
        f"{part['part']} ran at another commit"
        for part in result["parts"]
        if part["git_commit"] != result["made_by"]["git_commit"]
    ]
    print("\n".join(wrong) or "all as promised")
    return 1 if wrong else 0


def measure_all(figures: Path, seed: int, share: float) -> None:
    """Measure all parts, and write the file of figures."""
    origin, began = made_by(seed, share), time.monotonic()
    parts = [alone(part, seed, share) for part in PARTS]
    of_parts = {part["part"]: part.pop("found") for part in parts}
    result = {"made_by": origin, "seconds": round(time.monotonic() - began), "parts": parts, **of_parts}
    atomic_write_text(figures, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
