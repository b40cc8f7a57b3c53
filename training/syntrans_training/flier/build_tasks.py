"""What a FLIER config asks for: tasks, recipe, the start of the latent encoder; below here arguments are plain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans.files.semantic_hash import semantic_hash
from syntrans.provenance import file_sha256
from syntrans_training.config.flier import FlierConfig, FlierEpisodesConfig
from syntrans_training.data import Split
from syntrans_training.data.load_splits import open_data
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import one_thread, pick_device
from syntrans_training.episodes.frozen import FrozenEpisodes, open_frozen_episodes
from syntrans_training.episodes.sampler import EpisodeSpec
from syntrans_training.flier.episode_tasks import EpisodeTasks
from syntrans_training.flier.imitation import Imitation, imitate_clip
from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.flier.model import LossWeights
from syntrans_training.flier.representations import Seer
from syntrans_training.flier.task import divide
from syntrans_training.flier.tasks_of_split import FlierTasks, SplitTasks
from syntrans_training.flier.training import Phase, Recipe
from syntrans_training.imagination.clip_space import open_clip_space
from syntrans_training.imagination.imagined_file import open_imagined
from syntrans_training.text.class_texts import class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import read_knowledge
from syntrans_training.text.encoders import open_text_encoder

LATENT_START = "latent_start.safetensors"
VERSION = 2  # raise it when the same configuration would score otherwise


@dataclass(frozen=True)
class Opened:
    """A split's tasks, the numbers of those to run, and how many of its pictures mining saw."""

    tasks: FlierTasks
    numbers: Sequence[int]
    seen: int


def recipe_of(config: FlierConfig, start: LatentEncoder | None = None) -> Recipe:
    """The plain arguments of both phases, from the encoder that phase 0 left."""
    head, joint = config.phase1, config.phase2
    phase1 = Phase(head.steps, head.lr, 0.0, head.batch, head.weight_decay)
    phase2 = Phase(
        joint.steps, joint.lr, joint.projection_lr, joint.batch, joint.weight_decay, block_lr=joint.last_block_lr
    )
    loss = config.loss
    weights = LossWeights(loss.fused, loss.image, loss.latent, config.train_fusion)
    encoder = config.latent_encoder
    return Recipe(phase1, phase2, weights, loss.real, encoder.width, encoder.noise, encoder.depth, start)


def open_tasks(config: FlierConfig, descriptors: Path | None, split: Split) -> Opened:
    """Everything a split's tasks need: pictures, latents, imagined ones, texts."""
    device = pick_device(config.device)
    imagined = open_imagined(config.imagined)
    clip = open_clip_space(config.clip, device, last_block=config.phase2.last_block_lr > 0)
    seer = Seer(clip, imagined, device)
    knowledge = read_knowledge(descriptors, split.classes)
    main = "kept" if "kept" in knowledge.variants else "name"
    encoder = open_text_encoder(config.clip)
    text = class_vectors(texts_of_variant(knowledge, split.classes, encoder, **config.text.reading))(main, 0.0, 0)
    seen = split.seen(knowledge.images_seen)
    imagined_ones = seer.see_imagined(split.classes, config.imagined_per_class)
    of_split = (split, seer.see(split), imagined_ones, text, seer.projection)
    if config.episodes is None:
        division = divide(
            np.asarray(split.labels), seen, split.classes, pool=config.support_pool, most=max(config.shots)
        )
        return Opened(SplitTasks(*of_split, division), seeds_of(config), int(seen.sum()))
    episodes = {shots: _frozen(config.episodes, shots, split, seen) for shots in config.columns}
    count = min(len(part.episodes) for part in episodes.values())
    return Opened(EpisodeTasks(*of_split, episodes), range(count), int(seen.sum()))


def _frozen(config: FlierEpisodesConfig, shots: int, split: Split, seen: NDArray[np.bool_]) -> FrozenEpisodes:
    """The tasks that other evaluations have too; no query is a picture that mining looked at."""
    count = config.val_episodes if split.name == "val" else config.episodes
    spec = EpisodeSpec(config.ways, shots, config.queries, count, config.seed)
    return open_frozen_episodes(spec, split, seen, seen_queries="exclude", file=None)


def task_key(config: FlierConfig, descriptors: Path | None, split: Split) -> str:
    """What a task's scores depend on besides shots, seed and settings."""
    loose = ("device", "data", "imagined", "shots", "seeds", "fusions", "trained_shares", "episodes", "phase0")
    parts = {"version": VERSION, "config": config.model_dump(mode="json", exclude=set(loose))}
    parts |= {"split": split.key, "imagined": open_imagined(config.imagined).sha256}
    if config.phase0.steps:
        parts["phase0"] = config.phase0.model_dump()
    if config.episodes is not None:
        parts["episodes"] = config.episodes.model_dump(include={"ways", "queries", "seed"})
    return semantic_hash(parts | {"descriptors": descriptors and file_sha256(descriptors)})


def latent_start(config: FlierConfig, folder: Path) -> LatentEncoder | None:
    """The latent encoder that phase 0 leaves in a run folder, made where it is not there; None without that phase."""
    if not config.phase0.steps:
        return None
    imagined, path = open_imagined(config.imagined), folder / LATENT_START
    parts = config.model_dump(include={"phase0", "latent_encoder", "seed", "data", "clip"})
    key = semantic_hash({**parts, "model": imagined.revision})
    device, own = pick_device(config.device), config.latent_encoder
    kept = checkpoint.load_matching(path, key)
    if kept is None:
        clip = open_clip_space(config.clip, device, last_block=config.phase2.last_block_lr > 0)
        seer = Seer(clip, imagined, device)
        base = seer.see(open_data(config.data, ("base",))["base"])
        with one_thread():
            encoder = imitate_clip(
                seer.projection, base, Imitation(**config.phase0.model_dump()),
                width=own.width, depth=own.depth, noise=own.noise, seed=config.seed,
            )  # fmt: skip
        shape = {"shape": list(base.latents.shape[1:]), "dim": encoder.last.out_features}
        checkpoint.save(path, encoder.state_dict(), {"identity": key, **shape})
        return encoder
    tensors, note = kept
    encoder = LatentEncoder(tuple(note["shape"]), note["dim"], width=own.width, depth=own.depth)
    encoder.load_state_dict(tensors)
    return encoder.eval().requires_grad_(requires_grad=False)


def seeds_of(config: FlierConfig) -> list[int]:
    """The seeds of the tasks of every number of shots."""
    return [config.seed * 1000 + i for i in range(config.seeds)]
