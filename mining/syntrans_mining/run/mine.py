"""A mining run: what it stands on (lock, cache, engines, pictures), its steps, and the files at the end.

lint → propose → merge → crosscheck → ground → filter → compose. Every answer goes to the response cache in the output
folder; the same command in the same folder goes on where the last one stopped. Final files appear whole or not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.classes.lint import require_clean
from syntrans.paths import make_dir, remove_rests
from syntrans.progress import Progress, StepProgress
from syntrans.runs.file_names import JOURNAL
from syntrans.runs.legs import LEGS, Legs
from syntrans.runs.lock import lock
from syntrans_mining.run.context import open_host, open_run, set_up
from syntrans_mining.run.output_files import MineResult, write_result
from syntrans_mining.run.pictures import COPIES, pictures_of, pictures_used
from syntrans_mining.run.preview import preview
from syntrans_mining.run.report import Report
from syntrans_mining.run.steps_in_order import Steps
from syntrans_mining.steps.senses import classes_of

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans.images.reference import Picture
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.base import Picture as PictureOfClass
    from syntrans_mining.run.context import RunContext


def mine(
    config: MiningConfig,
    classes: Sequence[ClassEntry],
    images: Mapping[str, Sequence[Picture]] | None,
    out: Path,
    *,
    limit: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    images_at: str | None = None,
) -> MineResult:
    """Mine descriptors of ``classes`` into the folder ``out``.

    ``images`` by class id, name or folder name; without them nothing is grounded or filtered by CLIP, and the files
    say so. ``images_at``: where they lie, which the files tell `train`. ``limit`` takes the first classes only, and
    keeps questions with their answers; ``resume=False`` forgets the cache of the folder.
    Raises SyntransError of every kind; after PartialResult and Ctrl-C the same call goes on.
    """
    entries = list(classes)[:limit]
    with ExitStack() as folder_is_ours:  # until the last file is written
        progress = progress or folder_is_ours.enter_context(StepProgress())
        require_clean(entries)
        setup = set_up(_without_others(config, classes, entries), entries, pictures=images is not None)
        report = _own_folder(folder_is_ours, out, resume=resume)
        with ExitStack() as stack:
            host = stack.enter_context(closing(open_host(setup, out / "logs", progress.say)))
            opened = open_run(setup, entries, out / JOURNAL, host, report=report, progress=progress, resume=resume)
            run = stack.enter_context(opened)
            stack.callback(lambda: report.loaded(host.load_seconds, host.loads))
            stack.enter_context(preview(run.dispatcher, out) if limit else nullcontext())
            if run.cache.count() == 0:
                host.start()  # something will be asked for sure: models load while the pictures are read
            run.pictures = _pictures(run, images, out)
            candidates, semantics = Steps(run).run()
            if damaged := len(run.cache.damaged):
                progress.say(f"{damaged} answers in {run.cache.path} were damaged; they were asked again")
        loads, used = report.loaded(host.load_seconds, host.loads), pictures_used(images_at, images, entries)
        result = write_result(out, run, candidates, semantics, loads=loads, pictures=used)
        report.save()
    return result


def _pictures(
    run: RunContext, images: Mapping[str, Sequence[Picture]] | None, out: Path
) -> dict[str, list[PictureOfClass]]:
    """The pictures that models are shown, by class id; those that are broken stand in the report."""
    broken: list[str] = []
    pictures = pictures_of(run.config, run.entries, images, out / COPIES, run.progress.say, broken)
    if broken:
        run.report.details["pictures"] = {"broken": broken}
    return pictures


def _own_folder(stack: ExitStack, out: Path, *, resume: bool) -> Report:
    """Take the folder for this process alone, and clear it of what a killed run left; its report, with earlier legs.

    Copies of pictures are removed at the end. EnvironmentProblem where another process has it.
    """
    make_dir(out)
    stack.enter_context(lock(out))
    remove_rests(out)
    stack.callback(shutil.rmtree, out / COPIES, ignore_errors=True)
    if not resume:
        (out / LEGS).unlink(missing_ok=True)
    return Report(legs=Legs(out))


def _without_others(config: MiningConfig, classes: Sequence[ClassEntry], entries: Sequence[ClassEntry]) -> MiningConfig:
    """The configuration without the senses chosen for classes that a limit cuts off."""
    cut = {entry.id for entry in classes[len(entries) :]}
    meant = classes_of(config.lint.senses, classes)
    chosen = {key: choice for key, choice in config.lint.senses.items() if meant.get(key) not in cut}
    return config.model_copy(update={"lint": config.lint.model_copy(update={"senses": chosen})})
