"""`syntrans report`: the figures of the paper for a finished training, with their data.

The novel split is opened and nothing is chosen; every figure is one more look on record (novel_split_guard.py).
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from syntrans.errors import UsageError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.progress import say
from syntrans.provenance import made_by
from syntrans_training.config import EvaluateConfig
from syntrans_training.data.novel_split_guard import pictures_key, record_touch
from syntrans_training.evaluation.evaluated_split import open_evaluated_split
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.figures import alpha_curve as figure_alpha
from syntrans_training.figures import class_weights as figure_weights

FIGURES = ("alpha", "weights")


def report(
    folder: Path, config: EvaluateConfig, *, out: Path, figures: Sequence[str] = FIGURES
) -> dict[str, dict[str, Any]]:
    """Write NAME.png, NAME.parquet and NAME.json of every figure; returns what the JSON files say.

    The shots are those that the bridge was trained for, whatever `config` says.
    """
    unknown = sorted(set(figures) - set(FIGURES))
    if unknown:
        raise UsageError(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    run = read_run(folder)
    make_dir(out)
    config, shots = config.like(**run.tasks.shape), run.tasks.shots
    config = config.model_copy(update={"episodes": config.episodes.model_copy(update={"shots": shots})})
    novel = open_evaluated_split(run, device=config.device, views=False)
    makers = {
        "alpha": partial(
            figure_alpha.make, shots=shots, tasks=config.tasks, kind=config.interval, device=config.device
        ),
        "weights": partial(figure_weights.make, shots=shots, seed=config.episodes.seed),
    }
    written: dict[str, dict[str, Any]] = {}
    for name in figures:
        origin = made_by()
        touches = record_touch(
            pictures_key(novel.split.sha256),
            command=origin["command"],
            checkpoint=str(folder),
            figure=name,
            config=semantic_hash(config.model_dump(mode="json")),
        )
        numbers = makers[name](novel, out)
        written[name] = {**numbers, "checkpoint": str(folder), "looks_at_novel": touches, "made_by": origin}
        atomic_write_text(out / f"{name}.json", json.dumps(written[name], indent=2))
        say(f"written: {out / name}.png, .parquet, .json")
    return written


def render(figures: dict[str, dict[str, Any]]) -> str:
    """The numbers of the figures, for people."""
    tables = {"alpha": figure_alpha.render, "weights": figure_weights.render}
    return "\n\n".join(tables[name](numbers) for name, numbers in figures.items())
