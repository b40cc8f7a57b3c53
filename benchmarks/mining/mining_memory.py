"""How much memory mining takes as the number of classes grows: the whole pipeline on the fake engine.

Usage: python benchmarks/mining/mining_memory.py [CLASSES ...] [--quick]       (default: 100 10000)

Every size runs in a process of its own, which says its peak resident memory; the growth is the difference between the
largest and the smallest size. Exit code 1 if it is 200 MB or more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.quick import add_quick
from syntrans.classes.entries import ClassEntry
from syntrans.images.image_set import ImageRef
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine

LIMIT_MB = 200
CONFIG = {
    "llms": [{"name": name, "path": name} for name in ("ann", "bob", "cleo")],
    "vlm": {"name": "eye", "path": "eye"},
    "clip": {"path": "fake"},
    "engine": {"kind": "fake", "workers": 0},
    "crosscheck": {"threshold": 0.4},
    "ground": {"threshold": 0.3, "images": 1},
    "filter": {"images": 2, "margin": -1.0},
}
# The smallest picture there is: a GIF of one pixel; a comment makes each another one.
PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xfe%c%s\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def picture(name: str) -> bytes:
    """A picture that no other name has."""
    return PIXEL % (len(name), name.encode())


def images_of(class_id: str) -> list[ImageRef]:
    """Two pictures of a class."""
    data = [picture(f"{class_id}-{number}") for number in range(2)]
    return [ImageRef(class_id, hashlib.sha256(part).hexdigest(), partial(bytes, part)) for part in data]


def measure(n_classes: int) -> dict[str, float]:
    """Mine ``n_classes`` invented classes; peak memory in MB, seconds, and what was asked."""
    entries = [ClassEntry(f"c{number:05d}", f"kind {number:05d}") for number in range(n_classes)]
    images = {entry.id: images_of(entry.id) for entry in entries}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = mine(MiningConfig.model_validate(CONFIG), entries, images, Path(folder) / "run", progress=Silent()).run
    n_asked = sum(model["asked"] for stage in run["stages"].values() for model in stage["models"].values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = round(time.perf_counter() - start, 1)
    return {"classes": n_classes, "rows": run["rows"], "requests": n_asked, "seconds": seconds, "peak_mb": round(peak)}


def main() -> int:
    """Measure all sizes, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classes", nargs="*", type=int, default=[100, 10_000])
    parser.add_argument("--one", action="store_true", help="measure the first size in this process")
    add_quick(parser)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.classes[0])))
        return 0
    figures = []
    for size in [4] if given.quick else sorted(given.classes):
        done = subprocess.run(
            [sys.executable, __file__, str(size), "--one"], check=True, capture_output=True, text=True
        )
        figures.append(json.loads(done.stdout))
        print(json.dumps(figures[-1]), flush=True)
    growth = figures[-1]["peak_mb"] - figures[0]["peak_mb"]
    print(json.dumps({"growth_mb": growth, "limit_mb": LIMIT_MB}))
    return int(growth >= LIMIT_MB)


if __name__ == "__main__":
    raise SystemExit(main())
