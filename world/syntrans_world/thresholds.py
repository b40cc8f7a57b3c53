"""Choose mining thresholds where the truth is known: `python -m syntrans_world.thresholds FILE`.

FILE is the descriptors.parquet of a run whose thresholds drop nothing, so that every row has every score:

    syntrans mine --config world --set crosscheck.threshold=0 --set ground.threshold=0 --set filter.margin=-1 \
        --set filter.threshold=0 --set filter.budget=1000 --out artifacts/mine/world-open

First the weights of `filter.fuse` are fitted, a ridge-penalised logistic model of the truth. Then the threshold of
each step before the filter is the strictest of the grid that leaves its FLOORS' share of the recall: what these drop,
no later evidence can bring back. That of the filter, which sees all the evidence, is the loosest whose rows, and those
of every stricter one, are true as often as PRECISION says: two standard errors of a hundred rows above the 0.97 that is
wanted of other classes. All on base and val classes (16 classes alone are too few to tell 0.97 from 1); novel classes
are not looked at.
"""

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans.calibration import fit_logistic
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans_world.spec import CLASSES, SLOTS
from syntrans_world.truth import judge, slot_of

EVIDENCE = ("agreement", "p_yes", "gap", "everywhere", "margin")
SPLITS = ("base", "val")
FLOORS = {"crosscheck.threshold": 1.0, "ground.threshold": 1.0}
MEASURED = {"crosscheck.threshold": "agreement", "ground.threshold": "p_yes"}
FILTER = "filter.threshold"
PRECISION = 0.99
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
    """The values of EVIDENCE of every row, [rows, 5], as the filter takes them; NaN where a step did not look."""

    def of(row: DescriptorRow) -> tuple[float | None, ...]:
        seen, margin = row.grounding, row.clip.margin if row.clip else None
        if seen is None or seen.p_yes_contrast is None:
            return (row.agreement, seen.p_yes if seen else None, None, None, margin)
        everywhere = (seen.p_yes * seen.p_yes_contrast) ** (len(seen.images) / 2)
        return (row.agreement, seen.p_yes, seen.p_yes - seen.p_yes_contrast, everywhere, margin)

    return np.array([of(row) for row in rows], np.float64).reshape(-1, len(EVIDENCE))


def fit_fuse(values: NDArray[np.float64], true: NDArray[np.bool_]) -> dict[str, float]:
    """Weights for the config of evidence [n, 5] of rows that are `true` [n] or not.

    Evidence that no row has gets weight 0, rows that lack some are left out.
    """
    present = ~np.isnan(values).all(axis=0)
    whole = ~np.isnan(values[:, present]).any(axis=1)
    weights = np.zeros(len(EVIDENCE))
    weights[present], bias = fit_logistic(values[whole][:, present], true[whole].astype(float), ridge=RIDGE)
    return {"bias": round(bias, 3), **{name: round(float(w), 3) for name, w in zip(EVIDENCE, weights, strict=True)}}


def choose(
    rows: Sequence[DescriptorRow],
    *,
    splits: Collection[str] = SPLITS,
    floors: Mapping[str, float] = FLOORS,
    precision: float = PRECISION,
) -> Chosen:
    """Fit and choose on the classes of some splits. ValueError if there is nothing true or nothing false in them."""
    ids = {entry.id for entry in CLASSES if entry.split in splits}
    alive = [row for row in rows if row.class_id in ids and row.stage not in ("propose", "merge")]
    true = np.array([judge(row.class_id, row.text) for row in alive], bool)
    if true.all() or not true.any():
        raise ValueError(f"no true or no false rows of {' and '.join(splits)} classes; give the file of an open run")
    values = evidence(alive)
    fuse = fit_fuse(values, true)
    pairs = _true_pairs(alive, true)
    kept = np.ones(len(alive), bool)
    thresholds = {}
    most = _recall(pairs, true, len(ids))
    for key, floor in floors.items():
        scores = values[:, EVIDENCE.index(MEASURED[key])]
        if np.isnan(scores).all():
            continue  # that step did not run
        passing = [(t, kept & (scores >= t)) for t in GRID]
        enough = [(t, rest) for t, rest in passing if _recall(pairs, rest & true, len(ids)) >= floor * most]
        threshold, kept = enough[-1] if enough else passing[0]
        thresholds[key] = float(threshold)
    weights = np.array([fuse[name] for name in EVIDENCE])
    fused = 1 / (1 + np.exp(-(np.nan_to_num(values) @ weights + fuse["bias"])))
    thresholds[FILTER] = _loosest(fused[kept], true[kept], precision)
    kept &= fused >= thresholds[FILTER]
    recall = _recall(pairs, kept & true, len(ids))
    return Chosen(fuse, thresholds, precision=float(true[kept].mean()), recall=recall, rows=int(kept.sum()))


def _loosest(scores: NDArray[np.float64], true: NDArray[np.bool_], precision: float) -> float:
    """The loosest threshold of the grid at which, and above which, so many are true; else the most precise one."""
    precisions = [(float(t), float(true[scores >= t].mean())) for t in GRID if (scores >= t).any()]
    enough = takewhile(lambda pair: pair[1] >= precision, reversed(precisions))
    return min((t for t, _ in enough), default=max(precisions, key=lambda pair: pair[1])[0])


def _recall(pairs: NDArray[np.int64], kept: NDArray[np.bool_], n_classes: int) -> float:
    return len(np.unique(pairs[kept])) / (n_classes * len(SLOTS))


def _true_pairs(rows: Sequence[DescriptorRow], true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for the (class, slot) pair of every true row; -1 for the others."""
    numbers: dict[tuple[str, str], int] = {}
    pairs = np.full(len(rows), -1, np.int64)
    for i in np.flatnonzero(true).tolist():
        slot_value = slot_of(rows[i].text)
        assert slot_value is not None, "a true row speaks of a slot"
        pairs[i] = numbers.setdefault((rows[i].class_id, slot_value[0]), len(numbers))
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the chosen weights and thresholds as JSON."""
    parser = argparse.ArgumentParser(prog="syntrans_world.thresholds", description="See the module's text.")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    rows, _ = read_descriptors(given.file)
    sys.stdout.write(json.dumps(asdict(choose(rows)), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
