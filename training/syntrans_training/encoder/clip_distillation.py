"""Distillation of a frozen CLIP: it teaches the trained encoder what pictures have in common.

It leaves distill.safetensors: `encoder.*`, which the features come from, `projector.*` into the teacher's space, and a
note with its identity and every validation check. The acceptance check (`gate` in the note): if val accuracy of cosine
prototypes ends below where it began, the features come from the encoder as it was, `encoder.*` are its weights, and no
projector is left, for it would belong to another encoder. The val split is looked at, never trained on, and the last
epoch is kept, whatever the checks.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from syntrans.progress import say
from syntrans_training.backbones import Encoder
from syntrans_training.data import Split
from syntrans_training.data.augment import Pictures, StoredCrops
from syntrans_training.encoder import features
from syntrans_training.encoder.clip_teacher import Teacher, zero_shot
from syntrans_training.encoder.objectives.clip_distillation import ClipDistill, TeacherTargets, Terms
from syntrans_training.encoder.training import VAL_ACCURACY, val_accuracy, val_checks
from syntrans_training.engine import checkpoint
from syntrans_training.engine import training_state as state
from syntrans_training.engine.distributed import Processes
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.run_files import DISTILL, DISTILL_METRICS, DISTILL_STATE, ENCODER
from syntrans_training.engine.trainer import Recipe, fit
from syntrans_training.modules.projector import Projector
from syntrans_training.text.anchor_texts import AnchorTexts

_ZERO_SHOT = "zero_shot_val_"


@dataclass(frozen=True)
class TeacherSignal:
    """The teacher, its anchor texts, and its vectors of the base and val classes (used only to measure)."""

    teacher: Teacher
    anchors: AnchorTexts
    base: dict[str, Tensor]
    val: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class ClipDistillation:
    """One distillation: who teaches whom on which pictures, by which losses, and where it is left.

    Args:
        signal: the teacher and what it says of classes.
        start: the encoder that is taught.
        terms: weights and temperatures of the losses.
        projector: "linear" or "mlp", from the student's features to the teacher's space.
        crops: stored crops of a picture that the teacher encodes, once.
        view: a training view of the student (`data.augment.Pictures`): its size in pixels, and what changes it.
        test_size: side of the pictures that val accuracy is measured on, in pixels.
        val_every: epochs between validation checks.
        identity: of the file that is left.
    """

    signal: TeacherSignal
    start: Encoder
    base: Split
    val: Split
    out: Path
    device: torch.device
    processes: Processes
    recipe: Recipe
    terms: Terms
    projector: Literal["linear", "mlp"]
    crops: int
    view: Mapping[str, Any]
    test_size: int
    val_every: int
    identity: str

    def run(self, note: Mapping[str, Any]) -> None:
        """Train, hold the result against the start, and leave the file."""
        torch.manual_seed(self.recipe.seed)
        with self.processes.first_alone():
            targets, teacher_note = self._ask_teacher()
        task = self._task(targets)

        def after_epoch(epoch: int, now: nn.Module) -> dict[str, float]:
            last = epoch == self.recipe.epochs
            return self._val_check(now) if last or epoch % self.val_every == 0 else {}

        fit(
            task,
            self.recipe,
            device=self.device,
            state_file=self.out / DISTILL_STATE,
            identity=self.identity,
            metrics_file=self.out / DISTILL_METRICS,
            after_epoch=after_epoch,
            at_start=lambda _: {VAL_ACCURACY: self._accuracy(self.start)},
        )
        if self.processes.first:
            self._save(task, note, teacher_note)
            state.remove(self.out / DISTILL_STATE)

    def _ask_teacher(self) -> tuple[Tensor, dict[str, Any]]:
        """What it says of every stored crop [n, V, e], and how well it does without a student."""
        teacher = self.signal.teacher
        encoder = teacher.encoder.to(self.device)
        extraction = features.Extraction(teacher.revision, self.device, self.recipe.precision)
        targets = features.extract_crops(
            encoder, self.base, self._crops(), extraction, view=self._crop_view(), shown=teacher.size
        )
        accuracy = {}
        for split, vectors in ((self.base, self.signal.base), (self.val, self.signal.val)):
            whole = features.extract(encoder, split, extraction, size=teacher.size)
            accuracy[split.name] = zero_shot(whole.values, split, vectors)
        encoder.cpu()
        say(f"teacher {teacher.name}: zero-shot {accuracy}, {self.crops} crops of {len(self.base)} pictures")
        described = {"name": teacher.name, "revision": teacher.revision, "scale": teacher.scale, "zero_shot": accuracy}
        return targets, described

    def _crops(self) -> StoredCrops:
        return StoredCrops(len(self.base), views=self.crops, seed=self.recipe.seed)

    def _crop_view(self) -> dict[str, Any]:
        """A training view as its teacher sees it: in its own colours."""
        return {key: value for key, value in self.view.items() if key != "jitter"}

    def _task(self, targets: Tensor) -> ClipDistill:
        teacher = self.signal.teacher
        student = copy.deepcopy(self.start)
        anchors = torch.from_numpy(teacher.text.encode(self.signal.anchors.texts)) if self.terms.text else None
        pictures = Pictures(
            self.base.pixels,
            self.base.labels,
            device=self.device,
            view=self.view,
            shard=(self.processes.rank, self.processes.count),
        )
        taught = TeacherTargets(self._crops(), targets, anchors, teacher.scale)
        projector = Projector(student.feature_dim, targets.shape[2], kind=self.projector)
        head = self._head() if self.terms.cross_entropy else None
        return ClipDistill(student, projector, pictures, taught, self.terms, head=head, gather=self.processes.gather)

    def _head(self) -> nn.Linear:
        """The encoder's own class head, or a new one where it has none."""
        head = nn.Linear(self.start.feature_dim, len(self.base.classes))
        trained = checkpoint.part(checkpoint.load(self.out / ENCODER)[0], "head")
        if trained:
            head.load_state_dict(trained)
        return head

    def _values(self, encoder: nn.Module) -> Tensor:
        placing: dict[str, Any] = {"device": self.device, "precision": self.recipe.precision}
        return features.run_encoder(encoder, self.val, size=self.test_size, **placing)

    def _accuracy(self, encoder: nn.Module) -> float:
        return round(val_accuracy(self._values(encoder), self.val), 4)

    def _val_check(self, module: nn.Module) -> dict[str, float]:
        """Val accuracy of prototypes, and of the student's projected features among the val classes' texts."""
        values, projector = self._values(module.get_submodule("encoder")), module.get_submodule("projector").eval()
        with torch.inference_mode():
            projected = projector(values.to(self.device)).cpu()
        accuracies = zero_shot(projected, self.val, self.signal.val)
        return {VAL_ACCURACY: round(val_accuracy(values, self.val), 4)} | {
            _ZERO_SHOT + kind: v for kind, v in accuracies.items()
        }

    def _save(self, task: ClipDistill, note: Mapping[str, Any], teacher: dict[str, Any]) -> None:
        began, ended = (self._accuracy(encoder) for encoder in (self.start, task.encoder))
        passed = ended >= began
        kept: dict[str, nn.Module] = {"encoder": task.encoder, "projector": task.projector}
        if not passed:
            kept = {"encoder": self.start}
        done = "features come from the distilled encoder" if passed else "features come from the encoder as it was"
        verdict = "passed" if passed else "FAILED"
        say(f"distill: val {100 * began:.2f} -> {100 * ended:.2f} %, acceptance check {verdict}; {done}")
        rows = [row for row in read_rows(self.out / DISTILL_METRICS) if VAL_ACCURACY in row]
        student = {
            str(row["epoch"]): {k.removeprefix(_ZERO_SHOT): v for k, v in row.items() if k.startswith(_ZERO_SHOT)}
            for row in rows
            if row["epoch"]
        }
        tensors = nn.ModuleDict(kept).state_dict()
        anchors = {"texts": len(self.signal.anchors.texts), "left_out": self.signal.anchors.left_out}
        saved = {
            "identity": self.identity,
            "gate": "passed" if passed else "failed",
            "val_began": began,
            "val_ended": ended,
            "val_1_shot": val_checks(self.out / DISTILL_METRICS),
            "zero_shot_val": student,
            "teacher": teacher,
            "anchors": anchors if self.terms.text else None,
            "start": note["weights"],
            "precision": self.recipe.precision,
            "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
        }
        checkpoint.save(self.out / DISTILL, tensors, saved)
