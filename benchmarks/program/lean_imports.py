"""Processor time to import what opens a CLIP and a sentence encoder: as `syntrans` does it, and plainly.

python benchmarks/program/lean_imports.py [--times 5] [--quick]

Every import in a process of its own, in turn; prints the medians.
"""

import argparse
import statistics
import subprocess
import sys

from benchmarks.quick import add_quick

CLIP = 'open_clip_for(resolve_model("package:syntrans_world/weights/clip"))'
AUTO = "from transformers import AutoModel, AutoTokenizer"
WAYS = {
    "open_clip": {"plain": "import open_clip", "ours": CLIP},
    "transformers": {"plain": AUTO, "ours": f'with hidden("sklearn"):\n    {AUTO}'},
}
PROGRAM = """
import time
import torch
from syntrans.lean_imports import hidden, open_clip_for
from syntrans.paths import resolve_model
before = time.process_time()
{}
print(time.process_time() - before)
"""


def seconds(statement: str) -> float:
    """Of processor time, for one statement in a new process that has torch already."""
    program = [sys.executable, "-c", PROGRAM.format(statement)]
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """Print a line for each package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    add_quick(parser)
    given = parser.parse_args()
    packages, times = (["open_clip"], 1) if given.quick else (list(WAYS), given.times)
    for package in packages:
        turns = [{way: seconds(statement) for way, statement in WAYS[package].items()} for _ in range(times)]
        plain, ours = (statistics.median(turn[way] for turn in turns) for way in ("plain", "ours"))
        print(f"{package}: plain {plain:.1f} s, ours {ours:.1f} s, {ours / plain:.2f} of it", flush=True)


if __name__ == "__main__":
    main()
