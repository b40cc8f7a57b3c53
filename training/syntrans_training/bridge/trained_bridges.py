"""The trained heads of the bridge, as a finished training left them; nothing is trained here."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from syntrans_training.engine import checkpoint
from syntrans_training.modules.shared_space import Metric, Phi
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.text.task_alpha import HOME, ClassSpread, DomainPrior, TextOdds

SPREAD = "spread"  # prefix of what class_spreads.py adds
ODDS = "text_odds"  # in the note, what text_odds.py adds
# Names of a head's tensors in files of earlier versions -> today's.
_RENAMED = {
    "turn": "transform_change",
    "belief": "log_precision_factor",
    "trust.bias": "text_gate.bias",
    "trust.slope": "text_gate.slope",
    "generator.own": "generator.support_scale",
    "generator.recalled": "generator.recall_scale",
}


@dataclass(frozen=True)
class TrainedBridges:
    """What the training of the bridge leaves: phi, trained heads and the choice by (variant, shots)."""

    phi: Phi
    heads: dict[tuple[str, int], list[VSBird]]
    choices: dict[tuple[str, int], dict[str, Any]]
    spreads: dict[tuple[str, int], list[ClassSpread]] = field(default_factory=dict)  # of val, where they were measured
    odds: dict[tuple[str, int], TextOdds] = field(default_factory=dict)  # of val's texts, where they were learned

    def own_pictures(self, variant: str, shots: int) -> DomainPrior:
        """The prior of pictures of the run's own data set."""
        return replace(HOME, odds=self.odds.get((variant, shots)))

    @property
    def variants(self) -> tuple[str, ...]:
        """The text variants that were trained, in order."""
        return tuple(dict.fromkeys(variant for variant, _ in self.heads))


def read_bridges(path: Path) -> TrainedBridges:
    """The heads of a file that the bridge stage finished."""
    tensors, note = checkpoint.load(path)
    phi = Phi(note["space"]["power"], tensors["phi.mean"], tensors.get("phi.basis"))
    heads: dict[tuple[str, int], list[VSBird]] = {}
    spreads: dict[tuple[str, int], list[ClassSpread]] = {}
    for log in note["heads"]:
        stored = checkpoint.part(tensors, f"{log['variant']}.{log['shots']}.{log['seed']}")
        of_head = {_RENAMED.get(name, name): tensor for name, tensor in stored.items()}
        metric = Metric(of_head["transform"], of_head["precision"])
        head = VSBird(metric, of_head["base"], of_head["base_text"], **note["parts"])
        head.load_state_dict(of_head)
        heads.setdefault((log["variant"], log["shots"]), []).append(head.eval().requires_grad_(requires_grad=False))
        if spread := checkpoint.part(tensors, f"{SPREAD}.{log['variant']}.{log['shots']}.{log['seed']}"):
            spreads.setdefault((log["variant"], log["shots"]), []).append(ClassSpread(**spread))
    choices = {(c["variant"], c["shots"]): c for c in note["choices"]}
    odds = {(o["variant"], o["shots"]): TextOdds(o["threshold"], o["sharpness"]) for o in note.get(ODDS, ())}
    return TrainedBridges(phi, heads, choices, spreads, odds)
