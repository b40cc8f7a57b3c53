"""`syntrans train`: encoder, distill, features, bridge, baselines. A stage leaves a file, and is skipped if that fits.

A run folder holds
    encoder.safetensors   weights of the encoder and its heads; note: identity, method, precision, val accuracies
    skd-gen0.safetensors  with method skd-gen1: the same of generation 0, its teacher
    cmkd-teacher.safetensors  with method cmkd: its teacher (note: the teacher's own val accuracies); metrics likewise
    distill.safetensors   with a distill.teacher: the encoder that the features come from; note: acceptance, zero-shot
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

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from syntrans.files.sealed_json import sealed_json
from syntrans.paths import atomic_write_text, make_dir, remove_rests
from syntrans.provenance import made_by
from syntrans.runs.file_names import TRAIN_REPORT
from syntrans.runs.legs import LEGS
from syntrans.runs.lock import lock
from syntrans_training.config import TrainConfig
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.encoder.open_encoder import encoder_file
from syntrans_training.engine.devices import pick_device
from syntrans_training.engine.distributed import join
from syntrans_training.engine.run_files import BRIDGE, DISTILL_FILES, ENCODER_FILES, RIDGE, SELECTED_BASELINES
from syntrans_training.pipeline.preparation import prepare
from syntrans_training.pipeline.training_run import TrainingRun


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
            for name in (RIDGE, BRIDGE, SELECTED_BASELINES, LEGS, *ENCODER_FILES, *DISTILL_FILES):
                (out / name).unlink(missing_ok=True)
        stack.enter_context(selecting())
        run = TrainingRun(config, out, descriptors, device, processes, resume=resume)
        report = run_stages(run, stage) | {"made_by": origin}
        if processes.first and stage not in ("encoder", "distill"):
            atomic_write_text(out / TRAIN_REPORT, sealed_json(report))
    return TrainResult(out, out / encoder_file(distilled=config.distill.teacher is not None), out / BRIDGE, report)


def run_stages(run: TrainingRun, last: str | None = None) -> dict[str, Any]:
    """All stages in order; returns the report, or what there is of it where `last` ends early."""
    run.open()
    notes: dict[str, Any] = {"encoder": run.train_encoder(required=last == "bridge")}
    if last == "encoder":
        return notes
    notes["distill"] = run.distill()
    if last == "distill":
        return notes
    run.extract_features()
    notes["bridge"] = run.fit_ridge_baseline()
    notes["vsbird"] = run.train_bridge()
    notes["methods"] = run.choose_baselines()
    if run.config.imagined_supports:
        notes["imagined"] = run.weigh_imagined()
    return run.described() | notes
