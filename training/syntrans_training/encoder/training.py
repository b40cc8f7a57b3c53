"""The encoder stage of `syntrans train`: train its generations, or take over equal ones.

SKD's generation 1 needs generation 0, which is trained first and leaves skd-gen0.safetensors, CMKD's student its
teacher (cmkd-teacher.safetensors); the last generation leaves encoder.safetensors. They hold `encoder.*` and the heads
that the next generation goes on from. A generation whose identity is already in this or a neighbouring run is taken
over (`generations.py` says what an identity is).
"""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans.errors import InputError, UsageError
from syntrans_training import backbones
from syntrans_training.config import EncoderConfig
from syntrans_training.data import Split
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder import features
from syntrans_training.encoder.cmkd import (
    ClassKnowledge,
    TeacherFeatures,
    build_teacher,
    check_tasks,
    freeze_teacher,
    open_teacher_features,
    teacher_accuracy,
)
from syntrans_training.encoder.generations import Generation, plan
from syntrans_training.encoder.objectives.cmkd import CMKDStudent, CMKDTeacher, MirrorTeaching, TaskShape
from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy
from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0
from syntrans_training.encoder.objectives.skd_gen1 import SKDGen1
from syntrans_training.encoder.open_encoder import TrainedEncoder, build_encoder, open_encoder
from syntrans_training.engine import checkpoint
from syntrans_training.engine import training_state as state
from syntrans_training.engine.distributed import Processes, join
from syntrans_training.engine.equal_files import find_equal, take_over
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.run_files import ENCODER, METRICS, STATE, TEACHERS
from syntrans_training.engine.trainer import Objective, fit
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.modules.whiten import fit_whitening
from syntrans_training.scoring.prototype_accuracy import prototype_accuracy

_NAMES = (ENCODER, *(f"{teacher}.safetensors" for teacher in TEACHERS))
VAL_ACCURACY = "val_accuracy_1_shot"


@dataclass(frozen=True)
class _TrainingContext:
    """What every generation of a stage is trained with."""

    config: EncoderConfig
    base: Split
    val: Split
    out: Path
    processes: Processes
    device: torch.device
    knowledge: ClassKnowledge | None

    @cached_property
    def teacher_features(self) -> TeacherFeatures | None:
        """Features of the frozen backbone of CMKD's teacher, where it has one of its own."""
        with self.processes.first_alone():
            ref, size = self.config.cmkd.teacher_backbone, self.config.test_size
            return open_teacher_features(ref, self.base, self.val, self.device, size=size, open_run=open_encoder)

    @property
    def task_shape(self) -> TaskShape:
        """The base tasks of CMKD."""
        settings = self.config.cmkd
        return TaskShape(settings.ways, settings.shots, settings.queries, settings.tasks_per_step)


def encoder_stage(
    config: EncoderConfig,
    base: Split,
    val: Split,
    out: Path,
    *,
    seed: int,
    device: torch.device,
    reuse: bool,
    knowledge: ClassKnowledge | None = None,
) -> TrainedEncoder:
    """The trained encoder and its note; equal generations of this or a neighbouring run are taken over.

    `knowledge` is for CMKD's teacher (`cmkd.class_knowledge`); no other method asks for it.
    """
    key = knowledge.key if knowledge else ""
    last = plan(config, base_key=base.key, device=device, seed=seed, knowledge_key=key)
    processes = join(device)
    context = _TrainingContext(config, base, val, out, processes, device, knowledge)
    if config.method == "cmkd":
        check_tasks(context.task_shape, base, processes.count)
    for generation in [last.teacher, last] if last.teacher else [last]:
        equal = processes.same(partial(find_equal, out, generation.identity, _NAMES) if reuse else str)
        if not equal:
            _train(generation, context)
        elif processes.first:
            log = METRICS if Path(equal).name == ENCODER else f"{Path(equal).stem}.metrics.jsonl"
            take_over(Path(equal), out / generation.file, logs=(log, generation.metrics), what=generation.method)
            if generation is last and Path(equal) == out / ENCODER:
                state.remove(out / STATE)  # of a run that died between writing the one and removing the other
        processes.wait()
    return open_encoder(out, config, device)


