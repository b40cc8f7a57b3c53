"""Choosing the baselines of `syntrans train`: other methods' settings and heads, everything chosen on val episodes.

methods.safetensors grows method by method, so an interrupted stage goes on after the last one that was finished. Its
note lists, per method and number of shots, the setting that val chose and every one that was tried; a method that is
trained by several recipes (training.py) has an entry of each, and its row is by the one that val prefers, while the
other's is `<method>_other`; and the temperature of every row of the table (calibration).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from torch import Tensor

from syntrans.progress import track
from syntrans_training.baselines.grid_search import GridResult, calibrate, grid_search
from syntrans_training.baselines.registry import BASELINES, Tensors
from syntrans_training.baselines.selected import SelectedBaselines
from syntrans_training.baselines.training import RECIPES, BaseClasses, HeadTraining, Train
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import one_thread
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.scoring.scored_classifier import ScoredClassifier


def select_baselines(
    names: Sequence[str],
    base: Callable[[int], BaseClasses],
    val: SplitFeatures,
    tasks: Mapping[int, Episodes],
    training: Callable[[int], HeadTraining],
    *,
    n_classes: int,
    path: Path,
    identity: str,
) -> dict[str, Any]:
    """Choose and train what `path` does not hold yet; returns its note.

    `base(shots)` are the base classes with the class vectors for that number of shots, `training(shots)` says how heads
    are trained for it; `tasks` are val episodes by shots. Methods that need CLIP are left out where `val` is none.
    """
    tensors, note = _load(path, identity)
    done = {(entry["method"], entry["shots"]) for entry in note["choices"]}
    fitting = [name for name in names if val.in_clip or not BASELINES[name].needs_clip]
    missing = [(name, shots) for shots in tasks for name in fitting if (name, shots) not in done]
    with track("other methods", len(fitting) * len(tasks), "methods", len(done)) as progress:
        for name, shots in missing:
            by_recipe = _choose(name, base(shots), val, tasks[shots], training(shots), n_classes)
            for row, recipe, weights, best in _named(name, by_recipe):
                tensors |= {f"{row}.{shots}.{key}": value for key, value in weights.items()}
                chosen = {"setting": best.setting, "val": round(best.accuracy, 6), "trials": best.trials}
                of_recipe = {} if recipe is None else {"recipe": recipe, "row": row}
                note["choices"].append({"method": name, "shots": shots, **of_recipe, **chosen})
            checkpoint.save(path, tensors, note)
            progress.advance()
    return note


def calibrate_rows(
    rows: Callable[[SelectedBaselines, int], Mapping[str, ScoredClassifier]],
    tasks: Mapping[int, Episodes],
    *,
    wanted: AbstractSet[str],
    path: Path,
    identity: str,
) -> dict[str, Any]:
    """Fit the temperature of every row of the table on val, where `path` has none yet; returns its note.

    `rows(chosen, shots)` are the rows of the table on val. Files of before may lack rows that are `wanted`.
    """
    tensors, note = _load(path, identity)
    if note["temperatures"] and all(wanted <= set(of_val) for of_val in note["temperatures"].values()):
        return note
    chosen = SelectedBaselines(note, tensors)
    for shots, episodes in tasks.items():
        note["temperatures"][str(shots)] = calibrate(rows(chosen, shots), episodes)
    checkpoint.save(path, tensors, note)
    return note


def _load(path: Path, identity: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return checkpoint.load_or_begin(path, identity, {"choices": [], "temperatures": {}})


Trained = tuple[dict[str, Tensor], GridResult]


def _named(
    name: str, by_recipe: Mapping[str | None, Trained]
) -> Iterator[tuple[str, str | None, dict[str, Tensor], GridResult]]:
    """Row, recipe, tensors and result of each recipe, the one that val prefers first, with the method's name."""
    ordered = sorted(by_recipe.items(), key=lambda item: -item[1][1].accuracy)
    for place, (recipe, trained) in enumerate(ordered):
        yield f"{name}_other" if place else name, recipe if len(by_recipe) > 1 else None, *trained


def _choose(
    name: str,
    base: BaseClasses,
    val: SplitFeatures,
    episodes: Episodes,
    training: HeadTraining,
    n_classes: int,
) -> dict[str | None, Trained]:
    """What each recipe of a method makes and what val chooses for it; recipe None where nothing is trained."""
    baseline = BASELINES[name]

    def tried(tensors: Tensors, grid: Mapping[str, Sequence[Any]]) -> GridResult:
        return grid_search(
            baseline.build(val, training.shots, tensors),
            grid,
            baseline.features(val),
            episodes,
            n_classes=n_classes,
            support_views=val.views if baseline.on_views else None,
        )

    middle = {name: values[len(values) // 2 :][:1] for name, values in baseline.grid.items()}

    def trained(train: Train) -> dict[str, Tensor]:
        with one_thread():
            return train(base, training, lambda weights: tried(weights, middle).accuracy)

    weights: dict[str | None, dict[str, Tensor]] = {
        recipe: trained(train) for recipe, train in RECIPES.get(name, {}).items()
    } or {None: {}}
    return {recipe: (tensors, tried(tensors, baseline.grid)) for recipe, tensors in weights.items()}
