"""Choose mining thresholds on the world's val classes: `python -m syntrans_training.world.thresholds FILE`.

FILE is the descriptors.parquet of a run whose thresholds drop nothing, so that every row has every score:

    syntrans mine --config world --set crosscheck.threshold=0 --set ground.threshold=0 --set ground.gap=-1 \
        --set filter.margin=-1 --set filter.budget=1000 --out artifacts/mine/world-open

Chosen is the point of the grid with the highest recall among those whose precision on val reaches the target; ties go
to the higher precision, then to the laxer thresholds. Novel classes are not looked at.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans.contract import DescriptorRow, read_descriptors
from syntrans_training.world.spec import CLASSES, SLOTS
from syntrans_training.world.truth import judge, slot_of

GRID = {
    "crosscheck.threshold": np.round(np.arange(0.0, 0.91, 0.05), 2),
    "ground.threshold": np.round(np.arange(0.0, 0.81, 0.05), 2),
    "ground.gap": np.round(np.arange(-0.3, 0.61, 0.05), 2),
    "filter.margin": np.round(np.arange(-0.1, 0.201, 0.02), 2),
}


@dataclass(frozen=True)
class Chosen:
    """Thresholds by config key, and what they give on the classes they were chosen on."""

    thresholds: dict[str, float]
    precision: float
    recall: float
    rows: int


def scores(rows: Sequence[DescriptorRow]) -> NDArray[np.float64]:
    """Score of every row under every key of GRID, [rows, 4]; a missing score never passes a threshold."""

    def of(row: DescriptorRow) -> tuple[float, float, float, float]:
        seen, clip = row.grounding, row.clip
        p_yes = -np.inf if seen is None or seen.p_yes is None else seen.p_yes
        contrast = 0.0 if seen is None or seen.p_yes_contrast is None else seen.p_yes_contrast
        margin = -np.inf if clip is None or clip.margin is None else clip.margin
        return (row.agreement if row.agreement is not None else -np.inf, p_yes, p_yes - contrast, margin)

    return np.array([of(row) for row in rows], np.float64).reshape(-1, len(GRID))


def choose(rows: Sequence[DescriptorRow], *, split: str = "val", precision: float = 0.99) -> Chosen:
    """Search GRID on the classes of one split. ValueError if no point of the grid keeps a row."""
    ids = {entry.id for entry in CLASSES if entry.split == split}
    alive = [row for row in rows if row.class_id in ids and row.reason != "duplicate_of"]
    values = scores(alive)
    true = np.array([judge(row.class_id, row.text) for row in alive])
    pairs = _true_pairs(alive, true)
    passes = [values[:, i, None] >= grid[None] for i, grid in enumerate(GRID.values())]
    best: tuple[tuple[bool, float, float, float], tuple[int, ...], float, float, int] | None = None
    for where in itertools.product(*(range(len(grid)) for grid in GRID.values())):
        kept = np.logical_and.reduce([passed[:, i] for passed, i in zip(passes, where, strict=True)])
        if not kept.any():
            continue
        found = float(true[kept].mean())
        recall = len(np.unique(pairs[kept & true])) / (len(ids) * len(SLOTS))
        reached = found >= precision
        rank = (reached, recall if reached else found, found if reached else recall, -float(sum(where)))
        if best is None or rank > best[0]:
            best = (rank, where, found, recall, int(kept.sum()))
    if best is None:
        raise ValueError(f"no row of the {split} classes passes any threshold")
    thresholds = {key: float(grid[i]) for (key, grid), i in zip(GRID.items(), best[1], strict=True)}
    return Chosen(thresholds, precision=best[2], recall=best[3], rows=best[4])


def _true_pairs(rows: Sequence[DescriptorRow], true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for the (class, slot) pair of every true row; -1 for the others."""
    numbers: dict[tuple[str, str], int] = {}
    pairs = np.full(len(rows), -1, np.int64)
    for i in np.flatnonzero(true):
        found = slot_of(rows[i].text)
        assert found is not None, "a true row speaks of a slot"
        pairs[i] = numbers.setdefault((rows[i].class_id, found[0]), len(numbers))
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the chosen thresholds as JSON."""
    parser = argparse.ArgumentParser(prog="syntrans_training.world.thresholds", description="See the module's text.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--precision", type=float, default=0.99, help="to be reached on val")
    given = parser.parse_args(arguments)
    rows, _ = read_descriptors(given.file)
    chosen = choose(rows, precision=given.precision)
    sys.stdout.write(json.dumps(chosen.__dict__, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