def given_stage(base: Split, out: Path) -> TrainedEncoder:
    """In place of `encoder_stage` where features were made elsewhere: a note of them, and no weights."""
    note = {"identity": base.key, "method": "precomputed", "weights": base.key, "precision": "fp32", "val_1_shot": {}}
    begun = checkpoint.load_matching(out / ENCODER, base.key)
    if begun is None or begun[1] != note:
        checkpoint.save(out / ENCODER, {}, note)
    return nn.Identity(), note


def check_given(method: str, base: Split, *, teacher: str | None) -> None:
    """`InputError` when features meet an encoder to train, or a teacher of one, or pictures meet none."""
    if base.given is not None and teacher:
        raise InputError("distill.teacher looks at pictures; data.path holds features: set distill.teacher=null")
    if (method == "precomputed") == (base.given is not None):
        return
    if base.given is None:
        raise InputError("encoder.method=precomputed takes features; data.path holds pictures (docs/data.md: features)")
    raise InputError(f"data.path holds features, not pictures for {method}; set encoder.method=precomputed")


def require_encoder(
    config: EncoderConfig, base: Split, out: Path, *, seed: int, device: torch.device, key: str
) -> None:
    """`UsageError` when no equal encoder is in this or a neighbouring run."""
    last = plan(config, base_key=base.key, device=device, seed=seed, knowledge_key=key)
    if not find_equal(out, last.identity, _NAMES):
        raise UsageError(
            f"--stage bridge trains no encoder, and none of this config is in {out} or beside it; "
            "run `syntrans train --stage encoder`, leave --stage out, or give features (encoder.method=precomputed)"
        )


