"""The stage `distill` of `syntrans train`: `encoder/clip_distillation.py`, built as the config asks."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from syntrans.errors import InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import say
from syntrans_training.backbones import Encoder
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.load_splits import origin_of
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.encoder.clip_distillation import ClipDistillation, TeacherSignal
from syntrans_training.encoder.clip_teacher import open_teacher
from syntrans_training.encoder.objectives.clip_distillation import Terms
from syntrans_training.encoder.open_encoder import OpenedEncoder, open_encoder
from syntrans_training.engine import training_state as state
from syntrans_training.engine.devices import pick_compile, pick_precision
from syntrans_training.engine.distributed import join
from syntrans_training.engine.equal_files import find_equal, take_over
from syntrans_training.engine.run_files import DISTILL, DISTILL_METRICS, DISTILL_STATE
from syntrans_training.engine.trainer import Recipe
from syntrans_training.text.anchor_texts import anchor_texts, barred_names
from syntrans_training.text.class_vectors import Knowledge

_VERSION = 1  # raise it when the same configuration would train other weights


def open_teacher_signal(
    config: TrainConfig, base: Split, val: Split, knowledge: Knowledge, descriptors: Path | None
) -> TeacherSignal | None:
    """Open the teacher and collect its anchors, before the long work; None where there is no teacher."""
    if config.distill.teacher is None:
        return None
    build_encoder(config.encoder, distilled=True)  # does it take views of train_size?
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
    start: OpenedEncoder,
    base: Split,
    val: Split,
    out: Path,
    *,
    device: torch.device,
    reuse: bool,
) -> OpenedEncoder:
    """The encoder that features come from after the distillation, and its note; an equal one is taken over."""
    encoder, note = start
    identity = _identity(config, signal, note["weights"], base, val, device)
    processes = join(device)
    equal = processes.same(partial(find_equal, out, identity, (DISTILL,)) if reuse else str)
    if not equal:
        ClipDistillation(
            signal=signal, start=cast(Encoder, encoder), base=base, val=val, out=out, device=device,
            processes=processes, identity=identity, **_settings(config, device),
        ).run(note)  # fmt: skip
    elif processes.first:
        take_over(Path(equal), out / DISTILL, logs=(DISTILL_METRICS, DISTILL_METRICS), what="distill")
        if Path(equal) == out / DISTILL:
            state.remove(out / DISTILL_STATE)  # of a run that died between writing the one and removing the other
    processes.wait()
    return open_encoder(out / DISTILL, build_encoder(config.encoder), device)


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


def _settings(config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """The settings of a `ClipDistillation`."""
    settings, encoder = config.distill, config.encoder
    recipe = Recipe(
        **settings.model_dump(include={"epochs", "batch_size", "lr", "weight_decay", "warmup_epochs", "optimizer"}),
        precision=pick_precision(encoder.precision, device),
        compiled=pick_compile(encoder.compile, device),
        save_minutes=encoder.save_minutes,
        seed=config.seed,
    )
    temperatures = settings.model_dump(include={"tau", "relation_temperature"})
    return {
        "recipe": recipe,
        "terms": Terms(**settings.loss_weights.model_dump(), **temperatures),
        "projector": settings.projector,
        "crops": settings.views,
        "view": {"size": encoder.train_size, **encoder.augment.model_dump()},
        "test_size": encoder.test_size,
        "val_every": settings.val_every,
    }
