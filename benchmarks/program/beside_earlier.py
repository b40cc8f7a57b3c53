"""The start of the program and mining's own work, beside those of an earlier checkout: ratios, pair by pair.

    git worktree add ../earlier 819bf20
    python benchmarks/program/beside_earlier.py ../earlier [--pairs 7] [--classes 100] [--out FILE] [--quick]

Both run in this environment, in turn (this, earlier, this, ...), so that what else the machine does hits both. Engines
and the server are fake and answer at once, so that nothing but our own code is timed. Processor time (user and system,
of the command and its workers) is the figure to read on a machine that does other work too. The modules of both are
compiled once, as an installation does it, in the first pair, which is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.quick import add_quick, target
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans.provenance import git

ROOT = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).parents[1] / "results" / "beside_earlier.json"
LLMS = "llms: [{name: a, path: a}, {name: b, path: b}, {name: c, path: c}]\n"
COMMON = "propose: {samples: 2}\nlint: {ask_senses: false}\n"
CLIP = 'clip: {path: "package:syntrans_training/world/weights/clip"}\n'  # where the earlier one has it
CONFIGS = {
    "mine, fake engine": "clip: {path: fake}\nengine: {kind: fake, workers: 0}\n",
    "mine, fake engine, 2 workers": "clip: {path: fake}\nengine: {kind: fake, workers: 2}\n",
    "mine, fake server": CLIP + "engine: {kind: openai, base_url: URL, workers: 0, args: {concurrency: 4}}\n",
}


def measured(checkout: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and processor seconds of one command of a checkout; ends the program if it does not end well."""
    entry = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["syntrans"]
    module, _, function = entry.partition(":")
    path = os.pathsep.join(str(checkout / name) for name in (".", "mining", "training", "world"))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"from {module} import {function}; {function}()", *arguments],
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{checkout}: syntrans {' '.join(arguments)} ended with {done.returncode}\n{done.stderr}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Sizes(NamedTuple):
    """Pairs of runs that are not counted, that are, and classes that are mined."""

    uncounted: int
    pairs: int
    classes: int


QUICK = Sizes(0, 1, 4)


def compared(earlier: Path, arguments: Sequence[str], sizes: Sizes) -> dict[str, Any]:
    """Medians of this checkout's seconds over the earlier one's, pair by pair."""
    seconds: dict[Path, list[tuple[float, float]]] = {ROOT: [], earlier: []}
    for number in range(sizes.uncounted + sizes.pairs):
        for checkout, counted in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                own = ["--out", f"{folder}/run"] if arguments[0] == "mine" else []  # a new one: nothing to go on with
                cost = measured(checkout, [*arguments, *own])
            if number >= sizes.uncounted:
                counted.append(cost)
    both = list(zip(seconds[ROOT], seconds[earlier], strict=True))
    report: dict[str, Any] = {}
    for index, kind in enumerate(("wall", "processor")):
        ratios = sorted(ours[index] / theirs[index] for ours, theirs in both)
        report[kind] = {
            "seconds": round(statistics.median(ours[index] for ours, _ in both), 3),
            "seconds_earlier": round(statistics.median(theirs[index] for _, theirs in both), 3),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_least_most": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    return report


def mining(case: str, folder: Path, address: str, n_classes: int) -> list[str]:
    """The arguments of a mining run of so many invented classes."""
    config, classes = folder / "config.yaml", folder / "classes.txt"
    config.write_text(LLMS + CONFIGS[case].replace("URL", address) + COMMON)
    classes.write_text("".join(f"bird number {number}\n" for number in range(n_classes)))
    return ["mine", "--classes", str(classes), "--config", str(config)]


def measure(earlier: Path, sizes: Sizes) -> dict[str, Any]:
    """All cases."""
    sys.path.append(str(ROOT / "scripts"))
    from openai_server import Handler, serving

    class Named(Handler):
        models = ("a", "b", "c")
        protocol_version = "HTTP/1.1"  # a connection is kept, as real servers do

    with ExitStack() as stack:
        address = stack.enter_context(serving(handler=Named))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = {"SYNTRANS_ARTIFACTS": str(folder / "artifacts")}
        # An empty PYTHONDONTWRITEBYTECODE is none: a checkout with bytecode and one without must not run side by side.
        stack.enter_context(mock.patch.dict(os.environ, kept, PYTHONDONTWRITEBYTECODE=""))
        costs = {"--help": compared(earlier, ["--help"], sizes)}
        for case in CONFIGS:
            costs[case] = compared(earlier, mining(case, folder, address, sizes.classes), sizes)
            print(case, json.dumps(costs[case]), file=sys.stderr)
    return costs


def main() -> None:
    """Measure, print the ratios, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path, help="a checkout")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    earlier, load, root = given.earlier.resolve(), os.getloadavg(), artifacts_root().resolve()
    sizes = QUICK if given.quick else Sizes(1, given.pairs, given.classes)
    costs = measure(earlier, sizes)
    for case, kinds in costs.items():
        print(f"{case:<30}", *(f"{kind} {kinds[kind]['ratio']} {kinds[kind]['ratio_least_most']}" for kind in kinds))
    result = {
        "schema_version": 1,
        "command": "python benchmarks/program/beside_earlier.py ../earlier "
        f"--pairs {sizes.pairs} --classes {sizes.classes}",
        "earlier": git(earlier, "rev-parse", "--short", "HEAD"),
        "classes": sizes.classes,
        "load": [round(value, 1) for value in load],
        "machine": facts(root),
        "cases": costs,
    }
    atomic_write_text(target(given.out, RESULT, quick=given.quick), json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
