"""`syntrans demo`: the whole pipeline once, on the embedded world, where the truth is known.

It draws the world's pictures, mines them with the world's models on the real engines, scores every step of mining
against the truth, trains an encoder and a bridge on the base classes, evaluates on the novel ones, and prints two
tables. The same figures go to summary.json; artifacts/README.md describes its keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.cli.inputs import WORLD, export_world
from syntrans.cli.options import Out, Seed
from syntrans.console import say
from syntrans.packages.extras import require
from syntrans.paths import artifacts_root, atomic_write_text, make_dir
from syntrans.runs.file_names import SUMMARY
from syntrans.runs.legs import Clock, Legs
from syntrans.tables import add_row, console, heading, line, number, print_parts, side_by_side, table, width_of
from syntrans.views.labels import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

METHODS = ("visual_only", "semantic_only", "fused", "syntrans")
CONTROLS = ("no_text", "raw", "name_only", "random_words", "shuffled")
FEW_SHOT_ROWS = {name: LABELS[name] for name in METHODS} | {name: f"SynTrans, {LABELS[name]}" for name in CONTROLS}


def demo(out: Out = None, seed: Seed = None) -> None:
    """Run the whole pipeline once on the embedded world.

    \b
    syntrans demo

    Prints two tables; the same numbers are in artifacts/demo/summary.json.
    """
    require("demo", "cpu")
    run(out or artifacts_root() / "demo", seed=seed or 0)


def run(out: Path, *, seed: int = 0) -> dict[str, Any]:
    """Run everything into `out` and print the tables; finished parts of an earlier run there are taken up again."""
    from syntrans.files.sealed_json import sealed_json

    make_dir(out)
    clock = Clock(Legs(out))
    with clock.clock("pictures"):
        pictures = export_world()
    with clock.clock("mine"):
        descriptors, run_json = _mine(pictures, out / "mine", seed)
    scores = _score(descriptors, run_json)
    _print_steps(scores)
    with clock.clock("train"):
        train_world(descriptors, out / "train", seed)
    with clock.clock("evaluate"):
        evaluation = evaluate_world(out / "train", out / "evaluate", seed)
    _print_few_shot(evaluation)
    seconds = clock.totals(digits=1)
    summary = {
        "schema_version": 1,
        "command": "syntrans demo" + (f" --seed {seed}" if seed else ""),
        "seed": seed,
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "stages": scores,
        "few_shot": _few_shot(evaluation),
        "contrasts": evaluation["contrasts"],
        "episodes": evaluation["episodes"],
        "images_barred_as_queries": evaluation["data"]["seen_by_mining"],
        "made_by": evaluation["made_by"],
    }
    atomic_write_text(out / SUMMARY, sealed_json(summary))
    say(f"the same figures as data: {out / SUMMARY} ({summary['seconds']['total']:.0f} s in all)")
    say(f"look at what was mined: syntrans inspect {descriptors}")
    return summary


def _mine(pictures: Path, target: Path, seed: int) -> tuple[Path, Path]:
    """Mine all classes of the world, or take the finished run of this folder."""
    from syntrans.config import load_config
    from syntrans.images.class_lists import read_classes
    from syntrans.images.image_set import match_classes, open_images
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.run.mine import mine

    entries = read_classes(WORLD)
    config = load_config(MiningConfig, WORLD, kind="mining/configs", overrides=[f"seed={seed}"])
    images = match_classes(open_images(pictures), entries)
    result = mine(config, entries, images, make_dir(target), images_at=WORLD)
    return result.descriptors, result.run_json


def _score(descriptors: Path, run_json: Path) -> list[dict[str, Any]]:
    """Precision and recall per step and split; also written into run.json under "truth"."""
    from syntrans.contract.reading import read_descriptors
    from syntrans.files.sealed_json import read_sealed_json, sealed_json
    from syntrans_world.score import all_step_scores

    report = read_sealed_json(run_json, "start the demo again")
    scores = [
        {**score.as_dict(), "seconds": report["stages"].get(score.stage, {}).get("seconds")}
        for score in all_step_scores(read_descriptors(descriptors)[0])
    ]
    atomic_write_text(run_json, sealed_json({**report, "truth": scores}))
    return scores


def train_world(descriptors: Path, target: Path, seed: int) -> None:
    """Train on the world's base classes with these descriptors, or take up what `target` has of it."""
    from syntrans.config import load_config
    from syntrans_training.config import TrainConfig
    from syntrans_training.pipeline.train import train

    config = load_config(TrainConfig, WORLD, kind="training/configs", overrides=[f"seed={seed}"])
    train(config, out=make_dir(target), descriptors=descriptors)


