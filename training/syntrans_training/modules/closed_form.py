"""Untrained bridges, many at once and without their metrics: what the grids of space and maps are tried with.

The scores are those of `SynTrans` with an untrained head and alpha 1/2. Among the eigenvectors of the within-class
covariance that covariance is a diagonal D, and the covariance E of what the maps miss is of low rank beside a sphere;
so no setting needs an eigendecomposition of its own. Derived, docs/method.md (23a).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.fusion import add, fuse
from syntrans_training.modules.solvers.low_rank import LowRankInverse, invert


@runtime_checkable
class ClosedForms(Protocol):
    """Classifiers of f settings for one number of shots; vectors are among the eigenvectors of each setting."""

    def reading(self, pictures: Float[Tensor, "b d"]) -> Float[Tensor, "b f r"] | None:
        """What a call needs of pictures that is linear in them, if anything is."""
        ...

    def __call__(
        self,
        mean: Float[Tensor, "e n d"],
        classes: Int[Tensor, "e n"],
        reading: Float[Tensor, "e n f r"] | None = None,
        /,
    ) -> tuple[Float[Tensor, "e f n d"], Float[Tensor, "e f n"]]:
        """Weights and biases from the means of the supports and the class numbers of the split.

        `reading`: of the means, where it is known.
        """
        ...


@dataclass(frozen=True)
class Setting:
    """One untrained bridge.

    Args: within: D, variances of pictures around their class mean; missed: what the map misses of the C base classes;
    shrinkage: of their covariance E towards a sphere; semantic: what the map predicts of the split's classes.
    """

    within: Float[Tensor, " d"]
    missed: Float[Tensor, "c d"]
    shrinkage: float
    semantic: Float[Tensor, "s d"]

    def inverse(self, k: int) -> LowRankInverse:
        """(k E + D)^-1."""
        scale, sphere = self._covariance
        return invert(k * sphere + self.within, self._rows, k * scale)

    @cached_property
    def _covariance(self) -> tuple[float, float]:
        """E is the first times rows^T rows, and the second times I."""
        scale = 1 / (len(self.missed) * (1 + self.shrinkage))
        return scale, float(self.missed.double().square().sum()) * scale * self.shrinkage / len(self.within)

    @cached_property
    def _rows(self) -> Float[Tensor, "r d"]:
        """Of more classes than directions a triangle of the same covariance."""
        return torch.linalg.qr(self.missed, mode="r").R if len(self.missed) > len(self.within) else self.missed


class EvidenceForms:
    """Fusion by `evidence`: the posterior mean of two Gaussians, for supports v and a prediction s (K shots).

    With A_k = (k E + D)^-1 = diag(h_k) - F_k^T F_k the weights are K/(K+1) D^-1 v + A_(K+1) (s - K/(K+1) v); the bias
    is written out in v and s, so that only products with F_k and with A_k s of the split's classes are left.
    """

    def __init__(self, settings: Sequence[Setting], shots: int) -> None:
        self.shots, self.share = shots, shots / (shots + 1)
        within, semantic = (
            torch.stack(of) for of in zip(*((one.within, one.semantic) for one in settings), strict=True)
        )
        (h, factor, solved), (h_less, factor_less, solved_less) = (_inverses(settings, k) for k in (shots + 1, shots))
        self.rank, self.classes = factor.shape[1], solved.shape[1]
        self.visual = self.share * (1 / within - h)  # [f, d]
        self.lift = torch.cat([self.share * factor, solved], 1)  # [f, r + s, d]
        self.read = torch.cat([factor, factor_less, shots * (solved - solved_less)], 1)  # [f, 2 r + s, d]
        self.own = self.share / within + shots * (self.share * h - h_less)
        self.text = (semantic * ((shots + 1) * solved - shots * solved_less)).sum(-1)  # [f, s]

    def reading(self, pictures: Float[Tensor, "b d"]) -> Float[Tensor, "b f r"]:
        """See `ClosedForms`."""
        return (pictures @ self.read.flatten(0, 1).T).view(len(pictures), len(self.read), -1)

    def __call__(
        self,
        mean: Float[Tensor, "e n d"],
        classes: Int[Tensor, "e n"],
        reading: Float[Tensor, "e n f r"] | None = None,
        /,
    ) -> tuple[Float[Tensor, "e f n d"], Float[Tensor, "e f n"]]:
        """See `ClosedForms`."""
        v, place, f = mean.flatten(0, 1), classes.flatten(), len(self.visual)
        read = self.reading(v) if reading is None else reading.flatten(0, 1)
        upper, lower, crossed = torch.split(read, [self.rank, self.rank, self.classes], -1)
        square = v.square() @ self.own.T + self.text[:, place].T
        square += self.shots * (lower.square().sum(-1) - self.share * upper.square().sum(-1))
        square -= 2 * crossed.gather(-1, place.view(-1, 1, 1).expand(-1, f, 1)).squeeze(-1)
        shown = F.one_hot(place, self.classes).to(v.dtype)
        weight = mean.new_empty(len(mean), f, *mean.shape[1:])
        for i in range(f):
            part = torch.addmm(v * self.visual[i], torch.cat([upper[:, i], shown], 1), self.lift[i])
            weight[:, i] = part.view(mean.shape)
        return weight, -square.view(*classes.shape, f).transpose(1, 2) / 2


def _inverses(settings: Sequence[Setting], k: int) -> list[Float[Tensor, "f *x d"]]:
    """Of all settings: h_k [f, d], F_k [f, r, d], and A_k s of the split's classes [f, s, d]."""
    inverses = [one.inverse(k) for one in settings]
    solved = [inverse.solve(one.semantic) for inverse, one in zip(inverses, settings, strict=True)]
    return [torch.stack(of) for of in ([a.diagonal for a in inverses], [a.factor for a in inverses], solved)]


@dataclass(frozen=True)
class UnitForms:
    """Fusion `convex` or `additive`: unit weights, which what the maps miss has no part in."""

    settings: Sequence[Setting]
    shots: int
    additive: bool

    def reading(self, pictures: Float[Tensor, "b d"]) -> None:
        """See `ClosedForms`."""

    def __call__(
        self, mean: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], _reading: Tensor | None = None, /
    ) -> tuple[Float[Tensor, "e f n d"], Float[Tensor, "e f n"]]:
        """See `ClosedForms`."""
        weights = []
        for one in self.settings:
            scale = one.within.rsqrt()
            visual, semantic = scale * mean, (scale * one.semantic)[classes]
            mix = partial(add, shots=self.shots) if self.additive else fuse
            weights.append(scale * mix(visual, semantic, alpha=0.5))
        stacked = torch.stack(weights, 1)
        return stacked, stacked.new_zeros(stacked.shape[:-1])
