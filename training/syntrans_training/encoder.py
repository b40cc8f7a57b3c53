"""The encoder stage of `syntrans train`: train its generations, or take over equal ones.

SKD's generation 1 needs generation 0, which is trained first and leaves skd-gen0.safetensors; the last generation
leaves encoder.safetensors. Either holds `encoder.*` and the heads that the next generation goes on from. A generation
whose identity is already in this or a neighbouring run is taken over (`stages.py` says what an identity is).
"""

import dataclasses
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from syntrans.config import semantic_hash
from syntrans.errors import InputError, UsageError
from syntrans.paths import atomic_path

from . import backbones, checkpoint, features, state
from .backbones.towers import revision
from .bridge import visual_accuracy
from .config import EncoderConfig
from .data import Split
from .data.augment import Pictures
from .episodes import EpisodeSpec, draw
from .log import read_rows
from .loop import Recipe, Task, fit
from .modules.whiten import fit_whitening
from .parallel import Processes, join
from .progress import say
from .seeding import pick_compile, pick_precision
from .tasks.cross_entropy import CrossEntropy
from .tasks.skd_gen0 import SKDGen0
from .tasks.skd_gen1 import SKDGen1

ENCODER, STATE, METRICS = "encoder.safetensors", "state.safetensors", "metrics.jsonl"
TEACHER = "skd-gen0.safetensors"
FILES = (
    ENCODER,
    TEACHER,
    STATE,
    METRICS,
    "state-before.safetensors",
    "skd-gen0.metrics.jsonl",
)  # what the stage may leave in a run folder
LOOK = "val_accuracy_1_shot"
_VERSION = 2  # raise it when the same configuration would train other weights


@dataclass(frozen=True)
class Generation:
    """One training of the encoder: what it is, where it goes, and the generation it starts from."""

    method: str
    identity: str
    file: str
    metrics: str
    recipe: Recipe
    teacher: "Generation | None" = None


def encoder_stage(
    config: EncoderConfig, base: Split, val: Split, out: Path, *, seed: int, device: torch.device, reuse: bool
) -> tuple[nn.Module, dict[str, Any]]:
    """The trained encoder and its note; equal generations of this or a neighbouring run are taken over."""
    last = plan(config, base_key=base.key, device=device, seed=seed)
    processes = join(device)
    for generation in [last.teacher, last] if last.teacher else [last]:
        found = processes.same(partial(find, out, generation.identity, (ENCODER, TEACHER)) if reuse else str)
        if not found:
            _train(generation, config, base, val, out, processes, device)
        elif Path(found) != out / generation.file and processes.first:
            say(f"{generation.method}: the same as in {Path(found).parent.name}, taken over")
            _copy(Path(found), out, generation)
        processes.wait()
    return open_encoder(out, config, device)


def open_encoder(
    folder: Path, config: EncoderConfig, device: torch.device, file: str = ENCODER
) -> tuple[nn.Module, dict[str, Any]]:
    """The encoder of a run folder (as `file` has it), on the device, and its note."""
    tensors, note = checkpoint.load(folder / file)
    encoder = build_encoder(config)
    encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
    return backbones.place(encoder, device), note


def build_encoder(config: EncoderConfig, *, steps: int = 1) -> backbones.Encoder:
    """The configured encoder with fresh weights, for a training of so many steps.

    Raises `UsageError` when it does not take pictures of the configured sizes.
    """
    encoder = backbones.build(
        config.backbone,
        size=config.train_size,
        drop_rate=config.drop_rate,
        drop_block=config.drop_block,
        drop_ramp_steps=config.drop_ramp_steps or max(1, steps // 2),
        mean=config.normalise.mean,
        std=config.normalise.std,
    )
    sizes = {config.test_size} if config.method == "frozen" else {config.train_size, config.test_size}
    if encoder.size and sizes != {encoder.size}:
        raise UsageError(
            f"{config.backbone} takes pictures of {encoder.size} px; set encoder.train_size, encoder.test_size and "
            f"data.size to {encoder.size}"
        )
    return encoder


_COMMON = {
    "backbone", "drop_rate", "drop_block", "drop_ramp_steps", "train_size", "epochs", "batch_size", "optimizer", "lr",
    "schedule", "decay_epochs", "weight_decay", "warmup_epochs", "label_smoothing", "ema", "augment", "normalise",
}  # fmt: skip


def plan(config: EncoderConfig, *, base_key: str, device: torch.device, seed: int) -> Generation:
    """The generations that `config` asks for; each one's identity holds what changes its weights and nothing else."""
    precision = pick_precision(config.precision, device)
    first = "skd-gen0" if config.method == "skd-gen1" else config.method
    asked: dict[str, Any] = {"encoder": config.model_dump(mode="json", include=_COMMON), "method": first}
    weights = revision(config.backbone)
    if weights:
        asked["encoder"]["backbone"] = weights  # what is in the folder, wherever it lies
    if first == "skd-gen0":
        asked["gamma"] = config.rotation_gamma
    identity = semantic_hash({**asked, "precision": precision, "base": base_key, "seed": seed, "version": _VERSION})
    recipe = Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
        warmup_epochs=config.warmup_epochs,
        optimizer=config.optimizer,
        schedule=config.schedule,
        decay_epochs=config.decay_epochs,
        precision=precision,
        compiled=pick_compile(config.compile, device),
        ema=config.ema,
        save_minutes=config.save_minutes,
        seed=seed,
    )
    if config.method != "skd-gen1":
        return Generation(first, identity, ENCODER, METRICS, recipe)
    teacher = Generation(first, identity, TEACHER, "skd-gen0.metrics.jsonl", recipe)
    own = config.generation1
    # No warm-up: the weights are trained already.
    second = dataclasses.replace(recipe, epochs=own.epochs, lr=own.lr, decay_epochs=own.decay_epochs, warmup_epochs=0.0)
    identity = semantic_hash({"distill": own.model_dump(mode="json"), "teacher": identity})
    return Generation("skd-gen1", identity, ENCODER, METRICS, second, teacher)


