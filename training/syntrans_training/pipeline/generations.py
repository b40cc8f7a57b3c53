"""The generations of an encoder's training: what each is, the one it starts from, and its identity.

An identity holds what changes the weights and nothing else, so equal generations of other runs are taken over.
"""

import dataclasses
from typing import Any

import torch

from syntrans.files.semantic_hash import semantic_hash
from syntrans_training.backbones.towers import revision
from syntrans_training.config import EncoderConfig
from syntrans_training.encoder.cmkd import teacher_backbone_key
from syntrans_training.encoder.training import Generation
from syntrans_training.engine.devices import pick_compile, pick_precision
from syntrans_training.engine.run_files import ENCODER, METRICS
from syntrans_training.engine.trainer import Recipe

_VERSION = 2  # raise it when the same configuration would train other weights


_COMMON = {
    "backbone", "drop_rate", "drop_block", "drop_ramp_steps", "train_size", "epochs", "batch_size", "optimizer", "lr",
    "schedule", "decay_epochs", "weight_decay", "warmup_epochs", "label_smoothing", "ema", "augment", "normalise",
}  # fmt: skip


def plan(
    config: EncoderConfig, *, base_key: str, device: torch.device, seed: int, knowledge_key: str = ""
) -> Generation:
    """The generations that `config` asks for. `knowledge_key` names the base classes' vectors that a teacher sees."""
    precision = pick_precision(config.precision, device)
    parts: dict[str, Any] = {"encoder": config.model_dump(mode="json", include=_COMMON)}
    weights = revision(config.backbone)
    if weights:
        parts["encoder"]["backbone"] = weights  # what is in the folder, wherever it lies
    parts |= {"precision": precision, "base": base_key, "seed": seed, "version": _VERSION}
    recipe = Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
        warmup_epochs=config.warmup_epochs,
        optimizer=config.optimizer,
        schedule=config.schedule,
        decay_epochs=config.decay_epochs,
        precision=precision,
        compiled=pick_compile(config.compile, device),
        ema=config.ema,
        save_minutes=config.save_minutes,
        seed=seed,
    )
    if config.method == "cmkd":
        return _cmkd(config, recipe, parts, knowledge_key)
    if config.method != "skd-gen1":
        gamma = {"gamma": config.rotation_gamma} if config.method == "skd-gen0" else {}
        identity = semantic_hash({**parts, "method": config.method, **gamma})
        return _last(config, config.method, identity, recipe)
    identity = semantic_hash({**parts, "method": "skd-gen0", "gamma": config.rotation_gamma})
    teacher = _first(config, "skd-gen0", identity, recipe)
    # The student starts from the weights and the statistics of that training, whatever is taken again after it.
    changes = config.generation1.model_dump(include={"epochs", "lr", "decay_epochs"})
    second = dataclasses.replace(recipe, **changes, warmup_epochs=0.0)  # the weights are trained already
    identity = semantic_hash({"distill": config.generation1.model_dump(mode="json"), "teacher": identity})
    return _last(config, "skd-gen1", identity, second, teacher)


def _cmkd(config: EncoderConfig, recipe: Recipe, parts: dict[str, Any], knowledge_key: str) -> Generation:
    """The student, and its teacher unless the relation loss is off; a student of none is one, whatever is taught."""
    settings = config.cmkd
    recipe = dataclasses.replace(
        recipe, batch_size=settings.tasks_per_step * settings.ways * (settings.shots + settings.queries)
    )
    # The keys of an identity keep the names that they first had: encoders of then still fit.
    tasks = settings.model_dump(include={"ways", "shots", "queries"})
    parts = {
        **parts,
        "tasks": {**tasks, "tasks": settings.tasks_per_step, "steps": settings.steps_per_epoch},
    }
    if not settings.relation_weight:
        return _last(config, "cmkd", semantic_hash({**parts, "method": "cmkd"}), recipe)
    first = dataclasses.replace(recipe, epochs=settings.teacher_epochs, lr=settings.teacher_lr)
    about = {"mirror": settings.mirror_weight, **settings.model_dump(include={"teacher_epochs", "teacher_lr", "width"})}
    seen = {"eyes": teacher_backbone_key(settings.teacher_backbone), "knowledge": knowledge_key}
    identity = semantic_hash({**parts, "method": "cmkd-teacher", "teacher": about, **seen})
    teacher = _first(config, "cmkd-teacher", identity, first)
    lesson = {"srl": settings.relation_weight, "relation": settings.relation, "temperature": settings.temperature}
    lesson |= {"queries_told": True} if settings.queries_told else {}  # left out otherwise: earlier students still fit
    identity = semantic_hash({**parts, "method": "cmkd", "lesson": lesson, "teacher": identity})
    return _last(config, "cmkd", identity, recipe, teacher)


def _statistics(config: EncoderConfig) -> dict[str, int] | None:
    """How BatchNorm's statistics are taken again; None: they are not."""
    if not config.batchnorm_pictures or config.method == "frozen":
        return None
    return {"pictures": config.batchnorm_pictures, "size": config.test_size}


def _first(config: EncoderConfig, method: str, identity: str, recipe: Recipe) -> Generation:
    files = f"{method}.safetensors", f"{method}.metrics.jsonl"
    return _generation(config, method, identity, files, recipe)


def _last(
    config: EncoderConfig, method: str, identity: str, recipe: Recipe, teacher: Generation | None = None
) -> Generation:
    return _generation(config, method, identity, (ENCODER, METRICS), recipe, teacher)


def _generation(
    config: EncoderConfig,
    method: str,
    trained: str,
    files: tuple[str, str],
    recipe: Recipe,
    teacher: Generation | None = None,
) -> Generation:
    """The generation of a training's identity, with another where statistics are taken again after it."""
    statistics = None if method == "cmkd-teacher" else _statistics(config)
    identity = semantic_hash({"trained": trained, "statistics": statistics}) if statistics else trained
    weights, metrics = files
    every = config.val_every
    return Generation(method, identity, weights, metrics, recipe, config.backbone, every, trained, statistics, teacher)
