"""CMKD within the encoder stage: what its teacher knows and sees, its tasks, and how good the teacher is.

The teacher's backbone (`encoder.cmkd.teacher_backbone`) is
    own                          an encoder like the student's, trained with the teacher on the views that students see
    timm:<..>, open_clip:<..>    a frozen tower, which looks at the whole pictures once
    a folder of `syntrans train` the frozen encoder of that run, likewise
The knowledge is that of the base classes; the val classes' serves one number in the log: the teacher's own accuracy on
val tasks. A teacher that is no better than its student has nothing to say.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans.config import read_saved
from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.runs.file_names import TRAIN_REPORT
from syntrans_training import backbones
from syntrans_training.backbones.towers import is_tower, revision
from syntrans_training.config import CMKDConfig, EncoderConfig, TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder import features
from syntrans_training.encoder.cmkd_teacher import MirrorTeacher
from syntrans_training.encoder.objectives.cmkd import (
    CMKDStudent,
    CMKDTeacher,
    MirrorTeaching,
    TaskShape,
    teacher_backbone,
)
from syntrans_training.engine import checkpoint
from syntrans_training.engine.trainer import Objective
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods.base import accuracy
from syntrans_training.text.class_texts import Vectors
from syntrans_training.text.class_vectors import KEPT, NAME, STATEMENTS, derangement

OWN = "own"
_CHUNK = 100  # val tasks at once


@dataclass(frozen=True)
class ClassKnowledge:
    """Class vectors of base [C, s] and val [C, s] classes; `key` names the former."""

    base: Float[Tensor, "c s"]
    val: Float[Tensor, "v s"]
    key: str


@dataclass(frozen=True)
class TeacherFeatures:
    """Features of a frozen backbone: [n, h] of the base pictures and of the val pictures."""

    base: Float[Tensor, "n h"]
    val: Float[Tensor, "v h"]


def class_knowledge(config: EncoderConfig, base: Vectors, val: Vectors, *, described: bool) -> ClassKnowledge | None:
    """What the teacher is told of the classes; None where no teacher is trained.

    `described` says whether there are descriptors; without them the names stand in.
    """
    settings = config.cmkd
    if config.method != "cmkd" or not settings.relation_weight:
        return None
    variant = settings.knowledge if settings.knowledge in (NAME, "random", STATEMENTS) else KEPT
    variant = variant if described else NAME
    vectors_of = [vectors(variant, settings.name_share, 0).float() for vectors in (base, val)]
    if settings.knowledge == "none":
        vectors_of = [torch.zeros(len(vectors), 1) for vectors in vectors_of]
    if settings.knowledge == "shuffled":
        vectors_of = [vectors[torch.from_numpy(derangement(len(vectors), 0))] for vectors in vectors_of]
    return ClassKnowledge(
        vectors_of[0], vectors_of[1], hashlib.sha256(vectors_of[0].numpy().tobytes()).hexdigest()[:16]
    )


def check_tasks(config: EncoderConfig, base: Split, processes: int) -> None:
    """Before long work: `InputError` when base is too small for a task, `UsageError` when processes cannot share."""
    settings = config.cmkd
    if config.method != "cmkd":
        return
    few, need = int(np.bincount(base.labels).min()), settings.shots + settings.queries
    if few < need or len(base.classes) < settings.ways:
        raise InputError(
            f"base has {len(base.classes)} classes, the smallest of {few} images; encoder.cmkd asks for tasks of "
            f"{settings.ways} classes and {need} images of each: lower encoder.cmkd.queries, or ways"
        )
    if settings.tasks_per_step % processes:
        raise UsageError(
            f"{processes} processes cannot share {settings.tasks_per_step} tasks; set encoder.cmkd.tasks_per_step"
        )


def teacher_backbone_key(ref: str) -> str:
    """What names the weights of the teacher's backbone; raises `UsageError` when the reference leads nowhere."""
    if ref == OWN:
        return OWN
    if is_tower(ref):
        return revision(ref) or ref
    try:
        return str(checkpoint.read_note(Path(ref) / "encoder.safetensors")["weights"])
    except (InputError, LookupError) as error:
        raise UsageError(
            f"encoder.cmkd.teacher_backbone {ref!r} is neither own, timm:<..>, open_clip:<..> "
            "nor a folder of `syntrans train`"
        ) from error


OpenRun = Callable[[Path, EncoderConfig, torch.device], tuple[nn.Module, dict[str, Any]]]


