"""Choose mining thresholds on the world's val classes: `python -m syntrans_training.world.thresholds FILE`.

FILE is the descriptors.parquet of a run whose thresholds drop nothing, so that every row has every score:

    syntrans mine --config world --set crosscheck.threshold=0 --set ground.threshold=0 --set filter.margin=-1 \
        --set filter.threshold=0 --set filter.budget=1000 --out artifacts/mine/world-open

First the weights of `filter.fuse` are fitted, a ridge-penalised logistic model of the truth. Then each threshold, in
the order of the stages, is the strictest of the grid that leaves its FLOORS' share of the recall that all rows of
val have: the early ones lose nothing there, the last one, which sees all the evidence, a tenth. (A floor under the
recall generalises better than a target for the precision: on so few classes a precision of 1 is reached by chance.)
Novel classes are not looked at.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans.calibration import fit_logistic
from syntrans.contract import DescriptorRow, read_descriptors
from syntrans_training.world.spec import CLASSES, SLOTS
from syntrans_training.world.truth import judge, slot_of

EVIDENCE = ("agreement", "p_yes", "gap", "margin")
FLOORS = {"crosscheck.threshold": 1.0, "ground.threshold": 1.0, "filter.threshold": 0.90}
GRID = np.round(np.arange(0.0, 1.0, 0.01), 2)
RIDGE = 1.0


@dataclass(frozen=True)
class Chosen:
    """Weights and thresholds by config key, and what they give on the classes they were chosen on."""

    fuse: dict[str, float]
    thresholds: dict[str, float]
    precision: float
    recall: float
    rows: int


def evidence(rows: Sequence[DescriptorRow]) -> NDArray[np.float64]:
    """The values of EVIDENCE of every row, [rows, 4]; NaN where a stage did not look."""

    def of(row: DescriptorRow) -> tuple[float | None, ...]:
        seen, clip = row.grounding, row.clip
        gap = None if seen is None or seen.p_yes_contrast is None else seen.p_yes - seen.p_yes_contrast
        return (row.agreement, seen.p_yes if seen else None, gap, clip.margin if clip else None)

    return np.array([of(row) for row in rows], np.float64).reshape(-1, len(EVIDENCE))


def fit_fuse(values: NDArray[np.float64], true: NDArray[np.bool_]) -> dict[str, float]:
    """Weights for the config; evidence that no row has gets weight 0, rows that lack some are left out."""
    present = ~np.isnan(values).all(axis=0)
    whole = ~np.isnan(values[:, present]).any(axis=1)
    weights = np.zeros(len(EVIDENCE))
    weights[present], bias = fit_logistic(values[whole][:, present], true[whole].astype(float), ridge=RIDGE)
    return {"bias": round(bias, 3), **{name: round(float(w), 3) for name, w in zip(EVIDENCE, weights, strict=True)}}


def choose(rows: Sequence[DescriptorRow], *, split: str = "val", floors: Mapping[str, float] = FLOORS) -> Chosen:
    """Fit and choose on the classes of one split. ValueError if there is nothing true or nothing false in it."""
    ids = {entry.id for entry in CLASSES if entry.split == split}
    alive = [row for row in rows if row.class_id in ids and row.stage not in ("propose", "merge")]
    true = np.array([judge(row.class_id, row.text) for row in alive], bool)
    if true.all() or not true.any():
        raise ValueError(f"the rows of the {split} classes are not both true and false; give an open run")
    values = evidence(alive)
    fuse = fit_fuse(values, true)
    weights = np.array([fuse[name] for name in EVIDENCE])
    scores = {
        "crosscheck.threshold": values[:, 0],
        "ground.threshold": values[:, 1],
        "filter.threshold": 1 / (1 + np.exp(-(np.nan_to_num(values) @ weights + fuse["bias"]))),
    }
    pairs = _true_pairs(alive, true)
    kept = np.ones(len(alive), bool)
    thresholds = {}
    most = _recall(pairs, true, len(ids))
    for key, floor in floors.items():
        if np.isnan(scores[key]).all():
            continue  # that stage did not run
        passing = [(t, kept & (scores[key] >= t)) for t in GRID]
        enough = [(t, rest) for t, rest in passing if _recall(pairs, rest & true, len(ids)) >= floor * most]
        threshold, kept = enough[-1] if enough else passing[0]
        thresholds[key] = float(threshold)
    recall = _recall(pairs, kept & true, len(ids))
    return Chosen(fuse, thresholds, precision=float(true[kept].mean()), recall=recall, rows=int(kept.sum()))


def _recall(pairs: NDArray[np.int64], found: NDArray[np.bool_], n_classes: int) -> float:
    return len(np.unique(pairs[found])) / (n_classes * len(SLOTS))


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
    """Print the chosen weights and thresholds as JSON."""
    parser = argparse.ArgumentParser(prog="syntrans_training.world.thresholds", description="See the module's text.")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    rows, _ = read_descriptors(given.file)
    sys.stdout.write(json.dumps(asdict(choose(rows)), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
