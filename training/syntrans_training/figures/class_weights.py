"""Where the classifier weights of novel classes lie, from pictures alone and with text (the paper's figure 5).

Every class's weight is made from `DRAWS` draws of its supports; all novel classes stand in one task. The numbers are
means over all seeds' heads; the picture shows the first one's weights.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from syntrans.errors import InputError
from syntrans.files.sealed_parquet import write_sealed
from syntrans.paths import atomic_path
from syntrans_training.data import Split
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit
from syntrans_training.modules.vsbird import VSBird

DRAWS = 50  # of supports, for every class
PERPLEXITY = 30
_NAMED = 24  # classes that a legend still has room for
_KINDS = {"visual": "pictures alone", "multimodal": "pictures and text"}


def make(novel: EvaluatedSplit, out: Path, *, shots: Sequence[int], seed: int) -> dict[str, Any]:
    """Write weights.parquet and weights.png; returns how well the weights of the classes lie apart."""
    features, bridges, numbers, points = novel.features, novel.run.bridges, [], {}
    for k in shots:
        supports = torch.from_numpy(draw_supports(novel.split, k, seed=seed))
        choice, heads = bridges.choices[features.main, k], bridges.heads[features.main, k]
        text = features.vectors(features.main, choice["name_share"], 0)
        for kind, alpha in (("visual", 0.0), ("multimodal", choice["alpha"])):
            weights = [weights_of(head, features.shared, supports, text, alpha=alpha) for head in heads]
            apart = [separation(of_head) for of_head in weights]
            means = {name: round(float(np.mean([a[name] for a in apart])), 4) for name in apart[0]}
            numbers.append({"shots": k, "weights": kind, "alpha": alpha, **means})
            points[k, kind] = _flat(weights[0], seed=seed)
    _write(points, novel.split.classes, out / "weights.parquet")
    draw(points, numbers, novel.split.classes, out / "weights.png")
    return {"classes": len(novel.split.classes), "draws": DRAWS, "perplexity": PERPLEXITY, "numbers": numbers}


def draw_supports(split: Split, shots: int, *, seed: int) -> NDArray[np.int64]:
    """[DRAWS, C, K] pictures: K different ones of every class, drawn anew each time."""
    rng = np.random.default_rng((seed, shots))
    of_class = [np.flatnonzero(split.labels == c) for c in range(len(split.classes))]
    few = int(np.argmin([len(items) for items in of_class]))
    if len(of_class[few]) < shots:
        raise InputError(f"{split.classes[few]!r} has {len(of_class[few])} pictures; a support needs {shots}")
    drawn = [[rng.choice(items, shots, replace=False) for items in of_class] for _ in range(DRAWS)]
    return np.array(drawn, dtype=np.int64)


@torch.no_grad()
def weights_of(
    head: VSBird,
    pictures: Float[Tensor, "n d"],
    supports: Int[Tensor, "e c k"],
    text: Float[Tensor, "c s"],
    *,
    alpha: float,
) -> Float[Tensor, "e c d"]:
    """Unit classifier weights of all classes from phi `pictures` and `supports` [e, c, K]."""
    head.eval()
    memory = head.build_memory()
    semantic = head.semantic_weights(text, memory).expand(len(supports), -1, -1)
    means = memory.project(pictures)[supports].mean(2)
    weights = head.both_weights(means, semantic, memory, shots=supports.shape[2])
    weight, _ = head.classify(weights, shots=supports.shape[2], alpha=alpha)
    return F.normalize(weight, dim=-1)


def separation(weights: Float[Tensor, "e c d"]) -> dict[str, float]:
    """Silhouette by cosine, and the mean cosine of two weights of one class and of two classes."""
    from sklearn.metrics import silhouette_score

    n_draws, n_classes, _ = weights.shape
    flat, labels = weights.flatten(0, 1), torch.arange(n_classes).repeat(n_draws)
    cosine = flat @ flat.T
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    other = ~torch.eye(len(flat), dtype=torch.bool)
    return {
        "silhouette": float(silhouette_score(flat.numpy(), labels.numpy(), metric="cosine")),
        "intra": float(cosine[same & other].mean()),
        "inter": float(cosine[~same].mean()),
    }


def _flat(weights: Float[Tensor, "e c d"], *, seed: int) -> NDArray[np.float32]:
    """[e, c, 2] by t-SNE."""
    from sklearn.manifold import TSNE

    n_draws, n_classes, _ = weights.shape
    plane = TSNE(metric="cosine", perplexity=PERPLEXITY, init="pca", random_state=seed)
    points: NDArray[np.float32] = plane.fit_transform(weights.flatten(0, 1).double().numpy())
    return points.reshape(n_draws, n_classes, 2).astype(np.float32)


def _write(points: Mapping[tuple[int, str], NDArray[np.float32]], classes: tuple[str, ...], path: Path) -> None:
    tables = []
    for (shots, kind), plane in points.items():
        n_draws, n_classes, _ = plane.shape
        columns = {
            "shots": np.full(n_draws * n_classes, shots, np.int32),
            "weights": [kind] * (n_draws * n_classes),
            "draw": np.repeat(np.arange(n_draws, dtype=np.int32), n_classes),
            "class": list(classes) * n_draws,
            "x": plane[..., 0].ravel(),
            "y": plane[..., 1].ravel(),
        }
        tables.append(pa.table(columns))
    write_sealed(path, pa.concat_tables(tables))


def draw(
    points: Mapping[tuple[int, str], NDArray[np.float32]],
    numbers: list[dict[str, Any]],
    classes: tuple[str, ...],
    path: Path,
) -> None:
    """A row of panels for each kind of weights, a column for each number of shots."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shots = list(dict.fromkeys(k for k, _ in points))
    colours, markers = mpl.colormaps["tab10"].colors, "o^sDvP*X"  # type: ignore[attr-defined]  # of a listed map
    # A class name with two dollar signs is no formula.
    with plt.rc_context({"text.parse_math": False}), atomic_path(path) as temporary:
        size = (4 * len(shots) + 2.2, 8)
        figure, axes = plt.subplots(2, len(shots), figsize=size, dpi=100, layout="constrained", squeeze=False)
        for line in numbers:
            place = axes[list(_KINDS).index(line["weights"]), shots.index(line["shots"])]
            for c, name in enumerate(classes):
                x, y = points[line["shots"], line["weights"]][:, c].T
                colour, marker = colours[c % 10], markers[c // 10 % len(markers)]
                place.scatter(x, y, s=13, color=colour, marker=marker, linewidths=0, alpha=0.85, label=name)
            place.set_title(
                f"{line['shots']}-shot, {_KINDS[line['weights']]}\nα = {line['alpha']:g}, silhouette "
                f"{line['silhouette']:.2f}",
                loc="left",
                fontsize=11,
            )
            place.set(xticks=[], yticks=[])
        if len(classes) <= _NAMED:
            figure.legend(
                *axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False, markerscale=1.8
            )
        figure.savefig(temporary, format="png")
        plt.close(figure)


def render(figure: Mapping[str, Any]) -> str:
    """The numbers of every panel."""
    lines = [f"{'shots':>5}  {'weights':<11}{'alpha':>6}{'silhouette':>12}{'intra':>8}{'inter':>8}"]
    lines += [
        f"{line['shots']:>5}  {line['weights']:<11}{line['alpha']:>6.2f}{line['silhouette']:>12.4f}"
        f"{line['intra']:>8.4f}{line['inter']:>8.4f}"
        for line in figure["numbers"]
    ]
    caption = f"Cosine between weights of {figure['classes']} novel classes, {figure['draws']} draws of supports each."
    return "\n".join([*lines, caption])
