"""The ridge baseline: semantic weights from class vectors, docs/method.md (20), everything chosen on val.

Visual only comes first: how features are standardised (modules/whiten.py) is chosen by its val accuracy, and every
other row uses the same choice, so that a difference between rows is never one of the visual side. Then, for every
variant of the texts and every number of shots, name share, lambda and alpha are chosen by the fused val accuracy. The
test split is no argument of any function here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syntrans.progress import Tracker, track
from syntrans_training.encoder.features import Features
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import accuracy
from syntrans_training.modules.fusion import fused_cosine
from syntrans_training.modules.solvers.ridge import Ridge, fit_ridge
from syntrans_training.modules.whiten import Whitening, class_means, fit_whitenings
from syntrans_training.scoring.prototype_accuracy import CHUNK, prototype_accuracy, prototype_cosines
from syntrans_training.text.class_vectors import KEPT

# (variant, name share) -> unit class vectors of the base and of the val classes
ClassVectors = Callable[[str, float], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class RidgeGrid:
    """Everything that val decides between."""

    shrinkages: tuple[float | None, ...]
    lambdas: tuple[float, ...]
    alphas: tuple[float, ...]
    name_shares: tuple[float, ...]


@dataclass(frozen=True)
class Choice:
    """What val chose for one variant and number of shots, and its accuracies there, in [0, 1]."""

    variant: str
    shots: int
    name_share: float
    lam: float
    alpha: float
    val_fused: float
    val_visual: float
    val_semantic: float


@dataclass(frozen=True)
class RidgeBaseline:
    """One standardisation for all rows, one choice and ridge map for every (variant, shots)."""

    whitening: Whitening
    shrinkage: float | None
    choices: dict[tuple[str, int], Choice]
    ridges: dict[tuple[str, int], Ridge]

    @property
    def variants(self) -> tuple[str, ...]:
        """The text variants that were fitted, in order."""
        return tuple(dict.fromkeys(variant for variant, _ in self.choices))

    @property
    def main(self) -> str:
        """The text of the rows that name no other: descriptors, without class names where val chose so, or names."""
        return KEPT if KEPT in self.variants else self.variants[0]

    def better_of(self, variants: Sequence[str]) -> "RidgeBaseline":
        """With only that variant whose fused accuracy on val is highest, the mean over the numbers of shots."""

        def accuracy(variant: str) -> float:
            return sum(choice.val_fused for (of, _), choice in self.choices.items() if of == variant)

        best = max(variants, key=accuracy)  # the first of equal ones
        choices = {key: choice for key, choice in self.choices.items() if key[0] == best}
        return replace(self, choices=choices, ridges={key: self.ridges[key] for key in choices})


def fit_ridge_baseline(
    base: Features,
    val: Features,
    vectors: ClassVectors,
    episodes: Mapping[int, Episodes],
    variants: Sequence[str],
    grid: RidgeGrid,
) -> RidgeBaseline:
    """Choose and fit everything; `episodes` are val episodes by number of shots."""
    pairs = [(shots, variant) for shots in episodes for variant in variants]
    maps = sum(len(_shares(variant, grid)) for _, variant in pairs) * len(grid.lambdas)
    with track("ridge maps on val", len(grid.shrinkages) + maps, "settings") as progress:
        return _build(base, val, vectors, episodes, pairs, grid, progress)


def _build(
    base: Features,
    val: Features,
    vectors: ClassVectors,
    episodes: Mapping[int, Episodes],
    pairs: Sequence[tuple[int, str]],
    grid: RidgeGrid,
    progress: Tracker,
) -> RidgeBaseline:
    whitening, shrinkage = _choose_whitening(base, val, episodes, grid.shrinkages, progress)
    means = class_means(whitening(base.values), base.labels)
    queries = whitening(val.values)
    choices: dict[tuple[str, int], Choice] = {}
    ridges: dict[tuple[str, int], Ridge] = {}
    visual = {
        shots: [prototype_cosines(queries, part) for part in tasks.chunks(CHUNK)] for shots, tasks in episodes.items()
    }
    for shots, variant in pairs:
        tried: list[Choice] = []
        for share in _shares(variant, grid):
            s_base, s_val = vectors(variant, share)
            for lam in grid.lambdas:
                semantic = F.normalize(_fit(s_base, means, lam)(s_val), dim=-1)
                curve = alpha_curve(queries, semantic, episodes[shots], visual[shots], grid.alphas)
                top = int(np.argmax(curve))
                tried.append(Choice(variant, shots, share, lam, grid.alphas[top], curve[top], curve[0], curve[-1]))
                progress.advance()
        best = max(tried, key=lambda choice: choice.val_fused)
        choices[variant, shots] = best
        ridges[variant, shots] = _fit(vectors(variant, best.name_share)[0], means, best.lam)
    return RidgeBaseline(whitening, shrinkage, choices, ridges)


def _shares(variant: str, grid: RidgeGrid) -> tuple[float, ...]:
    return (0.0,) if variant == "name" else grid.name_shares


def _fit(s: Tensor, means: Tensor, lam: float) -> Ridge:
    """In double precision: a small lambda makes an ill-conditioned system."""
    ridge = fit_ridge(s.double(), means.double(), lam=lam)
    return Ridge(ridge.weight.float(), ridge.mean_in.float(), ridge.mean_out.float())


def _choose_whitening(
    base: Features,
    val: Features,
    episodes: Mapping[int, Episodes],
    shrinkages: Sequence[float | None],
    progress: Tracker,
) -> tuple[Whitening, float | None]:
    reached = []
    for shrinkage, fitted in zip(shrinkages, fit_whitenings(base.values, base.labels, shrinkages), strict=True):
        reached.append((prototype_accuracy(fitted(val.values), episodes), fitted, shrinkage))
        progress.advance()
    _, whitening, chosen = max(reached, key=lambda one: one[0])
    return whitening, chosen


def alpha_curve(
    queries: Float[Tensor, "n d"],
    semantic: Float[Tensor, "c d"],
    tasks: Episodes,
    visual: Sequence[tuple[Tensor, Tensor]],
    alphas: Sequence[float],
) -> list[float]:
    """Mean accuracy over `tasks` for every alpha; `visual` holds `prototype_cosines` of every chunk of them."""
    cosines = queries @ semantic.T
    totals = torch.zeros(len(alphas), dtype=torch.float64)
    for part, (query_visual, protos) in zip(tasks.chunks(CHUNK), visual, strict=True):
        classes = torch.from_numpy(part.classes)
        images = torch.from_numpy(part.query).flatten(1)
        query_semantic = cosines[images.unsqueeze(-1), classes.unsqueeze(1)]
        visual_semantic = (protos * semantic[classes]).sum(-1)
        for i, alpha in enumerate(alphas):
            scores = fused_cosine(query_visual, query_semantic, visual_semantic, alpha=alpha)
            totals[i] += accuracy(scores).sum()
    return [float(total) / len(tasks) for total in totals]


def pack(baseline: RidgeBaseline) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON note of a checkpoint."""
    tensors = {"whitening.mean": baseline.whitening.mean, "whitening.matrix": baseline.whitening.matrix}
    for (variant, shots), ridge in baseline.ridges.items():
        tensors |= {f"{variant}.{shots}.{name}": getattr(ridge, name) for name in _RIDGE}
    choices = [asdict(choice) for choice in baseline.choices.values()]
    return tensors, {"shrinkage": baseline.shrinkage, "choices": choices}


def unpack(tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> RidgeBaseline:
    """The inverse of `pack`."""
    whitening = Whitening(tensors["whitening.mean"], tensors["whitening.matrix"])
    choices = {(c["variant"], c["shots"]): Choice(**c) for c in note["choices"]}
    ridges = {key: Ridge(*(tensors[f"{key[0]}.{key[1]}.{name}"] for name in _RIDGE)) for key in choices}
    return RidgeBaseline(whitening, note["shrinkage"], choices, ridges)


_RIDGE = ("weight", "mean_in", "mean_out")


def alpha_grid(step: float) -> tuple[float, ...]:
    """0, step, ..., 1; 0 and 1 are always in it, since the curve's ends are visual and semantic only."""
    inner = [round(i * step, 6) for i in range(int(1 / step) + 1)]
    return tuple(dict.fromkeys([*inner, 1.0]))
