"""The VSBird stage of `syntrans train`: where the bridge starts, what it learns, how it fuses; all chosen on val.

1. The shared space (power, shrinkage, noise) by the closed form of modules/vsbird.py, once for all kinds of text.
2. For every variant (semantics.py, and `none`: the same head without text): where its maps start.
3. For every variant, number of shots and seed: training on fake-novel tasks (tasks/meta.py), best look at val kept.
4. For every variant and number of shots: alpha, by the accuracy of all seeds.
vsbird.safetensors grows head by head, so an interrupted stage goes on after the last one that was finished.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import checkpoint
from .episodes import Episodes
from .guard import selecting
from .methods import SynTrans, accuracy
from .modules.ridge import leave_one_out
from .modules.shared_space import Phi, diagonalise, fit_phi, shrink, within_covariance
from .modules.vsbird import VSBird
from .modules.whiten import class_means
from .rows import NONE, Row
from .scoring import score
from .seeding import one_thread
from .tasks.fake_novel import FakeNovel, fit
from .tasks.meta import LossWeights, absent_classes, bridge_loss, scatter, show

VSBIRD = "vsbird.safetensors"
_SLOW = ("reconstructor", "generator", "trust", "reader_log_lam", "log_precision")
_PARTS = ("generator", "residual", "gate", "fusion")


class ClassTexts(Protocol):
    """Class vectors of the base classes (`base`) and of val, by variant and name share."""

    def base(self, variant: str, share: float, keep: float, generator: torch.Generator) -> Tensor:
        """[C, s], of a random share `keep` of every class's descriptors."""
        ...

    def val(self, variant: str, share: float) -> Tensor:
        """[C_val, s]."""
        ...


@dataclass(frozen=True)
class Space:
    """How the shared space is made; `noise` multiplies the spread of base pictures, since novel ones scatter more."""

    power: float
    shrinkage: float
    noise: float


@dataclass(frozen=True)
class Start:
    """Where the maps of a variant start: shrinkage of the text's errors, lambda, share of the class name."""

    prior_shrinkage: float
    lam: float
    name_share: float


@dataclass(frozen=True)
class Grid:
    """What val decides between."""

    spaces: tuple[Space, ...]
    starts: tuple[Start, ...]
    alphas: tuple[float, ...]
    middle: Start  # what the space is chosen with


@dataclass(frozen=True)
class How:
    """How heads are trained, and which of the bridge's parts take part (`parts`: arguments of VSBird)."""

    seeds: int
    steps: int
    looks: int
    ways: int
    queries: int
    batch: int
    lr: float
    scatter: float
    wrong_texts: float
    keep: float
    losses: LossWeights
    parts: Mapping[str, Any]


@dataclass(frozen=True)
class Raw:
    """Raw features of the base and val pictures, the base labels, and the number of val classes."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]
    n_val: int


@dataclass(frozen=True)
class Pictures:
    """phi of the base and val pictures, the base labels, and what their means are."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]
    means: Float[Tensor, "c d"]


@dataclass(frozen=True)
class Bridgeheads:
    """What the stage leaves: phi, trained heads and the choice by (variant, shots)."""

    phi: Phi
    heads: dict[tuple[str, int], list[VSBird]]
    choices: dict[tuple[str, int], dict[str, Any]]

    @property
    def variants(self) -> tuple[str, ...]:
        """The text variants that were trained, in order."""
        return tuple(dict.fromkeys(variant for variant, _ in self.heads))


