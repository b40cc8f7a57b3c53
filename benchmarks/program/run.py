"""Time what users wait for, on this machine, and write benchmarks as data.

Usage: python benchmarks/program/run.py [--out FILE] [--quick]  (default: artifacts/bench/<run>/bench.json)

Every line is one command, run in its own process as a user would run it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.quick import add_quick
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text, new_run_dir

COMMANDS = {
    "help": ["--help"],
    "check_mini": ["classes", "check", "mini"],
    "mine_world_3": ["mine", "--config", "world", "--limit", "3"],
    "mine_world_100": ["mine", "--config", "world"],
}

QUICK = ("help", "check_mini")  # without an engine


def timed(arguments: list[str], out: Path) -> float:
    """Seconds of wall time of one command; its output goes to a log beside the result."""
    program = shutil.which("syntrans", path=str(Path(sys.executable).parent)) or "syntrans"
    extra = ["--out", str(out / "run")] if arguments[0] == "mine" else []
    with (out / "log.txt").open("w") as log:
        start = time.perf_counter()
        subprocess.run([program, *arguments, *extra], check=True, stdout=log, stderr=log)
        return time.perf_counter() - start


def main() -> None:
    """Run every command once and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    target = given.out or new_run_dir("bench") / "bench.json"
    commands = {name: COMMANDS[name] for name in QUICK} if given.quick else COMMANDS
    seconds: dict[str, float] = {}
    for name, arguments in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds[name] = round(timed(arguments, Path(folder)), 2)
        print(f"{name:<16} {seconds[name]:8.2f} s")
    machine = facts(artifacts_root())
    result = {"schema_version": 1, "seconds": seconds, "commands": commands, "machine": machine}
    atomic_write_text(target, json.dumps(result, indent=2) + "\n")
    print(target)


if __name__ == "__main__":
    main()
