"""The rows of an evaluation: which methods and controls there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from .bridge import Bridge
from .config import TextConfig
from .methods import Fused, Method, Prototype, Semantic
from .modules.whiten import fit_whitening
from .semantics import Knowledge, class_vectors, derangement
from .text import TextEncoder


@dataclass(frozen=True)
class Row:
    """One line of the table: methods whose accuracies are averaged (usually one), and the features they look at."""

    methods: tuple[Method, ...]
    features: Float[Tensor, "n d"]
    variant: str | None = None  # whose alpha and lambda it uses; None for visual rows
    temperature: float = 10.0  # of softmax(scores * temperature), for calibration; chosen on val
    support_views: Float[Tensor, "n v d"] | None = None  # augmented pictures that stand in for each support


def build_rows(
    values: Float[Tensor, "n d"],
    labels: Tensor,
    bridge: Bridge,
    knowledge: Knowledge,
    classes: Sequence[str],
    encoder: TextEncoder,
    text: TextConfig,
    *,
    shots: int,
    shuffles: int,
) -> dict[str, Row]:
    """Every row for one number of shots, in the order of the table; `values` are raw features."""
    plain = fit_whitening(values, labels, shrinkage=None)(values)
    standard = bridge.whitening(values)
    main = "kept" if "kept" in bridge.variants else "name"

    def vectors(variant: str) -> Tensor:
        found = class_vectors(
            knowledge,
            classes,
            encoder,
            variant,
            name_share=bridge.choices[variant, shots].name_share,
            descriptor_template=text.descriptor_template,
            name_template=text.name_template,
        )
        return torch.from_numpy(found)

    def fused(variant: str, order: NDArray[np.int64] | None = None) -> Fused:
        s = vectors(variant) if order is None else vectors(variant)[torch.from_numpy(order)]
        return Fused(bridge.ridges[variant, shots](s), alpha=bridge.choices[variant, shots].alpha)

    orders = [derangement(len(classes), seed) for seed in range(shuffles)]
    rows = {
        "plain_prototypes": Row((Prototype(),), plain),
        "visual_only": Row((Prototype(),), standard),
        "semantic_only": Row((Semantic(bridge.ridges[main, shots](vectors(main))),), standard, main),
        "fused": Row((fused(main),), standard, main),
    }
    if main != "name":
        rows["name_only"] = Row((fused("name"),), standard, "name")
    if "raw" in bridge.variants and "raw" in knowledge.variants:
        rows["raw"] = Row((fused("raw"),), standard, "raw")
    rows["shuffled"] = Row(tuple(fused(main, order) for order in orders), standard, main)
    return rows
