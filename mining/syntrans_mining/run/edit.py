"""A person's corrections on a finished run: a new run beside it, with rows and class vectors that follow from them.

No language model is asked. Vectors of texts that were there come from the run's cache; CLIP is loaded for a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.classes.entries import ClassEntry, read_class_file
from syntrans.config import load_saved
from syntrans.contract.identity import CLASSES
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.descriptors.edits import EDITS, Edit, apply_edits, records_of
from syntrans.descriptors.run_facts import read_report
from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.progress import say
from syntrans_mining.config import MiningConfig
from syntrans_mining.models import resolve_models
from syntrans_mining.models_config import reading
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.run.context import RunSetup, open_host, open_run
from syntrans_mining.run.derived import both_folders, cache_of, check_finished, check_revisions
from syntrans_mining.run.output_files import MineResult, write_files
from syntrans_mining.run.report import Report
from syntrans_mining.steps import compose
from syntrans_mining.steps.candidate import Candidate, from_row

if TYPE_CHECKING:
    from syntrans.contract.rows import FileMetadata, SemanticsRow

_COUNTED_ANEW = frozenset(["run_id", "classes", "images_seen", "rows", "kept", "nothing_kept"])


def edit(run: Path, edits: Sequence[Edit], out: Path) -> MineResult:
    """Write into ``out`` the finished run in the folder ``run`` with ``edits``; ``run`` stays as it is.

    InputError for a row that is not there, or when ``run`` is no finished run. Where CLIP cannot be loaded and is
    needed, the semantics are left out, and that is said.
    """
    check_finished(run, out)
    config = load_saved(MiningConfig, run / "config.yaml")
    entries = read_class_file(run / CLASSES)
    rows, meta = read_descriptors(run / "descriptors.parquet")
    past, now = records_of(meta.notes), datetime.now().astimezone().isoformat(timespec="seconds")
    edited, records = apply_edits(rows, edits, past, at=now, where=run)
    notes = {**meta.notes, "edit_of": meta.run_id, EDITS: [*past, *records]}
    meta = meta.model_copy(update={"run_id": out.resolve().name, "notes": notes})
    candidates = [from_row(row) for row in edited]
    made_of = read_report(run / "run.json")
    extra = {key: value for key, value in made_of.items() if key not in _COUNTED_ANEW}
    with both_folders(run, out):
        changed = {str(record["class_id"]) for record in records}
        semantics = _semantics(run, out, config, entries, candidates, changed, meta)
        extra |= {"edit_of": notes["edit_of"], "made_of": str(run.absolute()), EDITS: len(records)}
        return write_files(out, config, entries, meta, Report(), extra, candidates, semantics)


def _semantics(
    run: Path,
    out: Path,
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    candidates: list[Candidate],
    changed: set[str],
    meta: FileMetadata,
) -> list[SemanticsRow]:
    """One row per class and encoder that ``run`` has a file of: those of the ``changed`` classes are made anew.

    Their summaries are filled in: a paragraph that a model wrote may say what a person has taken out.
    """
    files = _files(run, config)
    if not files:
        return []
    rows = [row for path in files.values() for row in read_semantics(path)[0] if row.class_id not in changed]
    some = [entry for entry in entries if entry.id in changed]
    wording = config.compose.model_dump(include={"summary", "separator"})
    try:
        models = resolve_models(config.model_copy(update={"llms": (), "vlm": None}))
        check_revisions(run, models.embedding, meta)
        setup = RunSetup(config, models, models)
        cache = cache_of(run, out)
        with closing(open_host(setup, out / "logs")) as host, open_run(setup, entries, cache, host) as context:
            for encoder, model in zip(config.encoders, models.embedding, strict=True):
                if encoder.path in files:
                    vectors = Vectors(host, context.cache, model, context.dispatcher.progress)
                    of_changed = [candidate for candidate in candidates if candidate.class_id in changed]
                    rows += compose.semantics_of(some, of_changed, vectors, **reading(encoder), **wording)
    except (EnvironmentProblem, InputError, ModelLoadError) as error:
        say(f"semantics.parquet is left out, which neither train nor predict need: {error}")
        return []
    return rows


def _files(run: Path, config: MiningConfig) -> dict[str, Path]:
    """The semantics files of a run, by the path of their encoder."""

    def named() -> Iterator[tuple[str, Path]]:
        if config.clip is not None:
            yield config.clip.path, run / "semantics.parquet"
        for encoder in config.compose.encoders:
            yield encoder.path, run / f"semantics-{encoder.name}.parquet"

    return {encoder: path for encoder, path in named() if path.is_file()}
