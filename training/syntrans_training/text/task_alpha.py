"""How much the text of a task is worth, judged by its own supports: empirical Bayes in the two-covariance model.

alpha is chosen on val and says how text and pictures are weighed there. In another domain pictures scatter more,
classes lie closer together, and texts fit better or worse, so that another alpha is right. Three numbers describe a
domain beside val (docs/method.md (30) to (33)):
    spread   log of the between-class variance,   slope   of pictures on texts,   noise   log of the scatter of pictures
Their likelihood is that of the supports' class means and of their scatter, pooled over the classes of the task; the
products of supports and texts tell the slope without bias by noise. `DOMAINS` is their prior, set by hand from
what domains were like that are no novel classes of anybody (benchmarks/fusion.py, docs/results.md). Derived.
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.whiten import class_means

RANKS = (0, 4, 8, 16, 32, 64, 128)  # directions by falling spread, in groups that share their variances
GRID = 7  # values of each number, two deviations to each side
EVIDENCE = 0.1  # what one direction counts: they are far from independent where pictures are new
MIXED_UP = 0.1  # prior probability that the texts are not those of their classes: slope 0
LEAST = 0.02  # of the spread that a text never explains


@dataclass(frozen=True)
class DomainPrior:
    """Mean and deviation over domains: of the log spread, of the log of the slope over val's, and of the log noise.

    `tie`: what is added to the mean of the log slope for each unit of log spread. Where classes lie closer together
    than those of val, texts fit better, and the other way round.
    """

    spread: tuple[float, float]
    slope: tuple[float, float]
    noise: tuple[float, float]
    tie: float


DOMAINS = DomainPrior(spread=(-0.2, 1.0), slope=(0.1, 0.3), noise=(0.0, 0.3), tie=-0.8)


@dataclass(frozen=True)
class ClassSpread:
    """How val's classes lie in the shared space, in every direction: `within` a class, `between` class means, and
    `text`, the variance of what the texts predict; `slope` [1] of class means on that.
    """

    within: Float[Tensor, " d"]
    between: Float[Tensor, " d"]
    text: Float[Tensor, " d"]
    slope: Float[Tensor, " 1"]

    def tensors(self) -> dict[str, Tensor]:
        """By name, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def measure_spread(
    pictures: Float[Tensor, "n d"],
    labels: Int[Tensor, " n"],
    semantic: Float[Tensor, "c d"],
    precision: Float[Tensor, " d"],
) -> ClassSpread:
    """Moments of labelled pictures of C classes, the means' own noise taken off, equal within groups of directions."""
    means, counts = class_means(pictures, labels), torch.bincount(labels).float()
    n, c = len(pictures), len(means)
    within = (pictures - means[labels]).square().sum(0) / max(n - c, 1)
    centred, told = means - means.mean(0), semantic - semantic.mean(0)
    between = centred.square().sum(0) / (c - 1) - within * (1 / counts).mean()
    shared, text = (centred * told).sum(0) / (c - 1), told.square().sum(0) / (c - 1)
    order = precision.argsort()
    for ranks in torch.tensor_split(order, [r for r in RANKS[1:] if r < len(order)]):
        for of_direction in (within, between, shared, text):
            of_direction[ranks] = of_direction[ranks].mean()
    between = torch.maximum(between, within / 100)
    trusted = 1 / (within + between)
    slope = (trusted * shared).sum() / (trusted * text).sum().clamp(min=1e-12)
    return ClassSpread(within, between, text, slope.clamp(min=0.05).reshape(1))


@dataclass(frozen=True)
class Supports:
    """What E tasks show: class means [E, N, d] of `shots` pictures each, what their texts predict, and the sum of
    squares of the pictures around their class mean, [E, d], or None with one picture a class.
    """

    mean: Float[Tensor, "e n d"]
    semantic: Float[Tensor, "e n d"]
    shots: float
    scatter: Float[Tensor, "e d"] | None

    @classmethod
    def of(cls, pictures: Float[Tensor, "e n k d"], semantic: Float[Tensor, "e n d"]) -> "Supports":
        """Of K pictures a class."""
        mean, shots = pictures.mean(2), pictures.shape[2]
        scatter = (pictures - mean.unsqueeze(2)).square().sum((1, 2)) if shots > 1 else None
        return cls(mean, semantic, shots, scatter)


