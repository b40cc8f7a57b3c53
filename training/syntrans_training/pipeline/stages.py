"""The stages of `syntrans train` after the encoder: each reads files, leaves a file, is skipped when that file fits.

An identity hashes everything that changes the result and nothing else (no paths, no run ids).
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from syntrans.errors import InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import say
from syntrans.provenance import file_sha256
from syntrans_training.baselines.registry import BASELINES
from syntrans_training.baselines.selection import calibrate_rows, select_baselines
from syntrans_training.baselines.training import BaseClasses, HeadTraining
from syntrans_training.bridge.class_spreads import measure_spreads
from syntrans_training.bridge.episodic_loss import LossWeights
from syntrans_training.bridge.head_training import HeadTrainingConfig
from syntrans_training.bridge.initialisation import RawFeatures, make_grid
from syntrans_training.bridge.ridge_baseline import RidgeGrid, alpha_grid, fit_ridge_baseline, pack, unpack
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.bridge.text_odds import learn_text_odds
from syntrans_training.bridge.train_bridge import train_bridge
from syntrans_training.bridge.trained_bridges import read_bridges
from syntrans_training.bridge.val_tasks import ValSplit, val_episodes
from syntrans_training.config import TrainConfig
from syntrans_training.config.bridge import VSBirdConfig
from syntrans_training.data import Split
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import BRIDGE, RIDGE, SELECTED_BASELINES
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.evaluation.table_rows import elsewhere_row, rows_of_val
from syntrans_training.text.class_texts import TextsOfVariant, Vectors, class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import CLASSNAME_FREE, KEPT, NAME, NONE, UNNAMED, Knowledge, read_knowledge
from syntrans_training.text.encoders import TextEncoder, open_text_encoder
from syntrans_training.text.text_encoder_choice import in_clip, text_encoder_ref

_VERSION = 8  # raise it when the same configuration would choose otherwise


@dataclass(frozen=True)
class Texts:
    """What is known of the base and val classes, and the encoder that reads it."""

    knowledge: Knowledge
    encoder: TextEncoder
    bank: TextsOfVariant  # of the base classes, descriptor by descriptor
    base: Vectors
    val: Vectors
    file: dict[str, str] | None  # path and sha256 of the descriptors


def open_texts(config: TrainConfig, base: Split, val: Split, descriptors: Path | None) -> Texts:
    """Read the descriptors and open their encoder; raises `InputError` or `ModelLoadError` before the long work."""
    knowledge = read_knowledge(descriptors, [*base.classes, *val.classes])
    encoder = open_text_encoder(text_encoder_ref(**config.text_choice))
    say(f"class texts are read by {encoder.name}")
    file = None if descriptors is None else {"path": str(descriptors), "sha256": file_sha256(descriptors)}
    reading = config.text.reading
    of_base, of_val = (texts_of_variant(knowledge, split.classes, encoder, **reading) for split in (base, val))
    return Texts(knowledge, encoder, of_base, class_vectors(of_base), class_vectors(of_val), file)


def check_val(config: TrainConfig, val: Split, seen: Bool[np.ndarray, " n"]) -> None:
    """`InputError` when the val split is too small for the episodes that choices are made on."""
    shape = config.episodes
    most = EpisodeSpec(shape.ways, max(shape.shots), shape.queries, episodes=1)
    draw(most, val.labels, barred=seen, names=val.classes)
    if warning := small_val(len(val.classes), int((~seen).sum()), shape.ways):
        say(warning)


def small_val(n_classes: int, n_pictures: int, ways: int) -> str | None:
    """What choosing settings on so little is worth; None where it is enough.

    Too little: fewer than 20 different tasks by their classes, or fewer pictures than tell 3.5 points apart (the
    standard error of a share of about one half).
    """
    tasks = comb(n_classes, ways)
    if tasks >= 20 and n_pictures >= 200:
        return None
    points = 100 * (0.25 / max(n_pictures, 1)) ** 0.5
    return (
        f"warning: val has {n_classes} classes with {n_pictures} pictures, {tasks} different {ways}-way tasks: "
        f"settings that are chosen on it are uncertain by about {points:.0f} points; give val more classes or pictures"
    )


def check_base(config: TrainConfig, base: Split) -> None:
    """`InputError` when there are too few base classes, or too few images in one, to train heads on tasks of them."""
    if len(base.classes) < 4:
        raise InputError(f"{len(base.classes)} base classes; heads are trained on tasks of half of them, and need 4")
    few, most = int(np.bincount(base.labels).min()), max(config.episodes.shots)
    trained = ["SynTrans", *(name for name in config.baselines.names if BASELINES[name].on_tasks)]
    if few <= most:
        raise InputError(
            f"a base class has {few} images; {', '.join(trained)} are trained on tasks of {most} shots and a query: "
            "add images, or lower episodes.shots"
        )


def ridge_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose the standardisation and the ridge baseline on val, and fit them; returns their note."""
    candidates = main_variants(texts.knowledge, config)
    path, identity = out / RIDGE, _ridge_identity(config, base, val, texts, candidates)
    if (begun := checkpoint.load_matching(path, identity)) is not None:
        return begun[1]
    baseline = fit_ridge_baseline(
        base,
        val.features,
        lambda variant, share: (texts.base(variant, share, 0), texts.val(variant, share, 0)),
        _val_tasks(config, val, config.ridge.episodes),
        candidates,
        RidgeGrid(
            shrinkages=config.ridge.shrinkages,
            lambdas=config.ridge.lambdas,
            alphas=alpha_grid(config.ridge.alpha_step),
            name_shares=config.ridge.name_shares,
        ),
    )
    tensors, note = pack(baseline.better_of(candidates))
    read_by = texts.encoder
    encoder = {"name": read_by.name, "revision": read_by.revision, "windowed": len(read_by.windowed)}
    note |= {"identity": identity, "descriptors": texts.file, "text_encoder": encoder}
    checkpoint.save(path, tensors, note)
    return note


