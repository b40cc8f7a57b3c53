"""The ablation ladder: what each part adds, step by step, on the same novel episodes.

Usage: python benchmarks/training/ladder.py --config world-full DESCRIPTORS [--out DIR] [--seeds N]
           [--set KEY=VALUE ...]

    prototypes, + distillation (where the config has a teacher), + shared space, + names, + descriptors (raw, checked,
    grounded, kept: as many as the file has stages), + generator, + reconstructor's network, both, + gate

A step is a row of an evaluation of a training that differs from its predecessor in one thing. The descriptors' steps
have none of the parts that follow; raw ones, names and the space without text are rows of the training on kept ones.
On the embedded world the true descriptors are the ceiling. Trainings lie in train/ of --out, share their encoder, and
are skipped when they fit; so are their evaluations. Writes ladder.json and ladder.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from benchmarks.mining.mining_ablation import step_files
from benchmarks.quick import EVALUATE, TRAIN, add_quick
from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir, new_run_dir
from syntrans.provenance import made_by
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.engine.run_files import DISTILL
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train
from syntrans_training.scoring.metrics import paired
from syntrans_world.spec import PHRASES
from syntrans_world.truth import truth_slots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ONLY_OURS = ["baselines.names=[]"]  # the methods of others are not the question here
PARTS = ("generator", "residual", "text_gate")
STAGES = {"after crosscheck": "crosscheck", "after ground": "ground"}
QUICK = ["distill.epochs=1", "distill.views=1"]
CEILING, FULL = "true descriptors", "+ gate"


@dataclass(frozen=True)
class Training:
    """One run of `train`: its descriptors, the bridge's parts that take part, and other settings."""

    descriptors: Path
    parts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("vsbird.controls=false",)


@dataclass(frozen=True)
class Step:
    """One line: a row of the evaluation of a training, and the step that it is compared with."""

    name: str
    training: str
    row: str = "syntrans"
    before: str | None = None


def plan(config: TrainConfig, descriptors: Path, folder: Path) -> tuple[dict[str, Training], list[Step]]:
    """All trainings by name, and the steps in order."""
    trainings = {"plain": Training(descriptors, settings=())}
    steps = [Step("prototypes", "plain", "plain_prototypes")]
    if config.distill.teacher:
        quick = ("distill.teacher=null", "vsbird.steps=0", "vsbird.controls=false")
        trainings["no-teacher"] = Training(descriptors, settings=quick)
        steps = [Step("prototypes", "no-teacher", "plain_prototypes")]
        steps.append(Step("+ distillation", "plain", "plain_prototypes", "prototypes"))
    steps.append(Step("+ shared space", "plain", "no_text", steps[-1].name))
    steps.append(Step("+ names", "plain", "name_only", steps[-1].name))
    rows, _ = read_descriptors(descriptors)
    if any(not row.kept and row.reason != "duplicate_of" for row in rows):
        steps.append(Step("+ descriptors, raw", "plain", "raw", steps[-1].name))
    files = step_files(descriptors, make_dir(folder / "descriptors"))
    for (after, stage), word in zip(STAGES.items(), ("checked", "grounded"), strict=True):
        if any(row.stage == stage for row in rows):
            trainings[word] = Training(files[after])
            steps.append(Step(f"+ descriptors, {word}", word, before=steps[-1].name))
    steps.append(Step("+ descriptors, kept", "plain", before=steps[-1].name))
    kept = steps[-1].name
    for name, parts, before in (
        ("+ generator", ("generator",), kept),
        ("+ reconstructor", ("residual",), kept),
        ("+ both", ("generator", "residual"), kept),
        (FULL, PARTS, "+ both"),
    ):
        trainings[name.strip("+ ")] = Training(descriptors, parts)
        steps.append(Step(name, name.strip("+ "), before=before))
    if config.data.path == "world":
        trainings["truth"] = Training(true_descriptors(descriptors, folder / "descriptors" / "truth.parquet"), PARTS)
        steps.append(Step(CEILING, "truth", before=FULL))
    return trainings, steps


def true_descriptors(mined: Path, target: Path) -> Path:
    """A descriptor file of the same classes that says all that is true of them, in every wording, and no more."""
    rows, meta = read_descriptors(mined)
    names = {row.class_id: row.class_name for row in rows}
    told = [
        DescriptorRow(
            class_id=key,
            class_name=name,
            descriptor_id=descriptor_id(key, text),
            text=text,
            facet="other",
            authors=[],
            kept=True,
            weight=1.0,
        )
        for key, name in names.items()
        for slot, value in truth_slots(key).items()
        for text in PHRASES[slot][value]
    ]
    return write_descriptors(target, told, meta)


