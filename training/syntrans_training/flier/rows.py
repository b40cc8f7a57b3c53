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
    """One line of the table. `fusions`: the settings are the latent branch's share, which the config lists."""

    label: str
    group: Literal["peers", "flier", "controls"]
    run: Run
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fusions: bool = False

    def settings(self, fusions: Sequence[float]) -> list[dict[str, float]]:
        """The settings of this row from which val chooses."""
        grid = {"fusion": tuple(fusions)} if self.fusions else dict(self.grid)
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
    found = []
    for setting in settings:
        tuned = tune_projection(
            task.projection, task.text, task.real, lr=setting["lr"], steps=300, penalty=1 / task.shots
        )
        found.append(SCALE * tuned(task.query.before) @ task.text.T)
    return found, None


Change = Callable[[Task], Task]


def _flier(
    change: Change, task: Task, recipe: Recipe, settings: Sequence[Setting], *, latents: bool = True
) -> tuple[list[Scores], Flier | None]:
    told = change(task)
    model = train_flier(
        told.projection, told.text, told.real, told.imagined, recipe, seed=told.seed, with_latents=latents
    )
    image, latent = branches(model, told.query)
    return [(1 - b) * image + b * latent for b in (setting.get("fusion", 0.0) for setting in settings)], model


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


_TIP = {"alpha": (1.0, 3.0, 10.0, 30.0), "beta": (1.0, 3.0, 5.5)}
FLIER, PIXELS = "flier", "pixels_only"
IMAGE_BRANCH, LATENT_BRANCH = "image_branch", "latent_branch"  # of FLIER's own model, at the test alone
ROWS: dict[str, Row] = {
    "zero_shot": Row("CLIP, zero-shot", "peers", _zero_shot),
    "linear_probe": Row("linear probe", "peers", _linear_probe, {"c": (0.1, 1.0, 10.0, 100.0)}),
    "tip_adapter": Row("Tip-Adapter", "peers", lambda *told: _tip(0, *told), _TIP),
    "tip_adapter_f": Row("Tip-Adapter-F", "peers", lambda *told: _tip(20, *told), _TIP),
    "prolip": Row("ProLIP", "peers", _prolip, {"lr": (1e-5, 1e-4, 1e-3)}),
    FLIER: Row("FLIER", "flier", lambda *told: _flier(_as_it_is, *told), fusions=True),
    PIXELS: Row("imagined pictures as pixels only", "controls", _pixels_only),
    "no_imagined": Row("no imagined pictures", "controls", _control(_no_imagined), fusions=True),
    "latents_shuffled": Row("latents of other classes", "controls", _control(_shuffled), fusions=True),
    "latents_noise": Row("noise as latents", "controls", _control(_noise), fusions=True),
}
FIXED = {IMAGE_BRANCH: 0.0, LATENT_BRANCH: 1.0}
LABELS = {name: row.label for name, row in ROWS.items()} | {
    IMAGE_BRANCH: "FLIER, image branch alone at the test",
    LATENT_BRANCH: "FLIER, latent branch alone at the test",
}
