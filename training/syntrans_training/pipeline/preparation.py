"""Preparing a training's config before anything is trained: paths, the division of classes, and checks.

Relative paths become absolute, so that the run can be evaluated from anywhere. Where the classes are divided by chance
(`data.split_file: auto`, or shares), they are divided now; the run keeps the division in `split.json`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.contract.reading import read_descriptor_table, read_descriptors
from syntrans.errors import InputError
from syntrans.images.folders import PARTS
from syntrans.named_data import named_data
from syntrans.paths import atomic_write_text, hub_is_offline, is_hub_id, resolve_model
from syntrans.progress import say
from syntrans_training.config import DataConfig, TrainConfig
from syntrans_training.data.auto_split import AUTO, by_chance, divide_classes
from syntrans_training.data.class_split import SUBSETS, ClassSplit
from syntrans_training.data.feature_files import feature_files
from syntrans_training.data.load_splits import origin_of
from syntrans_training.data.open_splits import open_source, undivided
from syntrans_training.data.part_check import check_parts, count_parts, named_counts
from syntrans_training.engine.run_files import SPLIT
from syntrans_training.imagination.imagined_file import imagined_path
from syntrans_training.text.class_vectors import read_knowledge
from syntrans_training.text.text_encoder_choice import text_encoder_ref

_SHOWN = 12  # classes of a part that are named


@dataclass(frozen=True)
class Prepared:
    """A config with absolute paths, and the division of its classes where chance made one."""

    config: TrainConfig
    split: ClassSplit | None

    def kept_in(self, folder: Path) -> TrainConfig:
        """The config, its division written into the folder of the run."""
        if self.split is None:
            return self.config
        parts = {
            name: [key if key == shown else {"id": key, "name": shown} for key, shown in self.split.parts[name].items()]
            for name in PARTS
        }
        text = json.dumps({"title": self.split.title, **parts}, indent=2, ensure_ascii=False)
        path = atomic_write_text(folder / SPLIT, text + "\n")
        return self.config.with_split(str(path.absolute()))


def prepare(config: TrainConfig, descriptors: Path | None, *, dry: bool = False) -> Prepared:
    """Settle paths, classes and ways; InputError where there is too little to train on, or a text is missing.

    ModelLoadError where a model is not there. With `dry` the embedded world is not drawn: it is counted by what it
    would have.
    """
    config = absolute(config)
    split = _division(config, descriptors)
    if split is not None:
        config = _fitting_ways(config, split)
        _tell(config, split)
    _check_method(config)
    counts = named_counts(origin_of(config.data)) if dry else None
    if counts is None:
        seen = read_descriptors(descriptors)[1].images_seen if descriptors else ()
        counts = count_parts(origin_of(config.data, split), seen)
    read_knowledge(descriptors, [c for name in ("base", "val") for c in counts[name]])
    check_parts(counts, **config.episodes.shape)
    _check_models(config)
    return Prepared(config, split)


def absolute(config: TrainConfig) -> TrainConfig:
    """The same with absolute paths of the pictures, the split file and the imagined pictures, where those are used."""
    imagined = str(imagined_path(config.imagined)) if config.imagined_supports else None
    return config.model_copy(update={"data": with_absolute_paths(config.data), "imagined": imagined})


def with_absolute_paths(data: DataConfig) -> DataConfig:
    """The same with absolute paths of the pictures and of the split file."""
    path, split = data.path, data.split_file
    if named_data(path) is None and "://" not in path:
        path = str(Path(path).expanduser().absolute())
    if split and not by_chance(split) and split not in SUBSETS:
        split = str(Path(split).expanduser().absolute())
    return data.model_copy(update={"path": path, "split_file": split})


def _division(config: TrainConfig, descriptors: Path | None) -> ClassSplit | None:
    """The division by chance of the classes that have both pictures and descriptors; None where chance has no part."""
    data = config.data
    word = data.split_file
    if word is None or not by_chance(word) or feature_files(data.path):
        return None
    described = _described(descriptors)
    pool = undivided(data.path, data.columns, named={text for entry in described for text in entry[:2]})
    if pool is None and word == AUTO:
        say(f"{data.path} is divided into base, val and novel; split auto keeps that")
        return None
    keys = list(pool.keys) if pool else _all_keys(config)
    if descriptors is not None:
        strangers = [c.id for c in match([ClassEntry(key, key) for key in keys], described, str(descriptors)).missing]
        if strangers:
            listed = ", ".join(strangers[:_SHOWN]) + (", ..." if len(strangers) > _SHOWN else "")
            say(f"{len(strangers)} of {len(keys)} classes have no descriptors and are left out: {listed}")
        keys = [key for key in keys if key not in set(strangers)]
    return divide_classes(keys, word, seed=config.seed)


def _described(descriptors: Path | None) -> list[ClassEntry]:
    """The classes of a descriptor file."""
    if descriptors is None:
        return []
    rows = read_descriptor_table(descriptors).select(["class_id", "class_name"]).to_pylist()
    return [ClassEntry(i, n) for i, n in {row["class_id"]: row["class_name"] for row in rows}.items()]


def _all_keys(config: TrainConfig) -> list[str]:
    """The classes of data that is divided already, to be divided anew."""
    source = open_source(config.data.path, columns=config.data.columns)
    return sorted({key for part in source.parts.values() for key in part.names})


def _fitting_ways(config: TrainConfig, split: ClassSplit) -> TrainConfig:
    """The ways that val and novel have classes for, unless the config says how many."""
    shape = config.episodes
    if "ways" in shape.model_fields_set:
        return config
    ways = min(shape.ways, *(len(split.parts[name]) for name in ("val", "novel")))
    return config.model_copy(update={"episodes": shape.model_copy(update={"ways": ways})})


def _tell(config: TrainConfig, split: ClassSplit) -> None:
    for name in PARTS:
        classes = list(split.parts[name])
        more = f", ... ({SPLIT} has all)" if len(classes) > _SHOWN else ""
        say(f"{split.title}: {len(classes)} {name}: {', '.join(classes[:_SHOWN])}{more}")
    if config.episodes.ways < 5:
        say(f"tasks are {config.episodes.ways}-way: val and novel have no more classes")


def _check_method(config: TrainConfig) -> None:
    """InputError where the encoder's method takes features and there are pictures, or the other way round."""
    given = bool(feature_files(config.data.path))
    if given and config.encoder.method != "precomputed":
        raise InputError(
            f"data.path holds features, not pictures for {config.encoder.method}; set encoder.method=precomputed"
        )
    if not given and config.encoder.method == "precomputed":
        raise InputError("encoder.method=precomputed takes features; data.path holds pictures (docs/data.md: features)")


def _check_models(config: TrainConfig) -> None:
    """ModelLoadError where a model that the config names is not there; one that a network may bring counts as there."""
    library, _, folder = config.encoder.backbone.partition(":")
    looks = library == "open_clip" and config.encoder.method != "precomputed"
    for ref in (text_encoder_ref(**config.text_choice), config.distill.teacher, folder if looks else None):
        if ref is not None and (hub_is_offline() or not is_hub_id(ref)):
            resolve_model(ref, download=False)
