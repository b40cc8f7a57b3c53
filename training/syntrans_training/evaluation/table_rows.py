"""The rows of an evaluation: which methods and controls there are.

SynTrans stands in four rows by what may move its alpha (text/task_alpha.py): nothing (`val`), what domains have in
common (`prior`), the supports of the task (`inductive`), and its unlabelled queries too (`transductive`). One of them
is the headline, `syntrans`, whose level the controls have too. Bridges without spreads of val have alpha of val alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.baselines.selected import SelectedBaselines
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.methods import Fused, Method, Prototype, Semantic, SynTrans, TransductiveSynTrans
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.scoring.scored_classifier import Group, ScoredClassifier
from syntrans_training.text.class_vectors import CLASSNAME_FREE, KEPT, NONE, derangement, half_deranged
from syntrans_training.text.task_alpha import DOMAINS, ClassSpread, DomainPrior, TextWorth

Level = Literal["val", "prior", "inductive", "transductive"]
_LEVELS: tuple[Level, ...] = ("prior", "inductive", "val")  # beside each other in a table
ELSEWHERE = "syntrans_elsewhere"
"""The inductive level for pictures of another data set, which val calibrates and no table of val's pictures has."""


def build_rows(
    features: SplitFeatures,
    baselines: Mapping[str, ScoredClassifier],
    *,
    n_classes: int,
    shots: int,
    draws: int,
    level: Level = "val",
) -> dict[str, ScoredClassifier]:
    """Every row for one number of shots, in the order of the table.

    `baselines` are the rows of other methods (baselines/selection.py); controls that are random are averaged
    over `draws` draws. `level` is the headline's: val speaks for pictures like its own, and for no others.
    """
    rows = {"plain_prototypes": ScoredClassifier((Prototype(),), features.unit)}
    rows |= {name: row for name, row in baselines.items() if row.group == "visual"}
    rows["visual_only"] = ScoredClassifier((Prototype(),), features.standard)
    rows |= {name: row for name, row in baselines.items() if row.group == "semantic"}
    main_text = Semantic(features.semantic(features.main, shots))
    rows["semantic_only"] = ScoredClassifier((main_text,), features.standard, {"alpha": 1.0}, group="semantic")
    choice = features.ridge.choices[features.main, shots]
    rows["fused"] = ScoredClassifier(
        (Fused(features.semantic(features.main, shots), alpha=choice.alpha),),
        features.standard,
        {"alpha": choice.alpha, "lambda": choice.lam, "name_share": choice.name_share},
        group="semantic",
    )
    if features.bridges is not None:
        own = features.bridges.own_pictures(features.main, shots)
        domains = own if level == "val" else DOMAINS  # pictures like val's
        ours = partial(_bridge_row, features, shots, features.main, domains=domains)
        rows["syntrans"] = ours(group="semantic", level=level)
        if (features.main, shots) in features.bridges.spreads:
            others = [other for other in _LEVELS if other != level]
            rows |= {f"syntrans_{other}": ours(group="semantic", level=other) for other in others}
            rows["syntrans_transductive"] = ours(group="transductive", level="transductive")
        rows |= _controls(features, n_classes, shots, draws, level)
    return rows


def elsewhere_row(features: SplitFeatures, shots: int) -> dict[str, ScoredClassifier]:
    """`ELSEWHERE`, by name; nothing where the bridges have no spreads of val."""
    if features.bridges is None or (features.main, shots) not in features.bridges.spreads:
        return {}
    return {ELSEWHERE: _bridge_row(features, shots, features.main, group="semantic", level="inductive")}


def rows_of_val(
    features: SplitFeatures, chosen: SelectedBaselines, shots: int, *, n_classes: int
) -> dict[str, ScoredClassifier]:
    """What val calibrates: every row of a table, two draws of what is random, and `ELSEWHERE`."""
    table = build_rows(features, chosen.rows(features, shots), n_classes=n_classes, shots=shots, draws=2)
    return table | elsewhere_row(features, shots)


def calibrated_as(row: str, level: Level) -> str:
    """The row whose temperature of val a row of the table takes; `level`: the headline's.

    Where pictures are not like val's, what the prior of other domains moves is calibrated together.
    """
    moved = {"syntrans", "syntrans_prior", "shuffled", "half_shuffled", *_CONTROLS}
    if row == "syntrans_val":
        return "syntrans"  # the headline of val's own table
    return ELSEWHERE if level == "inductive" and row in moved else row


def _controls(
    features: SplitFeatures, n_classes: int, shots: int, draws: int, level: Level
) -> dict[str, ScoredClassifier]:
    """What remains when the text says only the name, is unchecked, says nothing, is another class's, or is not there.

    Each has heads of its own, trained on that kind of text, but for shuffled classes: those meet the heads of the row.
    """
    assert features.bridges is not None
    rows = {}
    for name, variant in _CONTROLS.items():
        if variant in features.bridges.variants and variant != features.main:
            number = range(draws) if variant == "random" else (0,)
            rows[name] = _bridge_row(features, shots, variant, level=level, draws=number)
    orders = [torch.from_numpy(derangement(n_classes, seed)) for seed in range(draws)]
    rows["shuffled"] = _bridge_row(features, shots, features.main, level=level, orders=orders)
    if n_classes >= 4:
        halves = [torch.from_numpy(half_deranged(n_classes, seed)) for seed in range(draws)]
        rows["half_shuffled"] = _bridge_row(features, shots, features.main, level=level, orders=halves)
    return rows


_CONTROLS = {
    "no_text": NONE,
    "name_only": "name",
    CLASSNAME_FREE: CLASSNAME_FREE,
    "with_names": KEPT,
    "raw": "raw",
    "random_words": "random",
}


def _bridge_row(
    features: SplitFeatures,
    shots: int,
    variant: str,
    *,
    group: Group = "control",
    level: Level,
    draws: Sequence[int] = (0,),
    orders: Sequence[Tensor | None] = (None,),
    domains: DomainPrior = DOMAINS,
) -> ScoredClassifier:
    """All seeds of a variant's heads; they and the draws take turns until each has had one."""
    assert features.bridges is not None
    heads, choice = features.bridges.heads[variant, shots], features.bridges.choices[variant, shots]
    spreads = features.bridges.spreads.get((variant, shots))
    methods: list[Method] = []
    for i in range(max(len(heads), len(draws), len(orders))):
        text, order = features.vectors(variant, choice["name_share"], draws[i % len(draws)]), orders[i % len(orders)]
        text = text if order is None else text[order]
        spread = None if spreads is None else spreads[i % len(spreads)]
        head = heads[i % len(heads)]
        methods.append(bridge_method(head, text, choice["alpha"], spread, level, features.memory(head), domains))
    settings = {key: choice[key] for key in ("alpha", "lam", "prior_shrinkage", "name_share")}
    return ScoredClassifier(tuple(methods), features.shared, settings, group=group)


def bridge_method(
    head: VSBird,
    text: Float[Tensor, "c s"],
    alpha: float,
    spread: ClassSpread | None,
    level: Level,
    memory: BaseClassMemory | None = None,
    domains: DomainPrior = DOMAINS,
) -> Method:
    """A head with class vectors [C, s], and with `alpha` of val moved as its level says; `memory`: of the head."""
    if spread is None or level == "val":
        return SynTrans(head, text, alpha=alpha, memory=memory)
    memory = memory or head.build_memory()
    worth = TextWorth(spread, memory.metric.precision.detach(), domains)
    inductive = SynTrans(head, text, alpha=alpha, worth=worth, memory=memory, blind=level == "prior")
    return TransductiveSynTrans(inductive) if level == "transductive" else inductive
