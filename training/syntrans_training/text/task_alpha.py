"""How text and pictures are weighed in a task, judged by its own supports: empirical Bayes in the two-covariance model.

alpha is chosen on val and says how text and pictures are weighed there. In another domain another weighing is right:
pictures scatter more, classes lie closer together, texts fit better or worse or are those of other classes, and all
pictures lie elsewhere. Three numbers describe a domain beside val (docs/method.md (30) to (34)):
    spread   log of the between-class variance,   slope   of pictures on texts,   noise   log of the scatter of pictures
The slope is that of the supports' class means on what their texts predict; how exactly a task tells it, the other
assignments of its texts to its classes say, so that nothing has to be assumed of the noise. Spread and noise are judged
by the sizes of what remains. `DOMAINS` is their prior, set by hand from what domains were like that are no novel
classes of anybody (benchmarks/fusion.py, docs/results.md). Derived.
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
EVIDENCE = 0.1  # what one direction counts for spread and noise: they are far from independent where pictures are new
DECISION = 3.0  # what the slope's likelihood counts: a text that is half believed does harm where it is wrong
ELSEWHERE = (0.5, 0.2)  # how the share of the offset grows with the log spread, and its deviation: docs/method.md (37)
MIXED_UP = 0.3  # prior probability that the texts are not those of their classes: slope 0
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


DOMAINS = DomainPrior(spread=(-0.6, 0.8), slope=(-0.2, 0.2), noise=(0.0, 0.3), tie=-0.2)


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
class Judged:
    """How E tasks are fused: `alpha`; `slope`, what their texts' predictions are multiplied by, 0 where texts are mixed
    up; `offset`, where all pictures of a task lie, which no class is told by.
    """

    alpha: Float[Tensor, "e 1 1"]
    slope: Float[Tensor, "e 1 1"]
    offset: Float[Tensor, "e 1 d"]


@dataclass(frozen=True)
class TextWorth:
    """What the texts and pictures of tasks of any domain are worth beside val's; `spread` is val's."""

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
    def _kinds(self) -> tuple[Tensor, Tensor]:
        """Variance that text does not explain and variance within a class [G, d] of all kinds of domain."""
        _, spread, slope, noise = self._numbers
        between = spread.exp().unsqueeze(1) * self.spread.between
        explained = (slope * self.spread.slope).square().unsqueeze(1) * self.spread.text
        return torch.maximum(between - explained, LEAST * between), noise.exp().unsqueeze(1) * self.spread.within

    @cached_property
    def _exactness(self) -> Float[Tensor, " g"]:
        """The precision of what texts predict, over val's, by the slope alone: classes of which texts tell much on val
        lie far around their common mean where texts tell nothing.
        """
        share = self.spread.slope.square() * self.spread.text / self.spread.between
        left = (1 - self._numbers[2].square().unsqueeze(1) * share).clamp(min=LEAST)
        telling = self.spread.between / (self.spread.between + self.spread.within)
        found: Tensor = ((1 - share).clamp(min=LEAST) / left) @ (telling / telling.sum())
        return found.clamp(max=1)

    def prior(self, alpha: float, *, tasks: int = 1) -> Judged:
        """In a domain that nothing is known of, the same for all tasks."""
        fused = self._mean(alpha, self._numbers[0].softmax(0).expand(tasks, -1))
        return Judged(*fused, torch.zeros(tasks, 1, len(self.spread.within)))

    def judge(self, alpha: float, supports: Supports) -> Judged:
        """In each task, by what the task's supports say; no other task and no query is looked at."""
        found, sse, freedom = self._slope(supports)
        misfit = (found.unsqueeze(1) - self._numbers[2]).square() / sse.unsqueeze(1)
        of_slope = -DECISION * (freedom + 1) / 2 * misfit.log1p()
        away = self._offset(supports)[0] - ELSEWHERE[0] * (self._numbers[1] - self.domains.spread[0])
        of_place = -(away / ELSEWHERE[1]).square() / 2
        posterior = self._numbers[0] + EVIDENCE * self._log_likelihood(supports, found) + of_slope + of_place
        fused = self._mean(alpha, posterior.softmax(1))
        share, mean = self._offset(supports, fused[1])
        return Judged(*fused, share.unsqueeze(2) * mean)

    def _mean(self, alpha: float, share: Float[Tensor, "e g"]) -> tuple[Float[Tensor, "e 1 1"], Float[Tensor, "e 1 1"]]:
        """Means of alpha and of the slope, docs/method.md (35).

        Of alpha, not of the multiple, whose few large values would outweigh all others.
        """
        _, spread, slope, noise = self._numbers
        moved = move_alpha(alpha, (noise - spread).exp() * self._exactness)
        return (share @ moved).view(-1, 1, 1), (share @ slope).view(-1, 1, 1)

    def _slope(self, supports: Supports) -> tuple[Float[Tensor, " e"], Float[Tensor, " e"], int]:
        """The slope over val's by least squares, its squared error times its degrees of freedom, and those.

        Products of every class mean with every text: the diagonal tells the slope, the rest what products are like
        whose text is another's (docs/method.md (32)). In the shared space a picture scatters alike in all directions.
        """
        pictures, texts = _centred(supports.mean), self.spread.slope * _centred(supports.semantic)
        products, own = pictures @ texts.mT, texts @ texts.mT
        total = own.diagonal(dim1=1, dim2=2).sum(1).clamp(min=1e-12)
        found = products.diagonal(dim1=1, dim2=2).sum(1) / total
        others = pictures.shape[1] - 1
        rest = others * (products - found.view(-1, 1, 1) * own).square().sum((1, 2))
        # Of two classes nothing is left: what val's variances would have it counts as one more degree of freedom.
        of_val = (texts.square() @ (self.spread.between + self.spread.within / supports.shots)).sum(1) / EVIDENCE
        return found, (rest + of_val) / total.square() + 1e-12, others**2

    def _log_likelihood(self, supports: Supports, slope: Float[Tensor, " e"]) -> Float[Tensor, "e g"]:
        """docs/method.md (33), of class means around what their texts say and of pictures around their class mean."""
        rest, within = self._kinds
        classes = supports.mean.shape[1]
        around = _centred(supports.mean) - slope.view(-1, 1, 1) * self.spread.slope * _centred(supports.semantic)
        variance = rest + within / supports.shots
        found = -((classes - 1) * variance.log().sum(1) + around.square().sum(1) @ (1 / variance).T) / 2
        if supports.scatter is not None:
            freedom = classes * (supports.shots - 1)
            found = found - (freedom * within.log().sum(1) + supports.scatter @ (1 / within).T) / 2
        return found

    def _offset(
        self, supports: Supports, slope: float | Float[Tensor, "e 1 1"] = 0.0
    ) -> tuple[Float[Tensor, "e 1"], Float[Tensor, "e 1 d"]]:
        """The mean of all pictures beside that of their texts, and the share of it that is not chance.

        docs/method.md (36).
        """
        mean = (supports.mean - slope * self.spread.slope * supports.semantic).mean(1, keepdim=True)
        chance = (self.spread.between + self.spread.within / supports.shots) / supports.mean.shape[1]
        length = (mean.square() / chance).mean(-1).clamp(min=1e-12)
        return (1 - 1 / length).clamp(min=0), mean


def _centred(x: Float[Tensor, "e n d"]) -> Float[Tensor, "e n d"]:
    return x - x.mean(1, keepdim=True)


def move_alpha(alpha: float, multiple: float | Float[Tensor, " g"]) -> Float[Tensor, "*_g"]:
    """Alpha once the text's weight against the pictures', b : a of docs/method.md (23), is multiplied."""
    odds = min(1.0, 2 * alpha) / max(min(1.0, 2 - 2 * alpha), 1e-6) * torch.as_tensor(multiple)
    return torch.where(odds >= 1, 1 - 1 / (2 * odds.clamp(min=1e-6)), odds / 2)
