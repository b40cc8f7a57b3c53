"""Episodes per second: our evaluator beside easyfsl's and beside scikit-learn, on the same features, in one run.

Usage: python benchmarks/training/evaluate.py [--episodes 10000] [--out FILE] [--quick]
       python benchmarks/training/evaluate.py --plot      (cost against the number of episodes: docs/evaluate_cost.png)

20 classes x 600 images of 640 made-up features (positive, correlated, classes overlap); 5-way 5-shot 15-query episodes.
Ours is timed from features and episode numbers to every episode's accuracy, confusion and calibration, and once more
with the drawing of the episodes. easyfsl 1.5 and scikit-learn are timed on the first episodes of the same list, turn by
turn with ours, and the accuracies are compared there.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.quick import add_quick, target
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.methods import Euclidean, LogisticRegression, Method
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
CLASSES, PER_CLASS, DIM, SEED, CHUNK = 20, 600, 640, 0, 500
QUICK = {"episodes": 40, "some": 20, "repeats": 1}
LABELS = np.repeat(np.arange(CLASSES), PER_CLASS)


def make_features(seed: int) -> torch.Tensor:
    """[12000, 640], like pooled ReLU features: class means and shared directions of variation, positive."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.3 * torch.randn(CLASSES, DIM, generator=generator)
    directions = torch.randn(64, DIM, generator=generator) / 8
    shared = torch.randn(len(LABELS), 64, generator=generator) @ directions
    return (means[LABELS] + shared + torch.randn(len(LABELS), DIM, generator=generator)).relu()


def ours(features: torch.Tensor, tasks: Episodes, method: Method) -> NDArray[np.float64]:
    """Accuracies [E] by the same call that `syntrans evaluate` makes."""
    return score_episodes({"row": ScoredClassifier((method,), features)}, tasks, n_classes=CLASSES, chunk=CHUNK)[
        "row"
    ].accuracy


def easyfsl_loop(features: torch.Tensor, tasks: Episodes) -> Callable[[], float]:
    """The own loop of easyfsl for prototypical networks on our episodes; returns the pooled accuracy."""
    # easyfsl 1.5 passes data_source, which torch's Sampler no longer takes.
    torch.utils.data.Sampler.__init__ = lambda self, data_source=None: None  # type: ignore[method-assign,misc]  # noqa: ARG005
    from easyfsl.datasets import FeaturesDataset
    from easyfsl.methods import PrototypicalNetworks
    from easyfsl.samplers import TaskSampler
    from easyfsl.utils import evaluate

    class OurTasks(TaskSampler):  # type: ignore[misc]
        def __iter__(self) -> Iterator[list[int]]:
            yield from np.concatenate([tasks.support, tasks.query], 2).reshape(len(tasks), -1).tolist()

    dataset = FeaturesDataset(LABELS.tolist(), features, [str(c) for c in range(CLASSES)])
    _, ways, shots = tasks.support.shape
    sampler = OurTasks(dataset, ways, shots, tasks.query.shape[2], len(tasks))
    loader = torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
    return lambda: evaluate(PrototypicalNetworks(), loader, device="cpu", use_tqdm=False)


def sklearn_loop(features: torch.Tensor, tasks: Episodes) -> Callable[[], NDArray[np.float64]]:
    """scikit-learn's LogisticRegression on unit features, one episode at a time; returns accuracies [E]."""
    from sklearn.linear_model import LogisticRegression as Sklearn
    from threadpoolctl import threadpool_limits

    unit = torch.nn.functional.normalize(features, dim=-1).numpy()
    _, ways, shots = tasks.support.shape
    y, truth = np.arange(ways).repeat(shots), np.arange(ways).repeat(tasks.query.shape[2])

    def run() -> NDArray[np.float64]:
        with threadpool_limits(1, "blas"):  # threads slow down matrices this small
            accuracies = []
            for support, query in zip(tasks.support, tasks.query, strict=True):
                model = Sklearn(C=1.0, max_iter=1000).fit(unit[support.ravel()], y)
                accuracies.append((model.predict(unit[query.ravel()]) == truth).mean())
        return np.array(accuracies)

    return run


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of wall time, and what the job returns."""
    start = time.perf_counter()
    result = job()
    return time.perf_counter() - start, result


def rate(count: int, seconds: list[float]) -> dict[str, Any]:
    """Episodes per second by the median of the repeats; all repeats beside it."""
    return {
        "episodes": count,
        "episodes_per_s": round(count / float(np.median(seconds)), 1),
        "seconds": [round(s, 4) for s in seconds],
    }


def compare_prototypes(features: torch.Tensor, count: int, some: int, repeats: int) -> dict[str, Any]:
    """Ours and easyfsl's in turns; `some` is the number of episodes that easyfsl is timed on."""
    spec = EpisodeSpec(5, 5, 15, count, SEED)
    tasks = draw(spec, LABELS)
    first = next(tasks.chunks(some))
    theirs = easyfsl_loop(features, first)
    times: dict[str, list[float]] = {"ours": [], "ours_with_drawing": [], "easyfsl": [], "easyfsl_one_thread": []}
    ours(features, first, Euclidean())  # warm both
    for _ in range(repeats):
        seconds, accuracies = timed(lambda: ours(features, tasks, Euclidean()))
        times["ours"].append(seconds)
        times["ours_with_drawing"].append(timed(lambda: ours(features, draw(spec, LABELS), Euclidean()))[0])
        seconds, pooled = timed(theirs)
        times["easyfsl"].append(seconds)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # its products are so small that torch's threads slow it down
        times["easyfsl_one_thread"].append(timed(theirs)[0])
        torch.set_num_threads(threads)
    rates = {name: rate(some if "easyfsl" in name else count, seconds) for name, seconds in times.items()}
    base = rates["easyfsl"]["episodes_per_s"]
    return rates | {
        "ratio": round(rates["ours"]["episodes_per_s"] / base, 1),
        "ratio_with_drawing": round(rates["ours_with_drawing"]["episodes_per_s"] / base, 1),
        "ratio_to_one_thread": round(
            rates["ours"]["episodes_per_s"] / rates["easyfsl_one_thread"]["episodes_per_s"], 1
        ),
        "accuracy": float(accuracies.mean()),
        "accuracy_difference_on_the_same_episodes": abs(float(accuracies[:some].mean()) - pooled),
    }


