"""Processor time of the imports that open a CLIP or a sentence encoder: as `syntrans` does it, and plainly.

python benchmarks/program/lean_imports.py [--times 5] [--quick]

Every import in a process of its own, in turn; prints the medians.
"""

import argparse
import statistics
import subprocess
import sys

from benchmarks.quick import add_quick

AUTO = "from transformers import AutoModel, AutoTokenizer"
WAYS = {
    "a CLIP's pictures": {"plain": "import open_clip", "ours": "open_clip_for(clip)"},
    "a CLIP's texts": {
        "plain": 'import open_clip\nopen_clip.get_tokenizer(f"local-dir:{clip}")',
        "ours": "open_clip_tokenizer(clip)",
    },
    "a sentence encoder": {"plain": AUTO, "ours": f'with hidden("sklearn"):\n    {AUTO}'},
}
PROGRAM = """
import time
import torch
from syntrans.packages.lean_imports import hidden, open_clip_for, open_clip_tokenizer
from syntrans.paths import resolve_model
clip = resolve_model("package:syntrans_world/weights/clip")
before = time.process_time()
STATEMENT
print(time.process_time() - before)
"""


def seconds(statement: str) -> float:
    """Of processor time, for one statement in a new process that has torch already."""
    program = [sys.executable, "-c", PROGRAM.replace("STATEMENT", statement)]
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """Print a line for each kind of model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    add_quick(parser)
    given = parser.parse_args()
    kinds, times = (["a CLIP's pictures"], 1) if given.quick else (list(WAYS), given.times)
    for name in kinds:
        turns = [{way: seconds(statement) for way, statement in WAYS[name].items()} for _ in range(times)]
        plain, ours = (statistics.median(turn[way] for turn in turns) for way in ("plain", "ours"))
        print(f"{name}: plain {plain:.1f} s, ours {ours:.1f} s, {ours / plain:.2f} of it", flush=True)


if __name__ == "__main__":
    main()
