"""What each step of mining is worth, on the embedded world: precision, recall, and few-shot accuracy.

Usage: python benchmarks/mining/mining_ablation.py [--seeds 0 1 2] [--steps] [--out DIR]
           [--train KEY=VALUE ...] [--quick]

The whole chain runs with the weights and thresholds that ship; every setting that leaves something out gets its own,
chosen as those were (`syntrans_world.thresholds`: base and val classes, mining seed 0). All are scored on the
novel classes. One journal serves all settings of a seed, one encoder all descriptor files; the accuracies of a seed
come from the same frozen episodes and are compared in pairs. Writes ablation.json and ablation.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.quick import EVALUATE, TRAIN, add_quick
from syntrans.cli.inputs import export_world
from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans.contract.writing import write_descriptors
from syntrans.images.class_lists import read_classes
from syntrans.images.image_set import open_images
from syntrans.paths import atomic_write_text, make_dir, new_run_dir
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train
from syntrans_training.scoring.metrics import interval, paired
from syntrans_world.export import export
from syntrans_world.score import STEP_ORDER, alive_after, step_scores
from syntrans_world.thresholds import Chosen, choose

FULL = "all steps"
OPEN = ["crosscheck.threshold=0", "ground.threshold=0", "filter.margin=-1", "filter.fuse=null", "filter.budget=1000"]
WEIGHTS = "package:syntrans_world/weights"
# The row that is compared is `fused`, the ridge map. The methods of others are not the question here, nor is the
# trained bridge, which takes ten times as long as all the rest.
ONLY_OURS = [
    "baselines.names=[]",
    "vsbird.steps=0",
    "vsbird.seeds=1",
    "vsbird.controls=false",
    *(f"vsbird.{grid}=[1.0]" for grid in ("feature_powers", "spread_factors", "shrinkages")),
    *(f"vsbird.{grid}=[1.0]" for grid in ("prior_shrinkages", "lambdas")),
    "vsbird.name_shares=[0.0]",
]
SETTINGS = {
    FULL: [],
    "no crosscheck": [],
    "no ground": ["vlm=null"],
    "no filter": [],
    **{
        f"one LLM ({name})": [f"llms=[{{name: {name}, path: '{WEIGHTS}/{name}'}}]", "propose.samples=12"]
        for name in ("llm-a", "llm-b", "llm-c")
    },
}


# The fake engine answers at once; nothing it says is true, so nothing is dropped.
QUICK = [
    *OPEN,
    "engine.kind=fake",
    "engine.workers=0",
    "engine.args={}",
    "vlm=null",
    "propose.samples=1",
    "crosscheck.calibration=null",
    "filter.images=1",
]


def choose_setting(name: str, folder: Path, pictures: Path) -> list[str]:
    """The config of a setting: its own changes, and what is chosen for it on a run of seed 0 that drops nothing."""
    if name == FULL:
        return []
    rows, _ = read_descriptors(_mine([*SETTINGS[name], "seed=0", *OPEN], folder, pictures))
    if name == "no crosscheck":
        rows = [row.model_copy(update={"agreement": None}) for row in rows]
    return [*SETTINGS[name], *_overrides(name, choose(rows))]


def mine_setting(name: str, overrides: Sequence[str], seed: int, folder: Path, pictures: Path) -> Path:
    """Mine; the descriptor file of the setting."""
    written = _mine([*overrides, f"seed={seed}"], folder, pictures)
    target = folder / f"{name.replace(' ', '-')}.parquet"
    shutil.copyfile(written, target)
    return target


def _overrides(name: str, chosen: Chosen) -> list[str]:
    """The config of what was chosen; a step that is left out drops nothing and weighs nothing."""
    values = [f"{key}={value}" for key, value in chosen.thresholds.items()]
    weights = ", ".join(f"{key}: {value}" for key, value in chosen.fuse.items())
    fuse = "filter.fuse=null" if name == "no filter" else f"filter.fuse={{{weights}}}"
    unchecked = ["crosscheck.threshold=0"] if name == "no crosscheck" else []
    unbounded = ["filter.budget=1000"] if name == "no filter" else []
    return [*values, fuse, *unchecked, *unbounded]


def _mine(overrides: Sequence[str], folder: Path, pictures: Path) -> Path:
    config = load_config(MiningConfig, "world", kind="mining/configs", overrides=list(overrides))
    return mine(config, read_classes("world"), open_images(pictures), folder).descriptors


def step_files(full: Path, folder: Path) -> dict[str, Path]:
    """Descriptor files as they would be if mining had ended after a step: its survivors, all of one weight."""
    rows, meta = read_descriptors(full)
    files = {}
    for step in STEP_ORDER:
        alive = {id(row) for row in alive_after(rows, step)}
        ended = [_ended(row) if id(row) in alive else row for row in rows]
        files[f"after {step}"] = write_descriptors(folder / f"after-{step}.parquet", ended, meta)
    return files


def _ended(row: DescriptorRow) -> DescriptorRow:
    return row.model_copy(update={"kept": True, "stage": None, "reason": None, "rank": None, "weight": None})


def accuracies(
    descriptors: Path, folder: Path, overrides: Sequence[str], evaluation: Sequence[str]
) -> dict[str, np.ndarray]:
    """Accuracy of the fused and the visual row on every episode, by row and shots ("fused 1"); the encoder stays."""
    config = load_config(TrainConfig, "world", kind="training/configs", overrides=[*ONLY_OURS, *overrides])
    train(config, out=folder, descriptors=descriptors)
    out = make_dir(folder / "evaluate")
    settings = ["control_draws=1", *evaluation]  # no row of ours is shuffled
    evaluate(folder, load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=settings), out=out)
    table = pq.read_table(out / "accuracies.parquet")
    shots = np.array(table["shots"])
    return {f"{row} {k}": np.array(table[row])[shots == k] for row in ("fused", "visual_only") for k in (1, 5)}


def one_seed(
    seed: int,
    settings: dict[str, list[str]],
    out: Path,
    pictures: Path,
    training: Sequence[str],
    evaluation: Sequence[str] = (),
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """All settings and steps of one mining seed."""
    folder = make_dir(out / f"seed-{seed}")
    files = {name: mine_setting(name, overrides, seed, folder, pictures) for name, overrides in settings.items()}
    truth = {name: step_scores(read_descriptors(file)[0], "novel")[-1] for name, file in files.items()}
    steps = step_files(files[FULL], folder)
    if quick:
        steps = dict(list(steps.items())[:1])
    truth |= {name: step_scores(_only_kept(file), "novel")[-1] for name, file in steps.items()}
    figures = {
        name: accuracies(file, make_dir(out / "train"), training, evaluation) for name, file in (steps | files).items()
    }
    lines = {}
    for name, values in figures.items():
        gain = {k: paired(figures[FULL][f"fused {k}"], values[f"fused {k}"]).percent() for k in (1, 5)}
        own = {k: interval(values[f"fused {k}"]).percent() for k in (1, 5)}
        lines[name] = {"truth": asdict(truth[name]), "accuracy": own, "all_steps_minus_this": gain}
    visual = {k: interval(figures[FULL][f"visual_only {k}"]).percent() for k in (1, 5)}
    return {"visual_only": visual, "rows": lines}


def _only_kept(path: Path) -> list[DescriptorRow]:
    return [row for row in read_descriptors(path)[0] if row.kept]


def table(results: dict[int, Any]) -> str:
    """A Markdown table: one line per setting, seeds side by side."""
    lines = []
    for seed, result in results.items():
        visual = result["visual_only"][1]
        lines += [
            f"Mining seed {seed}; visual only {visual['mean']:.2f} ± {visual['half_width']:.2f} (1-shot)",
            "",
            "| descriptors | rows | precision | recall | 1-shot | all steps minus this |",
            "|---|---|---|---|---|---|",
        ]
        for name, row in result["rows"].items():
            truth, own, gain = row["truth"], row["accuracy"][1], row["all_steps_minus_this"][1]
            less = "" if name == FULL else f"{gain['mean']:+.2f} ± {gain['half_width']:.2f}"
            lines.append(
                f"| {name} | {truth['rows']} | {truth['precision']:.3f} | {truth['recall']:.3f} "
                f"| {own['mean']:.2f} ± {own['half_width']:.2f} | {less} |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run everything and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", action="store_true", help="all steps, and what each leaves; none is left out")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--train", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the training config")
    add_quick(parser)
    given = parser.parse_args()
    out = make_dir(given.out) if given.out else new_run_dir("bench")
    start = time.monotonic()
    pictures = export(out / "pictures", per_class=1) if given.quick else export_world()
    results: dict[int, Any] = {}
    names = [FULL] if given.steps else list(SETTINGS)
    if given.quick:
        settings, seeds, training, evaluation = {FULL: QUICK}, [0], [*TRAIN, *given.train], EVALUATE
    else:
        settings = {name: choose_setting(name, make_dir(out / "seed-0"), pictures) for name in names}
        seeds, training, evaluation = given.seeds, given.train, []
    for seed in seeds:
        results[seed] = one_seed(seed, settings, out, pictures, training, evaluation, quick=given.quick)
        seconds = time.monotonic() - start
        record = {"command": shlex.join(sys.argv), "seconds": seconds, "settings": settings, "seeds": results}
        atomic_write_text(out / "ablation.json", json.dumps(record, indent=2) + "\n")
        atomic_write_text(out / "ablation.md", table(results))
    print((out / "ablation.md").read_text())


if __name__ == "__main__":
    main()
