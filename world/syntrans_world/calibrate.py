"""Fit what the judges' "yes" is worth, where the truth is known: `python -m syntrans_world.calibrate FILE`.

It is known of base and val classes (a judge rarely says yes to what it did not propose itself, so val alone is too
little); novel classes are not looked at. FILE is the descriptors.parquet of a run whose thresholds drop nothing (see
`thresholds`). Prints the calibration file that a mining config names under crosscheck.calibration, and on stderr each
judge's Brier score before and after.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from syntrans.calibration import Calibration, Platt, fit_platt
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans.progress import say
from syntrans_world.spec import CLASSES
from syntrans_world.truth import judge

Answers = dict[tuple[str, str], list[tuple[float, bool]]]  # (model, revision) -> P(yes) and whether it is true


def answers(rows: Sequence[DescriptorRow]) -> Answers:
    """Every judge's answers about base and val classes, with the truth."""
    ids = {entry.id for entry in CLASSES if entry.split != "novel"}
    by_judge: Answers = {}
    for row in rows:
        for vote in row.votes if row.class_id in ids else ():
            by_judge.setdefault((vote.model, vote.revision), []).append((vote.p_yes, judge(row.class_id, row.text)))
    return by_judge


def fit(by_judge: Answers) -> dict[str, Platt]:
    """One `Platt` per judge. ValueError if a judge was never asked about something true and something false."""
    fitted = {}
    for (model, revision), pairs in sorted(by_judge.items()):
        platt = fit_platt([p for p, _ in pairs], [true for _, true in pairs], revision=revision)
        if platt is None:
            raise ValueError(f"all that {model} was asked about is equally true")
        fitted[model] = platt
    return fitted


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the calibration file."""
    parser = argparse.ArgumentParser(prog="syntrans_world.calibrate", description="See the module's text.")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    rows, meta = read_descriptors(given.file)
    by_judge = answers(rows)
    fitted = fit(by_judge)
    for (model, _), pairs in sorted(by_judge.items()):
        p, true = (np.array(column, float) for column in zip(*pairs, strict=True))
        better = np.array([fitted[model](value) for value in p])
        say(f"{model}: {len(p)} answers, Brier {np.mean((p - true) ** 2):.4f} -> {np.mean((better - true) ** 2):.4f}")
    (prompt,) = (sha256 for name, sha256 in meta.prompt_sha256.items() if "crosscheck" in name)
    made_by = "python -m syntrans_world.calibrate (base and val classes, mining seed 0)"
    print(Calibration(prompt_sha256=prompt, models=fitted, made_by=made_by).model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
