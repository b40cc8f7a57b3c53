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

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans.errors import InputError, UsageError
from syntrans_training import backbones
from syntrans_training.backbones.towers import is_tower, revision
from syntrans_training.data import Split
from syntrans_training.encoder import features
from syntrans_training.encoder.cmkd_teacher import MirrorTeacher
from syntrans_training.encoder.objectives.cmkd import TaskShape, TeacherBackbone, teacher_backbone
from syntrans_training.engine import checkpoint
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


def class_knowledge(kind: str, base: Vectors, val: Vectors, *, name_share: float, described: bool) -> ClassKnowledge:
    """What the teacher is told of the classes: `kind` is `encoder.cmkd.knowledge`.

    `described` says whether there are descriptors; without them the names stand in.
    """
    variant = kind if kind in (NAME, "random", STATEMENTS) else KEPT
    variant = variant if described else NAME
    vectors_of = [vectors(variant, name_share, 0).float() for vectors in (base, val)]
    if kind == "none":
        vectors_of = [torch.zeros(len(vectors), 1) for vectors in vectors_of]
    if kind == "shuffled":
        vectors_of = [vectors[torch.from_numpy(derangement(len(vectors), 0))] for vectors in vectors_of]
    return ClassKnowledge(
        vectors_of[0], vectors_of[1], hashlib.sha256(vectors_of[0].numpy().tobytes()).hexdigest()[:16]
    )


def check_tasks(shape: TaskShape, base: Split, processes: int) -> None:
    """Before long work: `InputError` when base is too small for a task, `UsageError` when processes cannot share."""
    few, need = int(np.bincount(base.labels).min()), shape.shots + shape.queries
    if few < need or len(base.classes) < shape.ways:
        raise InputError(
            f"base has {len(base.classes)} classes, the smallest of {few} images; encoder.cmkd asks for tasks of "
            f"{shape.ways} classes and {need} images of each: lower encoder.cmkd.queries, or ways"
        )
    if shape.tasks % processes:
        raise UsageError(f"{processes} processes cannot share {shape.tasks} tasks; set encoder.cmkd.tasks_per_step")


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


# The encoder of a run folder, the size of the pictures that it is shown, and the numbers that it computes in.
OpenRun = Callable[[Path, torch.device], tuple[nn.Module, int, str]]


def open_teacher_features(
    ref: str, base: Split, val: Split, device: torch.device, *, size: int, open_run: OpenRun
) -> TeacherFeatures | None:
    """Features of the teacher's frozen backbone `ref`, from the cache where they are; None where it trains its own.

    A tower that takes pictures of any size looks at `size` pixels; `open_run` opens the encoder of a run folder.
    """
    precision = "fp32"
    if ref == OWN:
        return None
    if is_tower(ref):
        tower = backbones.build(ref)
        size, encoder = tower.size or size, backbones.place(tower, device)
    else:
        encoder, size, precision = open_run(Path(ref), device)
    extraction = features.Extraction(teacher_backbone_key(ref), device, precision)
    return TeacherFeatures(*(features.extract(encoder, split, extraction, size=size).values for split in (base, val)))


def build_teacher(
    encoder: backbones.Encoder, knowledge: ClassKnowledge, teacher_features: TeacherFeatures | None, *, width: int
) -> MirrorTeacher:
    """A teacher of fresh weights, for features of `encoder` where it has no frozen backbone."""
    seen = teacher_features.base.shape[1] if teacher_features else encoder.feature_dim
    return MirrorTeacher(seen, knowledge.base.shape[1], width=width)


def freeze_teacher(
    teacher: MirrorTeacher,
    encoder: backbones.Encoder | None,
    table: Float[Tensor, "n h"] | None,
    *,
    file: Path,
    device: torch.device,
) -> TeacherBackbone:
    """Give `teacher` the weights of `file`, and return what it sees by; neither learns any more.

    That is `encoder`, which gets the file's weights too, or `table`, features of a frozen backbone.
    """
    tensors, _ = checkpoint.load(file)
    teacher.load_state_dict(checkpoint.part(tensors, "teacher"))
    if encoder is not None:
        encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
        _freeze(backbones.place(encoder, device))
    _freeze(teacher.to(device))
    return teacher_backbone(encoder, table, device)


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