@dataclass(frozen=True)
class TextWorth:
    """Multiples of the text's weight of val, for tasks of any domain; `spread` is val's."""

    spread: ClassSpread
    domains: DomainPrior = DOMAINS

    @cached_property
    def _numbers(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log prior, log spread, slope over val's, and log noise of all G kinds of domain."""
        steps = torch.linspace(-2, 2, GRID)
        known = (self.domains.spread, self.domains.slope, self.domains.noise)
        spreads, slopes, noises = (mean + sd * steps for mean, sd in known)
        normal = (-steps.square() / 2).log_softmax(0)
        of_slope = torch.cat([normal + math.log(1 - MIXED_UP), torch.tensor([math.log(MIXED_UP)])])
        mixed_up = torch.tensor([-torch.inf])
        spread, log_slope, noise = torch.cartesian_prod(spreads, torch.cat([slopes, mixed_up]), noises).T
        slope = (log_slope + self.domains.tie * (spread - self.domains.spread[0])).exp()
        return torch.cartesian_prod(normal, of_slope, normal).sum(1), spread, slope, noise

    @cached_property
    def _kinds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Slope, variance that text does not explain and variance within a class [G, d] of all kinds of domain."""
        _, spread, slope, noise = self._numbers
        slope = slope * self.spread.slope
        between = spread.exp().unsqueeze(1) * self.spread.between
        rest = torch.maximum(between - slope.square().unsqueeze(1) * self.spread.text, LEAST * between)
        return slope, rest, noise.exp().unsqueeze(1) * self.spread.within

    @cached_property
    def _multiples(self) -> Float[Tensor, " g"]:
        """docs/method.md (33): a text that says the opposite counts nothing, not against its class."""
        _, spread, slope, noise = self._numbers
        return slope.clamp(min=0) * (noise - spread).exp()

    def prior_alpha(self, alpha: float) -> float:
        """What alpha of val becomes in a domain that nothing is known of."""
        return float(self._numbers[0].softmax(0) @ move_alpha(alpha, self._multiples))

    def alphas(self, alpha: float, supports: Supports) -> Float[Tensor, " e"]:
        """What it becomes in each task, by what the task's supports say; no other task and no query is looked at.

        The posterior mean of alpha, not of the multiple, whose few large values would outweigh all others.
        """
        posterior = (self._numbers[0] + EVIDENCE * self._log_likelihood(supports)).softmax(1)
        found: Tensor = posterior @ move_alpha(alpha, self._multiples)
        return found

    def _log_likelihood(self, supports: Supports) -> Float[Tensor, "e g"]:
        """docs/method.md (32), of class means around their common mean and of pictures around their class mean."""
        slope, rest, within = self._kinds
        classes = supports.mean.shape[1]
        pictures = supports.mean - supports.mean.mean(1, keepdim=True)
        texts = supports.semantic - supports.semantic.mean(1, keepdim=True)
        variance = rest + within / supports.shots
        precision = (1 / variance).T
        squares = [(a * b).sum(1) @ precision for a, b in ((pictures, pictures), (pictures, texts), (texts, texts))]
        misfit = squares[0] - 2 * slope * squares[1] + slope.square() * squares[2]
        found = -((classes - 1) * variance.log().sum(1) + misfit) / 2
        if supports.scatter is not None:
            freedom = classes * (supports.shots - 1)
            found = found - (freedom * within.log().sum(1) + supports.scatter @ (1 / within).T) / 2
        return found


def move_alpha(alpha: float, multiple: float | Tensor) -> Tensor:
    """Alpha once the text's weight against the pictures', b : a of docs/method.md (23), is multiplied."""
    odds = min(1.0, 2 * alpha) / max(min(1.0, 2 - 2 * alpha), 1e-6) * torch.as_tensor(multiple)
    return torch.where(odds >= 1, 1 - 1 / (2 * odds.clamp(min=1e-6)), odds / 2)