def find(out: Path, identity: str, names: tuple[str, ...]) -> str:
    """A file of one of these names and this identity, in the run folder or one beside it; "" where there is none."""
    for path in [*sorted(out.glob("*.safetensors")), *sorted(out.parent.glob("*/*.safetensors"), reverse=True)]:
        if path.name not in names:
            continue
        with suppress(InputError):  # another run's damage is no matter of this one
            if checkpoint.read_note(path).get("identity") == identity:
                return str(path)
    return ""


def _copy(source: Path, out: Path, generation: Generation) -> None:
    with atomic_path(out / generation.file) as temporary:
        shutil.copyfile(source, temporary)
    name = METRICS if source.name == ENCODER else "skd-gen0.metrics.jsonl"
    if (source.parent / name).exists():
        shutil.copyfile(source.parent / name, out / generation.metrics)


def _train(
    generation: Generation,
    config: EncoderConfig,
    base: Split,
    val: Split,
    out: Path,
    processes: Processes,
    device: torch.device,
) -> None:
    recipe = generation.recipe
    torch.manual_seed(recipe.seed)
    encoder = build_encoder(config, steps=max(1, len(base) // recipe.batch_size) * recipe.epochs)
    module: nn.Module = nn.ModuleDict({"encoder": encoder})
    if generation.method != "frozen":
        view = {"size": config.train_size, **config.augment.model_dump()}
        shard = (processes.rank, processes.count)
        pictures = Pictures(base.pixels, base.labels, device=device, view=view, shard=shard)
        task = _task(generation, config, encoder, pictures, len(base.classes), out)
        module = task.module

        def after_epoch(epoch: int, now: nn.Module) -> dict[str, float]:
            if epoch % config.val_every and epoch != recipe.epochs:
                return {}
            seen = now.get_submodule("encoder")
            return {LOOK: round(_peek(seen, val, config.test_size, device, recipe.precision), 4)}

        fit(
            task,
            recipe,
            device=device,
            state_file=out / STATE,
            identity=generation.identity,
            metrics_file=out / generation.metrics,
            after_epoch=after_epoch,
        )
    if processes.first:
        _save(generation, config.backbone, module, out)
        state.remove(out / STATE)


def _task(
    generation: Generation,
    config: EncoderConfig,
    encoder: backbones.Encoder,
    pictures: Pictures,
    n_classes: int,
    out: Path,
) -> Task:
    """What the generation trains, with the weights it starts from."""
    smoothing = config.label_smoothing
    if generation.method == "cross_entropy":
        return CrossEntropy(encoder, pictures, n_classes=n_classes, label_smoothing=smoothing)
    if generation.method == "skd-gen0":
        gamma = config.rotation_gamma
        return SKDGen0(encoder, pictures, n_classes=n_classes, gamma=gamma, label_smoothing=smoothing)
    tensors, _ = checkpoint.load(out / TEACHER)
    head = nn.Linear(encoder.feature_dim, n_classes)
    encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
    head.load_state_dict(checkpoint.part(tensors, "head"))
    own = config.generation1
    return SKDGen1(encoder, head, pictures, temperature=own.temperature, gamma=own.gamma)


def _save(generation: Generation, backbone: str, module: nn.Module, out: Path) -> None:
    # The last epoch is kept (METHOD.md section 2: no selection); the looks at val are only written down.
    tensors = module.state_dict()
    note: dict[str, Any] = {
        "identity": generation.identity,
        "method": generation.method,
        "backbone": backbone,
        "precision": generation.recipe.precision,
        "val_1_shot": looks(out / generation.metrics),
        "weights": checkpoint.weights_hash(checkpoint.part(tensors, "encoder")),
    }
    if generation.teacher:
        note["teacher"] = checkpoint.read_note(out / generation.teacher.file)
    checkpoint.save(out / generation.file, tensors, note)


def looks(metrics: Path) -> dict[str, float]:
    """Epoch -> val accuracy, as a training wrote it down."""
    # From the file, not from memory: a resumed run made the first of them in another process.
    return {str(row["epoch"]): row[LOOK] for row in read_rows(metrics) if LOOK in row}


def _peek(encoder: nn.Module, val: Split, size: int, device: torch.device, precision: str) -> float:
    return val_accuracy(features.run_encoder(encoder, val, size=size, device=device, precision=precision), val)


def val_accuracy(values: Tensor, val: Split) -> float:
    """1-shot accuracy of cosine prototypes on features [n, d] of the val split, always on the same tasks."""
    labels = torch.from_numpy(val.labels)
    unit = fit_whitening(values, labels, shrinkage=None)(values)
    # Only a number for the log: as many queries as the smallest class allows, up to the usual 15.
    queries = min(15, int(np.bincount(val.labels).min()) - 1)
    spec = EpisodeSpec(min(5, len(val.classes)), 1, queries, episodes=300, seed=2)
    return visual_accuracy(unit, {1: draw(spec, val.labels, names=val.classes)})
