"""The encoder stage of `syntrans train`: what its config asks for, built and trained (`encoder/training.py`)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from syntrans.config import read_saved
from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.runs.file_names import TRAIN_REPORT
from syntrans_training import backbones
from syntrans_training.config import EncoderConfig, TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder import features
from syntrans_training.encoder.batchnorm import retake_statistics
from syntrans_training.encoder.build_encoder import build_encoder, build_to_open
from syntrans_training.encoder.cmkd import (
    ClassKnowledge,
    TeacherFeatures,
    build_teacher,
    check_tasks,
    freeze_teacher,
    open_teacher_features,
    teacher_accuracy,
)
from syntrans_training.encoder.objectives.cmkd import CMKDStudent, CMKDTeacher, MirrorTeaching, TaskShape
from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy
from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0
from syntrans_training.encoder.objectives.skd_gen1 import SKDGen1
from syntrans_training.encoder.open_encoder import OpenedEncoder, open_encoder
from syntrans_training.encoder.training import (
    Generation,
    encoder_as_trained,
    find_generation,
    train_generations,
    val_accuracy,
    val_tasks,
)
from syntrans_training.engine import checkpoint
from syntrans_training.engine.distributed import Processes, join
from syntrans_training.engine.run_files import ENCODER
from syntrans_training.engine.trainer import Objective
from syntrans_training.pipeline.generations import plan


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
) -> OpenedEncoder:
    """The trained encoder and its note; equal generations of this or a neighbouring run are taken over.

    `knowledge` is for CMKD's teacher (`cmkd.class_knowledge`); no other method asks for it.
    """
    key = knowledge.key if knowledge else ""
    last = plan(config, base_key=base.key, device=device, seed=seed, knowledge_key=key)
    parts = _ConfiguredParts(config, base, val, out, join(device), device, knowledge)
    if config.method == "cmkd":
        check_tasks(parts.task_shape, base, parts.processes.count)
    train_generations(last, parts, out, n_base=len(base), device=device, reuse=reuse)
    return open_encoder(out / ENCODER, build_encoder(config), device)


def given_stage(base: Split, out: Path) -> OpenedEncoder:
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
    if not find_generation(out, last):
        raise UsageError(
            f"--stage bridge trains no encoder, and none of this config is in {out} or beside it; "
            "run `syntrans train --stage encoder`, leave --stage out, or give features (encoder.method=precomputed)"
        )


@dataclass(frozen=True)
class _ConfiguredParts:
    """What the generations of a config are trained from (`encoder.training.Parts`)."""

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
            return open_teacher_features(ref, self.base, self.val, self.device, size=size, open_run=_open_run)

    @property
    def task_shape(self) -> TaskShape:
        """The base tasks of CMKD."""
        settings = self.config.cmkd
        return TaskShape(settings.ways, settings.shots, settings.queries, settings.tasks_per_step)

    @property
    def class_knowledge(self) -> ClassKnowledge:
        if self.knowledge is None:
            raise ValueError("the teacher of cmkd is trained with class knowledge, and none was given")
        return self.knowledge

    def encoder(self, steps: int) -> backbones.Encoder:
        return build_encoder(self.config, steps=steps)

    def objective(self, generation: Generation, encoder: backbones.Encoder) -> Objective:
        config, base, method = self.config, self.base, generation.method
        view = {"size": config.train_size, **config.augment.model_dump()}
        shard = (self.processes.rank, self.processes.count)
        pictures = Pictures(base.pixels, base.labels, device=self.device, view=view, shard=shard)
        smoothing, n_classes = config.label_smoothing, len(base.classes)
        if method == "cross_entropy":
            return CrossEntropy(encoder, pictures, n_classes=n_classes, label_smoothing=smoothing)
        if method == "skd-gen0":
            gamma = config.rotation_gamma
            return SKDGen0(encoder, pictures, n_classes=n_classes, gamma=gamma, label_smoothing=smoothing)
        if method == "cmkd-teacher":
            return self._cmkd_teacher(encoder, pictures)
        if method == "cmkd":
            return self._cmkd_student(generation, encoder, pictures)
        tensors, _ = checkpoint.load(self.out / "skd-gen0.safetensors")
        head = nn.Linear(encoder.feature_dim, n_classes)
        encoder.load_state_dict(encoder_as_trained(tensors))
        head.load_state_dict(checkpoint.part(tensors, "head"))
        second = config.generation1
        return SKDGen1(encoder, head, pictures, temperature=second.temperature, gamma=second.gamma)

    def _cmkd_teacher(self, encoder: backbones.Encoder, pictures: Pictures) -> Objective:
        knowledge, frozen, settings = self.class_knowledge, self.teacher_features, self.config.cmkd
        return CMKDTeacher(
            build_teacher(encoder, knowledge, frozen, width=settings.width), pictures, knowledge.base, self.task_shape,
            steps=settings.steps_per_epoch, encoder=None if frozen else encoder, table=frozen.base if frozen else None,
            mirror=settings.mirror_weight,
        )  # fmt: skip

    def _cmkd_student(self, generation: Generation, encoder: backbones.Encoder, pictures: Pictures) -> Objective:
        """The student, with the teacher that was trained before it or with none."""
        config, settings, teaching = self.config, self.config.cmkd, None
        if generation.teacher and self.knowledge:
            knowledge, frozen = self.knowledge, self.teacher_features
            teacher = build_teacher(encoder, knowledge, frozen, width=settings.width)
            normalise = config.normalise.model_dump(include={"mean", "std"})
            own = None if frozen else backbones.build(config.backbone, size=config.train_size, **normalise)
            placing: dict[str, Any] = {"file": self.out / generation.teacher.file, "device": pictures.device}
            teaching = MirrorTeaching(
                teacher, freeze_teacher(teacher, own, frozen.base if frozen else None, **placing), knowledge.base,
                settings.relation_weight, settings.relation, settings.temperature, queries_told=settings.queries_told,
            )  # fmt: skip
        return CMKDStudent(encoder, pictures, self.task_shape, steps=settings.steps_per_epoch, teaching=teaching)

    def retake_statistics(self, generation: Generation, module: nn.Module) -> dict[str, Tensor]:
        wanted, encoder = generation.statistics or {}, backbones.place(module.get_submodule("encoder"), self.device)
        placing: dict[str, Any] = {"device": self.device, "precision": generation.recipe.precision}
        return retake_statistics(encoder, self.base, pictures=wanted["pictures"], size=wanted["size"], **placing)

    def val_accuracy(self, generation: Generation, module: nn.Module) -> float:
        """Of the encoder's prototypes, or of a teacher that is told the val classes."""
        val, teaches = self.val, generation.method == "cmkd-teacher"
        if teaches and self.teacher_features:
            values = self.teacher_features.val
        else:
            placing: dict[str, Any] = {"device": self.device, "precision": generation.recipe.precision}
            # A teacher's map has one weight per feature, and Conv-4 has more of them in larger pictures.
            size = self.config.train_size if teaches else self.config.test_size
            values = features.run_encoder(module.get_submodule("encoder"), val, size=size, **placing)
        if teaches:
            return teacher_accuracy(module.get_submodule("teacher"), values, self.class_knowledge.val, val_tasks(val))
        return val_accuracy(values, val)


def _open_run(folder: Path, device: torch.device) -> tuple[nn.Module, int, str]:
    """The encoder of a folder of `syntrans train`, the size of its pictures, and its precision."""
    report = read_sealed_json(folder / TRAIN_REPORT, "train it again")
    config = read_saved(TrainConfig, report["config"]).encoder
    encoder, note = open_encoder(folder / ENCODER, build_to_open(config), device)
    return encoder, config.test_size, note["precision"]
