"""What `syntrans predict` does: open the task, read queries, answer, write; says first what it took and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from syntrans.images.reference import Picture
from syntrans.progress import say
from syntrans.provenance import file_sha256, made_by
from syntrans.views.report.provenance import Facts, facts_of, licences_of
from syntrans_training.prediction.answers import Answer, answers, counts, terms
from syntrans_training.prediction.encoders.journal import FeatureJournal, encode_resumably, journal_folder
from syntrans_training.prediction.encoders.pipeline import Encoded, ImageEncoder, Keep, encode_photos
from syntrans_training.prediction.inputs.photos import open_queries
from syntrans_training.prediction.reasons import explain
from syntrans_training.prediction.task import Task, TaskRequest, open_task
from syntrans_training.prediction.write import (
    Sorted,
    as_csv,
    check_folders,
    check_out,
    check_sort_into,
    sort_into,
    write_answers,
)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that reads the pictures with so many workers; without an address it is one of this machine."""

    workers: int = 1
    address: str | None = None


@dataclass(frozen=True)
class Request:
    """The pictures to name, the task, and where the answers go: `out` instead of stdout, copies below `sort_into`.

    With a `cluster` the pictures are looked at there.
    """

    query: str
    task: TaskRequest
    out: Path | None = None
    sort_into: Path | None = None
    cluster: Cluster | None = None


def predict(request: Request) -> str:
    """Answer; returns the CSV, or nothing when it was written to `out`."""
    began = time.monotonic()
    request.task.check()
    if request.out is not None:
        check_out(request.out, request.task.support, request.query)
    if request.sort_into is not None:
        check_sort_into(request.sort_into, request.task.support, request.query)
    supports = request.task.supports()
    if request.sort_into is not None:
        check_folders(supports.classes)
    queries, passed_over = open_queries(request.query)
    task = open_task(request.task, supports, request.query)
    if passed_over:
        say(passed_over)
    known = {picture.sha256 for picture in supports.pictures}
    if shared := sum(picture.sha256 in known for picture in queries):
        be = "is" if shared == 1 else "are"
        say(f"{shared} of the pictures {be} among the supports; how these are named says nothing of others")
    encoder = task.opened.encoder
    journal = None if request.out is None else FeatureJournal(journal_folder(request.out), encoder)
    encode = partial(_encoded, request, encoder)
    encoded = encode(queries) if journal is None else encode_resumably(encode, queries, journal)
    predictions = task.predictor.predict(encoded.features)
    for line in terms(task.predictor, predictions):
        say(line)
    reasons = explain(task.predictor, predictions)
    results = answers(queries, encoded, task.predictor, predictions, reasons, task.origins)
    printed = _written(request, task, results, began)
    if journal is not None:
        journal.remove()
    return printed


def _encoded(request: Request, encoder: ImageEncoder, pictures: Sequence[Picture], keep: Keep | None = None) -> Encoded:
    if request.cluster is None or not pictures:
        return encode_photos(encoder, pictures, "read pictures", keep)
    from syntrans_training.prediction.encoders.cluster import encode_on_cluster

    workers, address = request.cluster.workers, request.cluster.address
    return encode_on_cluster(
        encoder, request.task.encoder, pictures, "read pictures", keep, workers=workers, address=address
    )


def _written(request: Request, task: Task, results: list[Answer], began: float) -> str:
    head = counts(results)
    seconds = time.monotonic() - began
    words = [_pictures(head["pictures"]), f"{head['named']} named", f"{head['unsure']} unsure"]
    words += [f"{head['none_of_these']} none of these", f"{head['broken']} broken", f"{seconds:.1f} s"]
    say(", ".join(words))
    for name, n in list(head["classes"].items())[:20]:
        say(f"{n} {name}")
    if request.sort_into is not None:
        say(_sorted(request.sort_into, sort_into(request.sort_into, results), head["pictures"], head["broken"]))
    if request.out is None:
        return as_csv(results)
    facts = _facts(request, task) if request.out.suffix in (".parquet", ".html") else None
    write_answers(request.out, results, ", ".join(words), facts)
    say(f"written to {request.out}")
    return ""


def _sorted(folder: Path, done: Sorted, pictures: int, broken: int) -> str:
    parts = [f"sorted {_pictures(done.copied)} into {folder}"]
    if done.there:
        parts.append(f"{done.there} lay there already")
    if done.elsewhere:
        parts.append(f"{done.elsewhere} also {'lies' if done.elsewhere == 1 else 'lie'} in another of its folders")
    if rows := pictures - broken - done.copied - done.there:
        parts.append(f"{rows} {'row of Parquet is no file' if rows == 1 else 'rows of Parquet are no files'} to copy")
    if broken:
        parts.append(f"{broken} broken left where {'it is' if broken == 1 else 'they are'}")
    return "; ".join(parts)


def _facts(request: Request, task: Task) -> Facts:
    """How the answers were made."""
    wanted, descriptors = request.task, task.descriptors
    entries = [
        ("pictures", request.query),
        ("supports", wanted.support and f"{len(task.labels)} pictures of {wanted.support}"),
        ("class list", wanted.classes),
        ("encoder", task.opened.encoder.name),
        ("text", "none" if task.texts is None else descriptors or "class names"),
        ("descriptors, sha256", descriptors and file_sha256(descriptors)),
        ("licences", licences_of(None if descriptors is None else str(descriptors), task.opened.packages)),
        ("named", "one by one" if wanted.settings.inductive else "together"),
        ("prediction sets hold the right class in", f"{wanted.settings.coverage:.0%}"),
        *facts_of(made_by()),
    ]
    return [(label, str(text)) for label, text in entries if text]


def _pictures(n: int) -> str:
    return f"{n} {'picture' if n == 1 else 'pictures'}"