def measure(name: str, training: Training, given: argparse.Namespace, out: Path) -> Path:
    """Train and evaluate what is missing; the folder of the evaluation."""
    of_parts = [f"vsbird.{part}={str(part in training.parts).lower()}" for part in PARTS]
    heads = [f"vsbird.seeds={given.seeds}"] if given.seeds else []
    changes = [*given.set, *ONLY_OURS, *heads, *of_parts, *training.settings]
    config = load_config(TrainConfig, given.config, kind="training/configs", overrides=changes)
    folder, target = make_dir(out / "train" / name), make_dir(out / "evaluate" / name)
    if config.distill.teacher and not (folder / DISTILL).exists():
        for distilled in sorted(out.glob(f"train/*/{DISTILL}"))[:1]:  # its identity says whether it fits
            shutil.copyfile(distilled, folder / DISTILL)
    report = train(config, out=folder, descriptors=training.descriptors).report
    evaluation_config = load_config(
        EvaluateConfig, "evaluate", kind="training/configs", overrides=["control_draws=1", *given.evaluate]
    )
    weights = (report["distill"] or report["encoder"])["weights"]
    identity = semantic_hash([weights, report["vsbird"]["identity"], evaluation_config.model_dump(mode="json")])
    done = target / "identity.txt"
    if not done.exists() or done.read_text() != identity:
        evaluate(folder, evaluation_config, out=target)
        atomic_write_text(done, identity)
    return target


def accuracies(folder: Path, row: str, shots: int) -> NDArray[np.float64]:
    """Of one row on every episode."""
    table = pq.read_table(folder / "accuracies.parquet").to_pandas()
    of_episodes: NDArray[np.float64] = table[table.shots == shots][row].to_numpy()
    return of_episodes


def ladder(steps: list[Step], folders: dict[str, Path]) -> dict[str, Any]:
    """By number of shots: every step's accuracy and gain, and the share of the way to the ceiling."""
    summaries = {name: json.loads((folder / "summary.json").read_text()) for name, folder in folders.items()}
    keys = [summary["episodes"]["keys"] for summary in summaries.values()]
    if any(key != keys[0] for key in keys):
        raise ValueError("the evaluations are of different episodes")
    figures: dict[str, Any] = {}
    for shots in keys[0]:
        values = {step.name: accuracies(folders[step.training], step.row, int(shots)) for step in steps}
        lines = []
        for step in steps:
            line: dict[str, Any] = {**asdict(step), **summaries[step.training]["results"][shots][step.row]}
            if step.before:
                gain = paired(values[step.name], values[step.before])
                line["gain"] = {**gain.percent(), "verdict": gain.verdict}
            lines.append(line)
        visual = float(accuracies(folders[steps[-1].training], "visual_only", int(shots)).mean())
        figures[shots] = {"visual_only": round(100 * visual, 3), "steps": lines}
        if CEILING in values:
            ours, ceiling = float(values[FULL].mean()), float(values[CEILING].mean())
            figures[shots]["closed"] = round((ours - visual) / (ceiling - visual), 4)
    return figures


def table(figures: dict[str, Any]) -> str:
    """Markdown: one line a step, numbers of shots side by side."""
    heads = [cell for k in figures for cell in (f"{k}-shot", "gain")]
    lines = [f"| step | against | {' | '.join(heads)} |", f"|---|---|{'---:|' * len(heads)}"]
    for at, step in enumerate(next(iter(figures.values()))["steps"]):
        cells = []
        for of_shots in figures.values():
            line = of_shots["steps"][at]
            cells.append(f"{line['mean']:.2f} ± {line['half_width']:.2f}")
            gain = line.get("gain")
            cells.append(f"{gain['mean']:+.2f} ± {gain['half_width']:.2f}" if gain else "")
        lines.append(f"| {step['name']} | {step['before'] or ''} | {' | '.join(cells)} |")
    for k, of_shots in figures.items():
        if "closed" in of_shots:
            share = f"{100 * of_shots['closed']:.0f} % of the way from visual only ({of_shots['visual_only']:.2f})"
            lines += ["", f"{k}-shot: SynTrans goes {share} to the true descriptors."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, evaluate, compare, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("descriptors", type=Path, help="descriptors.parquet")
    parser.add_argument("--config", required=True, help="of training")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, help="of the heads; the config's if left out")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the training config")
    parser.add_argument("--evaluate", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the evaluation")
    add_quick(parser)
    given = parser.parse_args()
    if given.quick:
        given.set, given.evaluate = [*TRAIN, *QUICK, *given.set], [*EVALUATE, *given.evaluate]
    out = make_dir(given.out) if given.out else new_run_dir("bench")
    begun = time.monotonic()
    config = load_config(TrainConfig, given.config, kind="training/configs", overrides=given.set)
    trainings, steps = plan(config, given.descriptors, out)
    if given.quick:  # one training, and its rows
        steps = [step for step in steps if step.training == "plain"]
        there = {step.name for step in steps}
        steps = [step if step.before in there else replace(step, before=None) for step in steps]
        trainings = {"plain": trainings["plain"]}
    folders = {name: measure(name, training, given, out) for name, training in trainings.items()}
    figures = ladder(steps, folders)
    record = {
        "command": shlex.join(sys.argv),
        "seconds": round(time.monotonic() - begun, 1),
        "results": figures,
        "made_by": made_by(),
    }
    atomic_write_text(out / "ladder.json", json.dumps(record, indent=2) + "\n")
    atomic_write_text(out / "ladder.md", table(figures))
    print(table(figures))


if __name__ == "__main__":
    main()
