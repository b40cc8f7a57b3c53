"""The rows of an evaluation: which methods and controls there are, and their accuracy on every episode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from .bridge import Bridge
from .config import TextConfig
from .episodes import Episodes
from .methods import Fused, Method, Prototype, Semantic, accuracy
from .modules.whiten import fit_whitening
from .progress import track
from .semantics import Knowledge, class_vectors, derangement
from .text import TextEncoder


@dataclass(frozen=True)
class Row:
    """One line of the table: methods whose accuracies are averaged (usually one), and the features they look at."""

    methods: tuple[Method, ...]
    features: Float[Tensor, "n d"]
    variant: str | None = None  # whose alpha and lambda it uses; None for visual rows


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


def score(rows: Mapping[str, Row], tasks: Episodes, *, chunk: int) -> dict[str, NDArray[np.float64]]:
    """Accuracy in [0, 1] of every row on every episode [E]; memory grows with `chunk`, not with E."""
    found: dict[str, list[Tensor]] = {name: [] for name in rows}
    with track(f"{tasks.support.shape[2]}-shot episodes", len(tasks), "episodes") as progress, torch.inference_mode():
        for part in tasks.chunks(chunk):
            classes, support, query = (torch.from_numpy(a) for a in (part.classes, part.support, part.query))
            for name, row in rows.items():
                taken = row.features[support], row.features[query.flatten(1)], classes
                each = [accuracy(method.scores(*taken)) for method in row.methods]
                found[name].append(torch.stack(each).mean(0))
            progress.advance(len(part))
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}
