"""`ScoredClassifier`, one row of a table: its methods, and the features that they look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from syntrans_training.methods import Method

Group = Literal["visual", "semantic", "transductive", "control"]

UNCALIBRATED = 1.0  # temperature of a row that val has not had


@dataclass(frozen=True)
class ScoredClassifier:
    """Methods whose accuracies are averaged (usually one), and the features they look at; a line of the table."""

    methods: tuple[Method, ...]
    features: Float[Tensor, "n d"]
    settings: Mapping[str, float] = field(default_factory=dict)  # what val chose for it
    temperature: float = UNCALIBRATED  # of softmax(scores * temperature), for calibration; chosen on val
    support_views: Float[Tensor, "n v d"] | None = None  # augmented pictures that stand in for each support
    group: Group = "visual"
