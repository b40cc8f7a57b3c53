"""A file of every kind that a later command reads, and how it reads it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.reliability.reliability_scenes import BIRDS, COLOURS, Scene, pictures
from syntrans.contract.imagined import IMAGINED, ImaginedRow, read_imagined, write_imagined
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.descriptors.run_facts import read_report
from syntrans.errors import InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import atomic_write_text
from syntrans.runs.file_names import ACCURACIES, JOURNAL, REQUEST, SUMMARY
from syntrans.runs.past_runs import unfinished
from syntrans.views.report.evaluation import evaluation_part
from syntrans_mining.requests.response_cache import ResponseCache
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.episodes.sampler import read as read_episodes
from syntrans_training.episodes.sampler import write as write_episodes
from syntrans_training.evaluation.compare import open_evaluation
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.imagination.journal import Made, PictureJournal
from syntrans_training.prediction.encoders.journal import FeatureJournal
from syntrans_training.text.encoders import TextEncoder, TextModel

Reader = Callable[[Path], Any]


class Kind(NamedTuple):
    """A file of one kind and its reader. Of one ``in_pieces`` what is there must be true, and the rest is made anew."""

    path: Path
    read: Reader
    in_pieces: bool = False


def kinds(scenes: Mapping[str, Scene], folder: Path) -> dict[str, Kind]:
    """A file of every kind that is read again, and its reader."""
    mined, trained, tested = folder / "mined", folder / "trained", folder / "tested"
    for name, out in (("mine", mined), ("train", trained), ("evaluate", tested)):
        scenes[name].run(out)
    with closing(ResponseCache(mined / JOURNAL)) as journal:
        answers, vectors = list(journal.keys()), _vector_keys(mined / JOURNAL)
    episodes = folder / "episodes" / "episodes.parquet"
    write_episodes(draw(EpisodeSpec(queries=2, episodes=20), np.repeat(np.arange(8), 8)), episodes)
    return {
        "descriptors.parquet": Kind(mined / "descriptors.parquet", read_descriptors),
        "semantics.parquet": Kind(mined / "semantics.parquet", read_semantics),
        "journal.sqlite, answers": Kind(mined / JOURNAL, partial(_answers, keys=answers), in_pieces=True),
        "journal.sqlite, vectors": Kind(mined / JOURNAL, partial(_vectors, keys=vectors), in_pieces=True),
        "run.json": Kind(mined / "run.json", read_report),
        "request.json": Kind(_request(folder / "artifacts" / "mine" / "run"), _taken_up),
        "train.json": Kind(trained / "train.json", lambda path: read_run(path.parent).report),
        "*.safetensors": Kind(trained / "vsbird.safetensors", _tensors),
        "summary.json": Kind(tested / SUMMARY, _evaluation),
        "accuracies.parquet": Kind(tested / ACCURACIES, _evaluation),
        "episodes-*.parquet": Kind(episodes, _episodes),
        "cache/text/*.parquet": Kind(_text_vectors(folder / "text"), _known_texts),
        "predict's features": Kind(_features(folder / "features"), _known_pictures, in_pieces=True),
        "imagined.parquet": Kind(_imagined(folder / "imagined"), read_imagined),
        "imagine's journal.sqlite": Kind(_imagined_journal(folder / "imagining"), _made, in_pieces=True),
    }


def _answers(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    with closing(ResponseCache(path)) as journal:
        return dict(journal.get(keys))


def _vectors(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    with closing(ResponseCache(path)) as journal:
        return journal.get_vectors(keys)


def _vector_keys(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [key for (key,) in database.execute("SELECT key FROM vectors")]


def _request(folder: Path) -> Path:
    request = {"config": {"seed": 7}, "classes": list(BIRDS)}
    text = json.dumps({"hash": semantic_hash(request), **request}, indent=2)
    return atomic_write_text(folder / REQUEST, text)


def _taken_up(path: Path) -> str:
    """What the same command would find: the folder to go on in, or none, which begins a new run."""
    request = {"config": {"seed": 7}, "classes": list(BIRDS)}
    with mock.patch.dict(os.environ, {"SYNTRANS_ARTIFACTS": str(path.parents[2])}):
        folder = unfinished("mine", semantic_hash(request), "run.json")
    if folder != path.parent:
        raise InputError("not taken up")
    return "taken up"


def _tensors(path: Path) -> tuple[str, dict[str, Any]]:
    tensors, note = checkpoint.load(path)
    return checkpoint.weights_hash(tensors), note


def _evaluation(path: Path) -> list[Any]:
    """What `compare` and the page of `report` take from it."""
    evaluation, part = open_evaluation(str(path.parent)), evaluation_part(path.parent / SUMMARY)
    shown = {key: value for key, value in part.items() if key not in ("title", "place")}
    return [evaluation.keys, evaluation.data, evaluation.accuracies.to_pydict(), shown]


def _episodes(path: Path) -> list[Any]:
    episodes = read_episodes(path)
    return [episodes.classes.tolist(), episodes.support.tolist(), episodes.query.tolist(), episodes.key]


TEXTS = [f"it is {colour}" for colour in COLOURS]


def _text_vectors(folder: Path) -> Path:
    values = np.random.default_rng(0).normal(size=(len(TEXTS), 8)).astype(np.float32)
    TextEncoder("drawn", "r1", lambda: TextModel(lambda _texts: values)).encode(TEXTS, cache=folder)
    return next((folder / "r1").glob("*.parquet"))


def _known_texts(path: Path) -> Any:
    def load() -> TextModel:
        raise InputError("what is damaged is computed again")

    folder = path.parent
    return TextEncoder("drawn", folder.name, load).encode(TEXTS, cache=folder.parent).tolist()


class _Drawn:
    """An encoder of pictures that says the same of all."""

    name, dim, at_least, batch, in_threads = "drawn", 8, 4, 4, False

    def prepare(self, _picture: Image.Image) -> Any:
        return np.zeros((3, 4, 4), np.float32)

    def forward(self, batch: Any) -> Any:
        return np.ones((len(batch), 8), np.float32)


def _features(folder: Path) -> Path:
    journal = FeatureJournal(folder, _Drawn())
    values = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    journal.add([hashlib.sha256(bytes([i])).hexdigest() for i in range(20)], values)
    journal.save()
    return next(folder.glob("*.safetensors"))


def _known_pictures(path: Path) -> dict[str, Any]:
    return FeatureJournal(path.parent, _Drawn()).features


def _imagined(folder: Path) -> Path:
    rng, picture = np.random.default_rng(0), pictures()["heron"][0].load()
    rows = [
        ImaginedRow(
            class_id=name,
            class_name=name,
            picture_id=f"{name}-{i}",
            prompt=f"a {name}",
            descriptor_ids=("0" * 16,),
            seed=i,
            image=picture,
            latent=rng.normal(size=(2, 3, 3)).astype(np.float16),
            similarity=0.5,
            margin=0.1,
            neighbour="ibis",
            reason=None,
            model="m",
            revision="r",
        )
        for name in BIRDS
        for i in range(3)
    ]
    write_imagined(folder / IMAGINED, rows, {"run_id": "r"})
    return folder / IMAGINED


def _imagined_journal(folder: Path) -> Path:
    folder.mkdir()
    rng, picture = np.random.default_rng(0), pictures()["heron"][0].load()
    with closing(PictureJournal(folder / JOURNAL)) as journal:
        journal.put((f"{i:032x}", Made(picture, rng.normal(size=(2, 3, 3)).astype(np.float16))) for i in range(9))
    return folder / JOURNAL


def _made(path: Path) -> dict[str, Any]:
    with closing(PictureJournal(path)) as journal:
        answers = {key: journal.get(key) for key in (f"{i:032x}" for i in range(9))}
    return {key: asdict(answer) for key, answer in answers.items() if answer is not None}
