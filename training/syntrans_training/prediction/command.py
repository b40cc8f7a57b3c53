"""What `syntrans predict` does: read supports, texts and queries, answer, write; says first what it took and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from syntrans.classes.entries import read_classes
from syntrans.errors import InputError, ModelLoadError, UsageError
from syntrans.paths import newest
from syntrans.progress import say
from syntrans_training.prediction.answers import Answer, answers, counts
from syntrans_training.prediction.encoders.choose import Sight, open_sight, require_packages
from syntrans_training.prediction.encoders.journal import FeatureJournal, encode_resumably, journal_folder
from syntrans_training.prediction.encoders.pipeline import Encoded, encode_photos
from syntrans_training.prediction.knowledge import ClassTexts, find_descriptors, read_texts
from syntrans_training.prediction.photos import Supports, open_queries, open_supports
from syntrans_training.prediction.predictor import Predictions, Predictor, Settings, fit
from syntrans_training.prediction.reasons import explain
from syntrans_training.prediction.space import Labels, unit
from syntrans_training.prediction.support_check import check_supports
from syntrans_training.prediction.write import as_csv, check_suffix, sort_into, write_answers

if TYPE_CHECKING:
    from syntrans_training.prediction.encoders.trained import RunKnowledge

TEXTS = ("auto", "names", "none")


@dataclass(frozen=True)
class Request:
    """What was asked for. `text` is one of `TEXTS`; `classes` is a class list whose classes need no picture."""

    query: str
    support: Path | None = None
    classes: str | None = None
    encoder: str | None = None
    descriptors: Path | None = None
    text: str = "auto"
    out: Path | None = None
    sort_into: Path | None = None
    settings: Settings = field(default_factory=Settings)


def predict(request: Request) -> str:
    """Answer; returns the CSV, or nothing when it was written to `out`."""
    began = time.monotonic()
    _check(request)
    supports = open_supports(request.support, read_classes(request.classes) if request.classes else ())
    queries, passed_over = open_queries(request.query)
    for line in (supports.passed_over, passed_over):
        if line:
            say(line)
    sight = open_sight(request.encoder)
    say(f"encoder: {sight.encoder.name}, {sight.chosen_because}")
    if sight.trained is None:
        texts = _texts(request, supports.classes, sight)
    else:
        labels = np.array(supports.labels, np.int64)
        texts = _texts_of_run(request, supports.classes, labels, sight.trained)
        sight = replace(sight, space=sight.trained.space(texts, labels))
    predictor, readable = _fitted(sight, supports, texts, request.settings)
    journal = None if request.out is None else FeatureJournal(journal_folder(request.out), sight.encoder)
    if journal is None:
        encoded = encode_photos(sight.encoder, queries, "read pictures")
    else:
        encoded = encode_resumably(sight.encoder, queries, "read pictures", journal)
    predictions = predictor.predict(encoded.features)
    _say_terms(predictor, predictions)
    origins = [supports.pictures[row].origin for row in readable.rows]
    found = answers(queries, encoded, predictor, predictions, explain(predictor, predictions), origins)
    printed = _written(request, found, began)
    if journal is not None:
        journal.remove()
    return printed


def _check(request: Request) -> None:
    if request.support is None and request.classes is None:
        raise UsageError("predict needs --support DIR with a folder a class, or --classes FILE with their names")
    if request.text not in TEXTS:
        raise UsageError(f"--text {request.text} is not known; give {', '.join(TEXTS)}")
    if request.text == "none" and request.descriptors is not None:
        raise UsageError("--text none leaves no use for --descriptors; drop one of the two")
    if request.out is not None:
        check_suffix(request.out)
    require_packages(request.encoder)


def _texts(request: Request, classes: Sequence[str], sight: Sight) -> ClassTexts | None:
    """The classes in words, or None where no text is asked for or none can be read; says which and why."""
    if request.text == "none":
        say("text: none, as asked")
        return None
    if sight.text_reader is None:
        if request.descriptors is not None or request.text == "names":
            raise UsageError(f"no text leads to {sight.encoder.name}: no bridge is known for it; say --text none")
        say(f"text: none, for no bridge from text is known for {sight.encoder.name}")
        return None
    found, source = _descriptors(request, classes)
    try:
        reader = sight.text_reader.open()
    except ModelLoadError as error:
        if request.descriptors is not None or request.text == "names":
            raise
        say(f"text: none; {error}")
        return None
    say(f"text: {source}, read by {sight.text_reader.name}")
    return read_texts(classes, found, reader)


def _texts_of_run(
    request: Request, classes: Sequence[str], labels: Labels, trained: "RunKnowledge"
) -> ClassTexts | None:
    """The classes as the run reads them; says from which file."""
    if request.text == "none":
        say("text: none, as asked")
        return None
    path = None if request.text == "names" else trained.descriptors(request.descriptors, classes)
    texts = trained.texts(path, classes, labels)
    say(f"text: {path or 'class names'}, read by the text encoder of the run")
    return texts


def _descriptors(request: Request, classes: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], str]:
    """Descriptors by class and where they are from: the file that was named, else the newest that knows every class."""
    if request.descriptors is not None:
        found = find_descriptors(request.descriptors, classes)
        lack = len(classes) - len(found)
        return found, f"{request.descriptors}" + (f" ({lack} classes by name alone)" if lack else "")
    if request.text == "auto":
        for kind in ("mine", "import"):
            path = newest(kind, "descriptors.parquet")
            try:
                found = {} if path is None else find_descriptors(path, classes)
            except InputError:
                continue
            if len(found) == len(classes):
                return found, str(path)
    return {}, "class names"


def _fitted(
    sight: Sight, supports: Supports, texts: ClassTexts | None, settings: Settings
) -> tuple[Predictor, Encoded]:
    read = encode_photos(sight.encoder, supports.pictures, "read supports")
    for row, why in read.broken.items():
        say(f"warning: support left out: {why} ({supports.pictures[row].origin})")
    if supports.pictures and not read.rows:
        raise InputError(f"none of the {len(supports.pictures)} supports can be read; the first: {read.broken[0]}")
    labels = np.array([supports.labels[row] for row in read.rows], np.int64)
    predictor = fit(read.features, labels, supports.classes, sight.space, texts, settings)
    origins = [supports.pictures[row].origin for row in read.rows]
    hashes = [supports.pictures[row].sha256 for row in read.rows]
    for warning in check_supports(unit(predictor.supports), labels, supports.classes, origins, hashes):
        say(f"warning: {warning}")
    return predictor, read


def _say_terms(predictor: Predictor, predictions: Predictions) -> None:
    calibration = predictions.calibration
    seen, n = predictor.counts, calibration.left_out
    each = f"{seen.max()}" if seen.min() == seen.max() else f"{seen.min()} to {seen.max()}"
    say(f"{len(predictor.classes)} classes, {each} {'picture' if each == '1' else 'pictures'} each")
    if calibration.promised is not None:
        say(f"prediction sets hold the class of {calibration.promised:.0%} of pictures like the {n} supports")
    elif n == 0:
        say("prediction sets carry no guarantee: no class has a second picture to test with; give two or more")
    else:
        say(f"prediction sets carry no guarantee: {n} supports are too few to promise anything; give more")
    if predictions.novelty_threshold is None:
        say("pictures of no class are not found: that needs more supports, or the embedded encoder")


def _written(request: Request, found: list[Answer], began: float) -> str:
    head = counts(found)
    seconds = time.monotonic() - began
    words = [f"{head['pictures']} pictures", f"{head['named']} named", f"{head['unsure']} unsure"]
    words += [f"{head['none_of_these']} none of these", f"{head['broken']} broken", f"{seconds:.1f} s"]
    say(", ".join(words))
    for name, n in list(head["classes"].items())[:20]:
        say(f"  {n:>6}  {name}")
    if request.sort_into is not None:
        copied = sort_into(request.sort_into, found)
        left = f"; {head['broken']} broken left where {'it is' if head['broken'] == 1 else 'they are'}"
        say(f"sorted {copied} pictures into {request.sort_into}{left if head['broken'] else ''}")
    if request.out is None:
        return as_csv(found)
    write_answers(request.out, found, ", ".join(words))
    say(f"written to {request.out}")
    return ""
