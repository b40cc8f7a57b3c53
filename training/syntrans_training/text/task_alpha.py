"""How text and pictures are weighed in a task, judged by its own supports: empirical Bayes in the two-covariance model.

alpha is chosen on val and says how text and pictures are weighed there. In another domain, or with other texts, another
weighing is right. What a domain's texts are worth is their slope: 1 as on val, less where they tell less, 0 where they
are those of other classes (docs/method.md (30) to (37)). The slope is that of the supports on what their texts predict;
how exactly a task tells it, the other assignments of its texts to its classes say, so that nothing has to be assumed of
the noise. A class is the mean over all slopes, by how probable each is, of what it would be with texts of that slope:
texts of other classes leave the pictures, drawn to the mean of all classes as far as classes of no text are.
`DOMAINS` is the prior, learned on kinds of domain that are no novel classes of anybody
(benchmarks/training/fusion_prior.py); `HOME` that of pictures of val's own data set, where all is as on val but perhaps
the texts, and with `TextOdds` what a run has learned on val of how surely a task tells that. Derived.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.fusion import TaskFusion
from syntrans_training.modules.whiten import class_means

RANKS = (0, 4, 8, 16, 32, 64, 128)  # directions by falling spread, in groups that share their variances
SLOPES = torch.linspace(-1.2, 0.4, 17)  # log slopes of texts that are those of their classes
STEPS = torch.linspace(-2, 2, 7)  # of the slopes of texts of other classes, in deviations


@dataclass(frozen=True)
class TextOdds:
    """How surely a task tells whether its texts are those of its classes, docs/method.md (32a): learned on val.

    `threshold`: the slope that is as probable of either; `sharpness`: of the log odds, 1 if the slope varied as val's
    variances have it.
    """

    threshold: float
    sharpness: float

    def wrong(self, slope: Float[Tensor, " e"], variance: Float[Tensor, " e"]) -> Float[Tensor, " e"]:
        """Probability that the texts are those of other classes."""
        return torch.sigmoid(log_odds(slope, variance, threshold=self.threshold, sharpness=self.sharpness))


def log_odds(
    slope: Float[Tensor, " e"],
    variance: Float[Tensor, " e"],
    *,
    threshold: float | Float[Tensor, "r 1"],
    sharpness: float | Float[Tensor, "r 1"],
) -> Float[Tensor, "*r e"]:
    """Log odds that the texts of E tasks are those of other classes, by one pair of `TextOdds` or by R of them."""
    return sharpness * (threshold - slope) / variance.clamp(min=1e-9)


@dataclass(frozen=True)
class DomainPrior:
    """What is known of a domain before it is seen: docs/method.md (31).

    `mixed_up`: probability that the texts are those of other classes, whose slope has the deviation `others`;
    `slope`: deviation of the log slope of right texts, whose mean is 0 at home and falls by `elsewhere` times the share
    of the offset; `exact`: how much more exactly texts tell a class than on val, since novel classes lie closer
    together and scatter more; `alike`: how far the spread of direction j of classes of no text is drawn to that of
    all directions; `decision`: what the slope's likelihood counts, since a text that is half believed does harm;
    `cosine`: nats that a cosine of 1 is worth (modules/cosine_expert.py);
    `own`: pictures lie where val's lie, and right texts tell as much as the head has it; `odds`: of such pictures, how
    surely a task tells whether its texts are right.
    """

    mixed_up: float = 0.25
    others: float = 0.42
    slope: float = 0.24
    elsewhere: float = 1.5
    exact: float = 1.06
    alike: float = 0.55
    decision: float = 1.7
    cosine: float = 10.0
    own: bool = False
    odds: TextOdds | None = None


DOMAINS = DomainPrior()
HOME = DomainPrior(slope=0.1, exact=1.0, alike=0.65, decision=1.4, cosine=0.0, own=True)


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
    centred, predicted = means - means.mean(0), semantic - semantic.mean(0)
    between = centred.square().sum(0) / (c - 1) - within * (1 / counts).mean()
    shared, text = (centred * predicted).sum(0) / (c - 1), predicted.square().sum(0) / (c - 1)
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
    """What E tasks show: class means [E, N, d] of `shots` pictures each, and what their texts predict."""

    mean: Float[Tensor, "e n d"]
    semantic: Float[Tensor, "e n d"]
    shots: float


@dataclass(frozen=True)
class TextWorth:
    """What the texts of tasks of any domain are worth beside val's; `spread` is val's, `precision` the head's [d]."""

    spread: ClassSpread
    precision: Float[Tensor, " d"]
    domains: DomainPrior = DOMAINS

    def prior(self, alpha: float, shots: float, *, tasks: int = 1) -> TaskFusion:
        """In a domain that nothing is known of, the same for all tasks."""
        share = self._log_prior(torch.zeros(tasks, 1)).softmax(1)
        return self.average(alpha, shots, share, torch.zeros(tasks, 1, len(self.precision)))

    def judge(self, alpha: float, supports: Supports) -> TaskFusion:
        """In each task, by what the task's supports say; no other task and no query is looked at."""
        if self.domains.odds is not None:
            return self.doubted(alpha, supports.shots, self.domains.odds.wrong(*self.slope(supports)))
        offset, away = self._offset(supports)
        share = (self._log_prior(away) + self.domains.decision * self._log_likelihood(supports, offset)).softmax(1)
        return self.average(alpha, supports.shots, share, offset)

    def slope(self, supports: Supports) -> tuple[Float[Tensor, " e"], Float[Tensor, " e"]]:
        """The slope of each task's pictures on its texts, and how far it varies if all is as on val: (32a)."""
        texts = self.spread.slope * supports.semantic
        square = texts.square()
        total = square.sum((1, 2)).clamp(min=1e-12)
        noise = (square @ self._variance(supports.shots)).sum(1)
        return (texts * supports.mean).sum((1, 2)) / total, noise / total.square()

    def doubted(self, alpha: float, shots: float, wrong: Float[Tensor, " e"]) -> TaskFusion:
        """Where the texts of a task are those of other classes with probability `wrong`, and else tell as on val."""
        share = torch.zeros(len(wrong), len(SLOPES) + len(STEPS))
        share[:, int(SLOPES.abs().argmin())], share[:, -1] = 1 - wrong, wrong
        return self.average(alpha, shots, share, torch.zeros(len(wrong), 1, len(self.precision)))

    @cached_property
    def _slopes(self) -> Float[Tensor, " g"]:
        """All slopes that a domain may have: of right texts, then of texts of other classes."""
        return torch.cat([SLOPES.exp(), self.domains.others * STEPS])

    def _log_prior(self, away: Float[Tensor, "e 1"]) -> Float[Tensor, "e g"]:
        """docs/method.md (31), where `away` is the share of the offset that is not chance."""
        right = -((SLOPES + self.domains.elsewhere * away) / self.domains.slope).square() / 2
        others = (-STEPS.square() / 2).expand(len(away), -1)
        odds = torch.tensor([1 - self.domains.mixed_up, self.domains.mixed_up]).log()
        return torch.cat([right.log_softmax(1) + odds[0], others.log_softmax(1) + odds[1]], 1)

    def _log_likelihood(self, supports: Supports, offset: Float[Tensor, "e 1 d"]) -> Float[Tensor, "e g"]:
        """Of the slope, docs/method.md (32), by products of every class mean with every text.

        The diagonal tells the slope, the rest what products are like whose text is another's. In the shared space a
        picture scatters alike in all directions.
        """
        pictures, texts = supports.mean - offset, self.spread.slope * supports.semantic
        products, own = pictures @ texts.mT, texts @ texts.mT
        total = _trace(own).clamp(min=1e-12)
        slope = _trace(products) / total
        classes = pictures.shape[1]
        rest = (products - slope.view(-1, 1, 1) * own).square()
        # Of two classes hardly anything is left: what val's variances would have counts as one more product.
        of_val = (texts.square() @ self._variance(supports.shots)).mean(1)
        freedom = classes * (classes - 1) + 1
        error = classes * (rest.sum((1, 2)) - _trace(rest) + of_val) / total.square() + 1e-12
        misfit = (slope.unsqueeze(1) - self._slopes).square() / error.unsqueeze(1)
        return -(freedom + 1) / 2 * misfit.log1p()

    def average(
        self, alpha: float, shots: float, share: Float[Tensor, "e g"], offset: Float[Tensor, "e 1 d"]
    ) -> TaskFusion:
        """The one slope and precision that make of pictures and text what all slopes make on average: (33), (35)."""
        used = torch.cat([SLOPES.exp(), torch.zeros_like(STEPS)]).unsqueeze(1)
        explained = used.square().clamp(max=1)
        spread, exact = self.spread.between / self.spread.within, self.domains.exact
        no_text = spread ** (1 - self.domains.alike) * spread.mean() ** self.domains.alike
        if self.domains.own:
            no_text = torch.maximum(no_text, 1 / self.precision)
        left = explained * torch.minimum(1 / self.precision, no_text) + (1 - explained) * no_text
        precision = torch.where(used > 0, exact, 1.0) / left
        a, b = max(min(1.0, 2 - 2 * alpha), 1e-6), max(min(1.0, 2 * alpha), 1e-6)
        total = a * shots + b * precision
        of_text = b * precision / total
        pictures, text, used_text = share @ torch.stack([a * shots / total, of_text, used * of_text])
        precision, believed = (a * shots / b * text / pictures).unsqueeze(1), (share @ used).unsqueeze(1)
        return TaskFusion((used_text / text).unsqueeze(1), precision, offset, believed, self.domains.cosine)

    def _offset(self, supports: Supports) -> tuple[Float[Tensor, "e 1 d"], Float[Tensor, "e 1"]]:
        """Where all pictures of a task lie, and the share of their mean that is not chance: docs/method.md (36)."""
        if self.domains.own:
            nothing = torch.zeros_like(supports.mean[:, :1])
            return nothing, nothing[..., 0]
        mean = supports.mean.mean(1, keepdim=True)
        apart = (supports.mean - mean).square().sum(1, keepdim=True) / (supports.mean.shape[1] - 1)
        weighed = [(x / self._variance(supports.shots)).sum(-1) for x in (mean.square(), apart)]
        chance = weighed[1] / supports.mean.shape[1] / weighed[0].clamp(min=1e-12)
        share = (1 - chance).clamp(min=0)
        return share.unsqueeze(2) * mean, share

    def _variance(self, shots: float) -> Float[Tensor, " d"]:
        return self.spread.between + self.spread.within / shots


def _trace(x: Float[Tensor, "e n n"]) -> Float[Tensor, " e"]:
    return x.diagonal(dim1=1, dim2=2).sum(1)
