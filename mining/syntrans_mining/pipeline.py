"""A mining run: what it stands on (lock, journal, engines, pictures), its stages, and the files at the end.

lint → propose → merge → crosscheck → ground → filter → compose. Every answer goes to the journal in the output
folder; the same command in the same folder goes on where the last one stopped. Final files appear whole or not.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.calibration import Calibration, read_calibration
from syntrans.classes import ClassEntry, require_clean, slug
from syntrans.folder_lock import lock
from syntrans.images import ImageRef, match_classes
from syntrans.paths import make_dir, remove_rests
from syntrans_mining.asking import Asker
from syntrans_mining.engines.late import Late
from syntrans_mining.hosting import make_host, planned
from syntrans_mining.journal import JOURNAL, Journal
from syntrans_mining.models import Models, resolve_models
from syntrans_mining.pictures import COPIES, choose_pictures
from syntrans_mining.progress import Bars, Plain, Progress
from syntrans_mining.prompts import Prompts
from syntrans_mining.report import Report
from syntrans_mining.results import MineResult, RunFacts, write_result
from syntrans_mining.stages import Stages
from syntrans_mining.steps.calibrate import AGREEMENT, check_calibration
from syntrans_mining.steps.senses import in_question
from syntrans_mining.turns import visits_of
from syntrans_mining.vectors import Vectors

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.base import Picture


def mine(
    config: MiningConfig,
    classes: Sequence[ClassEntry],
    images: dict[str, list[ImageRef]] | None,
    out: Path,
    *,
    limit: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> MineResult:
    """Mine descriptors of ``classes`` into the folder ``out``.

    ``images`` by class id, name or folder name; without them nothing is grounded or filtered by CLIP, and the files
    say so. ``limit`` takes the first classes only; ``resume=False`` forgets the folder's journal.
    Raises SyntransError of every kind; after PartialResult and Ctrl-C the same call goes on.
    """
    entries = list(classes)[:limit]
    config = _without_others(config, classes, entries)
    with ExitStack() as stack:
        progress = progress or _default_progress(stack)
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
        report = Report()
        asked = models if images is not None else replace(models, vlm=None)  # it would look at nothing
        plan = planned(config, asked, visits_of(config, entries, pictures=images is not None))
        make = partial(make_host, config, asked, out / "logs", residency=plan, say=progress.say)
        host = stack.enter_context(closing(Late(lambda first: make(first=first))))
        if journal.count() == 0:
            host.start()  # something will be asked for sure: models load while the pictures are read
        asker, vectors = Asker(host, journal, progress), Vectors(host, journal, models.clip)
        pictures = pictures_of(config, entries, images, copies)
        turns = plan.turns if plan else None
        stages = Stages(config, entries, prompts, models, asker, vectors, report, pictures, calibration, turns)
        candidates, semantics = stages.run()
        if journal.damaged:
            progress.say(f"{len(journal.damaged)} answers in {journal.path} were damaged; they were asked again")
    loading = (host.load_seconds, host.loads)
    facts = RunFacts(config, entries, prompts.sha256(), models, pictures, report, asker.failures, *loading)
    return write_result(out, facts, candidates, semantics)


def calibration_of(config: MiningConfig, models: Models, prompts: Prompts) -> Calibration | None:
    """The file of fitted judges that the config names, checked against the models; None if it names none."""
    source = config.crosscheck.calibration
    if source is None or source == AGREEMENT:
        return None
    calibration = read_calibration(source)
    check_calibration(calibration, models.llms, prompts.crosscheck.sha256)
    return calibration


def pictures_of(
    config: MiningConfig, entries: Sequence[ClassEntry], images: dict[str, list[ImageRef]] | None, copies: Path
) -> dict[str, list[Picture]]:
    """The pictures of each class that CLIP or the vision-language model is shown; none without ``images``.

    ``copies``: a folder for those of Parquet files.
    """
    if images is None:
        return {}
    per_class = max(config.filter.images, config.ground.images)
    return choose_pictures(match_classes(images, entries), per_class=per_class, seed=config.seed, copies=copies)


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


def _default_progress(stack: ExitStack) -> Progress:
    return stack.enter_context(Bars()) if sys.stderr.isatty() else Plain()


def _without_others(config: MiningConfig, classes: Sequence[ClassEntry], entries: Sequence[ClassEntry]) -> MiningConfig:
    """The configuration without the senses chosen for classes that a limit cuts off."""
    cut = {key for entry in classes[len(entries) :] for key in (entry.id, entry.name, slug(entry.name))}
    chosen = {key: choice for key, choice in config.lint.senses.items() if key not in cut}
    return config.model_copy(update={"lint": config.lint.model_copy(update={"senses": chosen})})
