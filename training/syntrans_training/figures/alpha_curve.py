"""Accuracy over alpha on val and novel, for every number of shots (the paper's figure 4).

Val: the tasks that alpha was chosen on. Novel: the frozen tasks of an evaluation. The mean of all seeds' heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from syntrans.files.sealed_parquet import write_sealed
from syntrans.paths import atomic_path
from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.bridge.ridge_baseline import alpha_grid
from syntrans_training.bridge.val_tasks import ValSplit, val_episodes
from syntrans_training.data.novel_split_guard import NOVEL
from syntrans_training.encoder.features import Features
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit, open_episodes, open_evaluated_split
from syntrans_training.evaluation.summary import Kind
from syntrans_training.scoring.metrics import Interval, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP = 0.05
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


@dataclass(frozen=True)
class Curve:
    """Accuracy at every alpha, on one split with one number of shots; `chosen` is val's alpha."""

    split: str
    shots: int
    alphas: tuple[float, ...]
    values: tuple[Interval, ...]
    chosen: float

    def at(self, alpha: float) -> Interval:
        """The accuracy at one of its alphas."""
        return self.values[self.alphas.index(alpha)]


def make(
    novel: EvaluatedSplit, out: Path, *, shots: Sequence[int], tasks: Mapping[str, Any], kind: Kind, device: str
) -> dict[str, Any]:
    """Write alpha.parquet and alpha.png; returns the numbers at the ends and at the chosen alpha.

    `tasks`: those of the novel classes, as `open_episodes` takes them.
    """
    val = open_evaluated_split(novel.run, split="val", device=device, views=False)
    of_val, curves = _val_tasks(val), []
    for k in shots:
        curves.append(_curve(val, "val", k, of_val[k], kind))
        curves.append(_curve(novel, NOVEL, k, open_episodes(novel, k, **tasks).episodes, kind))
    _write(curves, out / "alpha.parquet")
    draw(curves, out / "alpha.png")
    return {"variant": novel.features.main, "curves": [_summary(curve) for curve in curves]}


def _val_tasks(val: EvaluatedSplit) -> dict[int, Episodes]:
    labels = torch.from_numpy(val.split.labels)
    features = Features(val.features.raw, labels, val.split.classes, key=val.split.key)
    tasks = val.run.tasks
    return val_episodes(ValSplit(features, val.seen), **tasks.shape, episodes=tasks.val_episodes, seed=tasks.val_seed)


def _curve(subject: EvaluatedSplit, split: str, shots: int, tasks: Episodes, kind: Kind) -> Curve:
    features = subject.features
    choice, heads = subject.run.bridges.choices[features.main, shots], subject.run.bridges.heads[features.main, shots]
    alphas = tuple(sorted({*alpha_grid(STEP), choice["alpha"]}))
    text = features.vectors(features.main, choice["name_share"], 0)
    of_heads = [alpha_curve(head, features.shared, text, tasks, alphas) for head in heads]
    accuracies = torch.stack(of_heads).mean(0).numpy()
    values = tuple(interval(accuracies[:, i], kind=kind) for i in range(len(alphas)))
    return Curve(split, shots, alphas, values, choice["alpha"])


def _write(curves: list[Curve], path: Path) -> None:
    lines = [
        {
            "split": curve.split,
            "shots": curve.shots,
            "alpha": alpha,
            "accuracy": value.mean,
            "half_width": value.half_width,
            "episodes": value.n,
        }
        for curve in curves
        for alpha, value in zip(curve.alphas, curve.values, strict=True)
    ]
    write_sealed(path, pa.Table.from_pylist(lines))


def _summary(curve: Curve) -> dict[str, Any]:
    best = max(curve.alphas, key=lambda alpha: curve.at(alpha).mean)
    return {
        "split": curve.split,
        "shots": curve.shots,
        "visual": curve.at(0.0).percent(),
        "chosen": {"alpha": curve.chosen, **curve.at(curve.chosen).percent()},
        "semantic": curve.at(1.0).percent(),
        "best": {"alpha": best, **curve.at(best).percent()},  # on novel to be read, never to be used
    }


def draw(curves: list[Curve], path: Path) -> None:
    """One panel per split, one line per number of shots with its 95 % band, a point where val chose alpha."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    splits = list(dict.fromkeys(curve.split for curve in curves))
    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style), atomic_path(path) as temporary:
        figure, axes = plt.subplots(
            1, len(splits), figsize=(8, 3.9), dpi=100, sharey=True, layout="constrained", squeeze=False
        )
        for place, split in zip(axes[0], splits, strict=True):
            _panel(place, [curve for curve in curves if curve.split == split])
            place.set_title(f"{split} classes", loc="left", fontsize=11)
        axes[0, 0].set_ylabel("Accuracy (%)")
        figure.suptitle("Accuracy over α; the point is the α that val chose", x=0.01, ha="left", fontsize=11)
        figure.savefig(temporary, format="png")
        plt.close(figure)


def _panel(axes: "Axes", curves: list[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS * len(curves), strict=False):
        mean, half = (100 * np.array([getattr(v, name) for v in curve.values]) for name in ("mean", "half_width"))
        axes.fill_between(curve.alphas, mean - half, mean + half, color=colour, alpha=0.25, linewidth=0)
        at = 100 * curve.at(curve.chosen).mean
        label = f"{curve.shots}-shot: {at:.1f} at α = {curve.chosen:g}"
        axes.plot(curve.alphas, mean, color=colour, linewidth=1.8, label=label)
        axes.plot(curve.chosen, at, "o", color=colour, markersize=7, markeredgecolor="white")
    axes.set(xlabel="α   (0: pictures alone, 1: text alone)", xlim=(-0.02, 1.02))
    axes.margins(y=0.1)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", frameon=False)


def render(numbers: Mapping[str, Any]) -> str:
    """Ends, chosen and best alpha of every curve."""
    lines = [f"{'split':<7}{'shots':>5}  {'pictures':>13}  {'chosen':>20}  {'text':>13}  {'best':>20}"]
    for curve in numbers["curves"]:
        ends = [f"{curve[name]['mean']:.2f} ±{curve[name]['half_width']:.2f}" for name in ("visual", "semantic")]
        inner = [
            f"{curve[name]['mean']:.2f} ±{curve[name]['half_width']:.2f} at {curve[name]['alpha']:.2f}"
            for name in ("chosen", "best")
        ]
        lines.append(
            f"{curve['split']:<7}{curve['shots']:>5}  {ends[0]:>13}  {inner[0]:>20}  {ends[1]:>13}  {inner[1]:>20}"
        )
    return "\n".join([*lines, "Percent with 95 % intervals over episodes; alpha chosen on val."])
