"""The files at the end of a run: descriptors, semantics, config and ``run.json``, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syntrans.classes.entries import ClassEntry, class_list_sha256
from syntrans.config import dump_config
from syntrans.contract.identity import CLASSES, definition_notes
from syntrans.contract.rows import FileMetadata
from syntrans.contract.writing import write_descriptors, write_semantics
from syntrans.files.sealed_json import sealed_json
from syntrans.paths import atomic_write_text
from syntrans.provenance import git_commit, hardware, package_versions
from syntrans_mining.steps.candidate import Candidate, kept

if TYPE_CHECKING:
    from pathlib import Path

    from syntrans.contract.rows import Pictures, SemanticsRow
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.run.context import RunContext
    from syntrans_mining.run.report import Report


@dataclass(frozen=True)
class MineResult:
    """The files of a finished run, and what ``run.json`` says."""

    descriptors: Path
    semantics: Path | None
    run_json: Path
    run: dict[str, Any] = field(repr=False)


def write_result(
    out: Path,
    run: RunContext,
    candidates: Sequence[Candidate],
    semantics: Sequence[SemanticsRow],
    *,
    loads: tuple[Mapping[str, float], Mapping[str, int]],
    pictures: Pictures | None = None,
) -> MineResult:
    """Write what a run found into ``out``. ``loads``: seconds that models took to load, and how often they did."""
    report = run.report
    notes: dict[str, Any] = {"skipped": report.skipped} if report.skipped else {}
    notes |= report.details.get("lint", {})
    meta = FileMetadata(
        run_id=out.resolve().name,
        config=run.config.model_dump(mode="json"),
        class_list_sha256=class_list_sha256(run.entries),
        prompt_sha256=run.prompts.sha256(),
        model_revisions=run.models.revisions(),
        package_versions=package_versions(),
        images_seen=sorted({picture.sha256 for shown in run.pictures.values() for picture in shown}),
        pictures=pictures,
        git_commit=git_commit(),
        notes=notes,
    )
    seconds, times = loads
    extra = {
        "load_seconds": {name: round(took, 2) for name, took in seconds.items()},
        "loads": dict(times),
        "failures": run.dispatcher.failures,
    }
    return write_files(out, run.config, run.entries, meta, report, extra, candidates, semantics)


def write_files(
    out: Path,
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    meta: FileMetadata,
    report: Report,
    extra: Mapping[str, Any],
    candidates: Sequence[Candidate],
    semantics: Iterable[SemanticsRow],
) -> MineResult:
    """Write all files; ``run.json`` last, so that its presence means that the run is finished.

    ``extra`` goes to ``run.json`` beside what ``report`` and ``meta`` say.
    """
    meta = meta.model_copy(update={"notes": meta.notes | definition_notes(entries)})
    result = {**_run_values(config, entries, meta, report, candidates), **extra}
    (out / "run.json").unlink(missing_ok=True)  # of an earlier run in this folder
    atomic_write_text(out / "config.yaml", dump_config(config))
    atomic_write_text(
        out / CLASSES, "".join(f"{json.dumps(entry._asdict(), ensure_ascii=False)}\n" for entry in entries)
    )
    ordered = sorted(candidates, key=lambda candidate: candidate.class_id)
    descriptors = write_descriptors(out / "descriptors.parquet", (row.row() for row in ordered), meta)
    written = _write_semantics(out, config, list(semantics), meta)
    run_json = atomic_write_text(out / "run.json", sealed_json(result))
    return MineResult(descriptors, written, run_json, result)


def _write_semantics(out: Path, config: MiningConfig, rows: Sequence[SemanticsRow], meta: FileMetadata) -> Path | None:
    """One file per encoder, since a file's vectors are of one length; the path of CLIP's, if there is one."""
    for encoder in config.compose.encoders:
        path = out / f"semantics-{encoder.name}.parquet"
        encoder_rows = [row for row in rows if row.encoder == encoder.path]
        if encoder_rows:
            write_semantics(path, encoder_rows, meta)
        else:
            path.unlink(missing_ok=True)  # of an earlier choice of rows, for which this encoder was not asked again
    of_clip = [row for row in rows if config.clip is not None and row.encoder == config.clip.path]
    if not of_clip:  # without CLIP in the config, or on the machine of a correction
        (out / "semantics.parquet").unlink(missing_ok=True)
        return None
    return write_semantics(out / "semantics.parquet", of_clip, meta)


def _run_values(
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    meta: FileMetadata,
    report: Report,
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    return {
        "run_id": meta.run_id,
        **report.as_dict(),
        "classes": len(entries),
        "images_seen": len(meta.images_seen),
        "rows": len(candidates),
        "kept": len(kept(candidates)),
        "nothing_kept": _nothing_kept(entries, candidates),
        "seed": config.seed,
        "model_revisions": meta.model_revisions,
        "package_versions": meta.package_versions,
        "git_commit": meta.git_commit,
        "hardware": hardware(),
    }


def _nothing_kept(entries: Sequence[ClassEntry], candidates: Sequence[Candidate]) -> list[str]:
    """The names of the classes that are left without a descriptor."""
    described = {candidate.class_id for candidate in kept(candidates)}
    return [entry.name for entry in entries if entry.id not in described]