def compare_logistic(features: torch.Tensor, shots: int, count: int, some: int, repeats: int) -> dict[str, Any]:
    """Ours and scikit-learn's in turns; scikit-learn is timed on the first `some` episodes."""
    tasks = draw(EpisodeSpec(5, shots, 15, count, SEED), LABELS)
    first = next(tasks.chunks(some))
    theirs = sklearn_loop(features, first)
    times: dict[str, list[float]] = {"ours": [], "scikit_learn": []}
    ours(features, first, LogisticRegression())
    for _ in range(repeats):
        seconds, accuracies = timed(lambda: ours(features, tasks, LogisticRegression()))
        times["ours"].append(seconds)
        seconds, expected = timed(theirs)
        times["scikit_learn"].append(seconds)
    rates = {name: rate(count if name == "ours" else some, seconds) for name, seconds in times.items()}
    return rates | {
        "ratio": round(rates["ours"]["episodes_per_s"] / rates["scikit_learn"]["episodes_per_s"], 1),
        "accuracy": float(accuracies.mean()),
        "mean_accuracy_difference_in_points": 100 * abs(float(accuracies[:some].mean() - expected.mean())),
        "episodes_that_differ": int((np.abs(accuracies[:some] - expected) > 1e-9).sum()),
    }


def report(result: dict[str, Any]) -> None:
    """The ratios, one line each."""
    of_kind = result["prototypes"]
    print(
        f"prototypes, 5-shot   ours {of_kind['ours']['episodes_per_s']:>9,.0f} episodes/s   "
        f"easyfsl {of_kind['easyfsl']['episodes_per_s']:>6,.0f}   {of_kind['ratio']:.0f}x   "
        f"(with drawing the episodes {of_kind['ratio_with_drawing']:.0f}x; "
        f"to easyfsl held to one thread {of_kind['ratio_to_one_thread']:.0f}x)   "
        f"accuracy differs by {of_kind['accuracy_difference_on_the_same_episodes']:.1e}"
    )
    for name in ("logistic_5_shot", "logistic_1_shot"):
        of_kind = result[name]
        print(
            f"{name.replace('_', ' '):<20} ours {of_kind['ours']['episodes_per_s']:>9,.0f} episodes/s   "
            f"scikit-learn {of_kind['scikit_learn']['episodes_per_s']:>6,.0f}   {of_kind['ratio']:.0f}x   "
            f"mean accuracy differs by {of_kind['mean_accuracy_difference_in_points']:.4f} points"
        )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--some", type=int, default=500, help="episodes that the slow loops are timed on")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plot", action="store_true", help="measure the cost against the number of episodes instead")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/evaluate.json or evaluate_cost.json")
    add_quick(parser)
    given = parser.parse_args()
    if given.quick:
        vars(given).update(QUICK)
    torch.set_num_threads(1 if given.quick else os.cpu_count() or 1)
    features, origin = make_features(SEED), made_by(threads=torch.get_num_threads())
    usual = ROOT / "benchmarks" / "results" / f"evaluate{'_cost' if given.plot else ''}.json"
    out = target(given.out, usual, quick=given.quick)
    if given.plot:
        from benchmarks.training.plot_cost import COUNTS, QUICK_COUNTS, measure, plot

        result = measure(features, QUICK_COUNTS if given.quick else COUNTS)
        plot(result, out.with_suffix(".png") if given.quick else ROOT / "docs" / "evaluate_cost.png")
    else:
        count, some, repeats = given.episodes, min(given.some, given.episodes), given.repeats
        result = {
            "prototypes": compare_prototypes(features, count, some, repeats),
            "logistic_5_shot": compare_logistic(features, 5, count, some, repeats),
            "logistic_1_shot": compare_logistic(features, 1, count, some, repeats),
        }
        report(result)
    about = {"classes": CLASSES, "images_per_class": PER_CLASS, "dim": DIM, "seed": SEED, "chunk": CHUNK}
    atomic_write_text(out, json.dumps({"setting": about, **result, "made_by": origin}, indent=2) + "\n")
    print(out)


if __name__ == "__main__":
    main()
