"""`syntrans imagine`: what is missing is made, batch by batch, then all of it is judged and written.

A run folder holds
    imagined.parquet    every picture with its latent, kept or not (artifacts/README.md)
    journal.sqlite      the same while it is being made: the same command goes on there
    contact_sheet.png   some pictures of every class, each framed by the verdict
    run.json            config, counts by reason, seconds, and what made it
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match, nearest
from syntrans.contract.imagined import IMAGINED, ImaginedRow, write_imagined
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.contract.rows import DescriptorRow
from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_json import sealed_json
from syntrans.paths import atomic_write_text, make_dir, remove_rests
from syntrans.progress import say, track
from syntrans.provenance import file_sha256, made_by
from syntrans.runs.file_names import JOURNAL
from syntrans.runs.legs import Clock, Legs
from syntrans.runs.lock import lock
from syntrans_training.config.imagination import ImagineConfig
from syntrans_training.engine.devices import pick_devices
from syntrans_training.imagination.clip_space import open_clip_space
from syntrans_training.imagination.contact_sheet import SHEET, write_sheet
from syntrans_training.imagination.diffusion_folder import DiffusionFolder, open_folder
from syntrans_training.imagination.journal import Made, PictureJournal
from syntrans_training.imagination.judge import Judge
from syntrans_training.imagination.latent_diffusion import LatentDiffusion, Sampling
from syntrans_training.imagination.prompts import Job, Prompt, check_described, class_prompts, jobs
from syntrans_training.text.class_texts import class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import read_knowledge
from syntrans_training.text.encoders import open_text_encoder

RUN = "run.json"


@runtime_checkable
class Maker(Protocol):
    """What makes pictures: `LatentDiffusion`, or a fake one in tests."""

    def make(self, jobs: Sequence[Job], sampling: Sampling) -> list[Made]:
        """One result a job, in order."""


@dataclass(frozen=True)
class Described:
    """The classes of a descriptor file, and their summaries where they lie beside it."""

    path: Path
    rows: Mapping[str, list[DescriptorRow]]
    summaries: Mapping[str, str]


def imagine(config: ImagineConfig, descriptors: Path, *, out: Path, limit: int | None = None) -> dict[str, Any]:
    """Make, judge and write the pictures of all classes (the first `limit`); returns the report.

    Raises the errors of `syntrans.errors`; after any of them the same command goes on where it stopped.
    """
    origin, began, told = made_by(threads=torch.get_num_threads()), time.monotonic(), config.model_dump(mode="json")
    described = read_described(descriptors, config.classes, limit)
    if config.undescribed == "error":
        check_described(described.rows)
    described = described if config.summaries else replace(described, summaries={})
    folder = open_folder(required_model(config.model))
    folder.check(config.steps, config.size)
    sampling = Sampling(config.steps, config.guidance, config.size)
    devices = pick_devices(config.device)
    make_dir(out)
    with lock(out):
        remove_rests(out)
        clock = Clock(Legs(out))
        makers = [LatentDiffusion(folder, device, config.precision) for device in devices]
        wanted = planned(
            described, makers[0], sampling, revision=folder.revision, seed=config.seed,
            templates=config.templates, prompts=config.prompts, per_class=config.per_class,
        )  # fmt: skip
        with closing(PictureJournal(out / JOURNAL)) as journal:
            with clock.clock("make"):
                n_made = make_missing(makers, wanted, sampling, journal, batch=config.batch)
            with clock.clock("judge"):
                judge = _judge(described, config.clip, devices[0], config.text.reading, config.min_margin)
                rows = list(_judged(wanted, journal, judge, folder))
        write_imagined(out / IMAGINED, rows, _metadata(told, described, folder, judge))
        write_sheet(out / SHEET, rows)
        report = {
            **_what_was_done(told, described, folder, makers[0].precision, rows),
            "made_now": n_made,
            "seconds": clock.totals(),
            "seconds_now": round(time.monotonic() - began, 2),
            "made_by": origin,
        }
        atomic_write_text(out / RUN, sealed_json(report))
    return report


def _what_was_done(
    config: dict[str, Any], described: Described, folder: DiffusionFolder, precision: str, rows: Sequence[ImaginedRow]
) -> dict[str, Any]:
    model = {"name": folder.ref, "revision": folder.revision, "licence": folder.licence, "precision": precision}
    return {
        "config": config,
        "descriptors": {"path": str(described.path), "sha256": file_sha256(described.path)},
        "model": model,
        "pictures": len(rows),
        "kept": sum(row.kept for row in rows),
        "reasons": dict(Counter(row.reason for row in rows if row.reason)),
    }


def required_model(model: str | None) -> str:
    """The diffusion model that is named; UsageError without one."""
    if model is None:
        raise UsageError(
            "no diffusion model is named, and none is taken by default; --set model=FOLDER (or a Hub id) names one, "
            "--config imagine-world takes the embedded world's"
        )
    return model


def read_described(path: Path, classes: Sequence[str] = (), limit: int | None = None) -> Described:
    """The descriptors by class id, of some `classes` or the first `limit`; summaries where they lie beside the file."""
    groups: dict[str, list[DescriptorRow]] = {}
    for row in read_descriptors(path)[0]:
        groups.setdefault(row.class_id, []).append(row)
    if not groups:
        raise InputError(f"{path} has no descriptor of any class; mine again, or name another file")
    if classes:
        there = [ClassEntry(class_id, group[0].class_name) for class_id, group in groups.items()]
        matches = match([ClassEntry(c, c) for c in dict.fromkeys(classes)], there, str(path))
        if matches.missing:
            listed = nearest(matches.missing, [entry.name for entry in there])
            raise InputError(f"{path} does not know {listed} (classes); take ids or names of that file")
        wanted = set(matches.found.values())
        groups = {class_id: group for class_id, group in groups.items() if class_id in wanted}
    beside = path.with_name("semantics.parquet")
    summaries = {row.class_id: row.summary for row in read_semantics(beside)[0]} if beside.is_file() else {}
    return Described(path, dict(list(groups.items())[:limit]), summaries)


def planned(
    described: Described,
    maker: LatentDiffusion,
    sampling: Sampling,
    *,
    revision: str,
    templates: Sequence[str],
    prompts: int,
    per_class: int,
    seed: int,
) -> list[Job]:
    """All pictures, class by class: `per_class` of each, its `prompts` by turns."""
    every: list[Prompt] = []
    for class_id, rows in described.rows.items():
        summary = described.summaries.get(class_id)
        every += class_prompts(rows, templates=templates, count=prompts, fits=maker.fits, seed=seed, summary=summary)
    few = len({p.class_id for p in every}) * min(4, prompts) - len(every)
    if few > 0:
        say("some classes have fewer than 4 different prompts: they keep few descriptors, or few templates are given")
    settings = [revision, maker.precision, *map(str, (sampling.steps, sampling.guidance, sampling.size))]
    return jobs(every, per_class=per_class, seed=seed, identity=" ".join(settings))


def make_missing(
    makers: Sequence[Maker], wanted: Sequence[Job], sampling: Sampling, journal: PictureJournal, *, batch: int
) -> int:
    """Make what the journal does not have, each maker on its own device; how many that were."""
    by_key = {job.key: job for job in wanted}
    missing = journal.missing(by_key)
    with track("imagine", len(by_key), "pictures", done=len(by_key) - len(missing)) as progress:
        batches = [missing[start : start + batch] for start in range(0, len(missing), batch)]
        for keys, pictures in _in_turn(
            makers, batches, lambda maker, keys: maker.make([by_key[k] for k in keys], sampling)
        ):
            journal.put(zip(keys, pictures, strict=True))
            progress.advance(len(keys))
    return len(missing)


def _in_turn(
    makers: Sequence[Maker], batches: Sequence[list[str]], make: Callable[[Maker, list[str]], list[Made]]
) -> Iterator[tuple[list[str], list[Made]]]:
    """Every batch with what was made of it, as they are done; a maker is given its next one when its last is taken."""
    if len(makers) == 1:
        yield from ((keys, make(makers[0], keys)) for keys in batches)
        return
    todo = iter(batches)
    with ThreadPoolExecutor(len(makers)) as pool:  # a GPU's work does not hold the interpreter's lock
        running = {pool.submit(make, maker, keys): (maker, keys) for maker, keys in zip(makers, todo, strict=False)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                maker, keys = running.pop(future)
                yield keys, future.result()
                if (following := next(todo, None)) is not None:
                    running[pool.submit(make, maker, following)] = maker, following


def _judge(
    described: Described, clip: str, device: torch.device, reading: Mapping[str, str], min_margin: float
) -> Judge:
    classes = tuple(described.rows)
    encoder = open_text_encoder(clip)
    knowledge = read_knowledge(described.path, classes)
    main = "kept" if "kept" in knowledge.variants else "name"
    text = class_vectors(texts_of_variant(knowledge, classes, encoder, **reading))(main, 0.0, 0)
    return Judge(open_clip_space(clip, device), text, classes, min_margin)


def _judged(
    wanted: Sequence[Job], journal: PictureJournal, judge: Judge, folder: DiffusionFolder, group: int = 256
) -> Iterator[ImaginedRow]:
    for start in range(0, len(wanted), group):
        rows = []
        for job in wanted[start : start + group]:
            picture, prompt = journal.get(job.key), job.prompt
            if picture is None:
                raise InputError(f"{journal.path} lost a picture that was made; run the same command again")
            rows.append(
                ImaginedRow(
                    class_id=prompt.class_id, class_name=prompt.class_name, picture_id=job.key, prompt=prompt.text,
                    descriptor_ids=prompt.descriptor_ids, seed=job.seed, image=picture.image, latent=picture.latent,
                    similarity=None, margin=None, neighbour=None, reason=picture.reason,
                    model=folder.ref, revision=folder.revision,
                )
            )  # fmt: skip
        yield from judge.judged(rows)


def _metadata(config: dict[str, Any], described: Described, folder: DiffusionFolder, judge: Judge) -> dict[str, str]:
    return {
        "config": json.dumps(config, sort_keys=True),
        "descriptors_sha256": file_sha256(described.path),
        "model": folder.ref,
        "revision": folder.revision,
        "clip_revision": judge.clip.revision,
    }
