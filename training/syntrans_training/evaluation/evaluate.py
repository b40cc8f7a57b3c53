"""`syntrans evaluate`: every method and control on the same frozen episodes of the novel classes.

The only module that opens the test split; nothing is chosen here, and every look is recorded (guard.py). What the rows
are is in rows.py and peers.py; what the summary holds, in artifacts/README.md. Beside summary.json lie
    accuracies.parquet         shots, episode, one column per row: its accuracy on that episode
    confusion.parquet          shots, row, true, predicted, queries
    episodes-<K>-shot.parquet  the tasks themselves, for other methods and for `--set episodes.file=`
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from syntrans.contract.reading import read_metadata
from syntrans.errors import InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text, make_dir
from syntrans.progress import say
from syntrans.provenance import file_sha256, made_by
from syntrans_training.baselines.view_stage import view_stage
from syntrans_training.bridge.split_features import Side
from syntrans_training.config import DataConfig, EvaluateConfig
from syntrans_training.data import Split
from syntrans_training.data.class_split import ClassSplit
from syntrans_training.data.feature_files import feature_files
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import NOVEL, pictures_key, record_touch
from syntrans_training.data.open_splits import all_novel
from syntrans_training.data.part_check import check_parts, count_parts
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.encoder.training import open_encoder
from syntrans_training.engine.devices import pick_device
from syntrans_training.episodes.frozen import Tasks, episodes_name, open_tasks
from syntrans_training.episodes.sampler import EpisodeSpec, write
from syntrans_training.evaluation.summary import (
    confusion_table,
    contrasts,
    per_class_accuracy,
    row_results,
    write_accuracies,
)
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.evaluation.trained_run import Run, read_run
from syntrans_training.scoring.scored_classifier import Row
from syntrans_training.scoring.scorer import Outcome, score
from syntrans_training.text.class_texts import banks, embedder
from syntrans_training.text.class_vectors import read_knowledge
from syntrans_training.text.encoders import in_clip

SUMMARY, ACCURACIES, CONFUSION = "summary.json", "accuracies.parquet", "confusion.parquet"


@dataclass(frozen=True)
class NovelPictures:
    """Which pictures an evaluation takes: where they are, and the split that makes them novel where they need one."""

    data: DataConfig
    split: ClassSplit | None = None

    def open(self, name: str) -> Split:
        """The part of that name, decoded."""
        return open_data(self.data, (name,), self.split)[name]


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a finished training on a split, and the descriptors it is asked with."""

    run: Run
    split: Split
    side: Side
    seen: NDArray[np.bool_]
    descriptors: Path | None


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
    config = with_tasks_of(run, config)
    pictures = novel_pictures(run.config.data, images)
    make_dir(out)
    subject = _opened(run, config, descriptors, pictures)
    trained = subject.run.config
    tasks = {shots: open_episodes(subject, config, shots) for shots in config.episodes.shots}
    data = pictures_key(subject.split.sha256)
    touches = record_touch(
        data,
        command=origin["command"],
        checkpoint=str(checkpoint_dir),
        episodes={str(shots): part.episodes.key for shots, part in tasks.items()},
        config=semantic_hash(config.model_dump(mode="json")),
    )
    rows = {shots: _rows(subject, config, shots) for shots in tasks}
    outcomes = {
        shots: score(rows[shots], part.episodes, n_classes=len(subject.split.classes), chunk=config.chunk)
        for shots, part in tasks.items()
    }
    _write_tables(out, tasks, outcomes, subject.split.classes)
    summary = {
        "episodes": _described(tasks, config),
        "data": {
            "classes": len(subject.split.classes),
            "images": len(subject.split),
            "seen_by_mining": int(subject.seen.sum()),
            "path": pictures.data.path,
            "dataset": "" if trained.data.limit_per_class else subject.split.dataset,  # a part is not it
            "key": data,
            "looks_at_novel": touches,
        },
        **_numbers(subject, rows, tasks, outcomes, config),
        "checkpoint": str(checkpoint_dir),
        "encoder": {key: trained.encoder.model_dump()[key] for key in ("backbone", "method")},
        "distill": subject.run.lesson,
        "descriptors": _file(subject.descriptors),
        "text_encoder": subject.run.report["bridge"]["text_encoder"],
        "config": config.model_dump(mode="json"),
        "seconds": round(time.monotonic() - began, 2),
        "made_by": origin,
    }
    atomic_write_text(out / SUMMARY, json.dumps(summary, indent=2))
    return summary


def with_tasks_of(run: Run, config: EvaluateConfig) -> EvaluateConfig:
    """The tasks that the training was made for, wherever the config does not say others."""
    asked, trained = config.episodes, run.config.episodes
    same = {key: getattr(trained, key) for key in ("ways", "shots", "queries") if key not in asked.model_fields_set}
    return config.model_copy(update={"episodes": asked.model_copy(update=same)})


def novel_pictures(trained: DataConfig, images: str | None) -> NovelPictures:
    """The data of the training, or other pictures, stored like them."""
    if images is None:
        return NovelPictures(trained)
    own = {"path": images, "dataset": "auto", "split_file": None}
    data = trained.model_copy(update=own)
    return NovelPictures(data, None if feature_files(data.path) else all_novel(data.path, data.columns))


