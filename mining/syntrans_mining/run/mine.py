"""A mining run: what it stands on (lock, journal, engines, pictures), its stages, and the files at the end.

lint → propose → merge → crosscheck → ground → filter → compose. Every answer goes to the journal in the output
folder; the same command in the same folder goes on where the last one stopped. Final files appear whole or not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.calibration import Calibration, read_calibration
from syntrans.classes.entries import ClassEntry, require_clean
from syntrans.paths import make_dir, remove_rests
from syntrans.progress import Progress, Shown
from syntrans.runs.legs import LEGS, Legs
from syntrans.runs.lock import lock
from syntrans_mining.engines.workers.late import Late
from syntrans_mining.models import Models, resolve_models
from syntrans_mining.placement.hosting import make_host, planned
from syntrans_mining.placement.load_order import visits_of
from syntrans_mining.requests.dispatcher import Asker
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.requests.prompts import Prompts
from syntrans_mining.requests.response_cache import JOURNAL, Journal
from syntrans_mining.run.output_files import MineResult, RunFacts, write_result
from syntrans_mining.run.pictures import COPIES, pictures_of, pictures_used
from syntrans_mining.run.report import Report
from syntrans_mining.run.steps_in_order import Stages
from syntrans_mining.steps.calibrate import AGREEMENT, check_calibration
from syntrans_mining.steps.senses import classes_of, in_question

if TYPE_CHECKING:
    from syntrans.images.reference import Picture as Reference
    from syntrans_mining.config import MiningConfig


def mine(
    config: MiningConfig,
    classes: Sequence[ClassEntry],
    images: Mapping[str, Sequence[Reference]] | None,
    out: Path,
    *,
    limit: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    images_at: str | None = None,
) -> MineResult:
    """Mine descriptors of ``classes`` into the folder ``out``.

    ``images`` by class id, name or folder name; without them nothing is grounded or filtered by CLIP, and the files
    say so. ``images_at``: where they lie, which the files tell `train`. ``limit`` takes the first classes only;
    ``resume=False`` forgets the folder's journal.
    Raises SyntransError of every kind; after PartialResult and Ctrl-C the same call goes on.
    """
    entries = list(classes)[:limit]
    config = _without_others(config, classes, entries)
    with ExitStack() as stack:
        progress = progress or stack.enter_context(Shown())
        require_clean(entries)
        unsettled = in_question(entries, config.lint.senses, ask_all=config.lint.ask_senses)
        prompts = Prompts.load(config, ask_senses=bool(unsettled))
        models = resolve_models(config)
        calibration = calibration_of(config, models, prompts)
        make_dir(out)
        stack.enter_context(lock(out))
        remove_rests(out)
        journal = stack.enter_context(open_journal(out / JOURNAL, resume=resume))
        copies = out / COPIES
        stack.callback(shutil.rmtree, copies, ignore_errors=True)
        if not resume:
            (out / LEGS).unlink(missing_ok=True)
        report = Report(legs=Legs(out))
        asked = models if images is not None else replace(models, vlm=None)  # it would look at nothing
        plan = planned(config, asked, visits_of(config, entries, pictures=images is not None))
        make = partial(make_host, config, asked, out / "logs", residency=plan, say=progress.say)
        host = stack.enter_context(closing(Late(lambda first: make(first=first))))
        stack.callback(lambda: report.loaded(host.load_seconds, host.loads))
        if journal.count() == 0:
            host.start()  # something will be asked for sure: models load while the pictures are read
        asker, vectors = Asker(host, journal, progress), Vectors.of(host, journal, models.clip, progress)
        pictures = pictures_of(config, entries, images, copies, progress.say)
        turns = plan.turns if plan else None
        stages = Stages(config, entries, prompts, models, asker, vectors, report, pictures, calibration, turns)
        candidates, semantics = stages.run()
        if journal.damaged:
            progress.say(f"{len(journal.damaged)} answers in {journal.path} were damaged; they were asked again")
    loading = report.loaded(host.load_seconds, host.loads)
    used = pictures_used(images_at, images, entries)
    facts = RunFacts(config, entries, prompts.sha256(), models, pictures, report, asker.failures, *loading, used)
    result = write_result(out, facts, candidates, semantics)
    report.save()
    return result


def calibration_of(config: MiningConfig, models: Models, prompts: Prompts) -> Calibration | None:
    """The file of fitted judges that the config names, checked against the models; None if it names none."""
    source = config.crosscheck.calibration
    if source is None or source == AGREEMENT:
        return None
    calibration = read_calibration(source)
    check_calibration(calibration, models.llms, prompts.crosscheck.sha256)
    return calibration


@contextmanager
def open_journal(path: Path, *, resume: bool) -> Iterator[Journal]:
    """The journal at ``path``, empty unless ``resume``; closed at the end."""
    if not resume:
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            file.unlink(missing_ok=True)
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def _without_others(config: MiningConfig, classes: Sequence[ClassEntry], entries: Sequence[ClassEntry]) -> MiningConfig:
    """The configuration without the senses chosen for classes that a limit cuts off."""
    cut = {entry.id for entry in classes[len(entries) :]}
    meant = classes_of(config.lint.senses, classes)
    chosen = {key: choice for key, choice in config.lint.senses.items() if meant.get(key) not in cut}
    return config.model_copy(update={"lint": config.lint.model_copy(update={"senses": chosen})})
