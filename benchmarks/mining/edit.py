"""What a person's veto is worth, and how long it takes until it counts: on the world, where the truth is known.

Usage: python benchmarks/mining/edit.py DEMO [--out FILE] [--quick]

DEMO is the folder of a finished `syntrans demo`. The worst kept descriptor is the false one of a novel class with the
largest weight. It is vetoed with `syntrans edit`, and `syntrans evaluate` is run before and after, in processes of
their own, on the same frozen episodes. Features are cached from the first evaluation on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quick import EVALUATE, add_quick, target
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans.files.sealed_parquet import read_sealed
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans.provenance import git_commit
from syntrans_training.scoring.metrics import paired
from syntrans_world.spec import CLASSES
from syntrans_world.truth import judge

RESULT = Path(__file__).parents[1] / "results" / "edit.json"
NOVEL = {entry.id for entry in CLASSES if entry.split == "novel"}


def worst(rows: list[DescriptorRow]) -> DescriptorRow:
    """The false descriptor of a novel class that counts most."""
    false = [row for row in rows if row.kept and row.class_id in NOVEL and not judge(row.class_id, row.text)]
    return max(false, key=lambda row: (row.weight or 0.0, row.descriptor_id))


def timed(*arguments: str) -> dict[str, float]:
    """Seconds by the clock and of the processors that a command takes; it must end well."""
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-m", "syntrans", *arguments], check=True, capture_output=True)
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return {"seconds": round(time.monotonic() - began, 2), "processor_seconds": round(spent, 2)}


def difference(before: Path, after: Path, class_name: str) -> dict[str, Any]:
    """By shots: accuracy of SynTrans after minus before, paired over episodes, and of the class alone; in percent."""
    tables = [read_sealed(folder / "accuracies.parquet").to_pydict() for folder in (before, after)]
    summaries = [json.loads((folder / "summary.json").read_text(encoding="utf-8")) for folder in (before, after)]
    differences = {}
    for shots in sorted(set(tables[0]["shots"])):
        accuracy = [np.array([a for a, k in zip(t["syntrans"], t["shots"], strict=True) if k == shots]) for t in tables]
        shift = paired(accuracy[1], accuracy[0]).percent()
        of_class = [summary["per_class"][str(shots)][class_name]["syntrans"] for summary in summaries]
        differences[str(shots)] = {**shift, "class_before": of_class[0], "class_after": of_class[1]}
    return differences


def measure(demo: Path, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """All figures, with the outputs in ``folder``; ``settings`` of the evaluations."""
    rows, _ = read_descriptors(demo / "mine" / "descriptors.parquet")
    row = worst(rows)
    options = [argument for setting in settings for argument in ("--set", setting)]
    evaluate = ("evaluate", str(demo / "train"), *options, "--descriptors")
    timed(*evaluate, str(demo / "mine" / "descriptors.parquet"), "--out", str(folder / "before"))
    veto = ("--class", row.class_id, "--veto", row.text)
    edit = timed("edit", str(demo / "mine"), *veto, "--out", str(folder / "edited"))
    edited = str(folder / "edited" / "descriptors.parquet")
    evaluation = timed(*evaluate, edited, "--out", str(folder / "after"))
    return {
        "class": row.class_name,
        "text": row.text,
        "rank": row.rank,
        "weight": row.weight,
        "edit": edit,
        "evaluate": evaluation,
        "after_minus_before": difference(folder / "before", folder / "after", row.class_name),
    }


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measurement = measure(given.demo, Path(folder), EVALUATE if given.quick else [])
    command = " ".join(["python", "benchmarks/mining/edit.py", *sys.argv[1:]])
    figures = {"command": command, "git_commit": git_commit(), "machine": facts(artifacts_root()), **measurement}
    print(json.dumps(figures, indent=2))
    atomic_write_text(target(given.out, RESULT, quick=given.quick), json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
