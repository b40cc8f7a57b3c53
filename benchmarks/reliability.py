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
from reliability_scenes import scenes
from reliability_soak import soak

from syntrans.machine import package_versions
from syntrans_mining.provenance import git_commit

KILLS = {"mine": 640, "import": 120, "pack": 120, "train": 60, "train encoder": 12, "evaluate": 60}
SIGNALS = {"mine": 30, "import": 10, "pack": 10, "train": 10, "evaluate": 5}
MUTANTS = 500
REQUESTS = 20_000
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"


def measure(root: Path, seed: int, share: float, soaked: Callable[[Path, int], Any] = soak) -> dict[str, Any]:
    """All figures, with ``share`` of the numbers above (the slowest scenes only where it is 1)."""
    rng = random.Random(seed)
    os.environ["SYNTRANS_ARTIFACTS"] = str(root / "artifacts")
    made = scenes(root / "inputs")
    few = {"mine", "import", "pack"}
    found: dict[str, Any] = {"soak": soaked(root / "soak", max(400, round(REQUESTS * share)))}
    for part, kill, numbers in (("kills", kills.in_process, KILLS), ("signals", kills.by_signal, SIGNALS)):
        chosen = {name: max(1, round(n * share)) for name, n in numbers.items() if share == 1 or name in few}
        found[part] = [kill(made[name], n, rng, root / part / name) for name, n in chosen.items()]
    found["world"] = disks.all_of_it(made, root / "world", rng, share)
    kinds = mutants.kinds(made, root / "kinds")
    n_mutants = max(5, round(MUTANTS * share))
    found["mutants"] = [mutants.fuzz(kind, path, read, n_mutants, rng) for kind, (path, read) in kinds.items()]
    (root / "descriptors.parquet").write_bytes((root / "inputs" / "told" / "descriptors.parquet").read_bytes())
    endings = inputs.try_all(root, every=max(1, round(1 / share)))
    codes = Counter(str(ending.code) for ending in endings)
    bad = [ending._asdict() for ending in endings if not ending.ok]
    slowest = max(ending.seconds for ending in endings)
    found["inputs"] = {"tried": len(endings), "codes": dict(sorted(codes.items())), "bad": bad, "slowest": slowest}
    return found


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


def page(found: Mapping[str, Any], command: str, seconds: float) -> str:
    """docs/reliability.md."""
    soaked = found["soak"]
    parts = [
        "# Reliability",
        "What happens when a run is killed, a disk fills, a file is damaged or an input is bad. Every figure here was made by\n"
        f"one command, `{command}` (`make reliability`), in {seconds / 60:.0f} minutes, with {_machine()}. Engines are fake and\n"
        "trainings tiny, so that thousands of runs fit; what keeps, reads and renames is the real code. A seeded sample of\n"
        "each part runs with the tests (`tests/cli/test_reliability.py`). [SECURITY.md](../SECURITY.md) says what is promised.",
        "## Killed\nA death at a random moment (before or after a question, an answer kept, a file synced, renamed, removed), then\n"
        "the same command again. *Different*: rows, weights or tables that an undisturbed run would not have left. *Asked\n"
        "twice*: questions whose answer had been kept, or more than the one under way.",
        _table(found["kills"], ("scene", "moments", "kills", "different", "asked_twice")),
        "The same with processes of their own and SIGKILL at a random time (*hit*: it was still running).",
        _table(found["signals"], ("scene", "kills", "hit", "different")),
        "## Disks, clocks, neighbours\nA full or a read-only disk at every single write (folder made, file synced, file renamed). The run ends\n"
        "with one line, or goes on where only a cache was concerned; the next run ends as if nothing had been.",
        _table(
            found["world"]["refused writes"], ("scene", "writes", "tried", "ended_with_a_line", "went_on", "different")
        ),
        "Two processes at once in one folder (the second is refused with a line), and with one fresh cache.",
        _table(
            [*found["world"]["one folder"], *found["world"]["one cache"]],
            ("scene", "pairs", "refused_with_a_line", "different"),
        ),
        "Killed, and then a clock that goes back an hour at every look; killed, and the folder moved before it goes on.",
        _table(
            [{"what": what, **row} for what in ("clock set back", "folder moved") for row in found["world"][what]],
            ("what", "scene", "runs", "different"),
        ),
        "A cache that cannot be written (a file stands in the place of its folder).",
        _table(found["world"]["closed cache"], ("scene", "ended", "different")),
        "## Damaged files\nOne to eight bits turned, a run of zeros, a piece cut out, doubled or moved, the end missing. A reader must refuse, or\n"
        "give what was written; of the journal, what is damaged is asked again. Every byte of a Parquet file of ours is under\n"
        "a SHA-256 that stands before its footer, and its pages under Parquet's own checksums; every row of a journal, every\n"
        "report and every tensor has a hash of its own.",
        _table(found["mutants"], ("kind", "mutants", "refused", "true", "wrong", "crashed")),
        _inputs(found["inputs"]),
        "## Soak\n" + _soak(soaked),
    ]
    return "\n\n".join(parts) + "\n"


def _inputs(found: Mapping[str, Any]) -> str:
    codes = ", ".join(f"{n} with {code}" for code, n in found["codes"].items())
    return (
        f"## Bad input\n{found['tried']} command lines with bad input (torn, deep, huge, binary, special files, YAML that grows, numbers that are\n"
        f"none): {codes}. {len(found['bad'])} ended otherwise than with one line and a code of ours. The slowest took "
        f"{found['slowest']:.1f} s."
    )


def _soak(found: Mapping[str, Any]) -> str:
    ways = ", ".join(f"{way} {n}" for way, n in found["failures"].items())
    return (
        f"{found['requests']:,} requests, of which about 1 % failed in each way ({ways}), in {found['runs']} runs of one command.\n"
        f"Lost: {found['lost']}. Asked twice without need: {found['asked_twice']}. Classes without a row: {found['classes_without_a_row']}.\n"
        f"{found['rows']:,} rows, {found['failed_rows']:,} of them say what could not be answered. Resident memory: "
        f"{found['mib_after_a_quarter']:.0f} MiB after a quarter\nof the requests, {found['mib_at_the_end']:.0f} MiB at the end."
    )


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    lines = [" | ".join(column.replace("_", " ") for column in columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(row[column]) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _machine() -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in package_versions().items() if name in ("torch", "pyarrow")
    )
    return f"Python {platform.python_version()}, {versions or 'no torch'} on {os.cpu_count()} cores, at commit {(git_commit() or '?')[:12]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page, and end with 1 if something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.seed, given.share)
    command = f"python benchmarks/reliability.py --seed {given.seed}"
    given.out.write_text(page(found, command, time.monotonic() - began), encoding="utf-8")
    wrong = faults(found)
    print(json.dumps({"faults": wrong, "seconds": round(time.monotonic() - began)}, indent=1, ensure_ascii=False))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
