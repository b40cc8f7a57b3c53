"""The encoder stage of `syntrans train`: train it, or take over an equal one (`stages.py` says what an identity is)."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from syntrans.config import semantic_hash
from syntrans.errors import InputError
from syntrans.paths import atomic_path

from . import backbones, checkpoint, features
from .bridge import visual_accuracy
from .config import EncoderConfig
from .data import Split
from .episodes import EpisodeSpec, draw
from .loop import Recipe, fit
from .modules.whiten import fit_whitening
from .progress import say
from .seeding import pick_precision
from .tasks.pretrain import Pretrain

ENCODER, STATE, METRICS = "encoder.safetensors", "state.safetensors", "metrics.jsonl"
_LOOK = "val_accuracy_1_shot"


def encoder_stage(
    config: EncoderConfig, base: Split, val: Split, out: Path, *, seed: int, device: torch.device, reuse: bool
) -> tuple[nn.Module, dict[str, Any]]:
    """The trained encoder and its note; an equal encoder of this or a neighbouring run is taken over."""
    precision = pick_precision(config.precision, device)
    asked = config.model_dump(mode="json", exclude={"val_every", "precision", "test_size"})
    identity = semantic_hash({"encoder": asked, "precision": precision, "base": base.key, "seed": seed, "version": 1})
    found = _find_encoder(out, identity) if reuse else None
    torch.manual_seed(seed)
    recipe_steps = max(1, len(base) // config.batch_size) * config.epochs
    encoder = backbones.build(config.backbone, drop_rate=config.drop_rate, drop_ramp_steps=recipe_steps // 2)
    if found is None:
        _train_encoder(config, encoder, base, val, out, seed, device, precision, identity)
    elif found.parent != out:
        say(f"encoder: the same as in {found.parent.name}, taken over")
        _copy(found, out / ENCODER)
    tensors, note = checkpoint.load(out / ENCODER)
    encoder.load_state_dict(tensors)
    return backbones.place(encoder, device), note


def _find_encoder(out: Path, identity: str) -> Path | None:
    neighbours = sorted(out.parent.glob(f"*/{ENCODER}"), reverse=True)
    if (out / ENCODER).exists() and checkpoint.read_note(out / ENCODER).get("identity") == identity:
        return out / ENCODER
    for path in neighbours:
        with suppress(InputError):  # another run's damage is no matter of this one
            if checkpoint.read_note(path).get("identity") == identity:
                return path
    return None


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    if (source.parent / METRICS).exists():
        shutil.copyfile(source.parent / METRICS, target.parent / METRICS)


def _train_encoder(
    config: EncoderConfig,
    encoder: nn.Module,
    base: Split,
    val: Split,
    out: Path,
    seed: int,
    device: torch.device,
    precision: str,
    identity: str,
) -> None:
    augment = config.augment
    task = Pretrain(
        encoder,
        torch.from_numpy(np.array(base.pixels)).to(device),
        torch.from_numpy(base.labels),
        n_classes=len(base.classes),
        device=device,
        view={
            "size": config.train_size,
            "crop_area": augment.crop_area,
            "flip": augment.flip,
            "jitter": augment.jitter,
        },
        label_smoothing=config.label_smoothing,
    )
    recipe = Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
        warmup_epochs=config.warmup_epochs,
        optimizer=config.optimizer,
        precision=precision,
        seed=seed,
    )

    def after_epoch(epoch: int) -> dict[str, float]:
        if epoch % config.val_every and epoch != config.epochs:
            return {}
        return {_LOOK: round(_peek(encoder, val, config.test_size, device, precision), 4)}

    fit(
        task,
        recipe,
        device=device,
        state_file=out / STATE,
        identity=identity,
        metrics_file=out / METRICS,
        after_epoch=after_epoch,
    )
    # The last epoch is kept (METHOD.md section 2: no selection); the looks at val are only written down.
    looks = _looks(out / METRICS)
    note = {"identity": identity, "backbone": config.backbone, "precision": precision, "val_1_shot": looks}
    weights = encoder.state_dict()
    checkpoint.save(out / ENCODER, weights, {**note, "weights": checkpoint.weights_hash(weights)})
    (out / STATE).unlink(missing_ok=True)


def _looks(metrics: Path) -> dict[str, float]:
    # From the file, not from memory: a resumed run made the first of them in another process.
    found: dict[str, float] = {}
    for line in metrics.read_text().splitlines():
        with suppress(ValueError):  # a line that a full disk cut short
            row = json.loads(line)
            if _LOOK in row:
                found[str(row["epoch"])] = row[_LOOK]
    return found


def _peek(encoder: nn.Module, val: Split, size: int, device: torch.device, precision: str) -> float:
    values = features.run_encoder(encoder, val, size=size, device=device, precision=precision)
    labels = torch.from_numpy(val.labels)
    unit = fit_whitening(values, labels, shrinkage=None)(values)
    # Only a number for the log: as many queries as the smallest class allows, up to the usual 15.
    queries = min(15, int(np.bincount(val.labels).min()) - 1)
    spec = EpisodeSpec(min(5, len(val.classes)), 1, queries, episodes=300, seed=2)
    return visual_accuracy(unit, {1: draw(spec, val.labels, names=val.classes)})
