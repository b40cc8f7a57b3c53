"""The baselines that val chose, as a finished training left them; nothing is chosen or trained here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from syntrans_training.baselines.registry import BASELINES
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.engine import checkpoint
from syntrans_training.scoring.scored_classifier import UNCALIBRATED, ScoredClassifier


@dataclass(frozen=True)
class SelectedBaselines:
    """What a methods file holds: settings by (method, shots), tensors by name, temperatures by (row, shots)."""

    note: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def rows(self, features: SplitFeatures, shots: int) -> dict[str, ScoredClassifier]:
        """The chosen methods as rows on a split."""
        rows = {}
        for entry in self.note["choices"]:
            name, baseline = entry.get("row", entry["method"]), BASELINES[entry["method"]]
            if entry["shots"] == shots:
                build = baseline.build(features, shots, checkpoint.part(self.tensors, f"{name}.{shots}"))
                views = features.views if baseline.on_views else None
                rows[name] = ScoredClassifier(
                    (build(**entry["setting"]),), baseline.features(features), support_views=views, group=baseline.group
                )
        return rows

    def temperature(self, row: str, shots: int, instead: str = "") -> float:
        """For the calibration of a row; where val has not had it that of `instead`, or `UNCALIBRATED`."""
        of_val = self.note["temperatures"][str(shots)]
        return float(of_val.get(row, of_val.get(instead, UNCALIBRATED)))
