"""`syntrans evaluate` of a FLIER run: the same phases on the novel classes' shots, tested on their other pictures.

The only module here that opens the novel split; every setting was chosen on val, and every look is recorded. Beside
summary.json lie confusion.parquet, as of other evaluations, and the tasks, `novel-<K>-shot-<seed>.safetensors`: FLIER's
weights and what every row scored.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json, sealed_json
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import FLIER_REPORT, SUMMARY
from syntrans_training.config.flier import FlierConfig
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import NOVEL, pictures_key, record_touch
from syntrans_training.evaluation.evaluate import CONFUSION
from syntrans_training.evaluation.summary import confusion_table, per_class_accuracy
from syntrans_training.flier.check import check_apart
from syntrans_training.flier.rows import FIXED, FLIER, GROUPS, ROWS
from syntrans_training.flier.tasks_of_split import run_tasks
from syntrans_training.flier.train import open_tasks, recipe_of, seeds_of, task_key
from syntrans_training.scoring.metrics import interval, paired

Answers = dict[str, NDArray[np.int64]]
"""Row -> [seeds, m], classes of the m test pictures."""


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
    settings = {shots: _settings(report["choices"][str(shots)]) for shots in config.shots}
    touches = record_touch(
        pictures_key(split.sha256),
        command=origin["command"],
        checkpoint=str(folder),
        config=semantic_hash(report["config"]),
    )
    key = task_key(config, descriptors, split)
    scores = run_tasks(opened.tasks, recipe_of(config), settings, seeds_of(config), folder=out, key=key)
    summary = {
        "system": "flier",
        "protocol": {
            "ways": len(split.classes),
            "test": len(opened.tasks.truth),
            **{key: getattr(config, key) for key in ("shots", "seeds", "support_pool", "imagined_per_class")},
        },
        "data": {"path": config.data.path, "seen_by_mining": opened.seen, "looks_at_novel": touches},
        **_measured(scores, opened.tasks.truth, split.classes, out),
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
    settings = {row: [dict(choices[row]["setting"])] for row in ROWS}
    settings[FLIER] += [{**settings[FLIER][0], "fusion": share} for share in FIXED.values()]
    return settings


def _measured(
    scores: Mapping[int, Mapping[str, list[NDArray[np.float32]]]],
    truth: NDArray[np.int64],
    classes: Sequence[str],
    out: Path,
) -> dict[str, Any]:
    """What the summary has by shots; which class was taken for which is a file in `out`."""
    answers = {shots: _answers(rows) for shots, rows in scores.items()}
    pairs = {shots: _confusions(rows, truth, len(classes)) for shots, rows in answers.items()}
    confusion_table(out / CONFUSION, pairs, classes)
    return {
        "groups": GROUPS,
        "results": {str(shots): _results(rows, truth) for shots, rows in answers.items()},
        "contrasts": {str(shots): _contrasts(rows, truth) for shots, rows in answers.items()},
        "per_class": {str(shots): per_class_accuracy(counts, classes) for shots, counts in pairs.items()},
    }


def _answers(scores: Mapping[str, list[NDArray[np.float32]]]) -> Answers:
    """Which class each test picture was taken for."""
    answers = {row: of_row[0].argmax(-1) for row, of_row in scores.items()}
    fixed = zip(FIXED, scores[FLIER][1:], strict=True)
    return answers | {row: one.argmax(-1) for row, one in fixed}


def _confusions(answers: Answers, truth: NDArray[np.int64], n_classes: int) -> dict[str, NDArray[np.int64]]:
    """Row -> how often pictures of a class (first axis) were taken for another one, over all seeds."""
    counts = {row: np.zeros((n_classes, n_classes), np.int64) for row in answers}
    for row, of_row in answers.items():
        np.add.at(counts[row], (np.broadcast_to(truth, of_row.shape), of_row), 1)
    return counts


def _results(answers: Answers, truth: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Mean over seeds, its 95 % interval over test pictures, and the accuracy of every seed, in percent."""
    right = {row: of_row == truth for row, of_row in answers.items()}
    return {
        row: {**interval(of_row.mean(0)).percent(), "seeds": [round(100 * float(x), 2) for x in of_row.mean(1)]}
        for row, of_row in right.items()
    }


def _contrasts(answers: Answers, truth: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """FLIER minus every other row, paired by test picture; a picture counts by its mean over seeds."""
    right = {row: (of_row == truth).mean(0) for row, of_row in answers.items()}
    contrasts = {}
    for row, of_row in right.items():
        if row != FLIER:
            difference = paired(right[FLIER], of_row)
            contrasts[f"{FLIER} - {row}"] = {**difference.percent(), "verdict": difference.verdict}
    return contrasts
