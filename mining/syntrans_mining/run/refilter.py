"""Other thresholds on the ledger of a finished run: no model is asked anything, and it takes seconds.

What a step measured is in the ledger, so its decision can be taken again. What a threshold of the old run kept from
being measured further stays out, as ``not_scored``; the old run's own folder can measure it. What a person has
corrected (`syntrans edit`) is corrected again, after all decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.classes.entries import ClassEntry, read_class_file
from syntrans.config import from_values, load_saved
from syntrans.contract.identity import CLASSES
from syntrans.contract.reading import read_descriptors
from syntrans.descriptors.edits import EDITS, apply_again, records_of, undo
from syntrans.errors import UsageError
from syntrans.provenance import git_commit, package_versions
from syntrans_mining.config import MiningConfig
from syntrans_mining.models import resolve_models
from syntrans_mining.models_config import reading
from syntrans_mining.run.context import RunContext, RunSetup, open_host, open_run
from syntrans_mining.run.derived import both_folders, cache_of, check_finished, check_revisions
from syntrans_mining.run.output_files import MineResult, write_files
from syntrans_mining.steps import compose, crosscheck, ground
from syntrans_mining.steps import filter as filtering
from syntrans_mining.steps.candidate import Candidate, class_blocks, from_row, kept

if TYPE_CHECKING:
    from syntrans.contract.rows import FileMetadata, SemanticsRow
    from syntrans.descriptors.edits import Record

AGAIN = ("crosscheck", "ground", "filter")
UNANSWERED = "unanswered"
"""Key of the files' notes: ids of statements that a model was asked about in vain, where the ledger does not say so."""

THRESHOLDS = (
    "crosscheck.threshold",
    "ground.threshold",
    "ground.gap",
    "filter.margin",
    "filter.fuse",
    "filter.threshold",
    "filter.budget",
    "filter.diversity",
    "compose.summary",
    "compose.separator",
)
"""What may change, each key with all below it."""


def refilter(run: Path, settings: Sequence[str], out: Path) -> MineResult:
    """Write into ``out`` what the finished run in the folder ``run`` finds with ``settings`` (KEY=VALUE).

    Vectors come from the run's cache; CLIP alone is loaded if some are not there. UsageError for a setting that is
    no threshold, InputError when ``run`` is no finished run.
    """
    check_finished(run, out)
    config, entries, candidates, meta = _read(run, settings)
    models = resolve_models(config.model_copy(update={"llms": (), "vlm": None}))
    check_revisions(run, [models.clip] if models.clip else [], meta)
    with ExitStack() as stack:
        stack.enter_context(both_folders(run, out))
        cache = cache_of(run, out)
        setup = RunSetup(config, models, models)
        host = stack.enter_context(closing(open_host(setup, out / "logs")))
        context = stack.enter_context(open_run(setup, entries, cache, host))
        unanswered = {c.id for c in candidates if c.reason == "no_answer"} | set(meta.notes.get(UNANSWERED, ()))
        _decide(context, candidates, unanswered, _skipped(meta))
        records = _correct_again(context, candidates, records_of(meta.notes))
        semantics = _compose(context, candidates)
        changed = {"refilter_of": str(meta.run_id), "not_scored": sum(c.reason == "not_scored" for c in candidates)}
        hidden = sorted(unanswered - {c.id for c in candidates if c.reason == "no_answer"})
        notes = changed | {UNANSWERED: hidden}  # another reason stands in the ledger now
        notes |= {EDITS: records} if records else {}
        meta = meta.model_copy(update=_provenance(out, config, meta, notes))
        extra = {
            **changed,
            "made_of": str(run.absolute()),
            "load_seconds": host.load_seconds,
            "loads": host.loads,
            "failures": [],
        }
        return write_files(out, config, entries, meta, context.report, extra, candidates, semantics)


