"""A finished training on a split of its pictures, or of others: what is evaluated, and the frozen tasks of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans_training.baselines.view_stage import view_stage
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.data import Split
from syntrans_training.data.load_splits import Pictures
from syntrans_training.data.novel_split_guard import NOVEL
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.engine.devices import pick_device
from syntrans_training.episodes.frozen import FrozenEpisodes, SeenQueries, open_frozen_episodes
from syntrans_training.episodes.sampler import EpisodeSpec
from syntrans_training.evaluation.imagined_supports import Seen
from syntrans_training.evaluation.trained_run import TrainedRun
from syntrans_training.text.class_texts import class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import read_knowledge


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


def open_evaluated_split(
    run: TrainedRun,
    *,
    split: str = NOVEL,
    device: str = "auto",
    descriptors: Path | None = None,
    views: bool = True,
    data: Pictures | None = None,
) -> EvaluatedSplit:
    """A run on one of its splits; `views=False` leaves out the augmented pictures that some of the baselines take."""
    path, texts = run.asked_with(descriptors), run.text_encoder()
    pictures = (data or run.pictures).open((split,))[split]
    if split == NOVEL:
        run.check_novel(pictures.classes)
    if pictures.given is not None:
        run.check_features(split, pictures.given.shape[1])
    knowledge = read_knowledge(path, pictures.classes, beside=run.classes_beside(pictures.classes))
    chip = pick_device(device)
    encoder, note = run.open_encoder(chip)
    of_split = (encoder, note, pictures, chip, run.encoder.test_size)
    values = feature_stage(*of_split).values
    of_views = view_stage(*of_split, **run.encoder.views) if views else None
    vectors = class_vectors(texts_of_variant(knowledge, pictures.classes, texts, **run.texts.reading))
    features = SplitFeatures(values, run.ridge, vectors, bridges=run.bridges, views=of_views, in_clip=run.texts.in_clip)
    foreign = data is not None and data.origin.path != run.pictures.origin.path
    return EvaluatedSplit(run, pictures, features, pictures.seen(knowledge.images_seen), path, foreign)


def open_episodes(
    subject: EvaluatedSplit,
    shots: int,
    *,
    ways: int,
    queries: int,
    episodes: int,
    seed: int,
    seen_queries: SeenQueries = "exclude",
    file: str | None = None,
) -> FrozenEpisodes:
    """The frozen episodes of an evaluation: drawn from the seed, or those of a file."""
    spec = EpisodeSpec(ways, shots, queries, episodes, seed)
    path = Path(file) if file else None
    return open_frozen_episodes(spec, subject.split, subject.seen, seen_queries=seen_queries, file=path)
