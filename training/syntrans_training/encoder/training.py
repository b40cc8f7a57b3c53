"""Training the generations of an encoder: each from the one before it, or taken over from an equal run.

SKD's generation 1 needs generation 0, which is trained first and leaves skd-gen0.safetensors, CMKD's student its
teacher (cmkd-teacher.safetensors); the last generation leaves encoder.safetensors. They hold `encoder.*` and the heads
that the next generation goes on from, and where BatchNorm's statistics were taken again, those of training too. A
generation whose identity is already in this or a neighbouring run is taken over (`pipeline/generations.py` says what an
identity is).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans_training.backbones import Encoder
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.engine import training_state as state
from syntrans_training.engine.distributed import join
from syntrans_training.engine.equal_files import find_equal, take_over
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.run_files import ENCODER, METRICS, STATE, TEACHERS
from syntrans_training.engine.trainer import Objective, Recipe, fit
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.modules.whiten import fit_whitening
from syntrans_training.scoring.prototype_accuracy import prototype_accuracy

_NAMES = (ENCODER, *(f"{teacher}.safetensors" for teacher in TEACHERS))
VAL_ACCURACY = "val_accuracy_1_shot"
TRAINING_STATISTICS = "training_statistics"  # BatchNorm's, of an encoder that has others now


def encoder_as_trained(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors with the BatchNorm statistics of its training, for a generation that goes on from it."""
    return checkpoint.part(tensors, "encoder") | checkpoint.part(tensors, TRAINING_STATISTICS)


@dataclass(frozen=True)
class Generation:
    """One training of the encoder: what it is, where it goes, and the generation it starts from."""

    method: str
    identity: str
    file: str
    metrics: str
    recipe: Recipe
    backbone: str
    val_every: int  # epochs between validation checks
    trained: str  # the identity of its training; another than `identity` where statistics are taken again after it
    statistics: dict[str, int] | None = None  # how BatchNorm's are taken again; None: they are not
    teacher: "Generation | None" = None


@runtime_checkable
class Parts(Protocol):
    """What generations are trained from; `pipeline/encoder_stage.py` builds it."""

    def encoder(self, steps: int) -> Encoder:
        """A fresh encoder, for a training of so many steps."""

    def objective(self, generation: Generation, encoder: Encoder) -> Objective:
        """What the generation trains, with the weights it starts from."""

    def retake_statistics(self, generation: Generation, module: nn.Module) -> dict[str, Tensor]:
        """BatchNorm's statistics taken again as the generation says; those that they replace, by name."""

    def val_accuracy(self, generation: Generation, module: nn.Module) -> float:
        """1-shot accuracy on val of what has been trained so far."""


def find_generation(out: Path, generation: Generation) -> str:
    """The file of an equal generation in this or a neighbouring run, "" where there is none.

    One whose statistics are to be taken again is found before that, too.
    """
    return find_equal(out, generation.identity, _NAMES) or find_equal(out, generation.trained, _NAMES)


def train_generations(
    last: Generation, parts: Parts, out: Path, *, n_base: int, device: torch.device, reuse: bool
) -> None:
    """Train the last generation on `n_base` pictures, after the one that it starts from.

    With `reuse` equal generations of this or a neighbouring run are taken over.
    """
    processes = join(device)
    for generation in [last.teacher, last] if last.teacher else [last]:
        equal = processes.same(partial(find_generation, out, generation) if reuse else str)
        if not equal:
            _train(generation, parts, out, n_base=n_base, device=device)
        elif processes.first:
            log = METRICS if Path(equal).name == ENCODER else f"{Path(equal).stem}.metrics.jsonl"
            take_over(Path(equal), out / generation.file, logs=(log, generation.metrics), what=generation.method)
            if generation is last and Path(equal) == out / ENCODER:
                state.remove(out / STATE)  # of a run that died between writing the one and removing the other
        processes.wait()
        if processes.first and generation.identity != generation.trained:
            _retake(generation, parts, out)
        processes.wait()


def _train(generation: Generation, parts: Parts, out: Path, *, n_base: int, device: torch.device) -> None:
    recipe = generation.recipe
    torch.manual_seed(recipe.seed)
    encoder = parts.encoder(max(1, n_base // recipe.batch_size) * recipe.epochs)
    module: nn.Module = nn.ModuleDict({"encoder": encoder})
    if generation.method != "frozen":
        task = parts.objective(generation, encoder)
        module = task.module

        def after_epoch(epoch: int, now: nn.Module) -> dict[str, float]:
            if epoch % generation.val_every and epoch != recipe.epochs:
                return {}
            return {VAL_ACCURACY: round(parts.val_accuracy(generation, now), 4)}

        fit(
            task,
            recipe,
            device=device,
            state_file=out / STATE,
            identity=generation.trained,
            metrics_file=out / generation.metrics,
            after_epoch=after_epoch,
        )
    if join(device).first:
        _save(generation, module, out)
        state.remove(out / STATE)


def _retake(generation: Generation, parts: Parts, out: Path) -> None:
    """Take BatchNorm's statistics of the generation again, unless that was done; both are kept."""
    tensors, note = checkpoint.load(out / generation.file)
    if note["identity"] == generation.identity:
        return
    encoder = parts.encoder(1)
    encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
    module = nn.ModuleDict({"encoder": encoder})
    before = parts.retake_statistics(generation, module)
    tensors |= module.state_dict() | {f"{TRAINING_STATISTICS}.{name}": value for name, value in before.items()}
    note["batchnorm"] = {
        **(generation.statistics or {}),
        "val_1_shot": round(parts.val_accuracy(generation, module), 4),
    }
    note |= {
        "identity": generation.identity,
        "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
    }
    checkpoint.save(out / generation.file, tensors, note)


def _save(generation: Generation, module: nn.Module, out: Path) -> None:
    # The last epoch is kept (as SKD does); the looks at val are only written down.
    tensors = module.state_dict()
    note: dict[str, Any] = {
        "identity": generation.trained,
        "method": generation.method,
        "backbone": generation.backbone,
        "precision": generation.recipe.precision,
        "val_1_shot": val_checks(out / generation.metrics),
        "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
    }
    if generation.teacher:
        note["teacher"] = checkpoint.read_note(out / generation.teacher.file)
    checkpoint.save(out / generation.file, tensors, note)


def val_checks(metrics: Path) -> dict[str, float]:
    """Epoch -> val accuracy, as a training wrote it down."""
    # From the file, not from memory: a resumed run made the first of them in another process.
    return {str(row["epoch"]): row[VAL_ACCURACY] for row in read_rows(metrics) if VAL_ACCURACY in row}


def val_accuracy(values: Float[Tensor, "n d"], val: Split) -> float:
    """1-shot accuracy of cosine prototypes on features [n, d] of the val split, always on the same tasks."""
    unit = fit_whitening(values, torch.from_numpy(val.labels), shrinkage=None)(values)
    return prototype_accuracy(unit, {1: val_tasks(val)})


def val_tasks(val: Split) -> Episodes:
    """1-shot tasks of the val classes, always the same."""
    # Only a number for the log: as many queries as the smallest class allows, up to the usual 15.
    queries = min(15, int(np.bincount(val.labels).min()) - 1)
    spec = EpisodeSpec(min(5, len(val.classes)), 1, queries, episodes=300, seed=2)
    return draw(spec, val.labels, names=val.classes)
