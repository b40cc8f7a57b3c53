"""Spreads of val's classes in the shared space of every head, with which a task is compared when alpha is moved.

Measured once the heads are trained (docs/method.md (30), text/task_alpha.py), and kept in vsbird.safetensors.
"""

from pathlib import Path

import torch
from torch import Tensor

from syntrans_training.bridge.initialisation import ClassVectorSource
from syntrans_training.bridge.trained_bridges import SPREAD, read_bridges
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.text.class_vectors import NONE
from syntrans_training.text.task_alpha import measure_spread


@torch.no_grad()
def measure_spreads(path: Path, val: Features, texts: ClassVectorSource) -> None:
    """Add to the heads of `path` what they lack; heads without a text have nothing to weigh."""
    bridges, (tensors, note) = read_bridges(path), checkpoint.load(path)
    pictures = bridges.phi(val.values)
    spreads: dict[str, Tensor] = {}
    for (variant, shots), heads in bridges.heads.items():
        text = texts.val(variant, bridges.choices[variant, shots]["name_share"])
        seeds = [log["seed"] for log in note["heads"] if (log["variant"], log["shots"]) == (variant, shots)]
        for seed, head in zip(seeds, heads, strict=True):
            prefix = f"{SPREAD}.{variant}.{shots}.{seed}"
            if variant == NONE or f"{prefix}.slope" in tensors:
                continue
            memory = head.build_memory()
            semantic, precision = head.semantic_weights(text, memory), memory.metric.precision
            spread = measure_spread(memory.project(pictures), val.labels, semantic, precision)
            spreads |= {f"{prefix}.{name}": tensor for name, tensor in spread.tensors().items()}
    if spreads:
        checkpoint.save(path, tensors | spreads, note)
