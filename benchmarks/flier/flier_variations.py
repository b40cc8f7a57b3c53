"""FLIER with another latent encoder, other noise on latents or another number of imagined pictures, on the val classes.

Usage: python benchmarks/flier/flier_variations.py RUN [--shots 1 2] [--imagined 5 40] [--seeds 3]
           [--out FILE] [--quick]

RUN is a finished `syntrans train --config flier`, whose configuration is varied one thing at a time. Every line says
what FLIER reaches with the settings that are best on val, its lead over the same imagined pictures as pixels only
(paired by picture, that row at its best settings too), and what the latent branch reaches alone. The novel classes are
not opened. A run that was stopped goes on with the lines that are missing in FILE.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quick import add_quick, target
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.engine.devices import one_thread
from syntrans_training.flier.build_tasks import open_tasks, recipe_of, seeds_of, task_key
from syntrans_training.flier.evaluate import read_report
from syntrans_training.flier.rows import FLIER, PIXELS, ROWS
from syntrans_training.flier.train import accuracy
from syntrans_training.scoring.metrics import interval, paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from syntrans_training.config.flier import FlierConfig
    from syntrans_training.flier.tasks_of_split import FlierTasks

USUAL = Path(__file__).parents[1] / "results" / "flier-variations.json"
AS_IT_IS = "as it is"
Change = dict[str, Any]


def variations(config: FlierConfig, imagined: list[int]) -> dict[str, Change]:
    """What is changed in each line, of the latent encoder or the number of imagined pictures."""
    own = config.latent_encoder
    encoders: dict[str, Change] = {
        f"width {width}": {"width": width} for width in (8, 32, 64) if width != own.width
    } | {f"{depth} convolutions": {"depth": depth} for depth in (2, 3, 4) if depth != own.depth}
    encoders |= {f"noise {noise:g}": {"noise": noise} for noise in (0.0, 0.1, 0.5) if noise != own.noise}
    lines: dict[str, Change] = {AS_IT_IS: {}}
    lines |= {name: {"latent_encoder": own.model_copy(update=change)} for name, change in encoders.items()}
    return lines | {f"{n} imagined": {"imagined_per_class": n} for n in imagined if n != config.imagined_per_class}


class Measurer:
    """Measures lines at one number of shots; the row of pixels alone, in which no latent has a part, only once."""

    def __init__(self) -> None:
        self.pixels: dict[tuple[int, int], NDArray[np.float64]] = {}

    def __call__(self, config: FlierConfig, tasks: FlierTasks, shots: int) -> dict[str, Any]:
        """One line; accuracies in percent."""
        alone = {"trained": 1.0, "fusion": 1.0}
        scores = _scores(config, tasks, shots, FLIER, [alone])
        latent, flier = (scores.pop().argmax(-1) == tasks.truth).mean(0), _best(scores, tasks)
        key = config.imagined_per_class, shots
        if key not in self.pixels:
            self.pixels[key] = _best(_scores(config, tasks, shots, PIXELS, []), tasks)
        return {
            "flier": interval(flier).percent(),
            "lead over pixels": paired(flier, self.pixels[key]).percent(),
            "latent branch alone": interval(latent).percent(),
        }


def _scores(
    config: FlierConfig, tasks: FlierTasks, shots: int, row: str, more: list[dict[str, float]]
) -> list[NDArray[np.float32]]:
    """Of a row by every setting that val chooses from, and `more`: [seeds, m, C]."""
    settings = [*ROWS[row].settings({"trained": config.trained_shares, "fusion": config.fusions}), *more]
    of_shots = [tasks.task(shots, seed) for seed in seeds_of(config)]
    parts = [ROWS[row].run(task, recipe_of(config), settings)[0] for task in of_shots]
    return [np.stack([part[i].detach().numpy() for part in parts]) for i in range(len(settings))]


def _best(scores: list[NDArray[np.float32]], tasks: FlierTasks) -> NDArray[np.float64]:
    """Whether the best setting is right about each picture, [m], mean over seeds."""
    best = max(scores, key=lambda one: float(accuracy(one, tasks.truth).mean()))
    right: NDArray[np.float64] = (best.argmax(-1) == tasks.truth).astype(float).mean(0)
    return right


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--imagined", type=int, nargs="*", default=[5, 40])
    parser.add_argument("--seeds", type=int, help="draws of the shots; default: the run's")
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    config, _, descriptors = read_report(given.run)
    config = config.model_copy(update={"shots": tuple(given.shots), "seeds": given.seeds or config.seeds})
    lines = variations(config, given.imagined)
    if given.quick:
        lines = {name: lines[name] for name in list(lines)[:2]}
    path = target(given.out, USUAL, quick=given.quick)
    with selecting(), one_thread():
        split = open_data(config.data, ("val",))["val"]
        key = semantic_hash([task_key(config, descriptors, split), given.shots, config.seeds])
        kept = json.loads(path.read_text()) if path.is_file() else {}
        by_name = kept.get("lines", {}) if kept.get("key") == key else {}
        measured = Measurer()
        for name, change in lines.items():
            if name in by_name:
                continue
            varied = config.model_copy(update=change)
            tasks = open_tasks(varied, descriptors, split).tasks
            by_name[name] = {str(shots): measured(varied, tasks, shots) for shots in given.shots}
            told = {
                "key": key,
                "config": config.model_dump(mode="json"),
                "lines": by_name,
                "made_by": made_by(threads=1),
            }
            atomic_write_text(path, json.dumps(told, indent=2) + "\n")
            print(name, *(shown(shots, of_shots) for shots, of_shots in by_name[name].items()), sep="; ", flush=True)


def shown(shots: str, line: dict[str, Any]) -> str:
    """A line of the table for one number of shots."""
    lead = line["lead over pixels"]
    told = f"{shots}-shot {line['flier']['mean']:.1f}, over pixels {lead['mean']:+.1f} ± {lead['half_width']:.1f}"
    return f"{told}, latents alone {line['latent branch alone']['mean']:.1f}"


if __name__ == "__main__":
    main()
