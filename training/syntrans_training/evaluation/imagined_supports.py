"""Imagined pictures as further supports of SynTrans: what is seen in them, what one is worth, their rows of a table.

A picture that a diffusion model made is worth less than a real one, and how much less is chosen on val, for every
number of shots; 0 is among the choices. They are supports only, never queries.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans.errors import InputError
from syntrans.images.decode import decode
from syntrans.progress import say
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.data.store import Split, squeezed
from syntrans_training.encoder.feature_stage import feature_stage
from syntrans_training.engine.devices import pick_device
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.evaluation.table_rows import Level, bridge_method
from syntrans_training.evaluation.trained_run import TrainedRun
from syntrans_training.imagination.imagined_file import Imagined, open_imagined
from syntrans_training.methods import ImaginedSynTrans, Method, SynTrans
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.class_vectors import derangement

ROW, CONTROL = "syntrans_imagined", "imagined_shuffled"
CALIBRATED_AS = {ROW: "syntrans", CONTROL: "shuffled"}
"""Whose temperature of val the rows take."""
WORTHS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of one imagined picture, in real ones."""


@dataclass(frozen=True)
class Seen:
    """Raw features [n, d] of imagined pictures, and the number of the class that each was made for."""

    values: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    n_classes: int

    def means(self, phi: Callable[[Tensor], Tensor]) -> tuple[Float[Tensor, "c d"], Float[Tensor, " c"]]:
        """Class means of phi, and numbers of pictures.

        The mean over classes is taken off, as phi has it of real ones: what all imagined pictures have in common, such
        as blur, says nothing of a class.
        """
        count = torch.bincount(self.labels, minlength=self.n_classes).float()
        seen = phi(self.values)
        sums = seen.new_zeros(self.n_classes, seen.shape[1]).index_add_(0, self.labels, seen)
        mean = sums / count.clamp(min=1).unsqueeze(1)
        shown = (count > 0).unsqueeze(1)
        return torch.where(shown, mean - mean.sum(0) / shown.sum(), 0.0), count


def see(
    imagined: Imagined, classes: Sequence[str], features_of: Callable[[Split], Tensor], *, size: int, at_most: int
) -> Seen:
    """What an encoder sees in the kept pictures of some classes; InputError where the file does not know one."""
    chosen = imagined.of_classes(classes, at_most)
    if not chosen:
        raise InputError(f"{imagined.path} keeps no picture of these classes; imagine them, or imagined_supports=0")
    rows, labels = [row for row, _ in chosen], np.array([label for _, label in chosen])
    shown = np.stack([squeezed(decode(row.image or b"", "an imagined picture"), size) for row in rows])
    ids = tuple(row.picture_id for row in rows)
    key = hashlib.sha256("\n".join((imagined.sha256, str(size), *ids)).encode()).hexdigest()[:16]
    split = Split("imagined", shown, labels, tuple(classes), ids, (), key)
    return Seen(features_of(split), torch.from_numpy(labels), len(classes))


def see_for_run(run: TrainedRun, classes: Sequence[str], device: str) -> Seen | None:
    """What the encoder of a run sees in the imagined pictures of some classes.

    None, and says why, where the run has none or they are of other classes; InputError where the file has changed.
    """
    note = run.report.get("imagined")
    if note is None:
        return None
    imagined = open_imagined(run.imagined.file)
    if imagined.sha256 != note["sha256"]:
        raise InputError(f"{imagined.path} has changed since {run.folder} was trained with it; train again")
    size, chip = run.encoder.test_size, pick_device(device)
    encoder = run.open_encoder(chip)
    try:
        return see(
            imagined, classes, lambda split: feature_stage(*encoder, split, chip, size).values,
            size=run.pictures.decoding.size, at_most=run.imagined.supports,
        )  # fmt: skip
    except InputError as error:
        say(f"no row with imagined supports: {error}")
        return None


def imagined_rows(
    features: SplitFeatures, seen: Seen, choices: Sequence[Mapping[str, Any]], shots: int, *, level: Level, draws: int
) -> dict[str, ScoredClassifier]:
    """SynTrans with imagined supports of the worth that val chose, and the control: those of other classes."""
    worth, n_classes = next(choice["worth"] for choice in choices if choice["shots"] == shots), seen.n_classes
    orders = [torch.from_numpy(derangement(n_classes, seed)) for seed in range(draws)]
    ours = _row(features, seen, shots=shots, worth=worth, level=level, orders=[torch.arange(n_classes)])
    control = _row(features, seen, shots=shots, worth=worth, level=level, orders=orders)
    return {ROW: replace(ours, group="semantic"), CONTROL: control}


def choose_worth(features: SplitFeatures, seen: Seen, tasks: Mapping[int, Episodes]) -> list[dict[str, Any]]:
    """For every number of shots the worth that is best on val episodes, of equal ones the least, and all tried."""
    choices = []
    for shots, episodes in tasks.items():
        alone = [torch.arange(seen.n_classes)]
        rows = {
            str(worth): _row(features, seen, shots=shots, worth=worth, level="val", orders=alone) for worth in WORTHS
        }
        scores = score_episodes(rows, episodes, n_classes=seen.n_classes, chunk=500)
        curve = [float(scores[str(worth)].accuracy.mean()) for worth in WORTHS]
        best = int(np.argmax(curve))
        tried = [[worth, round(value, 6)] for worth, value in zip(WORTHS, curve, strict=True)]
        choices.append({"shots": shots, "worth": WORTHS[best], "val": round(curve[best], 6), "curve": tried})
    return choices


def _row(
    features: SplitFeatures, seen: Seen, *, shots: int, worth: float, level: Level, orders: Sequence[Tensor]
) -> ScoredClassifier:
    """All seeds of the main heads; they and the orders take turns, as in table_rows.py."""
    assert features.bridges is not None
    key, trained = (features.main, shots), features.bridges
    heads, choice, spreads = trained.heads[key], trained.choices[key], trained.spreads.get(key)
    text, (mean, count) = features.vectors(features.main, choice["name_share"], 0), seen.means(trained.phi)
    methods: list[Method] = []
    for i in range(max(len(heads), len(orders))):
        spread, order = None if spreads is None else spreads[i % len(spreads)], orders[i % len(orders)]
        inductive = bridge_method(heads[i % len(heads)], text, choice["alpha"], spread, level)
        assert isinstance(inductive, SynTrans)
        methods.append(ImaginedSynTrans(inductive, mean[order], worth * count[order]))
    settings = {"alpha": choice["alpha"], "worth": worth}
    return ScoredClassifier(tuple(methods), features.shared, settings, group="control")
