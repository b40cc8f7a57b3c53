"""Size and times of the page of `syntrans report`: 1,000 classes with 60 rows each, opened and filtered in Chromium.

Usage: python benchmarks/program/report.py [--quick] [--out FILE]

The rows are made up: words drawn at random, three authors, two judges a row, evidence of pictures and of CLIP. Opening
ends when the first rows are drawn; a filter when its rows are. On a machine that others use, what a processor worked is
the figure, and the clock stands beside it. Without Chromium size and writing alone are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.quick import add_quick, target
from syntrans.contract.rows import (
    Author,
    Clip,
    DescriptorRow,
    FileMetadata,
    Grounding,
    Vote,
    descriptor_id,
)
from syntrans.contract.writing import write_descriptors
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans.provenance import git_commit
from syntrans.views.report.page import render_page
from syntrans.views.report.runs import parts_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from chromium import BROWSER, Page, browser

CLASSES, ROWS, SEED, REPETITIONS = 1000, 60, 0, 5
WORDS = ("red", "blue", "large", "round", "long", "tail", "wing", "bill", "crest", "stripe", "pale", "glossy", "curved")
MODELS = ("org/model-a-7b", "org/model-b-8b", "org/model-c-9b")
ENDS = (None, ("merge", "duplicate_of"), ("crosscheck", "no_agreement"), ("ground", "not_seen"), ("filter", "unlikely"))
FILTERS = {  # field of the form, value
    "search for a word": (0, "glossy"),
    "search for what is not there": (0, "xylophone"),
    "search for nothing": (0, ""),
    "one reason": (2, "1"),
    "all": (2, "-2"),
    "one author": (3, "1"),
    "by lowest margin": (5, "margin"),
}
FILTER = """
(() => {
  const field = document.querySelector("[role=search]").elements[%d];
  const began = performance.now();
  field.value = "%s";
  field.dispatchEvent(new Event(field.tagName === "INPUT" ? "input" : "change"));
  document.body.offsetHeight; // the rows are laid out, which is what a person waits for
  return performance.now() - began;
})()
"""


def rows(n_classes: int) -> list[DescriptorRow]:
    """Made-up rows, as long as real ones."""
    rng = random.Random(SEED)
    names = [f"class {number:04}" for number in range(n_classes)]
    return [_row(rng, names, name, number) for name in names for number in range(ROWS)]


def _row(rng: random.Random, names: list[str], name: str, number: int) -> DescriptorRow:
    text = f"a {' '.join(rng.choices(WORDS, k=5))} {number}"
    end = rng.choice(ENDS) if number > 5 else None
    author, *judges = rng.sample(MODELS, 3)
    return DescriptorRow(
        class_id=name.replace(" ", "-"),
        class_name=name,
        descriptor_id=descriptor_id(name.replace(" ", "-"), text),
        text=text,
        facet=rng.choice(("shape", "colour", "part", "texture")),
        authors=[Author(model=author, revision="main", prompt="propose.v1", sample=0, seed=number, raw=text.upper())],
        votes=[Vote(model=judge, revision="main", p_yes=rng.random(), p_calibrated=rng.random()) for judge in judges],
        agreement=rng.random(),
        grounding=Grounding(
            model="org/vlm", revision="main", p_yes=rng.random(), p_yes_contrast=rng.random(),
            contrast_class=rng.choice(names).replace(" ", "-"), images=[f"{name:0>64}"] * 4,
        ),
        clip=Clip(
            model="clip", similarity=rng.random() / 2, margin=rng.random() - 0.5,
            neighbour=rng.choice(names).replace(" ", "-"), tokens=9, truncated=False,
        ),
        kept=end is None,
        stage=end and end[0],
        reason=end and end[1],
        rank=number + 1 if end is None else None,
        weight=rng.random() if end is None else None,
    )  # fmt: skip


def in_browser(page: Path) -> dict[str, Any]:
    """Milliseconds of opening and of every filter, by the clock and of the page's thread: medians of REPETITIONS."""
    if BROWSER is None:
        return {}
    opened: list[tuple[float, float]] = []
    filtered: dict[str, list[tuple[float, float]]] = {name: [] for name in FILTERS}
    with browser() as tab:
        tab.call("Performance.enable", timeDomain="threadTicks")
        for _ in range(REPETITIONS):
            began, before = time.monotonic(), _thread_seconds(tab)
            tab.open(page.as_uri())
            tab.wait("document.querySelectorAll('.rows > li').length > 0")
            after = _thread_seconds(tab)  # counted anew where the page got a process of its own
            opened.append((1000 * (time.monotonic() - began), 1000 * (after - before if after >= before else after)))
            for name, place in FILTERS.items():
                before = _thread_seconds(tab)
                clock = tab.js(FILTER % place)
                filtered[name].append((clock, 1000 * (_thread_seconds(tab) - before)))
    by_filter = {name: _medians(times) for name, times in filtered.items()}
    return {"open_ms": _medians(opened), "filter_ms": by_filter}


def _thread_seconds(tab: Page) -> float:
    """What the page's thread has had of a processor."""
    metrics = tab.call("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime"))


def _medians(times: list[tuple[float, float]]) -> dict[str, float]:
    clock, thread = zip(*times, strict=True)
    return {"clock": round(statistics.median(clock), 1), "processor": round(statistics.median(thread), 1)}


def main() -> None:
    """Make the run, write and open its page, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    n_classes = 20 if given.quick else CLASSES
    with tempfile.TemporaryDirectory() as folder:
        meta = FileMetadata(run_id="benchmark", class_list_sha256="0" * 64)
        file = write_descriptors(Path(folder) / "descriptors.parquet", rows(n_classes), meta)
        page, began = Path(folder) / "report.html", time.process_time()
        atomic_write_text(page, render_page(parts_of([file.parent])))
        figures = {
            "command": " ".join(["python", "benchmarks/program/report.py", *sys.argv[1:]]),
            "git_commit": git_commit(),
            "machine": facts(artifacts_root()),
            "classes": n_classes,
            "rows": n_classes * ROWS,
            "bytes": page.stat().st_size,
            "write_processor_s": round(time.process_time() - began, 2),
            "load_average": os.getloadavg()[0],
            "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **in_browser(page),
        }
    print(json.dumps(figures, indent=2))
    usual = Path(__file__).parents[1] / "results" / "report.json"
    atomic_write_text(target(given.out, usual, quick=given.quick), json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
