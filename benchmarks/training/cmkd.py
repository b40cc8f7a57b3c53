"""What the spatial relation loss is worth: students with it and without, paired by episode, over several seeds.

Usage: python benchmarks/training/cmkd.py CONFIG DESCRIPTORS [--seeds 0 1 2] [--out DIR] [--controls] [--oracle]
           [--set K=V ...] [--quick]

CONFIG is cmkd-world, cmkd-animals, or any config with `encoder.method: cmkd`. Per seed each of the students below is
trained (--controls adds those of teachers that know less: pictures alone, or names; --oracle of such as know more:
which statements are true of a class, without a text encoder, and the classes of the base queries too, which a teacher
predicts otherwise), on the same tasks, views and first weights; all are evaluated on the same frozen novel episodes, as
prototypical networks (row `euclidean`). Two intervals of a difference: over episodes, of the mean over seeds, and over
seeds (Student's t), each of which is one draw of weights and tasks. A gain over no teacher is that of a teacher; what
its knowledge adds is a student minus that of the teacher of pictures alone. Writes cmkd.json and cmkd.md. The same
command again takes over the students that are trained already.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.quick import EVALUATE, TRAIN, add_quick
from syntrans.config import load_config
from syntrans.paths import atomic_write_text, make_dir, new_run_dir
from syntrans.provenance import made_by
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train
from syntrans_training.scoring.metrics import interval, paired

ALONE, TOLD = "no teacher (srl 0)", "teacher with descriptors"
STUDENTS = {ALONE: ["encoder.cmkd.relation_weight=0"], TOLD: []}
PICTURES = "teacher of pictures alone"
CONTROLS = {PICTURES: ["encoder.cmkd.knowledge=none"], "teacher with names": ["encoder.cmkd.knowledge=name"]}
ORACLES = {
    "teacher with true statements": ["encoder.cmkd.knowledge=statements"],
    "oracle: queries told too": ["encoder.cmkd.knowledge=statements", "encoder.cmkd.queries_told=true"],
}
ROW, EPISODES = "euclidean", ["episodes.shots=[1]"]
QUICK = [
    "encoder.cmkd.teacher_epochs=1",
    "encoder.cmkd.steps_per_epoch=1",
    f"baselines.names=[{ROW}]",
    "baselines.episodes=4",
]


def one_student(
    name: str, settings: list[str], folder: Path, descriptors: Path, episodes: list[str]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Accuracy on every novel episode of one student, and the val accuracies of it and its teacher."""
    config = load_config(TrainConfig, name, kind="training/configs", overrides=settings)
    note = train(config, out=folder, descriptors=descriptors).report["encoder"]
    evaluation = load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=episodes)
    out = make_dir(folder / "evaluate")
    evaluate(folder, evaluation, out=out)
    table = pq.read_table(out / "accuracies.parquet")
    accuracies = table.filter(pc.equal(table["shots"], 1))[ROW].to_numpy()
    sides = [("student", note), ("teacher", note.get("teacher"))]
    return accuracies, {f"val_{side}": 100 * list(of["val_1_shot"].values())[-1] for side, of in sides if of}


def difference(a: np.ndarray, b: np.ndarray, name: str) -> dict[str, Any]:
    """Mean of a - b [seeds, episodes] with both its intervals."""
    by_seed = (a - b).mean(1)
    return {
        f"{name}_over_episodes": paired(a.mean(0), b.mean(0)).percent(),
        f"{name}_over_seeds": interval(by_seed, kind="t").percent() if len(by_seed) > 1 else None,
    }


def summary(accuracies: dict[str, list[np.ndarray]], looks: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Per student: accuracy of the mean over seeds, its gain over none and over one of pictures, and each seed's."""
    alone = np.stack(accuracies[ALONE])
    pictures = np.stack(accuracies[PICTURES]) if PICTURES in accuracies else None
    rows = {}
    for name, per_seed in accuracies.items():
        own = np.stack(per_seed)
        rows[name] = {
            "accuracy": interval(own.mean(0)).percent(),
            **difference(own, alone, "gain"),
            **({} if pictures is None or name in (ALONE, PICTURES) else difference(own, pictures, "knowledge")),
            "seeds": [
                {"accuracy": round(100 * float(values.mean()), 2), "gain": paired(values, other).percent(), **look}
                for values, other, look in zip(own, alone, looks[name], strict=True)
            ],
        }
    return rows


def cells(row: dict[str, Any], name: str) -> str:
    """A difference over episodes and over seeds, as two cells; empty where there is none."""
    half_widths = (row.get(f"{name}_over_{kind}") for kind in ("episodes", "seeds"))
    return " | ".join(f"{one['mean']:+.2f} ± {one['half_width']:.2f}" if one else "" for one in half_widths)


def table(rows: dict[str, Any]) -> str:
    """The summary as Markdown."""
    lines = [
        "| student of | 1-shot | minus no teacher | over seeds | minus pictures alone | over seeds | seeds | teacher |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, row in rows.items():
        own, gain = row["accuracy"], " | " if name == ALONE else cells(row, "gain")
        each = ", ".join(f"{seed['accuracy']:.2f}" for seed in row["seeds"])
        taught = ", ".join(f"{seed['val_teacher']:.1f}" for seed in row["seeds"] if "val_teacher" in seed)
        accuracy = f"{own['mean']:.2f} ± {own['half_width']:.2f}"
        lines.append(f"| {name} | {accuracy} | {gain} | {cells(row, 'knowledge')} | {each} | {taught} |")
    return "\n".join(lines)


def main() -> None:
    """Train and evaluate all students; write both files after every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("descriptors", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--controls", action="store_true", help="students of teachers that know less, too")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the config")
    parser.add_argument("--oracle", action="store_true", help="students of teachers that know more, too")
    add_quick(parser)
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.controls, given.oracle, given.set = [0], False, False, [*TRAIN, *QUICK, *given.set]
    out, start = make_dir(given.out) if given.out else new_run_dir("bench"), time.monotonic()
    episodes = [*EPISODES, *EVALUATE] if given.quick else EPISODES
    students = STUDENTS | (CONTROLS if given.controls else {}) | (ORACLES if given.oracle else {})
    accuracies: dict[str, list[np.ndarray]] = {name: [] for name in students}
    looks: dict[str, list[dict[str, Any]]] = {name: [] for name in students}
    for seed in given.seeds:
        for i, (name, settings) in enumerate(students.items()):
            folder = make_dir(out / "train" / f"{seed}-{i}")
            changes = [*given.set, *settings, f"seed={seed}"]
            of_student, look = one_student(given.config, changes, folder, given.descriptors, episodes)
            accuracies[name].append(of_student)
            looks[name].append(look)
        rows = summary(accuracies, looks)
        record = {"command": shlex.join(sys.argv), "seconds": round(time.monotonic() - start), "rows": rows}
        atomic_write_text(out / "cmkd.json", json.dumps(record | {"made_by": made_by()}, indent=2) + "\n")
        atomic_write_text(out / "cmkd.md", table(rows) + "\n")
    print((out / "cmkd.md").read_text())


if __name__ == "__main__":
    main()
