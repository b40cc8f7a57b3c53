"""The stage `distill` of `syntrans train`: a frozen CLIP teaches the trained encoder what pictures have in common.

It leaves distill.safetensors: `encoder.*`, which the features come from, `projector.*` into the teacher's space, and a
note with its identity and every validation check. The acceptance check (`gate` in the note): if val accuracy of cosine
prototypes ends below where it began, the features come from the encoder as it was, `encoder.*` are its weights, and no
projector is left, for it would belong to another encoder. The val split is looked at, never trained on, and the last
epoch is kept, whatever the checks.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from syntrans.errors import InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import say
from syntrans_training.backbones import Encoder
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.augment import Pictures, StoredCrops
from syntrans_training.data.load_splits import origin_of
from syntrans_training.encoder import features
from syntrans_training.encoder.clip_teacher import Teacher, open_teacher, zero_shot
from syntrans_training.encoder.objectives.clip_distillation import ClipDistill, TeacherTargets, Terms
from syntrans_training.encoder.open_encoder import TrainedEncoder, build_encoder, open_encoder
from syntrans_training.encoder.training import VAL_ACCURACY, val_accuracy, val_checks
from syntrans_training.engine import checkpoint
from syntrans_training.engine import training_state as state
from syntrans_training.engine.devices import pick_compile, pick_precision
from syntrans_training.engine.distributed import Processes, join
from syntrans_training.engine.equal_files import find_equal, take_over
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.run_files import DISTILL, DISTILL_METRICS, DISTILL_STATE, ENCODER
from syntrans_training.engine.trainer import Recipe, fit
from syntrans_training.modules.projector import Projector
from syntrans_training.text.anchor_texts import AnchorTexts, anchor_texts, barred_names
from syntrans_training.text.class_vectors import Knowledge

_ZERO_SHOT = "zero_shot_val_"
_VERSION = 1  # raise it when the same configuration would train other weights


@dataclass(frozen=True)
class TeacherSignal:
    """The teacher, its anchor texts, and its vectors of the base and val classes (used only to measure)."""

    teacher: Teacher
    anchors: AnchorTexts
    base: dict[str, Tensor]
    val: dict[str, Tensor]


def open_teacher_signal(
    config: TrainConfig, base: Split, val: Split, knowledge: Knowledge, descriptors: Path | None
) -> TeacherSignal | None:
    """Open the teacher and collect its anchors, before the long work; None where there is no teacher."""
    if config.distill.teacher is None:
        return None
    build_encoder(config.encoder.model_copy(update={"method": "distilled"}))  # does it take views of train_size?
    teacher = open_teacher(config.distill.teacher)
    barred = barred_names(origin_of(config.data).open(), knowledge, base.classes, descriptors)
    templates = config.text.model_dump(include={"name_template", "descriptor_template"})
    anchors = anchor_texts(knowledge, base.classes, barred, **templates)
    if config.distill.loss_weights.text:
        say(f"anchors: {len(anchors.texts)} texts of base classes; {anchors.left_out} left out that name another class")
        if len(anchors.texts) < 2:
            raise InputError(
                "fewer than two anchor texts are left; set distill.loss_weights.text=0 or give descriptors"
            )
    vectors = [teacher.class_vectors(knowledge, split.classes, **templates) for split in (base, val)]
    return TeacherSignal(teacher, anchors, *vectors)


def distill_stage(
    config: TrainConfig,
    signal: TeacherSignal,
    start: TrainedEncoder,
    base: Split,
    val: Split,
    out: Path,
    *,
    device: torch.device,
    reuse: bool,
) -> TrainedEncoder:
    """The encoder that features come from after the distillation, and its note; an equal one is taken over."""
    encoder, note = start
    identity = _identity(config, signal, note["weights"], base, val, device)
    processes = join(device)
    equal = processes.same(partial(find_equal, out, identity, (DISTILL,)) if reuse else str)
    if not equal:
        _Stage(config, signal, cast(Encoder, encoder), base, val, out, device, processes, identity).run(note)
    elif processes.first:
        take_over(Path(equal), out / DISTILL, logs=(DISTILL_METRICS, DISTILL_METRICS), what="distill")
        if Path(equal) == out / DISTILL:
            state.remove(out / DISTILL_STATE)  # of a run that died between writing the one and removing the other
    processes.wait()
    return open_encoder(out, config.encoder, device, DISTILL)


def _identity(
    config: TrainConfig, signal: TeacherSignal, weights: str, base: Split, val: Split, device: torch.device
) -> str:
    shape = {"drop_rate", "drop_block", "drop_ramp_steps", "train_size", "test_size", "augment"}
    return semantic_hash(
        {
            "version": _VERSION,
            "asked": config.distill.model_dump(mode="json", exclude={"teacher", "val_every"}),
            "encoder": config.encoder.model_dump(mode="json", include=shape),
            "precision": pick_precision(config.encoder.precision, device),
            "start": weights,
            "teacher": signal.teacher.revision,
            "anchors": signal.anchors.texts if config.distill.loss_weights.text else (),
            "base": base.key,
            "val": val.key,  # of the acceptance check
            "seed": config.seed,
        }
    )


@dataclass(frozen=True)
class _Stage:
    config: TrainConfig
    signal: TeacherSignal
    start: Encoder
    base: Split
    val: Split
    out: Path
    device: torch.device
    processes: Processes
    identity: str

    @property
    def precision(self) -> str:
        return pick_precision(self.config.encoder.precision, self.device)

    def run(self, note: Mapping[str, Any]) -> None:
        """Train, hold the result against the start, and leave the file."""
        torch.manual_seed(self.config.seed)
        with self.processes.first_alone():
            targets, teacher_note = self._ask_teacher()
        task = self._task(targets)
        settings = self.config.distill

        def after_epoch(epoch: int, now: nn.Module) -> dict[str, float]:
            last = epoch == settings.epochs
            return self._val_check(now) if last or epoch % settings.val_every == 0 else {}

        fit(
            task,
            self._recipe(),
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
        teacher, settings = self.signal.teacher, self.config.distill
        encoder = teacher.encoder.to(self.device)
        extraction = features.Extraction(teacher.revision, self.device, self.precision)
        targets = features.extract_crops(
            encoder, self.base, self._crops(), extraction, view=self._view(), shown=teacher.size
        )
        accuracy = {}
        for split, vectors in ((self.base, self.signal.base), (self.val, self.signal.val)):
            whole = features.extract(encoder, split, extraction, size=teacher.size)
            accuracy[split.name] = zero_shot(whole.values, split, vectors)
        encoder.cpu()
        say(f"teacher {teacher.name}: zero-shot {accuracy}, {settings.views} crops of {len(self.base)} pictures")
        described = {"name": teacher.name, "revision": teacher.revision, "scale": teacher.scale, "zero_shot": accuracy}
        return targets, described

    def _crops(self) -> StoredCrops:
        return StoredCrops(len(self.base), views=self.config.distill.views, seed=self.config.seed)

    def _view(self) -> dict[str, Any]:
        return {"size": self.config.encoder.train_size, **self.config.encoder.augment.model_dump(exclude={"jitter"})}

    def _task(self, targets: Tensor) -> ClipDistill:
        settings, teacher = self.config.distill, self.signal.teacher
        student = copy.deepcopy(self.start)
        anchors = (
            torch.from_numpy(teacher.text.encode(self.signal.anchors.texts)) if settings.loss_weights.text else None
        )
        pictures = Pictures(
            self.base.pixels,
            self.base.labels,
            device=self.device,
            view={**self._view(), "jitter": self.config.encoder.augment.jitter},
            shard=(self.processes.rank, self.processes.count),
        )
        taught = TeacherTargets(self._crops(), targets, anchors, teacher.scale)
        terms = Terms(
            **settings.loss_weights.model_dump(), tau=settings.tau, relation_temperature=settings.relation_temperature
        )
        projector = Projector(student.feature_dim, targets.shape[2], kind=settings.projector)
        head = self._head() if settings.loss_weights.cross_entropy else None
        return ClipDistill(student, projector, pictures, taught, terms, head=head, gather=self.processes.gather)

    def _head(self) -> nn.Linear:
        """The encoder's own class head, or a new one where it has none."""
        head = nn.Linear(self.start.feature_dim, len(self.base.classes))
        trained = checkpoint.part(checkpoint.load(self.out / ENCODER)[0], "head")
        if trained:
            head.load_state_dict(trained)
        return head

    def _recipe(self) -> Recipe:
        settings, encoder = self.config.distill, self.config.encoder
        return Recipe(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            warmup_epochs=settings.warmup_epochs,
            optimizer=settings.optimizer,
            precision=self.precision,
            compiled=pick_compile(encoder.compile, self.device),
            save_minutes=encoder.save_minutes,
            seed=self.config.seed,
        )

    def _values(self, encoder: nn.Module) -> Tensor:
        size = self.config.encoder.test_size
        return features.run_encoder(encoder, self.val, size=size, device=self.device, precision=self.precision)

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
            "anchors": anchors if self.config.distill.loss_weights.text else None,
            "start": note["weights"],
            "precision": self.precision,
            "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
        }
        checkpoint.save(self.out / DISTILL, tensors, saved)