def build(
    raw: Raw,
    texts: ClassTexts,
    tasks: Mapping[int, Episodes],
    variants: Sequence[str],
    grid: Grid,
    how: How,
    *,
    path: Path,
    identity: str,
) -> dict[str, Any]:
    """Choose and train what `path` does not hold yet; returns its note; `tasks` are of val."""
    tensors, note = _begun(path, identity)
    score_val = partial(_accuracies, tasks=tasks, n_classes=raw.n_val)
    with selecting(), one_thread():
        if "space" not in note:
            note["space"] = asdict(_settle(raw, texts, variants[0], grid, score_val))
        space = Space(**note["space"])
        phi, pictures = _seen_through(raw, space.power)
        tensors["phi.mean"] = phi.mean
        for variant in variants:
            if variant not in note["starts"]:
                start = _choose_start(pictures, space, texts, variant, grid.starts, score_val)
                note["starts"][variant] = asdict(start)
            start = Start(**note["starts"][variant])
            for shots in tasks:
                if any(c["variant"] == variant and c["shots"] == shots for c in note["choices"]):
                    continue
                task = _Task(pictures, space, start, texts, variant, shots, tasks[shots], raw.n_val)
                heads = [_train(task, how, seed) for seed in range(how.seeds if how.steps else 1)]
                for seed, (head, _) in enumerate(heads):
                    tensors |= {f"{variant}.{shots}.{seed}.{name}": t for name, t in head.state_dict().items()}
                note["choices"].append(_fuse(task, [head for head, _ in heads], grid.alphas))
                note["heads"] += [{"variant": variant, "shots": shots, **log} for _, log in heads]
                checkpoint.save(path, tensors, {**note, "parts": dict(how.parts)})
    return checkpoint.read_note(path)


def load(path: Path) -> Bridgeheads:
    """The heads of a file that `build` finished."""
    tensors, note = checkpoint.load(path)
    phi = Phi(note["space"]["power"], tensors["phi.mean"])
    found: dict[tuple[str, int], list[VSBird]] = {}
    for log in note["heads"]:
        of_head = checkpoint.part(tensors, f"{log['variant']}.{log['shots']}.{log['seed']}")
        precision = of_head["log_precision"].exp()
        head = VSBird(of_head["transform"], precision, of_head["base"], of_head["base_text"], **note["parts"])
        head.load_state_dict(of_head)
        found.setdefault((log["variant"], log["shots"]), []).append(head.eval().requires_grad_(requires_grad=False))
    return Bridgeheads(phi, found, {(c["variant"], c["shots"]): c for c in note["choices"]})


