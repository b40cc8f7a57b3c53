"""`syntrans evaluate` of a FLIER run: the same phases on the novel classes' shots, tested on their other pictures.

The only module here that opens the novel split; every setting was chosen on val, and every look is recorded. Beside
summary.json lie confusion.parquet, as of other evaluations, and the tasks, `novel-<K>-shot-<seed>.safetensors`: FLIER's
weights and what every row scored.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json, sealed_json
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import FLIER_REPORT, SUMMARY
from syntrans_training.config.flier import FlierConfig
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import NOVEL, pictures_key, record_touch
from syntrans_training.flier.build_tasks import Opened, latent_start, open_tasks, recipe_of, task_key
from syntrans_training.flier.episode_tasks import EpisodeTasks
from syntrans_training.flier.measured import RowScores, measured_episodes, measured_pictures
from syntrans_training.flier.rows import FIXED, FLIER
from syntrans_training.flier.task import check_apart
from syntrans_training.flier.tasks_of_split import run_tasks


def read_report(folder: Path) -> tuple[FlierConfig, dict[str, Any], Path | None]:
    """Config, report and descriptors of a finished run; InputError where a file has changed since."""
    try:
        report = read_sealed_json(folder / FLIER_REPORT, "run `syntrans train --config flier` again")
        config = FlierConfig.model_validate(report["config"])
        files = {"descriptors": report["descriptors"], "imagined": report["imagined"]}
        choices = {int(shots): dict(rows) for shots, rows in report["choices"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / FLIER_REPORT} is no report of a FLIER run ({type(error).__name__}); train again"
        ) from error
    for file in files.values():
        if file and (not Path(file["path"]).is_file() or file_sha256(Path(file["path"])) != file["sha256"]):
            raise InputError(f"{file['path']} has changed or gone since {folder} was trained with it; train again")
    config = config.model_copy(update={"imagined": files["imagined"]["path"], "shots": tuple(choices)})
    return config, report, Path(files["descriptors"]["path"]) if files["descriptors"] else None


def evaluate(folder: Path, *, out: Path, device: str | None = None) -> dict[str, Any]:
    """Evaluate; returns the summary, which is also written to `out`."""
    began, origin = time.monotonic(), made_by(threads=torch.get_num_threads())
    config, report, descriptors = read_report(folder)
    config = config.model_copy(update={"device": device or config.device})
    make_dir(out)
    split = open_data(config.data, (NOVEL,))[NOVEL]
    check_apart(split.classes, report["val"]["names"])
    opened = open_tasks(config, descriptors, split)
    settings = {shots: _settings(report["choices"][str(shots)]) for shots in config.columns}
    touches = record_touch(
        pictures_key(split.sha256),
        command=origin["command"],
        checkpoint=str(folder),
        config=semantic_hash(report["config"]),
    )
    key = task_key(config, descriptors, split)
    scores = run_tasks(
        opened.tasks, recipe_of(config, latent_start(config, folder)), settings, opened.numbers, folder=out, key=key
    )
    summary = {
        "system": "flier",
        "data": {
            "path": config.data.path,
            "key": pictures_key(split.sha256),
            "seen_by_mining": opened.seen,
            "looks_at_novel": touches,
        },
        **_measured(opened, scores, out, shape=_shape(config), imagined_per_class=config.imagined_per_class),
        "chosen": {
            shots: {row: entry["setting"] for row, entry in rows.items()} for shots, rows in report["choices"].items()
        },
        "checkpoint": str(folder),
        "seconds": round(time.monotonic() - began, 2),
        "made_by": origin,
    }
    atomic_write_text(out / SUMMARY, sealed_json(summary))
    return summary


def _settings(choices: Mapping[str, Any]) -> dict[str, list[dict[str, float]]]:
    """What val chose for every row; FLIER's own model is also asked by one branch alone."""
    settings = {row: [dict(choice["setting"])] for row, choice in choices.items()}
    settings[FLIER] += [{**settings[FLIER][0], "fusion": share} for share in FIXED.values()]
    return settings


def _shape(config: FlierConfig) -> dict[str, Any]:
    """What the tasks look like, as a summary says it."""
    if config.episodes is not None:
        return config.episodes.model_dump(exclude={"val_episodes"})
    return {key: getattr(config, key) for key in ("shots", "seeds", "support_pool")}


def _measured(
    opened: Opened, scores: Mapping[int, RowScores], out: Path, *, shape: dict[str, Any], imagined_per_class: int
) -> dict[str, Any]:
    """What was tested, and what it gave."""
    tasks, beside = opened.tasks, {"imagined_per_class": imagined_per_class}
    if isinstance(tasks, EpisodeTasks):
        keys = {str(shots): part.episodes.key for shots, part in tasks.episodes.items()}
        told = {**shape, "episodes": len(opened.numbers), "seen_queries": "exclude", "keys": keys}
        return {"protocol": {**shape, **beside}, "episodes": told, **measured_episodes(scores, tasks, out)}
    names = tasks.split.classes
    protocol = {"ways": len(names), "test": len(tasks.truth), **shape, **beside}
    return {"protocol": protocol, **measured_pictures(scores, tasks.truth, names, out)}
