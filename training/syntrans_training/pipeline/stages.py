"""The stages of `syntrans train` after the encoder: each reads files, leaves a file, is skipped when that file fits.

An identity hashes everything that changes the result and nothing else (no paths, no run ids).
"""

import hashlib
from dataclasses import dataclass
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
from syntrans_training.baselines.selection import METHODS, SelectedBaselines, calibrate_rows, select_baselines
from syntrans_training.baselines.training import BaseClasses, HeadTraining
from syntrans_training.bridge import stage as vsbird
from syntrans_training.bridge.class_spreads import measure_spreads
from syntrans_training.bridge.closed_form_start import RawFeatures, make_grid
from syntrans_training.bridge.episodic_loss import LossWeights
from syntrans_training.bridge.head_training import HeadTrainingConfig
from syntrans_training.bridge.ridge_baseline import RidgeGrid, alpha_grid, fit_ridge_baseline, pack, unpack
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.bridge.stage import VSBIRD
from syntrans_training.bridge.val_tasks import ValSplit, val_episodes
from syntrans_training.config import TrainConfig
from syntrans_training.config.bridge import VSBirdConfig
from syntrans_training.data import Split
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import BRIDGE
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.text.class_texts import TextsOfVariant, Vectors, class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import CLASSNAME_FREE, KEPT, NAME, NONE, UNNAMED, Knowledge, read_knowledge
from syntrans_training.text.encoders import TextEncoder, in_clip, open_text_encoder, text_encoder_ref

HEAD_KEYS = {"steps", "lr", "hidden", "seed", "published_steps"}  # of `methods`, for the heads of its methods
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
    encoder = open_text_encoder(text_encoder_ref(config))
    say(f"class texts are read by {encoder.name}")
    file = None if descriptors is None else {"path": str(descriptors), "sha256": file_sha256(descriptors)}
    of_base, of_val = (texts_of_variant(knowledge, split.classes, encoder, config.text) for split in (base, val))
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
    trained = ["SynTrans", *(name for name in config.methods.names if BASELINES[name].on_tasks)]
    if few <= most:
        raise InputError(
            f"a base class has {few} images; {', '.join(trained)} are trained on tasks of {most} shots and a query: "
            "add images, or lower episodes.shots"
        )


def bridge_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose and fit the bridge on val; returns its note."""
    parts: dict[str, Any] = {"text": True, "bridge": True, "episodes": {"ways", "shots", "queries"}}
    asked = config.model_dump(mode="json", include=parts, exclude={"bridge": {"class_names"}})
    candidates = main_variants(texts.knowledge, config)  # in the identity only where old bridges had no such choice
    identity = semantic_hash(
        {
            "version": _VERSION,
            **({"texts": list(candidates)} if UNNAMED in candidates else {}),
            "asked": asked,
            "text": texts.encoder.revision,
            "base": base.key,
            "val": val.features.key,
            "seen": hashlib.sha256(np.packbits(val.seen).tobytes()).hexdigest(),
            "file": texts.file and texts.file["sha256"],
        }
    )
    path = out / BRIDGE
    if (begun := checkpoint.load_matching(path, identity)) is not None:
        return begun[1]
    bridge = fit_ridge_baseline(
        base,
        val.features,
        lambda variant, share: (texts.base(variant, share, 0), texts.val(variant, share, 0)),
        _val_tasks(config, val, config.bridge.episodes),
        candidates,
        RidgeGrid(
            shrinkages=config.bridge.shrinkages,
            lambdas=config.bridge.lambdas,
            alphas=alpha_grid(config.bridge.alpha_step),
            name_shares=config.bridge.name_shares,
        ),
    )
    tensors, note = pack(bridge.better_of(candidates))
    read_by = texts.encoder
    encoder = {"name": read_by.name, "revision": read_by.revision, "windowed": len(read_by.windowed)}
    note |= {"identity": identity, "descriptors": texts.file, "text_encoder": encoder}
    checkpoint.save(path, tensors, note)
    return note


def _val_tasks(config: TrainConfig, val: ValSplit, episodes: int) -> dict[int, Episodes]:
    shape = config.episodes.model_dump(include={"ways", "shots", "queries"})
    return val_episodes(val, **shape, episodes=episodes, seed=config.bridge.seed)


@dataclass(frozen=True)
class _ClassTexts:
    """The class vectors that the VSBird stage asks for (closed_form_start.ClassVectorSource)."""

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
    asked, said = config.bridge.class_names, "{name}" in config.text.descriptor_template
    if asked == "keep" or not (said or CLASSNAME_FREE in knowledge.variants):
        return (KEPT,)
    return (UNNAMED,) if asked == "drop" else (KEPT, UNNAMED)


def vsbird_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose and train the heads; returns their note."""
    asked, shape = config.vsbird, config.episodes
    tensors, ridge_note = checkpoint.load(out / BRIDGE)
    bridge = ridge_note["identity"]  # of the features, the texts and the val tasks
    # What is as it always was is left out, so that heads of before it could be chosen still fit.
    usual = {name for name, value in (("controls", True), ("seed", 0)) if getattr(asked, name) == value}
    usual.add("adapt_alpha")  # heads are trained the same
    parts = asked.model_dump(mode="json", exclude=usual)
    identity = semantic_hash({"version": _VERSION, "asked": parts, "bridge": bridge})
    alphas = alpha_grid(config.bridge.alpha_step) if asked.alpha is None else (asked.alpha,)
    main = unpack(tensors, ridge_note).main
    class_texts = _ClassTexts(texts)
    note = vsbird.run_stage(
        RawFeatures(base.values, base.labels, val.features.values),
        class_texts,
        _val_tasks(config, val, config.bridge.episodes),
        tuple(dict.fromkeys((main, NONE, *texts.knowledge.variants))) if asked.controls else (main,),
        make_grid(
            asked.feature_powers,
            asked.shrinkages,
            asked.spread_factors,
            asked.prior_shrinkages,
            asked.lambdas,
            asked.name_shares,
            alphas,
        ),
        _head_training(asked, shape.queries),
        path=out / VSBIRD,
        identity=identity,
    )
    if asked.adapt_alpha and asked.alpha is None and asked.fusion == "evidence":
        measure_spreads(out / VSBIRD, val.features, class_texts)
    return note