def _ridge_identity(
    config: TrainConfig, base: Features, val: ValSplit, texts: Texts, candidates: tuple[str, ...]
) -> str:
    settings = {  # under the names that they first had: what was fitted then still fits
        "text": config.text.model_dump(mode="json"),
        "bridge": config.ridge.model_dump(mode="json", exclude={"class_names"}),
        "episodes": config.episodes.model_dump(mode="json", include={"ways", "shots", "queries"}),
    }
    return semantic_hash(
        {
            "version": _VERSION,
            **({"texts": list(candidates)} if UNNAMED in candidates else {}),  # older versions had no such choice
            "asked": settings,
            "text": texts.encoder.revision,
            "base": base.key,
            "val": val.features.key,
            "seen": hashlib.sha256(np.packbits(val.seen).tobytes()).hexdigest(),
            "file": texts.file and texts.file["sha256"],
        }
    )


def _val_tasks(config: TrainConfig, val: ValSplit, episodes: int) -> dict[int, Episodes]:
    return val_episodes(val, **config.episodes.shape, episodes=episodes, seed=config.ridge.seed)


@dataclass(frozen=True)
class _ClassTexts:
    """The class vectors that the training of the bridge asks for (initialisation.ClassVectorSource)."""

    texts: Texts

    def base(self, variant: str, share: float, keep: float, generator: torch.Generator) -> Tensor:
        """Of a random share of every class's descriptors; random words are of draw 0."""
        if variant == NONE or keep >= 1:
            return self.texts.base(variant, share, 0)
        bank = self.texts.bank(variant, 0)
        present = torch.rand(bank.weights.shape, generator=generator) < keep
        return torch.from_numpy(bank.vectors(share, present.numpy()))

    def val(self, variant: str, share: float) -> Tensor:
        return self.texts.val(variant, share, 0)


def main_variants(knowledge: Knowledge, config: TrainConfig) -> tuple[str, ...]:
    """What the rows without another text's name may use; between two of them val decides."""
    if KEPT not in knowledge.variants:
        return (NAME,)
    class_names, in_template = config.ridge.class_names, "{name}" in config.text.descriptor_template
    if class_names == "keep" or not (in_template or CLASSNAME_FREE in knowledge.variants):
        return (KEPT,)
    return (UNNAMED,) if class_names == "drop" else (KEPT, UNNAMED)