def check_evaluation(
    run: Run, config: EvaluateConfig, *, descriptors: Path | None = None, images: str | None = None
) -> None:
    """Raise what `evaluate` would, of everything that can be known without decoding a picture."""
    run.check_shots(config.episodes.shots)
    pictures, path = novel_pictures(run.config.data, images), run.asked_with(descriptors)
    seen = read_metadata(path).images_seen if path and config.leak == "bar" and not config.episodes.file else ()
    counts = count_parts(pictures.data, pictures.split, seen, (NOVEL,))
    classes = tuple(counts.get(NOVEL, ()))
    if not classes:
        raise InputError(f"{pictures.data.path} has no novel classes; --images names other pictures")
    run.check_novel(classes)
    read_knowledge(path, classes)
    check_parts(counts, config.episodes)


def open_subject(
    run: Run,
    *,
    split: str = NOVEL,
    device: str = "auto",
    descriptors: Path | None = None,
    views: bool = True,
    data: NovelPictures | None = None,
) -> Subject:
    """A run on one of its splits; `views=False` leaves out the augmented pictures that some of the peers take."""
    trained, path, texts = run.config, run.asked_with(descriptors), run.text_encoder()
    pictures = (data or NovelPictures(trained.data)).open(split)
    if split == NOVEL:
        run.check_novel(pictures.classes)
    if pictures.given is not None:
        run.check_features(split, pictures.given.shape[1])
    knowledge = read_knowledge(path, pictures.classes, beside=run.classes_beside(pictures.classes))
    chip = pick_device(device)
    encoder, note = open_encoder(run.folder, trained.encoder, chip, run.encoder_file)
    of_split = (encoder, note, pictures, chip, trained.encoder.test_size)
    values = feature_stage(*of_split).values
    found = view_stage(*of_split, trained.methods) if views else None
    vectors = embedder(banks(knowledge, pictures.classes, texts, trained.text))
    side = Side(values, run.bridge, vectors, heads=run.heads, views=found, in_clip=in_clip(trained))
    return Subject(run, pictures, side, pictures.seen(knowledge.images_seen), path)


def _opened(run: Run, config: EvaluateConfig, descriptors: Path | None, pictures: NovelPictures) -> Subject:
    run.check_shots(config.episodes.shots)
    subject = open_subject(run, split=config.split, device=config.device, descriptors=descriptors, data=pictures)
    if subject.seen.any():
        rule = "they never serve as queries" if config.leak == "bar" else f"tasks that query them: {config.leak}"
        say(f"{int(subject.seen.sum())} of {len(subject.split)} images were seen by mining; {rule}")
    return subject


def open_episodes(subject: Subject, config: EvaluateConfig, shots: int) -> Tasks:
    """The frozen episodes of an evaluation."""
    shape = config.episodes
    spec = EpisodeSpec(shape.ways, shots, shape.queries, shape.episodes, shape.seed)
    file = Path(shape.file) if shape.file else None
    return open_tasks(spec, subject.split, subject.seen, leak=config.leak, file=file)


def _rows(subject: Subject, config: EvaluateConfig, shots: int) -> dict[str, Row]:
    chosen, side = subject.run.chosen, subject.side
    n_classes = len(subject.split.classes)
    rows = build_rows(side, chosen.rows(side, shots), n_classes=n_classes, shots=shots, draws=config.shuffles)
    return {name: replace(row, temperature=chosen.temperature(name, shots)) for name, row in rows.items()}


def _numbers(
    subject: Subject,
    rows: dict[int, dict[str, Row]],
    tasks: dict[int, Tasks],
    outcomes: dict[int, dict[str, Outcome]],
    config: EvaluateConfig,
) -> dict[str, Any]:
    """Everything of the summary that was measured, by shots."""
    run, names = subject.run, subject.split.classes
    accuracies = {shots: {name: o.accuracy for name, o in found.items()} for shots, found in outcomes.items()}
    return {
        "groups": {name: row.group for found in rows.values() for name, row in found.items()},
        "results": {
            str(shots): row_results(rows[shots], found, tasks[shots].episodes, run, shots, kind=config.interval)
            for shots, found in outcomes.items()
        },
        "contrasts": {str(shots): contrasts(found, kind=config.interval) for shots, found in accuracies.items()},
        "per_class": {str(shots): per_class_accuracy(found, names) for shots, found in outcomes.items()},
        "chosen": {
            "shrinkage": run.bridge.shrinkage,
            "choices": run.report["bridge"]["choices"],
            "methods": run.report["methods"]["choices"],
        },
    }


def _described(tasks: dict[int, Tasks], config: EvaluateConfig) -> dict[str, Any]:
    return {
        **config.episodes.model_dump(mode="json"),
        "episodes": min(len(part.episodes) for part in tasks.values()),
        "interval": config.interval,
        "keys": {str(shots): part.episodes.key for shots, part in tasks.items()},
        "leak": config.leak,
        "dropped": {str(shots): part.dropped for shots, part in tasks.items()},
        "files": {str(shots): episodes_name(shots) for shots in tasks},
    }


def _write_tables(
    out: Path, tasks: dict[int, Tasks], outcomes: dict[int, dict[str, Outcome]], classes: tuple[str, ...]
) -> None:
    for shots, part in tasks.items():
        write(part.whole, out / episodes_name(shots))
    numbers = {shots: part.numbers for shots, part in tasks.items()}
    write_accuracies(out / ACCURACIES, numbers, outcomes)
    confusion_table(out / CONFUSION, outcomes, classes)


def _file(path: Path | None) -> dict[str, str] | None:
    return None if path is None else {"path": str(path), "sha256": file_sha256(path)}
