"""The stages of `syntrans train`: each reads files, leaves a file, and is skipped when that file's identity fits.

An identity hashes everything that changes the result and nothing else (no paths, no run ids).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from syntrans.config import semantic_hash

from . import checkpoint, features
from .bridge import Grid, alpha_grid, build_bridge, pack
from .config import TrainConfig
from .data import Split
from .episodes import Episodes, EpisodeSpec, draw
from .features import Features
from .provenance import file_sha256
from .semantics import class_vectors, read_knowledge
from .text import open_text_encoder

BRIDGE = "bridge.safetensors"


def check_inputs(config: TrainConfig, base: Split, val: Split, descriptors: Path | None) -> None:
    """Everything the bridge will ask for, looked at before the encoder's hours: texts, their encoder, val episodes."""
    read_knowledge(descriptors, [*base.classes, *val.classes])
    open_text_encoder(config.text.encoder)
    shape = config.episodes
    most = EpisodeSpec(shape.ways, max(shape.shots), shape.queries, episodes=1)
    draw(most, val.labels, names=val.classes)


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
