"""A task as `syntrans predict` and `syntrans serve` open it: supports, encoder, texts, and what was learned."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError, UsageError
from syntrans.images.class_lists import read_classes
from syntrans.paths import files_of_runs
from syntrans.progress import say
from syntrans_training.prediction.encoders.choose import OpenedEncoder, open_image_encoder, require_packages
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.knowledge import ClassTexts, find_descriptors, read_texts
from syntrans_training.prediction.inputs.photos import Supports, open_supports, with_imagined
from syntrans_training.prediction.inputs.support_check import check_supports
from syntrans_training.prediction.predictor import Predictor, Settings, fit
from syntrans_training.prediction.shapes import Float, Int
from syntrans_training.prediction.space import unit

if TYPE_CHECKING:
    from syntrans_training.prediction.encoders.trained import RunKnowledge

TEXTS = ("auto", "names", "none")


@dataclass(frozen=True)
class TaskRequest:
    """What was asked for. `text` is one of `TEXTS`; `classes` is a class list whose classes need no picture.

    `imagined`: a file of imagined pictures and how many of them at most are supports of a class without a picture.
    """

    support: Path | None = None
    classes: str | None = None
    encoder: str | None = None
    descriptors: Path | None = None
    text: str = "auto"
    settings: Settings = field(default_factory=Settings)
    imagined: tuple[str, int] | None = None

    def check(self) -> None:
        """`UsageError` for what contradicts itself."""
        if self.support is None and self.classes is None:
            raise UsageError("predict needs --support DIR with a folder a class, or --classes FILE with their names")
        if self.text not in TEXTS:
            raise UsageError(f"--text {self.text} is not known; give {', '.join(TEXTS)}")
        if self.text == "none" and self.descriptors is not None:
            raise UsageError("--text none leaves no use for --descriptors; drop one of the two")
        require_packages(self.encoder)

    def supports(self) -> Supports:
        """The labelled pictures and the classes."""
        listed = read_classes(self.classes) if self.classes else ()
        supports = open_supports(self.support, listed)
        return supports if self.imagined is None else with_imagined(supports, *self.imagined, listed)


class _Descriptors(NamedTuple):
    """The descriptor file that is taken (None: names alone, or no text), what it says by class, and why."""

    file: Path | None
    by_class: dict[str, tuple[str, ...]]
    why: str


@dataclass(frozen=True)
class Task:
    """An encoder, texts (None without) and the n readable supports: `features`, `labels`, `origins`.

    `descriptors`: the file that the texts are of, if any.
    """

    opened: OpenedEncoder
    texts: ClassTexts | None
    features: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    origins: tuple[str, ...]
    predictor: Predictor
    descriptors: Path | None


def open_task(request: TaskRequest, supports: Supports, query: str | None = None) -> Task:
    """Choose the encoder and the texts, read the supports, fit; says first which pictures and which file it takes and
    why, then what else it took and odd supports. `query`: the pictures to name, where they are known already.

    Raises `InputError` when no support can be read, and what `fit` and `open_image_encoder` raise.
    """
    opened = open_image_encoder(request.encoder)
    descriptors = _find_descriptors(request, supports.classes, opened)
    say(_first_line(request, supports, query, descriptors))
    if supports.passed_over:
        say(supports.passed_over)
    say(f"encoder: {opened.encoder.name}, {opened.chosen_because}")
    if opened.trained is None:
        texts = _texts(request, supports.classes, opened, descriptors)
    else:
        shown = np.array(supports.labels, np.int64)
        texts = _texts_of_run(request, supports.classes, shown, opened.trained, descriptors)
        opened = replace(opened, space=opened.trained.space(texts, shown))
    if supports.imagined:
        say("warning: imagined pictures count as real ones: sets hold a class less often than they say (docs/flier.md)")
    read = encode_photos(opened.encoder, supports.pictures, "read supports")
    for row, why in read.broken.items():
        origin = supports.pictures[row].origin
        say(f"warning: support left out: {why}{'' if origin in why else f' ({origin})'}")
    if supports.pictures and not read.rows:
        raise InputError(f"none of the {len(supports.pictures)} supports can be read; the first: {read.broken[0]}")
    labels = np.array([supports.labels[row] for row in read.rows], np.int64)
    predictor = fit(read.features, labels, supports.classes, opened.space, texts, request.settings)
    origins = tuple(supports.pictures[row].origin for row in read.rows)
    hashes = [supports.pictures[row].sha256 for row in read.rows]
    for warning in check_supports(unit(predictor.supports), labels, supports.classes, origins, hashes):
        say(f"warning: {warning}")
    return Task(opened, texts, read.features, labels, origins, predictor, descriptors.file)


def _first_line(request: TaskRequest, supports: Supports, query: str | None, descriptors: _Descriptors) -> str:
    """Which pictures, classes and file are taken, and why."""
    parts = [] if query is None else [f"pictures: {query} (--query)"]
    if request.support is not None:
        own = supports.labels[: len(supports.labels) - supports.imagined]
        parts.append(f"supports: {request.support} (--support, {_counted(own)})")
    if request.classes is not None:
        parts.append(f"classes: {request.classes} (--classes)")
    if request.imagined is not None:
        imagined = supports.labels[len(supports.labels) - supports.imagined :]
        parts.append(f"imagined: {request.imagined[0]} (--set imagined, {_counted(imagined)} without any)")
    return "; ".join([*parts, f"descriptors: {descriptors.file or 'none'} ({descriptors.why})"])


def _counted(labels: Sequence[int]) -> str:
    n, classes = len(labels), len(set(labels))
    return f"{n} picture{'' if n == 1 else 's'} of {classes} class{'' if classes == 1 else 'es'}"


def _texts(
    request: TaskRequest, classes: Sequence[str], opened: OpenedEncoder, descriptors: _Descriptors
) -> ClassTexts | None:
    """The classes in words, or None where no text is asked for or none can be read; says which and why."""
    if request.text == "none":
        say("text: none, as asked")
        return None
    if opened.text_reader is None:
        if request.descriptors is not None or request.text == "names":
            raise UsageError(f"no text leads to {opened.encoder.name}: no bridge is known for it; say --text none")
        say(f"text: none, for no bridge from text is known for {opened.encoder.name}")
        return None
    try:
        reader = opened.text_reader.open()
    except (ModelLoadError, EnvironmentProblem) as error:
        if request.descriptors is not None or request.text == "names" or request.support is None:
            raise
        say(f"text: none; {error}")
        return None
    say(f"text: {_source(descriptors, classes)}, read by {opened.text_reader.name}")
    return read_texts(classes, descriptors.by_class, reader)


def _source(descriptors: _Descriptors, classes: Sequence[str]) -> str:
    """The file, with how many classes it does not know, or that names alone are read."""
    lack = len(classes) - len(descriptors.by_class)
    return (
        "class names"
        if descriptors.file is None
        else f"{descriptors.file}" + (f" ({lack} classes by name alone)" if lack else "")
    )


def _texts_of_run(
    request: TaskRequest,
    classes: Sequence[str],
    labels: Int[np.ndarray, " n"],
    trained: "RunKnowledge",
    descriptors: _Descriptors,
) -> ClassTexts | None:
    """The classes as the run reads them; says from which file."""
    if request.text == "none":
        say("text: none, as asked")
        return None
    texts = trained.texts(descriptors.file, classes, labels)
    say(f"text: {descriptors.file or 'class names'}, read by the text encoder of the run")
    return texts


def _find_descriptors(request: TaskRequest, classes: Sequence[str], opened: OpenedEncoder) -> _Descriptors:
    """The descriptor file that is taken: the one that was named, else what the run says or the newest that fits."""
    named = request.descriptors
    if request.text == "none" or (request.text == "names" and named is None):
        return _Descriptors(None, {}, f"--text {request.text}")
    if opened.trained is not None:
        path = None if request.text == "names" else opened.trained.descriptors(named, classes)
        why = "that of the run, or the newest that has all of these classes"
        return _Descriptors(path, {}, "--descriptors" if named else why if path else "none has all of these classes")
    if opened.text_reader is None:
        return _Descriptors(None, {}, f"no text leads to {opened.encoder.name}")
    if named is not None:
        return _Descriptors(named, find_descriptors(named, classes), "--descriptors")
    for path in files_of_runs(("mine", "import"), "descriptors.parquet"):
        try:
            by_class = find_descriptors(path, classes)
        except InputError:
            continue
        if len(by_class) == len(classes):
            return _Descriptors(path, by_class, "the newest that has all of these classes")
    return _Descriptors(None, {}, "no file at hand has all of these classes")
