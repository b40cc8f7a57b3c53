"""`syntrans demo`: the whole way once, on the embedded world, where the truth is known.

It draws the world's pictures, mines them with the world's models on the real engines, scores every stage of mining
against the truth, trains an encoder and a bridge on the base classes, evaluates on the novel ones, and prints two
tables. The same figures go to summary.json; artifacts/README.md describes its keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.cli_steps import WORLD, export_world
from syntrans.config import load_config
from syntrans.output import say
from syntrans.paths import atomic_write_text, make_dir
from syntrans.sealed_json import read_sealed_json, sealed_json

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY = "summary.json"
FEW_SHOT_ROWS = {
    "visual_only": "visual only",
    "semantic_only": "semantic only",
    "fused": "ridge map, fused",
    "syntrans": "SynTrans",
    "no_text": "SynTrans, no text",
    "raw": "SynTrans, raw proposals",
    "name_only": "SynTrans, names only",
    "random_words": "SynTrans, random words",
    "shuffled": "SynTrans, shuffled classes",
}


def run(out: Path, *, seed: int = 0) -> dict[str, Any]:
    """Run everything into `out` and print the tables; finished parts of an earlier run there are taken up again."""
    from rich.console import Console

    make_dir(out)
    seconds: dict[str, float] = {}
    with _clock(seconds, "pictures"):
        pictures = export_world()
    with _clock(seconds, "mine"):
        descriptors, run_json = _mine(pictures, out / "mine", seed)
    scores = _score(descriptors, run_json)
    console = Console() if Console().is_terminal else Console(width=110)
    _print_stages(console, scores)
    with _clock(seconds, "train"):
        _train(descriptors, out / "train", seed)
    with _clock(seconds, "evaluate"):
        evaluation = _evaluate(out / "train", out / "evaluate")
    _print_few_shot(console, evaluation)
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
    atomic_write_text(out / SUMMARY, json.dumps(summary, indent=2) + "\n")
    say(f"the same figures as data: {out / SUMMARY} ({summary['seconds']['total']:.0f} s in all)")
    say(f"look at what was mined: syntrans inspect {descriptors}")
    return summary


def _mine(pictures: Path, target: Path, seed: int) -> tuple[Path, Path]:
    """Mine all classes of the world, or take the finished run of this folder."""
    from syntrans.classes import read_classes
    from syntrans.images import match_classes, open_images
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.pipeline import mine

    entries = read_classes(WORLD)
    config = load_config(MiningConfig, WORLD, kind="mining/configs", overrides=[f"seed={seed}"])
    result = mine(config, entries, match_classes(open_images(pictures), entries), make_dir(target))
    return result.descriptors, result.run_json


def _score(descriptors: Path, run_json: Path) -> list[dict[str, Any]]:
    """Precision and recall per stage and split; also written into run.json under "truth"."""
    from syntrans.contract import read_descriptors
    from syntrans_training.world.score import all_stage_scores

    report = read_sealed_json(run_json, "start the demo again")
    scores = [
        {**line.as_dict(), "seconds": report["stages"].get(line.stage, {}).get("seconds")}
        for line in all_stage_scores(read_descriptors(descriptors)[0])
    ]
    atomic_write_text(run_json, sealed_json({**report, "truth": scores}))
    return scores


def _train(descriptors: Path, target: Path, seed: int) -> None:
    from syntrans_training.config import TrainConfig
    from syntrans_training.train import train

    config = load_config(TrainConfig, WORLD, kind="training/configs", overrides=[f"seed={seed}"])
    train(config, out=make_dir(target), descriptors=descriptors)


def _evaluate(checkpoint: Path, target: Path) -> dict[str, Any]:
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.evaluate import evaluate

    return evaluate(checkpoint, EvaluateConfig(), out=make_dir(target))


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


def _print_stages(console: Console, scores: list[dict[str, Any]]) -> None:
    from rich.table import Table

    console.print("\nMining, against the truth of the world (novel classes; thresholds chosen on base and val)")
    table = Table()
    for heading in ("after stage", "rows", "precision", "recall", "seconds"):
        table.add_column(heading, justify="left" if heading == "after stage" else "right")
    for line in scores:
        if line["split"] == "novel":
            spent = line["seconds"]
            table.add_row(
                line["stage"],
                f"{line['rows']:,}",
                f"{line['precision']:.3f}",
                f"{line['recall']:.3f}",
                "" if spent is None else f"{spent:.1f}",
            )
    console.print(table)


def _print_few_shot(console: Console, evaluation: dict[str, Any]) -> None:
    from rich.table import Table

    shots = list(evaluation["results"])
    n = evaluation["episodes"]["episodes"]
    console.print(f"\nAccuracy on novel classes, 5-way, {n:,} frozen episodes, percent with 95 % intervals")
    table = Table()
    table.add_column("classifier")
    for k in shots:
        table.add_column(f"{k}-shot", justify="right")
        table.add_column("minus visual only", justify="right")
    for name, label in FEW_SHOT_ROWS.items():
        if name not in evaluation["results"][shots[0]]:
            continue
        cells = []
        for k in shots:
            result, paired = evaluation["results"][k][name], evaluation["contrasts"][k].get(f"{name} - visual_only")
            cells.append(f"{result['mean']:.2f} ± {result['half_width']:.2f}")
            cells.append(f"{paired['mean']:+.2f} ± {paired['half_width']:.2f}" if paired else "")
        table.add_row(label, *cells)
    console.print(table)
    for k in shots:
        for name in ("no_text", "raw", "name_only", "random_words", "shuffled"):
            paired = evaluation["contrasts"][k].get(f"syntrans - {name}")
            if paired:
                difference = f"{paired['mean']:+.2f} ± {paired['half_width']:.2f}"
                console.print(f"{k}-shot: SynTrans minus {FEW_SHOT_ROWS[name].removeprefix('SynTrans, ')} {difference}")


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)