def _train(generation: Generation, context: _TrainingContext) -> None:
    recipe, config, out = generation.recipe, context.config, context.out
    torch.manual_seed(recipe.seed)
    encoder = build_encoder(config, steps=max(1, len(context.base) // recipe.batch_size) * recipe.epochs)
    module: nn.Module = nn.ModuleDict({"encoder": encoder})
    if generation.method != "frozen":
        task = _task(generation, context, encoder)
        module = task.module

        def after_epoch(epoch: int, now: nn.Module) -> dict[str, float]:
            if epoch % config.val_every and epoch != recipe.epochs:
                return {}
            return {VAL_ACCURACY: round(_val_check(generation, context, now), 4)}

        fit(
            task,
            recipe,
            device=context.device,
            state_file=out / STATE,
            identity=generation.identity,
            metrics_file=out / generation.metrics,
            after_epoch=after_epoch,
        )
    if context.processes.first:
        _save(generation, config.backbone, module, out)
        state.remove(out / STATE)


def _task(generation: Generation, context: _TrainingContext, encoder: backbones.Encoder) -> Objective:
    """What the generation trains, with the weights it starts from."""
    config, base, device = context.config, context.base, context.device
    view = {"size": config.train_size, **config.augment.model_dump()}
    shard = (context.processes.rank, context.processes.count)
    pictures = Pictures(base.pixels, base.labels, device=device, view=view, shard=shard)
    smoothing, n_classes = config.label_smoothing, len(base.classes)
    if generation.method == "cross_entropy":
        return CrossEntropy(encoder, pictures, n_classes=n_classes, label_smoothing=smoothing)
    if generation.method == "skd-gen0":
        gamma = config.rotation_gamma
        return SKDGen0(encoder, pictures, n_classes=n_classes, gamma=gamma, label_smoothing=smoothing)
    if generation.method == "cmkd-teacher":
        return _cmkd_teacher(context, encoder, pictures)
    if generation.method == "cmkd":
        return _cmkd_student(generation, context, encoder, pictures)
    tensors, _ = checkpoint.load(context.out / "skd-gen0.safetensors")
    head = nn.Linear(encoder.feature_dim, n_classes)
    encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
    head.load_state_dict(checkpoint.part(tensors, "head"))
    second = config.generation1
    return SKDGen1(encoder, head, pictures, temperature=second.temperature, gamma=second.gamma)


def _cmkd_teacher(context: _TrainingContext, encoder: backbones.Encoder, pictures: Pictures) -> Objective:
    knowledge, frozen, settings = _class_knowledge(context), context.teacher_features, context.config.cmkd
    return CMKDTeacher(
        build_teacher(encoder, knowledge, frozen, width=settings.width), pictures, knowledge.base, context.task_shape,
        steps=settings.steps_per_epoch, encoder=None if frozen else encoder, table=frozen.base if frozen else None,
        mirror=settings.mirror_weight,
    )  # fmt: skip


def _cmkd_student(
    generation: Generation, context: _TrainingContext, encoder: backbones.Encoder, pictures: Pictures
) -> Objective:
    """The student, with the teacher that was trained before it or with none."""
    config, settings, teaching = context.config, context.config.cmkd, None
    if generation.teacher and context.knowledge:
        knowledge, frozen = context.knowledge, context.teacher_features
        teacher = build_teacher(encoder, knowledge, frozen, width=settings.width)
        normalise = config.normalise.model_dump(include={"mean", "std"})
        own = None if frozen else backbones.build(config.backbone, size=config.train_size, **normalise)
        placing: dict[str, Any] = {"file": context.out / generation.teacher.file, "device": pictures.device}
        teaching = MirrorTeaching(
            teacher, freeze_teacher(teacher, own, frozen.base if frozen else None, **placing), knowledge.base,
            settings.relation_weight, settings.relation, settings.temperature, queries_told=settings.queries_told,
        )  # fmt: skip
    return CMKDStudent(encoder, pictures, context.task_shape, steps=settings.steps_per_epoch, teaching=teaching)


def _class_knowledge(context: _TrainingContext) -> ClassKnowledge:
    if context.knowledge is None:
        raise ValueError("the teacher of cmkd is trained with class knowledge, and none was given")
    return context.knowledge


def _save(generation: Generation, backbone: str, module: nn.Module, out: Path) -> None:
    # The last epoch is kept (as SKD does); the looks at val are only written down.
    tensors = module.state_dict()
    note: dict[str, Any] = {
        "identity": generation.identity,
        "method": generation.method,
        "backbone": backbone,
        "precision": generation.recipe.precision,
        "val_1_shot": val_checks(out / generation.metrics),
        "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
    }
    if generation.teacher:
        note["teacher"] = checkpoint.read_note(out / generation.teacher.file)
    checkpoint.save(out / generation.file, tensors, note)


def val_checks(metrics: Path) -> dict[str, float]:
    """Epoch -> val accuracy, as a training wrote it down."""
    # From the file, not from memory: a resumed run made the first of them in another process.
    return {str(row["epoch"]): row[VAL_ACCURACY] for row in read_rows(metrics) if VAL_ACCURACY in row}


def _val_check(generation: Generation, context: _TrainingContext, module: nn.Module) -> float:
    """1-shot accuracy on val: of the encoder's prototypes, or of a teacher that is told the val classes."""
    val, teaches = context.val, generation.method == "cmkd-teacher"
    if teaches and context.teacher_features:
        values = context.teacher_features.val
    else:
        placing: dict[str, Any] = {"device": context.device, "precision": generation.recipe.precision}
        # A teacher's map has one weight per feature, and Conv-4 has more of them in larger pictures.
        size = context.config.train_size if teaches else context.config.test_size
        values = features.run_encoder(module.get_submodule("encoder"), val, size=size, **placing)
    if teaches:
        return teacher_accuracy(module.get_submodule("teacher"), values, _class_knowledge(context).val, _val_tasks(val))
    return val_accuracy(values, val)


def val_accuracy(values: Float[Tensor, "n d"], val: Split) -> float:
    """1-shot accuracy of cosine prototypes on features [n, d] of the val split, always on the same tasks."""
    unit = fit_whitening(values, torch.from_numpy(val.labels), shrinkage=None)(values)
    return prototype_accuracy(unit, {1: _val_tasks(val)})


def _val_tasks(val: Split) -> Episodes:
    # Only a number for the log: as many queries as the smallest class allows, up to the usual 15.
    queries = min(15, int(np.bincount(val.labels).min()) - 1)
    spec = EpisodeSpec(min(5, len(val.classes)), 1, queries, episodes=300, seed=2)
    return draw(spec, val.labels, names=val.classes)