def _decide(run: RunContext, candidates: list[Candidate], unanswered: set[str], skipped: dict[str, str]) -> None:
    """Take every decision again, by what was measured."""
    config, report = run.config, run.report
    report.skipped |= skipped
    if config.compose.llm or config.compose.encoders:
        report.skipped["compose"] = "no model is asked: summaries are filled in, further encoders left out"
    _reset(candidates)
    with report.step("crosscheck", candidates, run.dispatcher):
        if "crosscheck" not in skipped:
            crosscheck.drop_disagreed(candidates, threshold=config.crosscheck.threshold)
    with report.step("ground", candidates, run.dispatcher):
        if "ground" not in skipped:
            _drop_unscored(candidates, "ground", unanswered)
            ground.drop_unseen(candidates, threshold=config.ground.threshold, gap=config.ground.gap)
    with report.step("filter", candidates, run.dispatcher):
        if "filter" not in skipped:
            _drop_unscored(candidates, "filter", unanswered)
        choice = config.filter.model_dump(exclude={"images", "neighbours"})
        for block in class_blocks(candidates):
            filtering.choose(block, run.embed(block), **choice)


def _correct_again(run: RunContext, candidates: list[Candidate], records: Sequence[Record]) -> list[Record]:
    """Make the corrections of people again; their records, with what is before now."""
    if not records:
        return []
    with run.report.step("edit", candidates, run.dispatcher):
        rows, done = apply_again([candidate.row() for candidate in candidates], records)
        candidates[:] = map(from_row, rows)
    return done


def _compose(run: RunContext, candidates: list[Candidate]) -> list[SemanticsRow]:
    """The rows of the classes."""
    with run.report.step("compose", candidates, run.dispatcher):
        if run.vectors is None or run.config.clip is None:
            return []
        wording = run.config.compose.model_dump(include={"summary", "separator"}) | reading(run.config.clip)
        return compose.semantics_of(run.entries, candidates, run.vectors, **wording)


def _read(run: Path, settings: Sequence[str]) -> tuple[MiningConfig, list[ClassEntry], list[Candidate], FileMetadata]:
    old = load_saved(MiningConfig, run / "config.yaml")
    config = from_values(MiningConfig, old.model_dump(mode="json"), settings)
    others = [key for key in _differences(old.model_dump(), config.model_dump()) if not _is_threshold(key)]
    if others:
        raise UsageError(
            f"--refilter decides again by what was measured, and {others[0]} needs new answers; it takes "
            f"{', '.join(THRESHOLDS)}. For the rest: the run's own command with --set {others[0]}=... and --out {run}"
        )
    rows, meta = read_descriptors(run / "descriptors.parquet")
    before = undo(rows, records_of(meta.notes))
    return config, read_class_file(run / CLASSES), [from_row(row) for row in before], meta


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Dotted keys at which two configurations differ."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return [
            difference for key in old for difference in _differences(old[key], new[key], f"{path}.{key}".lstrip("."))
        ]
    return [path] if old != new else []


def _is_threshold(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in THRESHOLDS)


def _reset(candidates: list[Candidate]) -> None:
    """Undo every decision from crosscheck on, so that it can be taken again."""
    for candidate in candidates:
        candidate.rank = candidate.weight = None
        if candidate.stage in AGAIN:
            candidate.stage = candidate.reason = None


def _drop_unscored(candidates: list[Candidate], step: str, unanswered: set[str]) -> None:
    """Drop what would pass now and was never measured by ``step``, except what it was asked about in vain."""
    for candidate in kept(candidates):
        measured = candidate.grounding if step == "ground" else candidate.clip
        if measured is None and candidate.id not in unanswered:
            candidate.drop(step, "not_scored")


def _skipped(meta: FileMetadata) -> dict[str, str]:
    skipped = meta.notes.get("skipped")
    return dict(skipped) if isinstance(skipped, dict) else {}


def _provenance(out: Path, config: MiningConfig, meta: FileMetadata, changed: dict[str, Any]) -> dict[str, Any]:
    """The metadata that differ from the old run's."""
    return {
        "run_id": out.resolve().name,
        "config": config.model_dump(mode="json"),
        "package_versions": package_versions(),
        "git_commit": git_commit(),
        "notes": {**meta.notes, **changed},
    }
