"""The stages of `syntrans train`: each reads files, leaves a file, and is skipped when that file's identity fits.

An identity hashes everything that changes the result and nothing else (no paths, no run ids).
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from syntrans.config import semantic_hash
from syntrans.errors import InputError
from syntrans.paths import atomic_path

from . import backbones, checkpoint, features
from .bridge import Grid, alpha_grid, build_bridge, pack, visual_accuracy
from .config import EncoderConfig, TrainConfig
from .data import Split
from .episodes import Episodes, EpisodeSpec, draw
from .features import Features
from .loop import Recipe, fit
from .modules.whiten import fit_whitening
from .progress import say
from .provenance import file_sha256
from .seeding import pick_precision
from .semantics import class_vectors, read_knowledge
from .tasks.pretrain import Pretrain
from .text import open_text_encoder

ENCODER, BRIDGE, STATE, METRICS = (
    "encoder.safetensors",
    "bridge.safetensors",
    "state.safetensors",
    "metrics.jsonl",
)
_LOOK = "val_accuracy_1_shot"


def check_inputs(config: TrainConfig, base: Split, val: Split, descriptors: Path | None) -> None:
    """Everything the bridge will ask for, looked at before the encoder's hours: texts, their encoder, val episodes."""
    read_knowledge(descriptors, [*base.classes, *val.classes])
    open_text_encoder(config.text.encoder)
    shape = config.episodes
    most = EpisodeSpec(shape.ways, max(shape.shots), shape.queries, episodes=1)
    draw(most, val.labels, names=val.classes)


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


def feature_stage(
    encoder: nn.Module, note: Mapping[str, Any], split: Split, device: torch.device, size: int
) -> Features:
    """Cached features of a split."""
    return features.extract(
        encoder, split, weights=note["weights"], size=size, device=device, precision=note["precision"]
    )


def bridge_stage(
    config: TrainConfig, base: Features, val: Features, descriptors: Path | None, out: Path
) -> dict[str, Any]:
    """Choose and fit the bridge on val; returns its note."""
    text = open_text_encoder(config.text.encoder)
    asked = config.model_dump(
        mode="json", include={"text": True, "bridge": True, "episodes": {"ways", "shots", "queries"}}
    )
    file = None if descriptors is None else {"path": str(descriptors), "sha256": file_sha256(descriptors)}
    identity = semantic_hash(
        {"asked": asked, "text": text.revision, "base": base.key, "val": val.key, "file": file and file["sha256"]}
    )
    path = out / BRIDGE
    if path.exists() and checkpoint.read_note(path).get("identity") == identity:
        return checkpoint.read_note(path)
    knowledge = read_knowledge(descriptors, [*base.classes, *val.classes])

    def vectors(variant: str, share: float) -> tuple[Tensor, Tensor]:
        found = class_vectors(
            knowledge,
            [*base.classes, *val.classes],
            text,
            variant,
            name_share=share,
            descriptor_template=config.text.descriptor_template,
            name_template=config.text.name_template,
        )
        both = torch.from_numpy(found)
        return both[: len(base.classes)], both[len(base.classes) :]

    grid = Grid(
        shrinkages=config.bridge.shrinkages,
        lambdas=config.bridge.lambdas,
        alphas=alpha_grid(config.bridge.alpha_step),
        name_shares=config.bridge.name_shares,
    )
    bridge = build_bridge(base, val, vectors, val_episodes(config, val), knowledge.variants, grid)
    tensors, note = pack(bridge)
    note |= {"identity": identity, "descriptors": file, "text_encoder": {"name": text.name, "revision": text.revision}}
    checkpoint.save(path, tensors, note)
    return note


def val_episodes(config: TrainConfig, val: Features) -> dict[int, Episodes]:
    """The val episodes that choices are made on, by number of shots."""
    shape = config.episodes
    return {
        shots: draw(
            EpisodeSpec(shape.ways, shots, shape.queries, config.bridge.episodes, config.bridge.seed),
            val.labels.numpy(),
            names=val.classes,
        )
        for shots in shape.shots
    }
