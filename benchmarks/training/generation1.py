"""SKD's generation 1 by the weight of its twin loss (gamma) and its learning rate, all from one generation 0.

Usage: python benchmarks/training/generation1.py RUN --config NAME --tries GAMMA:RATE ...
           [--set KEY=VALUE ...] [--out FILE]

RUN is a training with the config and the settings; its generation 0 is taken over, or trained first. Every try is a
folder of its own beside it, and resumes. Cosine prototypes on 2,000 tasks of the val classes judge; novel classes are
not opened. Writes JSON after every try.

With --statistics both are judged by BatchNorm statistics of base pictures as the test shows them: those of training are
of random crops at another size, and generation 1 ends with other crops' statistics than generation 0.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.quick import TRAIN, add_quick, target
from syntrans.config import load_config
from syntrans.paths import atomic_write_text, make_dir
from syntrans.provenance import made_by
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.load_splits import open_data
from syntrans_training.encoder.batchnorm import retake_statistics
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.encoder.features import run_encoder
from syntrans_training.encoder.open_encoder import open_encoder
from syntrans_training.engine.devices import pick_device, pick_precision
from syntrans_training.engine.run_files import ENCODER
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.methods import accuracy
from syntrans_training.modules.whiten import fit_whitening
from syntrans_training.pipeline.encoder_stage import encoder_stage
from syntrans_training.scoring.metrics import interval, paired
from syntrans_training.scoring.prototype_accuracy import CHUNK, prototype_cosines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Accuracies = dict[int, NDArray[np.float32]]

GENERATION0 = "skd-gen0.safetensors"
PICTURES = 1024  # that BatchNorm's statistics are taken of
QUICK = [*TRAIN, "encoder.generation1.epochs=1"]


def main() -> None:
    """Train the tries and print a line of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", default="miniimagenet")
    parser.add_argument("--tries", nargs="+", required=True, metavar="GAMMA:RATE")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--statistics", action="store_true", help="judge by BatchNorm statistics of whole pictures")
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    options = parser.parse_args()
    settings = [*options.settings, "encoder.method=skd-gen1", *(QUICK if options.quick else [])]
    config = load_config(TrainConfig, options.config, kind="training/configs", overrides=settings)
    data = open_data(config.data, ("base", "val"))
    tasks = val_tasks(data["val"], config, 20 if options.quick else 2000)
    written = target(options.out, Path("benchmarks/results/generation1.json"), quick=options.quick)
    report: dict[str, Any] = {"config": options.config, "settings": settings, "made_by": made_by(), "rows": []}
    before: Accuracies = {}
    shown = data["base"] if options.statistics else None
    report["statistics"] = "whole base pictures" if options.statistics else "of training"
    for choice in options.tries:
        gamma, rate = map(float, choice.split(":"))
        changed = [f"encoder.generation1.gamma={gamma}", f"encoder.generation1.lr={rate}"]
        tried = load_config(TrainConfig, options.config, kind="training/configs", overrides=[*settings, *changed])
        folder = make_dir(options.run.parent / f"{options.run.name}-gamma{gamma}-rate{rate}")
        device = pick_device(tried.device)
        encoder_stage(tried.encoder, data["base"], data["val"], folder, seed=tried.seed, device=device, reuse=True)
        before = before or val_accuracies(folder / GENERATION0, tried, data["val"], tasks, shown)
        after = val_accuracies(folder / ENCODER, tried, data["val"], tasks, shown)
        report["rows"].append(row := {"gamma": gamma, "rate": rate, "shots": compared(after, before)})
        atomic_write_text(written, json.dumps(report, indent=1) + "\n")
        print(line(row), flush=True)


def val_tasks(val: Split, config: TrainConfig, episodes: int) -> dict[int, Episodes]:
    """The tasks of the val classes, by the number of shots."""
    shape = config.episodes
    return {
        shots: draw(EpisodeSpec(shape.ways, shots, shape.queries, episodes, shape.seed), val.labels, names=val.classes)
        for shots in shape.shots
    }


def val_accuracies(
    weights: Path, config: TrainConfig, val: Split, tasks: dict[int, Episodes], shown: Split | None
) -> Accuracies:
    """Accuracy of cosine prototypes in every task, by the number of shots; with statistics of `shown`, if any."""
    device = pick_device(config.device)
    precision = pick_precision(config.encoder.precision, device)
    encoder, _ = open_encoder(weights, build_encoder(config.encoder), device)
    if shown is not None:
        placing: dict[str, Any] = {"device": device, "precision": precision}
        retake_statistics(encoder, shown, pictures=PICTURES, size=config.encoder.test_size, **placing)
    values = run_encoder(encoder, val, size=config.encoder.test_size, device=device, precision=precision)
    unit = fit_whitening(values, torch.from_numpy(val.labels), shrinkage=None)(values)
    return {
        shots: torch.cat([accuracy(prototype_cosines(unit, part)[0]) for part in of_shots.chunks(CHUNK)]).numpy()
        for shots, of_shots in tasks.items()
    }


def compared(after: Accuracies, before: Accuracies) -> dict[str, Any]:
    """Accuracy and its difference from generation 0, percent with 95 % intervals over tasks."""
    return {
        str(shots): {
            "generation0": interval(before[shots]).percent(),
            "generation1": interval(after[shots]).percent(),
            "difference": paired(after[shots], before[shots]).percent(),
        }
        for shots in after
    }


def line(row: dict[str, Any]) -> str:
    """A try in one line."""
    of_shots = [
        f"{shots}-shot {cell['generation1']['mean']:.2f}, generation 1 minus 0 {cell['difference']['mean']:+.2f} "
        f"± {cell['difference']['half_width']:.2f}"
        for shots, cell in row["shots"].items()
    ]
    return f"gamma {row['gamma']} rate {row['rate']}: " + "; ".join(of_shots)


if __name__ == "__main__":
    main()