def bridge_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose and train the heads of the bridge; returns their note."""
    settings = config.vsbird
    tensors, ridge_note = checkpoint.load(out / RIDGE)
    # What is as it always was is left out, so that heads of before it could be chosen still fit.
    left_out = {name for name, usual in (("controls", True), ("seed", 0)) if getattr(settings, name) == usual}
    left_out.add("adapt_alpha")  # heads are trained the same
    identity = semantic_hash(
        {
            "version": _VERSION,
            "asked": settings.model_dump(mode="json", exclude=left_out),
            "bridge": ridge_note["identity"],  # of the features, the texts and the val tasks
        }
    )
    ridge, class_texts = unpack(tensors, ridge_note), _ClassTexts(texts)
    tasks = _val_tasks(config, val, config.ridge.episodes)
    train_bridge(
        RawFeatures(base.values, base.labels, val.features.values),
        class_texts,
        tasks,
        tuple(dict.fromkeys((ridge.main, NONE, *texts.knowledge.variants))) if settings.controls else (ridge.main,),
        make_grid(
            powers=settings.feature_powers,
            shrinkages=settings.shrinkages,
            noises=settings.spread_factors,
            prior_shrinkages=settings.prior_shrinkages,
            lambdas=settings.lambdas,
            name_shares=settings.name_shares,
            alphas=alpha_grid(config.ridge.alpha_step) if settings.alpha is None else (settings.alpha,),
        ),
        _head_training(settings, config.episodes.queries),
        path=out / BRIDGE,
        identity=identity,
    )
    if settings.adapt_alpha and settings.alpha is None and settings.fusion == "evidence":
        measure_spreads(out / BRIDGE, val.features, class_texts)
        standard = ridge.whitening(val.features.values)
        learn_text_odds(out / BRIDGE, val.features, class_texts, tasks, ridge.main, standard)
    return checkpoint.read_note(out / BRIDGE)


def _head_training(settings: VSBirdConfig, queries: int) -> HeadTrainingConfig:
    return HeadTrainingConfig(
        **settings.model_dump(include={"seeds", "seed", "steps", "val_checks", "ways", "tasks_per_step", "lr"}),
        queries=queries,
        noise_scale=settings.noise_scale,
        text_swap_prob=settings.text_swap_prob,
        descriptor_keep_prob=settings.descriptor_keep_prob,
        losses=LossWeights(**settings.loss_weights.model_dump()),
        parts={**settings.model_dump(include={"generator", "residual", "fusion"}), "gate": settings.text_gate},
    )


def baselines_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose, train and calibrate the baselines on the features of the ridge baseline; returns their note."""
    settings, ridge = config.baselines, unpack(*checkpoint.load(out / RIDGE))
    bridges, of_clip = read_bridges(out / BRIDGE), in_clip(**config.text_choice)
    features = SplitFeatures(val.features.values, ridge, texts.val, bridges=bridges, views=val.views, in_clip=of_clip)
    n_classes, tasks = len(val.features.classes), _val_tasks(config, val, settings.episodes)
    identity = semantic_hash(
        {
            "version": _VERSION,
            "asked": settings.model_dump(mode="json"),
            "vsbird": checkpoint.read_note(out / BRIDGE)["identity"],
            "clip": features.in_clip,
        }
    )
    select_baselines(
        settings.names,
        lambda shots: BaseClasses(
            base.values,
            ridge.whitening(base.values),
            base.labels,
            texts.base(features.main, ridge.choices[features.main, shots].name_share, 0),
        ),
        features,
        tasks,
        lambda shots: HeadTraining(
            **settings.model_dump(include={"steps", "lr", "hidden", "seed", "published_steps"}),
            ways=config.episodes.ways,
            shots=shots,
            queries=config.episodes.queries,
            batch=settings.tasks_per_step,
        ),
        n_classes=n_classes,
        path=out / SELECTED_BASELINES,
        identity=identity,
    )
    rows, wanted = partial(rows_of_val, features, n_classes=n_classes), elsewhere_row(features, min(tasks)).keys()
    return calibrate_rows(rows, tasks, wanted=wanted, path=out / SELECTED_BASELINES, identity=identity)
