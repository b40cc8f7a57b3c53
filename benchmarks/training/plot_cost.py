"""Seconds against the number of episodes: the measurement behind docs/evaluate_cost.png, and the drawing of it.

Called by `python benchmarks/training/evaluate.py --plot`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.training.evaluate import LABELS, SEED, ours, timed
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import Euclidean, LogisticRegression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from matplotlib.axes import Axes

    from syntrans_training.methods import Method

COUNTS = (1250, 2500, 5000, 10_000, 20_000)
QUICK_COUNTS = (10, 20)
REPEATS = 3
LINES = {"prototypes": ("Prototypes", "#0072b2"), "logistic": ("Logistic regression", "#d55e00")}


def measure(features: torch.Tensor, counts: Sequence[int]) -> dict[str, Any]:
    """Seconds of every repeat, drawing the episodes included; the counts take turns, so that a slow minute hits all."""
    methods: dict[str, Method] = {"prototypes": Euclidean(), "logistic": LogisticRegression()}
    seconds: dict[str, dict[str, list[float]]] = {name: {str(n): [] for n in counts} for name in methods}
    for method in methods.values():
        ours(features, draw(EpisodeSpec(5, 5, 15, min(500, *counts), SEED), LABELS), method)  # warm
    for _ in range(REPEATS):
        for count in counts:
            for name, method in methods.items():
                spec = EpisodeSpec(5, 5, 15, count, SEED)
                took, _ = timed(partial(_once, features, spec, method))
                seconds[name][str(count)].append(round(took, 4))
    return {"seconds": seconds, "slope": {name: slope(times) for name, times in seconds.items()}}


def _once(features: torch.Tensor, spec: EpisodeSpec, method: Method) -> None:
    ours(features, draw(spec, LABELS), method)


def slope(times: dict[str, list[float]]) -> float:
    """Exponent p of seconds ~ episodes^p, fitted to the medians: 1 is linear."""
    counts = np.log([float(n) for n in times])
    return round(float(np.polyfit(counts, np.log([np.median(s) for s in times.values()]), 1)[0]), 3)


def plot(result: dict[str, Any], path: Path) -> None:
    """Medians with the range of the repeats and a straight line through them."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter

    plt.rcParams |= {
        "font.size": 10,
        "font.family": "DejaVu Sans",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    figure, axes = plt.subplots(figsize=(6.4, 3.8), dpi=160, layout="constrained")
    for name, times in result["seconds"].items():
        draw_line(axes, times, *LINES[name])
    axes.set(xlabel="Episodes (5-way, 5-shot, 15 queries per class)", ylabel="Seconds, drawing included")
    axes.set_title("The cost of an evaluation grows linearly in episodes", loc="left", fontsize=11, pad=10)
    axes.set_xlim(0, max(int(n) for n in result["seconds"]["prototypes"]) * 1.3)  # room for the names
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.set_xticks(range(0, max(COUNTS) + 1, 5000))
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.savefig(path)
    plt.close(figure)


def draw_line(axes: Axes, times: dict[str, list[float]], label: str, colour: str) -> None:
    """One method: points, the range of the repeats as bars, the fitted line, and its name at the line's end."""
    counts = np.array([float(n) for n in times])
    repeats = np.array(list(times.values()))
    middle = np.median(repeats, 1)
    spread = np.abs(np.stack([repeats.min(1), repeats.max(1)]) - middle)
    gradient, offset = np.polyfit(counts, middle, 1)
    ends = np.array([0.0, counts.max()])
    axes.plot(ends, gradient * ends + offset, color=colour, linewidth=1.2, alpha=0.6)
    axes.errorbar(counts, middle, yerr=spread, fmt="o", color=colour, markersize=4.5, capsize=3, linewidth=1)
    axes.annotate(
        f"{label}\n{1 / gradient:,.0f} episodes/s",
        (counts.max(), middle[-1]),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )
