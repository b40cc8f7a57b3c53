"""The rows of an evaluation: which methods and controls there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .methods import Fused, Method, Prototype, Semantic
from .semantics import derangement
from .sides import Side

Group = Literal["visual", "semantic", "control"]


@dataclass(frozen=True)
class Row:
    """One line of the table: methods whose accuracies are averaged (usually one), and the features they look at."""

    methods: tuple[Method, ...]
    features: Float[Tensor, "n d"]
    variant: str | None = None  # whose alpha and lambda it uses; None for visual rows
    temperature: float = 10.0  # of softmax(scores * temperature), for calibration; chosen on val
    support_views: Float[Tensor, "n v d"] | None = None  # augmented pictures that stand in for each support
    group: Group = "visual"


def build_rows(side: Side, peers: Mapping[str, Row], *, n_classes: int, shots: int, draws: int) -> dict[str, Row]:
    """Every row for one number of shots, in the order of the table.

    `peers` are the rows of other methods (choose.py); controls that are random are averaged over `draws` draws.
    """
    rows = {"plain_prototypes": Row((Prototype(),), side.unit)}
    rows |= {name: row for name, row in peers.items() if row.group == "visual"}
    rows["visual_only"] = Row((Prototype(),), side.standard)
    rows |= {name: row for name, row in peers.items() if row.group == "semantic"}
    own = Semantic(side.semantic(side.main, shots))
    rows["semantic_only"] = Row((own,), side.standard, side.main, group="semantic")
    rows["fused"] = Row((_fused(side, shots, side.main),), side.standard, side.main, group="semantic")
    return rows | _controls(side, n_classes, shots, draws)


def _controls(side: Side, n_classes: int, shots: int, draws: int) -> dict[str, Row]:
    """What remains when the text says only the name, is unchecked, says nothing, or is another class's."""

    def control(variant: str, *methods: Method) -> Row:
        return Row(methods, side.standard, variant, group="control")

    fused = partial(_fused, side, shots)
    rows = {}
    if side.main != "name":
        rows["name_only"] = control("name", fused("name"))
    if "raw" in side.bridge.variants:
        rows["raw"] = control("raw", fused("raw"))
    if "random" in side.bridge.variants:
        rows["random_words"] = control("random", *(fused("random", draw=i) for i in range(draws)))
    orders = [torch.from_numpy(derangement(n_classes, seed)) for seed in range(draws)]
    rows["shuffled"] = control(side.main, *(fused(side.main, order=order) for order in orders))
    return rows


def _fused(side: Side, shots: int, variant: str, *, draw: int = 0, order: Tensor | None = None) -> Fused:
    weights = side.semantic(variant, shots, draw)
    return Fused(weights if order is None else weights[order], alpha=side.bridge.choices[variant, shots].alpha)
