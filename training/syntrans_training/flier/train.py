"""`syntrans train --config flier`: what val says about every row's settings, for every number of shots.

FLIER learns the classes it is asked about from their own shots, so that its two phases belong to a task. Here they run
on the val classes, all of them at once, to choose the settings; `evaluate` runs the same phases on the novel ones.
A run folder holds
    val-<K>-shot-<seed>.safetensors   FLIER's weights of that task, and what every row scored; a run that was stopped
                                      goes on with those that are missing. Of frozen episodes: <number>, no weights
    latent_start.safetensors          with phase 0: the latent encoder that it leaves
    flier.json                        config, what val chose and its accuracies, data, files, seconds, what made it
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from syntrans.files.sealed_json import sealed_json
from syntrans.paths import atomic_write_text, make_dir, remove_rests
from syntrans.progress import say
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import FLIER_REPORT
from syntrans.runs.legs import Clock, Legs
from syntrans.runs.lock import lock
from syntrans_training.config.flier import FlierConfig
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.flier.build_tasks import latent_start, open_tasks, recipe_of, task_key
from syntrans_training.flier.rows import EPISODE_ROWS, ROWS
from syntrans_training.flier.tasks_of_split import run_tasks
from syntrans_training.imagination.imagined_file import open_imagined


def train(config: FlierConfig, *, out: Path, descriptors: Path | None, resume: bool = True) -> dict[str, Any]:
    """Choose on val; returns the report. After any error of `syntrans.errors` the same command goes on."""
    origin = made_by(threads=torch.get_num_threads())
    with ExitStack() as stack:
        stack.enter_context(lock(make_dir(out)))
        remove_rests(out)
        if not resume:
            for path in out.glob("val-*.safetensors"):
                path.unlink()
        stack.enter_context(selecting())
        clock = Clock(Legs(out))
        with clock.clock("representations"):
            split = open_data(config.data, ("val",))["val"]
            opened = open_tasks(config, descriptors, split)
        with clock.clock("phase 0"):
            start = latent_start(config, out)
        grids = {"trained": config.trained_shares, "fusion": config.fusions}
        rows = ROWS if config.episodes is None else EPISODE_ROWS
        settings = {name: row.settings(grids) for name, row in rows.items()}
        with clock.clock("tasks"):
            scores = run_tasks(
                opened.tasks, recipe_of(config, start), dict.fromkeys(config.columns, settings), opened.numbers,
                folder=out, key=task_key(config, descriptors, split),
            )  # fmt: skip
        choices = {
            str(shots): {row: _chosen(settings[row], of_row, opened.tasks.truth) for row, of_row in of_shots.items()}
            for shots, of_shots in scores.items()
        }
        report = {
            "config": config.model_dump(mode="json"),
            "descriptors": descriptors and {"path": str(descriptors), "sha256": file_sha256(descriptors)},
            "imagined": _file(open_imagined(config.imagined).path),
            "val": {"classes": len(split.classes), "test": len(opened.tasks.truth), "names": list(split.classes)},
            "choices": choices,
            "seconds": clock.totals(),
            "made_by": origin,
        }
        atomic_write_text(out / FLIER_REPORT, sealed_json(report))
    _say(choices)
    return report


def accuracy(scores: Float[np.ndarray, "tasks m c"], truth: Int[np.ndarray, " m"]) -> Float[np.ndarray, " tasks"]:
    """Share of right answers of every task."""
    right: Float[np.ndarray, " tasks"] = (scores.argmax(-1) == truth).mean(-1)
    return right


def _chosen(
    settings: Sequence[dict[str, float]], scores: Sequence[NDArray[np.float32]], truth: NDArray[np.int64]
) -> dict[str, Any]:
    """The best setting by mean accuracy over tasks; of equals the first."""
    means = [float(accuracy(one, truth).mean()) for one in scores]
    best = int(np.argmax(means))
    tried = [{**setting, "accuracy": round(100 * mean, 2)} for setting, mean in zip(settings, means, strict=True)]
    return {"setting": settings[best], "accuracy": round(100 * means[best], 2), "tried": tried}


def _say(choices: dict[str, dict[str, Any]]) -> None:
    for shots, rows in choices.items():
        accuracies = ", ".join(f"{row} {entry['accuracy']:.1f}" for row, entry in rows.items())
        say(f"val, {shots}-shot: {accuracies}")


def _file(path: Path) -> dict[str, str]:
    return {"path": str(path.absolute()), "sha256": file_sha256(path)}
