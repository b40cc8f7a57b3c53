"""`syntrans evaluate`: every method and control on the same frozen episodes of the novel classes.

The only module that opens the test split; nothing is chosen here, and every look is recorded
(novel_split_guard.py). What the rows are is in table_rows.py and baselines/registry.py; what the summary holds, in
artifacts/README.md. Beside summary.json lie
    accuracies.parquet         shots, episode, one column per row: its accuracy on that episode
    confusion.parquet          shots, row, true, predicted, queries
    episodes-<K>-shot.parquet  the tasks themselves, for other methods and for `--set episodes.file=`
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from syntrans.contract.reading import read_metadata
from syntrans.errors import InputError
from syntrans.files.sealed_json import sealed_json
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.progress import say
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import ACCURACIES, SUMMARY
from syntrans_training.baselines.view_stage import view_stage
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.config import DataConfig, EvaluateConfig
from syntrans_training.config.text_encoder import in_clip
from syntrans_training.data import Split
from syntrans_training.data.load_splits import origin_of
from syntrans_training.data.novel_split_guard import NOVEL, pictures_key, record_touch
from syntrans_training.data.part_check import check_parts, count_parts
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.engine.devices import pick_device
from syntrans_training.episodes.frozen import FrozenEpisodes, episodes_name, open_frozen_episodes
from syntrans_training.episodes.sampler import EpisodeSpec, write
from syntrans_training.evaluation.imagined_supports import CALIBRATED_AS, Seen, imagined_rows, see_for_run
from syntrans_training.evaluation.novel_pictures import NovelPictures, novel_pictures
from syntrans_training.evaluation.summary import (
    confusion_table,
    confusions,
    contrasts,
    episodes_of,
    per_class_accuracy,
    row_results,
    write_accuracies,
)
from syntrans_training.evaluation.table_rows import Level, build_rows
from syntrans_training.evaluation.trained_run import TrainedRun, read_run
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import EpisodeScores, score_episodes
from syntrans_training.text.class_texts import class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import read_knowledge

CONFUSION = "confusion.parquet"


@dataclass(frozen=True)
class EvaluatedSplit:
    """What is evaluated: a finished training on a split, and the descriptors it is asked with."""

    run: TrainedRun
    split: Split
    features: SplitFeatures
    seen: NDArray[np.bool_]
    descriptors: Path | None
    foreign: bool = False  # other pictures than those of the training, for which its val does not speak
    imagined: Seen | None = None


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
    config, pictures = with_tasks_of(run, config), novel_pictures(run.config.data, images)
    make_dir(out)
    subject = _opened(run, config, descriptors, pictures)
    tasks = {shots: open_episodes(subject, config, shots) for shots in config.episodes.shots}
    touches = _record(subject, tasks, config, origin["command"], checkpoint_dir)
    rows = {shots: _rows(subject, config, shots) for shots in tasks}
    outcomes = {
        shots: score_episodes(rows[shots], part.episodes, n_classes=len(subject.split.classes), chunk=config.chunk)
        for shots, part in tasks.items()
    }
    _write_tables(out, tasks, outcomes, subject.split.classes)
    summary = {
        "episodes": episodes_of(tasks, config),
        "data": _data(subject, pictures.data, touches),
        **_numbers(subject, rows, tasks, outcomes, config),
        **_origin(subject, checkpoint_dir),
        "config": config.model_dump(mode="json"),
        "seconds": round(time.monotonic() - began, 2),
        "made_by": origin,
    }
    atomic_write_text(out / SUMMARY, sealed_json(summary))
    return summary


def _record(
    subject: EvaluatedSplit,
    tasks: dict[int, FrozenEpisodes],
    config: EvaluateConfig,
    command: str,
    checkpoint_dir: Path,
) -> int:
    """Write down that the novel split was looked at; how often that has happened now."""
    return record_touch(
        pictures_key(subject.split.sha256),
        command=command,
        checkpoint=str(checkpoint_dir),
        episodes={str(shots): part.episodes.key for shots, part in tasks.items()},
        config=semantic_hash(config.model_dump(mode="json")),
    )


def _data(subject: EvaluatedSplit, data: DataConfig, touches: int) -> dict[str, Any]:
    """The pictures of an evaluation, as its summary describes them."""
    split, limited = subject.split, subject.run.config.data.limit_per_class
    return {
        "classes": len(split.classes),
        "images": len(split),
        "seen_by_mining": int(subject.seen.sum()),
        "path": data.path,
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
    encoder = subject.run.config.encoder
    if encoder.method == "precomputed":
        origin = {"features_of": subject.split.encoder} if subject.split.encoder else {}
        return {"method": encoder.method, "numbers": subject.features.raw.shape[1], **origin}
    return encoder.model_dump(include={"backbone", "method", "test_size"})


def with_tasks_of(run: TrainedRun, config: EvaluateConfig) -> EvaluateConfig:
    """The tasks that the training was made for, wherever the config does not say others."""
    episodes, trained = config.episodes, run.config.episodes
    same = {key: getattr(trained, key) for key in ("ways", "shots", "queries") if key not in episodes.model_fields_set}
    return config.model_copy(update={"episodes": episodes.model_copy(update=same)})


def check_evaluation(
    run: TrainedRun, config: EvaluateConfig, *, descriptors: Path | None = None, images: str | None = None
) -> None:
    """Raise what `evaluate` would, of everything that can be known without decoding a picture."""
    run.check_shots(config.episodes.shots)
    pictures, path = novel_pictures(run.config.data, images), run.asked_with(descriptors)
    free_queries = config.seen_queries == "exclude" and not config.episodes.file
    seen = read_metadata(path).images_seen if path and free_queries else ()
    counts = count_parts(origin_of(pictures.data, pictures.split), seen, (NOVEL,))
    classes = tuple(counts.get(NOVEL, ()))
    if not classes:
        raise InputError(f"{pictures.data.path} has no novel classes; --images names other pictures")
    run.check_novel(classes)
    read_knowledge(path, classes)
    check_parts(counts, **config.episodes.shape)


def open_evaluated_split(
    run: TrainedRun,
    *,
    split: str = NOVEL,
    device: str = "auto",
    descriptors: Path | None = None,
    views: bool = True,
    data: NovelPictures | None = None,
) -> EvaluatedSplit:
    """A run on one of its splits; `views=False` leaves out the augmented pictures that some of the baselines take."""
    trained, path, texts = run.config, run.asked_with(descriptors), run.text_encoder()
    pictures = (data or NovelPictures(trained.data)).open(split)
    if split == NOVEL:
        run.check_novel(pictures.classes)
    if pictures.given is not None:
        run.check_features(split, pictures.given.shape[1])
    knowledge = read_knowledge(path, pictures.classes, beside=run.classes_beside(pictures.classes))
    chip = pick_device(device)
    encoder, note = run.open_encoder(chip)
    of_split = (encoder, note, pictures, chip, trained.encoder.test_size)
    values = feature_stage(*of_split).values
    baselines = trained.baselines.model_dump(include={"names", "views", "seed"})
    of_views = view_stage(*of_split, **baselines) if views else None
    vectors = class_vectors(texts_of_variant(knowledge, pictures.classes, texts, **trained.text.reading))
    features = SplitFeatures(values, run.ridge, vectors, bridges=run.bridges, views=of_views, in_clip=in_clip(trained))
    foreign = data is not None and data.data.path != trained.data.path
    return EvaluatedSplit(run, pictures, features, pictures.seen(knowledge.images_seen), path, foreign)


def _opened(
    run: TrainedRun, config: EvaluateConfig, descriptors: Path | None, pictures: NovelPictures
) -> EvaluatedSplit:
    run.check_shots(config.episodes.shots)
    subject = open_evaluated_split(run, device=config.device, descriptors=descriptors, data=pictures)
    if subject.seen.any():
        rule = (
            "they never serve as queries"
            if config.seen_queries == "exclude"
            else f"tasks that query them: {config.seen_queries}"
        )
        say(f"{int(subject.seen.sum())} of {len(subject.split)} images were seen by mining; {rule}")
    return replace(subject, imagined=see_for_run(run, subject.split.classes, config.device))


def open_episodes(subject: EvaluatedSplit, config: EvaluateConfig, shots: int) -> FrozenEpisodes:
    """The frozen episodes of an evaluation."""
    shape = config.episodes
    spec = EpisodeSpec(shape.ways, shots, shape.queries, shape.episodes, shape.seed)
    file = Path(shape.file) if shape.file else None
    return open_frozen_episodes(spec, subject.split, subject.seen, seen_queries=config.seen_queries, file=file)


def _rows(subject: EvaluatedSplit, config: EvaluateConfig, shots: int) -> dict[str, ScoredClassifier]:
    chosen, features = subject.run.chosen, subject.features
    n_classes = len(subject.split.classes)
    level: Level = "inductive" if subject.foreign else "val"
    rows = build_rows(
        features,
        chosen.rows(features, shots),
        n_classes=n_classes,
        shots=shots,
        draws=config.control_draws,
        level=level,
    )
    if subject.imagined is not None:
        choices = subject.run.report["imagined"]["choices"]
        rows |= imagined_rows(features, subject.imagined, choices, shots, level=level, draws=config.control_draws)
    temperatures = {name: chosen.temperature(CALIBRATED_AS.get(name, name), shots) for name in rows}
    return {name: replace(row, temperature=temperatures[name]) for name, row in rows.items()}


def _numbers(
    subject: EvaluatedSplit,
    rows: dict[int, dict[str, ScoredClassifier]],
    tasks: dict[int, FrozenEpisodes],
    outcomes: dict[int, dict[str, EpisodeScores]],
    config: EvaluateConfig,
) -> dict[str, Any]:
    """Everything of the summary that was measured, by shots."""
    run, names = subject.run, subject.split.classes
    accuracies = {shots: {name: o.accuracy for name, o in scores.items()} for shots, scores in outcomes.items()}
    return {
        "groups": {name: row.group for of_shots in rows.values() for name, row in of_shots.items()},
        "results": {
            str(shots): row_results(rows[shots], scores, tasks[shots].episodes, run, shots, kind=config.interval)
            for shots, scores in outcomes.items()
        },
        "contrasts": {str(shots): contrasts(of_rows, kind=config.interval) for shots, of_rows in accuracies.items()},
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