def evaluate_world(checkpoint: Path, target: Path, seed: int) -> dict[str, Any]:
    """The summary of the world's novel classes, on tasks that the seed draws."""
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.evaluation.evaluate import evaluate

    config = EvaluateConfig.model_validate({"episodes": {"seed": seed}})
    return evaluate(checkpoint, config, out=make_dir(target))


def _few_shot(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry per shot and row: accuracy, interval, and the paired difference to visual only, in percent."""
    entries = []
    for shots, rows in evaluation["results"].items():
        for name, result in rows.items():
            paired = evaluation["contrasts"][shots].get(f"{name} - visual_only")
            entries.append(
                {
                    "shots": int(shots),
                    "row": name,
                    "accuracy": result["mean"],
                    "interval": result["half_width"],
                    "alpha": result.get("alpha"),
                    "paired_difference": paired["mean"] if paired else None,
                    "paired_interval": paired["half_width"] if paired else None,
                }
            )
    return entries


def _print_steps(scores: list[dict[str, Any]]) -> None:
    steps = table("after step", ">rows", ">precision", ">recall", ">seconds", whole=("after step",))
    for score in (score for score in scores if score["split"] == "novel"):
        values = (score["precision"], score["recall"])
        spent = "" if score["seconds"] is None else number(score["seconds"], digits=1)
        add_row(steps, score["stage"], f"{score['rows']:,}", *(number(value, digits=3) for value in values), spent)
    title = "Mining, against the truth of the world (novel classes; thresholds chosen on base and val)"
    print_parts(heading(title, steps), console())


def _print_few_shot(evaluation: dict[str, Any]) -> None:
    """All numbers of shots side by side, or below each other where the terminal is too narrow."""
    shots = list(evaluation["results"])
    n = evaluation["episodes"]["episodes"]
    title = f"Accuracy on novel classes, 5-way, {n:,} frozen episodes, percent with 95 % intervals"
    for part in side_by_side(lambda part: _few_shot_table(evaluation, part), shots, width_of()):
        print_parts(heading(title, part), console())
    for k in shots:
        for name in ("no_text", "raw", "name_only", "random_words", "shuffled"):
            paired = evaluation["contrasts"][k].get(f"syntrans - {name}")
            if paired:
                other = FEW_SHOT_ROWS[name].removeprefix("SynTrans, ")
                print_parts([line(f"{k}-shot: SynTrans minus {other} {_signed(paired)}")], console())


def _few_shot_table(evaluation: dict[str, Any], shots: Sequence[str]) -> Table:
    heads = [head for k in shots for head in (f">{k}-shot", ">minus visual only")]
    rows = table("classifier", *heads, whole=("classifier",))
    for name, label in FEW_SHOT_ROWS.items():
        if name not in evaluation["results"][shots[0]]:
            continue
        cells = []
        for k in shots:
            result, paired = evaluation["results"][k][name], evaluation["contrasts"][k].get(f"{name} - visual_only")
            cells += [f"{result['mean']:.2f} ± {result['half_width']:.2f}", _signed(paired) if paired else ""]
        add_row(rows, label, *cells)
    return rows


def _signed(paired: Mapping[str, float]) -> str:
    return f"{paired['mean']:+.2f} ± {paired['half_width']:.2f}"
