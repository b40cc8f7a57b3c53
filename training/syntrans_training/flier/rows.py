"""The rows of FLIER's table: what each is trained on, and the settings that val chooses from.

A row gives the scores of all settings at once, since most need one training for all of them.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.flier.model import SCALE, Flier, Pictures, branches
from syntrans_training.flier.prolip import tune_projection
from syntrans_training.flier.task import Task
from syntrans_training.flier.training import Recipe, train_flier
from syntrans_training.methods import LogisticRegression, TipAdapter
from syntrans_training.text.class_vectors import derangement

Setting = Mapping[str, float]
Scores = Float[Tensor, "m c"]
# (task, recipe, settings) -> scores of the test pictures by each setting, and the model that is kept, if any
Run = Callable[[Task, Recipe, Sequence[Setting]], tuple[list[Scores], Flier | None]]


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours`: which settings it has of those that the config lists: `trained`, the share of
    what training changed, and `fusion`, the latent branch's share.
    """

    group: Literal["peers", "flier", "controls"]
    run: Run
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ours: tuple[str, ...] = ()

    def settings(self, listed: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
        """The settings of this row from which val chooses."""
        grid = {**self.grid, **{name: tuple(listed[name]) for name in self.ours}}
        return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _zero_shot(task: Task, _recipe: Recipe, settings: Sequence[Setting]) -> tuple[list[Scores], None]:
    return [SCALE * task.projection(task.query.before) @ task.text.T for _ in settings], None


def _features(task: Task) -> tuple[Tensor, Tensor, Tensor]:
    """Supports [1, c, k, d], queries [1, m, d], class numbers [1, c], as methods of episodes take them."""
    n_classes = len(task.text)
    support = task.projection(task.real.before).reshape(1, n_classes, task.shots, -1)
    return support, task.projection(task.query.before)[None], torch.arange(n_classes)[None]


def _linear_probe(task: Task, _recipe: Recipe, settings: Sequence[Setting]) -> tuple[list[Scores], None]:
    return [LogisticRegression(float(setting["c"])).scores(*_features(task))[0] for setting in settings], None


def _tip(steps: int, task: Task, _recipe: Recipe, settings: Sequence[Setting]) -> tuple[list[Scores], None]:
    return [
        TipAdapter(task.text, steps=steps, **{k: float(v) for k, v in setting.items()}).scores(*_features(task))[0]
        for setting in settings
    ], None


def _prolip(task: Task, _recipe: Recipe, settings: Sequence[Setting]) -> tuple[list[Scores], None]:
    scores = []
    for setting in settings:
        tuned = tune_projection(
            task.projection, task.text, task.real, lr=setting["lr"], steps=300, penalty=1 / task.shots
        )
        scores.append(SCALE * tuned(task.query.before) @ task.text.T)
    return scores, None


Change = Callable[[Task], Task]


def _flier(
    change: Change, task: Task, recipe: Recipe, settings: Sequence[Setting], *, latents: bool = True
) -> tuple[list[Scores], Flier | None]:
    changed = change(task)
    model = train_flier(
        changed.projection, changed.text, changed.real, changed.imagined,
        recipe, seed=changed.seed, with_latents=latents,
    )  # fmt: skip
    pairs = [(setting["trained"], setting.get("fusion", 0.0)) for setting in settings]
    logits = {}
    for share in dict.fromkeys(share for share, _ in pairs):
        logits[share] = branches(model.towards(changed.projection, changed.text, share, recipe.start), changed.query)
    return [(1 - b) * logits[share][0] + b * logits[share][1] for share, b in pairs], model


def _as_it_is(task: Task) -> Task:
    return task


def _no_imagined(task: Task) -> Task:
    return replace(task, imagined=None)


def _shuffled(task: Task) -> Task:
    """The latents of every class are another class's, in training alone."""
    order = torch.from_numpy(derangement(len(task.text), task.seed))
    return replace(
        task,
        real=_swapped(task.real, order),
        imagined=None if task.imagined is None else _swapped(task.imagined, order),
    )


def _swapped(pictures: Pictures, order: Tensor) -> Pictures:
    generator = torch.Generator().manual_seed(len(pictures))
    index = torch.empty(len(pictures), dtype=torch.long)
    for c in range(len(order)):
        there = (pictures.labels == order[c]).nonzero()[:, 0]
        here = (pictures.labels == c).nonzero()[:, 0]
        if len(here):
            pool = there if len(there) else here
            index[here] = pool[torch.randint(len(pool), (len(here),), generator=generator)]
    return replace(pictures, latents=pictures.latents[index])


def _noise(task: Task) -> Task:
    """Noise in place of every latent, at the test too."""
    generator = torch.Generator().manual_seed(task.seed)

    def noisy(pictures: Pictures) -> Pictures:
        return replace(pictures, latents=torch.randn(pictures.latents.shape, generator=generator))

    imagined = None if task.imagined is None else noisy(task.imagined)
    return replace(task, real=noisy(task.real), imagined=imagined, query=noisy(task.query))


def _pixels_only(task: Task, recipe: Recipe, settings: Sequence[Setting]) -> tuple[list[Scores], None]:
    return _flier(_as_it_is, task, recipe, settings, latents=False)[0], None


def _control(change: Change) -> Run:
    return lambda task, recipe, settings: (_flier(change, task, recipe, settings)[0], None)


_BOTH = ("trained", "fusion")
_TIP = {"alpha": (1.0, 3.0, 10.0, 30.0), "beta": (1.0, 3.0, 5.5)}
FLIER, PIXELS = "flier", "pixels_only"
IMAGE_BRANCH, LATENT_BRANCH = "image_branch", "latent_branch"  # of FLIER's own model, at the test alone
ROWS: dict[str, Row] = {
    "zero_shot": Row("peers", _zero_shot),
    "linear_probe": Row("peers", _linear_probe, {"c": (0.1, 1.0, 10.0, 100.0)}),
    "tip_adapter": Row("peers", lambda *arguments: _tip(0, *arguments), _TIP),
    "tip_adapter_f": Row("peers", lambda *arguments: _tip(20, *arguments), _TIP),
    "prolip": Row("peers", _prolip, {"lr": (1e-5, 1e-4, 1e-3)}),
    FLIER: Row("flier", lambda *arguments: _flier(_as_it_is, *arguments), ours=_BOTH),
    PIXELS: Row("controls", _pixels_only, ours=("trained",)),
    "no_imagined": Row("controls", _control(_no_imagined), ours=_BOTH),
    "latents_shuffled": Row("controls", _control(_shuffled), ours=_BOTH),
    "latents_noise": Row("controls", _control(_noise), ours=_BOTH),
}
# Each of the other controls trains FLIER once more, which makes up most of the time that a task takes.
EPISODE_ROWS = {name: row for name, row in ROWS.items() if row.group != "controls" or name == PIXELS}
FIXED = {IMAGE_BRANCH: 0.0, LATENT_BRANCH: 1.0}
GROUPS = {name: row.group for name, row in ROWS.items()} | dict.fromkeys(FIXED, "controls")