def _begun(path: Path, identity: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if path.exists():
        tensors, note = checkpoint.load(path)
        if note.get("identity") == identity:
            return tensors, note
    return {}, {"identity": identity, "starts": {}, "choices": [], "heads": []}


# settings by name -> methods on val features -> accuracy averaged over the numbers of shots
_Scores = Callable[[Mapping[str, SynTrans], Tensor], dict[str, float]]


def _accuracies(
    methods: Mapping[str, SynTrans], val: Tensor, *, tasks: Mapping[int, Episodes], n_classes: int
) -> dict[str, float]:
    rows = {name: Row((method,), val) for name, method in methods.items()}
    found = [score(rows, part, n_classes=n_classes, chunk=250) for part in tasks.values()]
    return {name: float(sum(o[name].accuracy.mean() for o in found)) / len(found) for name in rows}


def closed_form(pictures: Pictures, text: Float[Tensor, "c s"], space: Space, start: Start, **parts: Any) -> VSBird:
    """The head before any training: covariances of base pictures and of what the text does not predict."""
    missed = pictures.means - leave_one_out(text, pictures.means, lam=start.lam)
    within = space.noise * shrink(within_covariance(pictures.base, pictures.labels), space.shrinkage)
    transform, precision = diagonalise(within, shrink(missed.T @ missed / len(missed), start.prior_shrinkage))
    return VSBird(transform, precision, pictures.means, text, lam=start.lam, **parts)


_PLAIN = {"generator": False, "residual": False, "gate": False}


def _whole(texts: ClassTexts, variant: str, share: float) -> Tensor:
    return texts.base(variant, share, 1.0, torch.Generator())


def _seen_through(raw: Raw, power: float) -> tuple[Phi, Pictures]:
    phi = fit_phi(raw.base, raw.labels, power=power)
    base = phi(raw.base)
    return phi, Pictures(base, raw.labels, phi(raw.val), class_means(base, raw.labels))


def _settle(raw: Raw, texts: ClassTexts, variant: str, grid: Grid, scores: _Scores) -> Space:
    """The space and the maps' start by turns, twice: each is good for the other's choice."""
    start = grid.middle
    for _ in range(2):
        space = _choose_space(raw, texts, variant, grid.spaces, start, scores)
        _, pictures = _seen_through(raw, space.power)
        start = _choose_start(pictures, space, texts, variant, grid.starts, scores)
    return space


def _choose_space(
    raw: Raw, texts: ClassTexts, variant: str, choices: Sequence[Space], start: Start, scores: _Scores
) -> Space:
    text = _whole(texts, variant, start.name_share), texts.val(variant, start.name_share)
    found: dict[Space, float] = {}
    for power in dict.fromkeys(space.power for space in choices):
        _, pictures = _seen_through(raw, power)
        spaces = [space for space in choices if space.power == power]
        methods = {
            str(i): SynTrans(closed_form(pictures, text[0], space, start, **_PLAIN), text[1], alpha=0.5)
            for i, space in enumerate(spaces)
        }
        found |= dict(zip(spaces, scores(methods, pictures.val).values(), strict=True))
    return max(found, key=found.__getitem__)


def _choose_start(
    pictures: Pictures, space: Space, texts: ClassTexts, variant: str, starts: Sequence[Start], scores: _Scores
) -> Start:
    if variant in (NONE, "name"):  # nothing, or nothing else, to share with the name
        starts = [start for start in starts if start.name_share == starts[0].name_share]
    methods = {
        str(i): SynTrans(
            closed_form(pictures, _whole(texts, variant, start.name_share), space, start, **_PLAIN),
            texts.val(variant, start.name_share),
            alpha=0.5,
        )
        for i, start in enumerate(starts)
    }
    found = scores(methods, pictures.val)
    return starts[int(max(found, key=found.__getitem__))]


@dataclass(frozen=True)
class _Task:
    """One variant and number of shots: everything that its heads are trained and judged on."""

    pictures: Pictures
    space: Space
    start: Start
    texts: ClassTexts
    variant: str
    shots: int
    val: Episodes
    n_val: int

    @torch.no_grad()
    def curve(self, head: VSBird, alphas: Sequence[float], *, episodes: int | None = None) -> list[float]:
        """Accuracy on val for each alpha; pictures are projected and weights made once for all of them."""
        head.eval()
        seen = head.project(self.pictures.val)
        memory = head.recall()
        semantic = head.semantic(self.texts.val(self.variant, self.start.name_share), memory)
        totals, tasks = torch.zeros(len(alphas), dtype=torch.float64), self.val
        tasks = next(tasks.chunks(episodes)) if episodes else tasks
        for part in tasks.chunks(CHUNK):
            classes, support, query = (torch.from_numpy(x) for x in (part.classes, part.support, part.query))
            made = head.weights(seen[support].mean(2), semantic[classes], memory, shots=self.shots)
            queries = seen[query.flatten(1)]
            for i, alpha in enumerate(alphas):
                weight, bias = head.classifier(made, shots=self.shots, alpha=alpha)
                totals[i] += accuracy(queries @ weight.mT + bias.unsqueeze(1)).sum()
        return (totals / len(tasks)).tolist()


def _train(task: _Task, how: How, seed: int) -> tuple[VSBird, dict[str, Any]]:
    """One head and what is to be known of its training."""
    torch.manual_seed(seed)
    pictures, share = task.pictures, task.start.name_share
    text = _whole(task.texts, task.variant, share)
    head = closed_form(pictures, text, task.space, task.start, **how.parts)
    tasks = FakeNovel(
        pictures.base, pictures.labels,
        ways=how.ways, shots=task.shots, queries=how.queries, batch=how.batch, seed=seed, others=False,
    )  # fmt: skip
    residuals = pictures.base - pictures.means[pictures.labels]
    generator = torch.Generator().manual_seed(seed)

    def loss(step: int) -> Tensor:
        batch = tasks.draw(step)
        moved = [scatter(x, residuals, amount=how.scatter, generator=generator) for x in (batch.support, batch.query)]
        batch = replace(batch, support=moved[0], query=moved[1])
        drawn = task.texts.base(task.variant, share, how.keep, generator)
        shown = show(batch.classes, drawn, wrong=how.wrong_texts, generator=generator)
        alpha = 0.2 + 0.6 * torch.rand(len(batch.classes), 1, 1, generator=generator)  # equation (8)
        terms = bridge_loss(head, batch, shown, alpha=alpha, weights=how.losses)
        return torch.stack(list(terms.values())).sum()

    def look() -> float:
        return task.curve(head, [0.5], episodes=LOOK_EPISODES)[0]

    begun = look()
    if how.steps:
        step, best = fit(head, loss, steps=how.steps, lr=how.lr, looks=how.looks, validate=look, slow=_SLOW)
    else:
        step, best = 0, begun
    head.eval()
    known, new = _semantic_on_base(head, task, how, seed), task.curve(head, [1.0])[0]
    log = {"seed": seed, "step": step, "val_before": begun, "val": best, "semantic_base": known, "semantic_val": new}
    return head, {name: round(value, 6) for name, value in log.items()}


CHUNK = 100  # episodes in memory at once
LOOK_EPISODES = 300  # val episodes of a look while a head is trained


@torch.no_grad()
def _semantic_on_base(head: VSBird, task: _Task, how: How, seed: int, batches: int = 12) -> float:
    """Accuracy of w^s alone on tasks of base classes that are left out of the maps; beside val's it tells over-fit."""
    right, all_queries, ways = 0, 0, task.val.support.shape[1]
    tasks = FakeNovel(
        task.pictures.base, task.pictures.labels,
        ways=ways, shots=task.shots, queries=how.queries, batch=how.batch, seed=seed, others=False,
    )  # fmt: skip
    for number in range(batches):
        batch = tasks.draw(2**31 + number)  # steps that training does not reach
        memory = head.recall(absent_classes(batch.classes, len(head.base)))
        semantic = head.semantic(head.base_text[batch.classes], memory)
        made = head.weights(semantic, semantic, memory, shots=task.shots)
        weight, bias = head.classifier(made, shots=task.shots, alpha=1.0)
        found = (head.project(batch.query) @ weight.mT + bias.unsqueeze(1)).argmax(-1)
        n = batch.classes.shape[1]
        right += int((found == torch.arange(n).repeat_interleave(found.shape[1] // n)).sum())
        all_queries += found.numel()
    return right / all_queries


def _fuse(task: _Task, heads: Sequence[VSBird], alphas: Sequence[float]) -> dict[str, Any]:
    """The alpha that val prefers, of equal ones the one nearest to the posterior mean, and the whole curve."""
    curve = np.mean([task.curve(head, alphas) for head in heads], 0).tolist()
    alpha, best = max(zip(alphas, curve, strict=True), key=lambda pair: (pair[1], -abs(pair[0] - 0.5)))
    return {
        "variant": task.variant,
        "shots": task.shots,
        **asdict(task.start),
        "alpha": alpha,
        "val": round(best, 6),
        "curve": [[a, round(v, 6)] for a, v in zip(alphas, curve, strict=True)],
    }


def make_grid(
    powers: Sequence[float],
    shrinkages: Sequence[float],
    noises: Sequence[float],
    prior_shrinkages: Sequence[float],
    lambdas: Sequence[float],
    name_shares: Sequence[float],
    alphas: Sequence[float],
) -> Grid:
    """All combinations."""
    spaces = tuple(Space(*values) for values in product(powers, shrinkages, noises))
    starts = tuple(Start(p, lam, share) for share, p, lam in product(name_shares, prior_shrinkages, lambdas))
    middle = Start(prior_shrinkages[len(prior_shrinkages) // 2], lambdas[len(lambdas) // 2], name_shares[0])
    return Grid(spaces, starts, tuple(alphas), middle)