def open_teacher_features(
    config: EncoderConfig, base: Split, val: Split, device: torch.device, open_run: OpenRun
) -> TeacherFeatures | None:
    """Features of the teacher's frozen backbone, from the cache where they are; None where it trains its own."""
    ref, size, precision = config.cmkd.teacher_backbone, config.test_size, "fp32"
    if ref == OWN:
        return None
    if is_tower(ref):
        tower = backbones.build(ref)
        size, encoder = tower.size or size, backbones.place(tower, device)
    else:
        report = read_sealed_json(Path(ref) / TRAIN_REPORT, "train it again")
        seen = read_saved(TrainConfig, report["config"]).encoder
        encoder, note = open_run(Path(ref), seen, device)
        size, precision = seen.test_size, note["precision"]
    extraction = features.Extraction(teacher_backbone_key(ref), device, precision)
    return TeacherFeatures(*(features.extract(encoder, split, extraction, size=size).values for split in (base, val)))


def shape_of(settings: CMKDConfig) -> TaskShape:
    """The base tasks of a config."""
    return TaskShape(settings.ways, settings.shots, settings.queries, settings.tasks_per_step)


def teacher_task(
    config: EncoderConfig,
    encoder: backbones.Encoder,
    pictures: Pictures,
    knowledge: ClassKnowledge,
    teacher_features: TeacherFeatures | None,
) -> Objective:
    """The teacher's training."""
    settings = config.cmkd
    return CMKDTeacher(
        _build(config, encoder, knowledge, teacher_features),
        pictures,
        knowledge.base,
        shape_of(settings),
        steps=settings.steps_per_epoch,
        encoder=None if teacher_features else encoder,
        table=teacher_features.base if teacher_features else None,
        mirror=settings.mirror_weight,
    )


def student_task(
    config: EncoderConfig,
    encoder: backbones.Encoder,
    pictures: Pictures,
    knowledge: ClassKnowledge | None,
    teacher_features: TeacherFeatures | None,
    file: Path | None,
) -> Objective:
    """The student's training, with the teacher of `file` or with none."""
    teaching = None
    if file and knowledge:
        settings, (tensors, _) = config.cmkd, checkpoint.load(file)
        teacher = _build(config, encoder, knowledge, teacher_features)
        teacher.load_state_dict(checkpoint.part(tensors, "teacher"))
        seeing = None
        if teacher_features is None:
            seeing = backbones.build(
                config.backbone, size=config.train_size, mean=config.normalise.mean, std=config.normalise.std
            )
            seeing.load_state_dict(checkpoint.part(tensors, "encoder"))
            _freeze(backbones.place(seeing, pictures.device))
        _freeze(teacher.to(pictures.device))
        backbone = teacher_backbone(seeing, teacher_features.base if teacher_features else None, pictures.device)
        teaching = MirrorTeaching(
            teacher, backbone, knowledge.base, settings.relation_weight, settings.relation, settings.temperature,
            queries_told=settings.queries_told,
        )  # fmt: skip
    return CMKDStudent(encoder, pictures, shape_of(config.cmkd), steps=config.cmkd.steps_per_epoch, teaching=teaching)


def _build(
    config: EncoderConfig,
    encoder: backbones.Encoder,
    knowledge: ClassKnowledge,
    teacher_features: TeacherFeatures | None,
) -> MirrorTeacher:
    seen = teacher_features.base.shape[1] if teacher_features else encoder.feature_dim
    return MirrorTeacher(seen, knowledge.base.shape[1], width=config.cmkd.width)


def _freeze(module: nn.Module) -> None:
    module.requires_grad_(requires_grad=False).eval()


@torch.inference_mode()
def teacher_accuracy(
    teacher: nn.Module, seen: Float[Tensor, "n h"], knowledge: Float[Tensor, "c s"], tasks: Episodes
) -> float:
    """Accuracy of the teacher on tasks of classes that it knows the vectors of."""
    assert isinstance(teacher, MirrorTeacher)
    device = next(teacher.parameters()).device
    accuracies = []
    for part in tasks.chunks(_CHUNK):
        support, query, classes = (
            torch.from_numpy(numbers) for numbers in (part.support, part.query.reshape(len(part), -1), part.classes)
        )
        taught = teacher(*(values.to(device) for values in (seen[support], seen[query], knowledge[classes])))
        accuracies.append(accuracy(teacher.logits(taught).cpu()))
    return torch.cat(accuracies).mean().item()
