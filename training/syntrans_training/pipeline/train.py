"""`syntrans train`: encoder, distill, features, bridge. Each stage leaves a file and is skipped when its file fits.

A run folder holds
    encoder.safetensors   weights of the encoder and its heads; note: identity, method, precision, val accuracies
    skd-gen0.safetensors  with method skd-gen1: the same of generation 0, its teacher
    cmkd-teacher.safetensors  with method cmkd: its teacher (note: the teacher's own val accuracies); metrics likewise
    distill.safetensors   with a distill.teacher: the encoder that the features come from; note: gate, zero-shot looks
    bridge.safetensors    standardisation and ridge maps; note: identity, descriptor file, what val chose
    vsbird.safetensors    trained heads of the bridge; note: identity, what val chose, what each training did
    methods.safetensors   heads of other methods; note: identity, settings that val chose, temperatures
    metrics.jsonl         one line an epoch: losses, learning rate, images/s, val accuracy
    skd-gen0.metrics.jsonl  with method skd-gen1: the same of its teacher
    distill.metrics.jsonl   with a distill.teacher: the same of the distillation
    split.json            where chance divided the classes: which is in base, val and novel
    train.json            config, seed, stages with seconds, data, descriptors, and what made it
    state.safetensors     only while an encoder is in training: where a stopped run goes on (-before: the one before it)
    distill-state.safetensors  the same while it is being distilled
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from syntrans.paths import atomic_write_text, make_dir, remove_rests
from syntrans.provenance import made_by
from syntrans.runs.legs import LEGS, Clock, Legs
from syntrans.runs.lock import lock
from syntrans_training.baselines.selection import METHODS
from syntrans_training.baselines.view_stage import view_stage
from syntrans_training.bridge.stage import VSBIRD
from syntrans_training.bridge.val_tasks import Val
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.encoder.clip_distillation import FILES as DISTILL_FILES
from syntrans_training.encoder.clip_distillation import distill_stage, encoder_file, open_lesson
from syntrans_training.encoder.cmkd import class_knowledge
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.encoder.training import FILES, check_given, encoder_stage, given_stage, require_encoder
from syntrans_training.engine.devices import pick_device
from syntrans_training.engine.distributed import Processes, join
from syntrans_training.engine.run_files import BRIDGE, REPORT
from syntrans_training.pipeline.preparation import prepare
from syntrans_training.pipeline.stages import (
    bridge_stage,
    check_base,
    check_val,
    methods_stage,
    open_texts,
    vsbird_stage,
)


@dataclass(frozen=True)
class TrainResult:
    """Where a training run left its files, and what train.json says."""

    folder: Path
    encoder: Path
    bridge: Path
    report: dict[str, Any]


def train(
    config: TrainConfig,
    *,
    out: Path,
    descriptors: Path | None = None,
    resume: bool = True,
    stage: str | None = None,
) -> TrainResult:
    """Run what is missing in `out`; without `descriptors` the bridge knows class names only.

    `stage` encoder or distill ends after itself, without a report; bridge trains no encoder. Too little to train on is
    said before anything is made (preparation.py).

    With `resume=False` every stage is run again although its file is there; caches still serve.
    Raises the errors of `syntrans.errors`; after any of them the same command goes on where it stopped.
    """
    origin = made_by(threads=torch.get_num_threads())  # the code as it is now; hours later the checkout may be another
    device = pick_device(config.device)
    processes = join(device)
    with processes.first_alone():
        prepared = prepare(config, descriptors)
        config = prepared.kept_in(make_dir(out))
    descriptors = descriptors and descriptors.absolute()
    with ExitStack() as stack:
        if processes.first:
            stack.enter_context(lock(out))
            remove_rests(out)
        if not resume and processes.first:
            for name in (BRIDGE, VSBIRD, METHODS, LEGS, *FILES, *DISTILL_FILES):
                (out / name).unlink(missing_ok=True)
        stack.enter_context(selecting())
        report = _run(config, out, descriptors, device, processes, resume=resume, stage=stage) | {"made_by": origin}
        if processes.first and stage not in ("encoder", "distill"):
            atomic_write_text(out / REPORT, json.dumps(report, indent=2))
    return TrainResult(out, out / encoder_file(config), out / BRIDGE, report)


def _run(
    config: TrainConfig,
    out: Path,
    descriptors: Path | None,
    device: torch.device,
    processes: Processes,
    *,
    resume: bool,
    stage: str | None,
) -> dict[str, Any]:
    """All stages in order; returns the report, or what there is of it where `stage` ends early."""
    seconds = Clock(Legs(out) if processes.first else Legs())
    with seconds.clock("data"), processes.first_alone():
        splits = open_data(config.data, ("base", "val"))
        texts = open_texts(config, splits["base"], splits["val"], descriptors)
        seen = splits["val"].seen(texts.knowledge.images_seen)
        check_val(config, splits["val"], seen)
        check_base(config, splits["base"])
        check_given(config.encoder, splits["base"], teacher=config.distill.teacher)
        told = class_knowledge(config.encoder, texts.base, texts.val, described=texts.file is not None)
        lesson = open_lesson(config, splits["base"], splits["val"], texts.knowledge, descriptors)
    with seconds.clock("encoder"):
        of_data = config.encoder, splits["base"], splits["val"]
        if config.encoder.method == "given":
            encoder, encoder_note = given_stage(splits["base"], out)
        else:
            if stage == "bridge":
                key = told.key if told else ""
                require_encoder(config.encoder, splits["base"], out, seed=config.seed, device=device, key=key)
            encoder, encoder_note = encoder_stage(
                *of_data, out, seed=config.seed, device=device, reuse=resume, knowledge=told
            )
    if stage == "encoder":
        return {"encoder": encoder_note}
    used, distill_note = (encoder, encoder_note), None
    if lesson:
        with seconds.clock("distill"):
            used = distill_stage(config, lesson, *used, splits["base"], splits["val"], out, device=device, reuse=resume)
            distill_note = used[1]
    if stage == "distill":
        return {"encoder": encoder_note, "distill": distill_note}
    with seconds.clock("features"), processes.first_alone():
        base, val = (feature_stage(*used, splits[name], device, config.encoder.test_size) for name in ("base", "val"))
        views = view_stage(*used, splits["val"], device, config.encoder.test_size, config.methods)
    with seconds.clock("bridge"), processes.first_alone():
        bridge_note = bridge_stage(config, base, Val(val, seen), texts, out)
    with seconds.clock("vsbird"), processes.first_alone():
        vsbird_note = vsbird_stage(config, base, Val(val, seen), texts, out)
    with seconds.clock("methods"), processes.first_alone():
        methods_note = methods_stage(config, base, Val(val, seen, views), texts, out)
    return {
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "seconds": seconds.totals(),
        "data": {name: _described(split) for name, split in splits.items()},
        "encoder": encoder_note,
        "distill": distill_note,
        "bridge": bridge_note,
        "vsbird": vsbird_note,
        "methods": methods_note,
    }


def _described(split: Split) -> dict[str, Any]:
    return {"images": len(split), "classes": len(split.classes), "key": split.key, "names": list(split.classes)}