def _head_training(asked: VSBirdConfig, queries: int) -> HeadTrainingConfig:
    return HeadTrainingConfig(
        **asked.model_dump(include={"seeds", "seed", "steps", "val_checks", "ways", "tasks_per_step", "lr"}),
        queries=queries,
        noise_scale=asked.noise_scale,
        text_swap_prob=asked.text_swap_prob,
        descriptor_keep_prob=asked.descriptor_keep_prob,
        losses=LossWeights(**asked.loss_weights.model_dump()),
        parts={**asked.model_dump(include={"generator", "residual", "fusion"}), "gate": asked.text_gate},
    )


def methods_stage(config: TrainConfig, base: Features, val: ValSplit, texts: Texts, out: Path) -> dict[str, Any]:
    """Choose and train the other methods on the bridge's features; returns their note."""
    tensors, note = checkpoint.load(out / BRIDGE)
    bridge, how = unpack(tensors, note), config.methods
    heads = vsbird.load(out / VSBIRD)
    features = SplitFeatures(
        val.features.values, bridge, texts.val, heads=heads, views=val.views, in_clip=in_clip(config)
    )
    asked, parts = how.model_dump(mode="json"), how.model_dump(include=HEAD_KEYS)
    shape = config.episodes
    n_classes = len(val.features.classes)
    tasks = _val_tasks(config, val, how.episodes)
    vsbird_identity = checkpoint.read_note(out / VSBIRD)["identity"]
    identity = semantic_hash({"version": _VERSION, "asked": asked, "vsbird": vsbird_identity, "clip": features.in_clip})
    select_baselines(
        how.names,
        lambda shots: BaseClasses(
            base.values,
            bridge.whitening(base.values),
            base.labels,
            texts.base(features.main, bridge.choices[features.main, shots].name_share, 0),
        ),
        features,
        tasks,
        HeadTraining(shape.ways, 1, shape.queries, batch=how.tasks_per_step, **parts),
        n_classes=n_classes,
        path=out / METHODS,
        identity=identity,
    )

    def rows(chosen: SelectedBaselines, shots: int) -> dict[str, ScoredClassifier]:
        return build_rows(features, chosen.rows(features, shots), n_classes=n_classes, shots=shots, draws=2)

    return calibrate_rows(rows, tasks, path=out / METHODS, identity=identity)
