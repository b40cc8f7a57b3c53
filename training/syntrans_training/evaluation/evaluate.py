"""`syntrans evaluate`: every method and control on the same frozen episodes of the novel classes.

The only module that opens the test split; nothing is chosen here, and every look is recorded
(novel_split_guard.py). What the rows are is in table_rows.py and baselines/registry.py; what the summary holds, in
artifacts/README.md. Beside summary.json lie
    accuracies.parquet         shots, episode, one column per row: its accuracy on that episode
    confusion.parquet          shots, row, true, predicted, queries
    episodes-<K>-shot.parquet  the tasks themselves, for other methods and for `--set episodes.file=`
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from syntrans.contract.reading import read_metadata
from syntrans.errors import InputError
from syntrans.files.sealed_json import sealed_json
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.progress import say
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import ACCURACIES, SUMMARY
from syntrans_training.config import EvaluateConfig
from syntrans_training.data.load_splits import Pictures
from syntrans_training.data.novel_split_guard import NOVEL, pictures_key, record_touch
from syntrans_training.data.part_check import check_parts, count_parts
from syntrans_training.episodes.frozen import FrozenEpisodes, SeenQueries, episodes_name
from syntrans_training.episodes.sampler import write
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit, open_episodes, open_evaluated_split
from syntrans_training.evaluation.imagined_supports import CALIBRATED_AS, imagined_rows, see_for_run
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.evaluation.summary import (
    Kind,
    confusion_table,
    confusions,
    contrasts,
    episodes_of,
    per_class_accuracy,
    row_results,
    write_accuracies,
)
from syntrans_training.evaluation.table_rows import Level, build_rows, calibrated_as
from syntrans_training.evaluation.trained_run import TrainedRun, read_run
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import EpisodeScores, score_episodes
from syntrans_training.text.class_vectors import read_knowledge

CONFUSION = "confusion.parquet"


def evaluate(
    checkpoint_dir: Path,
    config: EvaluateConfig,
    *,
    out: Path,
    descriptors: Path | None = None,
    images: str | None = None,
) -> dict[str, Any]:
    """Evaluate a run folder of `train`; writes its files to `out` and returns the summary.

    `descriptors` defaults to the file that the bridge was trained with, `images` to the novel classes of its data;
    other pictures are the novel part of what lies there, or all of its classes.
    """
    began, origin = time.monotonic(), made_by(threads=torch.get_num_threads())
    run = read_run(checkpoint_dir)
    config, pictures = config.like(**run.tasks.shape), novel_pictures(run.pictures, images)
    make_dir(out)
    run.check_shots(config.episodes.shots)
    subject = _opened(run, pictures, descriptors, device=config.device, seen_queries=config.seen_queries)
    tasks = {shots: open_episodes(subject, shots, **config.tasks) for shots in config.episodes.shots}
    told = config.model_dump(mode="json")
    touches = _record(subject, tasks, told, origin["command"], checkpoint_dir)
    rows = {shots: _rows(subject, shots, config.control_draws) for shots in tasks}
    outcomes = {
        shots: score_episodes(rows[shots], part.episodes, n_classes=len(subject.split.classes), chunk=config.chunk)
        for shots, part in tasks.items()
    }
    _write_tables(out, tasks, outcomes, subject.split.classes)
    summary = {
        "episodes": episodes_of(tasks, told["episodes"], kind=config.interval, seen_queries=config.seen_queries),
        "data": _data(subject, pictures.origin.path, touches),
        **_numbers(subject, rows, tasks, outcomes, config.interval),
        **_origin(subject, checkpoint_dir),
        "config": told,
        "seconds": round(time.monotonic() - began, 2),
        "made_by": origin,
    }
    atomic_write_text(out / SUMMARY, sealed_json(summary))
    return summary


def _record(
    subject: EvaluatedSplit,
    tasks: dict[int, FrozenEpisodes],
    config: dict[str, Any],
    command: str,
    checkpoint_dir: Path,
) -> int:
    """Write down that the novel split was looked at; how often that has happened now."""
    return record_touch(
        pictures_key(subject.split.sha256),
        command=command,
        checkpoint=str(checkpoint_dir),
        episodes={str(shots): part.episodes.key for shots, part in tasks.items()},
        config=semantic_hash(config),
    )


def _data(subject: EvaluatedSplit, path: str, touches: int) -> dict[str, Any]:
    """The pictures of an evaluation, as its summary describes them."""
    split, limited = subject.split, subject.run.pictures.origin.limit_per_class
    return {
        "classes": len(split.classes),
        "images": len(split),
        "seen_by_mining": int(subject.seen.sum()),
        "path": path,
        "dataset": "" if limited else split.dataset,  # a part is not it
        "key": pictures_key(split.sha256),
        "looks_at_novel": touches,
    }


def _origin(subject: EvaluatedSplit, checkpoint_dir: Path) -> dict[str, Any]:
    """What was evaluated, and by which texts."""
    run = subject.run
    return {
        "checkpoint": str(checkpoint_dir),
        "encoder": _encoder(subject),
        "distill": run.distillation,
        "descriptors": _file(subject.descriptors),
        "text_encoder": run.report["bridge"]["text_encoder"],
    }


def _encoder(subject: EvaluatedSplit) -> dict[str, Any]:
    """What saw the pictures; of given features their length, and what their file says."""
    encoder = subject.run.encoder
    if encoder.method == "precomputed":
        origin = {"features_of": subject.split.encoder} if subject.split.encoder else {}
        return {"method": encoder.method, "numbers": subject.features.raw.shape[1], **origin}
    return encoder.identity


def check_evaluation(
    run: TrainedRun,
    *,
    ways: int,
    shots: tuple[int, ...],
    queries: int,
    free_queries: bool,
    descriptors: Path | None = None,
    images: str | None = None,
) -> None:
    """Raise what `evaluate` would, of everything that can be known without decoding a picture.

    `free_queries`: pictures that mining saw are no queries, so that fewer are left.
    """
    run.check_shots(shots)
    origin, path = novel_pictures(run.pictures, images).origin, run.asked_with(descriptors)
    seen = read_metadata(path).images_seen if path and free_queries else ()
    counts = count_parts(origin, seen, (NOVEL,))
    classes = tuple(counts.get(NOVEL, ()))
    if not classes:
        raise InputError(f"{origin.path} has no novel classes; --images names other pictures")
    run.check_novel(classes)
    read_knowledge(path, classes)
    check_parts(counts, ways=ways, shots=shots, queries=queries)


def _opened(
    run: TrainedRun, pictures: Pictures, descriptors: Path | None, *, device: str, seen_queries: SeenQueries
) -> EvaluatedSplit:
    subject = open_evaluated_split(run, device=device, descriptors=descriptors, data=pictures)
    if subject.seen.any():
        rule = "they never serve as queries" if seen_queries == "exclude" else f"tasks that query them: {seen_queries}"
        say(f"{int(subject.seen.sum())} of {len(subject.split)} images were seen by mining; {rule}")
    return replace(subject, imagined=see_for_run(run, subject.split.classes, device))


def _rows(subject: EvaluatedSplit, shots: int, draws: int) -> dict[str, ScoredClassifier]:
    chosen, features = subject.run.chosen, subject.features
    n_classes = len(subject.split.classes)
    level: Level = "inductive" if subject.foreign else "val"
    rows = build_rows(
        features,
        chosen.rows(features, shots),
        n_classes=n_classes,
        shots=shots,
        draws=draws,
        level=level,
    )
    if subject.imagined is not None:
        choices = subject.run.report["imagined"]["choices"]
        rows |= imagined_rows(features, subject.imagined, choices, shots, level=level, draws=draws)
    like = {name: CALIBRATED_AS.get(name, name) for name in rows}
    temperatures = {name: chosen.temperature(calibrated_as(like[name], level), shots, like[name]) for name in rows}
    return {name: replace(row, temperature=temperatures[name]) for name, row in rows.items()}


def _numbers(
    subject: EvaluatedSplit,
    rows: dict[int, dict[str, ScoredClassifier]],
    tasks: dict[int, FrozenEpisodes],
    outcomes: dict[int, dict[str, EpisodeScores]],
    kind: Kind,
) -> dict[str, Any]:
    """Everything of the summary that was measured, by shots."""
    run, names = subject.run, subject.split.classes
    accuracies = {shots: {name: o.accuracy for name, o in scores.items()} for shots, scores in outcomes.items()}
    return {
        "groups": {name: row.group for of_shots in rows.values() for name, row in of_shots.items()},
        "results": {
            str(shots): row_results(rows[shots], scores, tasks[shots].episodes, run, shots, kind=kind)
            for shots, scores in outcomes.items()
        },
        "contrasts": {str(shots): contrasts(of_rows, kind=kind) for shots, of_rows in accuracies.items()},
        "per_class": {str(k): per_class_accuracy(of_rows, names) for k, of_rows in confusions(outcomes).items()},
        "chosen": {
            "shrinkage": run.ridge.shrinkage,
            "choices": run.report["bridge"]["choices"],
            "bridge": run.report["vsbird"]["choices"],
            "methods": run.report["methods"]["choices"],
        },
    }


def _write_tables(
    out: Path, tasks: dict[int, FrozenEpisodes], outcomes: dict[int, dict[str, EpisodeScores]], classes: tuple[str, ...]
) -> None:
    for shots, part in tasks.items():
        write(part.whole, out / episodes_name(shots))
    numbers = {shots: part.numbers for shots, part in tasks.items()}
    write_accuracies(out / ACCURACIES, numbers, outcomes)
    confusion_table(out / CONFUSION, confusions(outcomes), classes)


def _file(path: Path | None) -> dict[str, str] | None:
    return None if path is None else {"path": str(path), "sha256": file_sha256(path)}
