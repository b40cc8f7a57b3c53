"""A short real run whose figures a plan can use: a few classes, then twice as many, until the time is used up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.paths import make_dir
from syntrans.progress import Progress, Silent
from syntrans.runs.file_names import JOURNAL
from syntrans_mining.run.context import RunSetup, open_host, open_run, set_up
from syntrans_mining.run.output_files import MineResult, write_result
from syntrans_mining.run.pictures import COPIES, pictures_of
from syntrans_mining.run.report import Report
from syntrans_mining.run.steps_in_order import Steps

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans.images.reference import Picture
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.workers.host import Host

START = 2
"""Classes of the first turn: of one alone there is no other to compare with."""


def probe(
    config: MiningConfig,
    entries: Sequence[ClassEntry],
    images: Mapping[str, Sequence[Picture]] | None,
    out: Path,
    *,
    seconds: float,
    progress: Progress | None = None,
) -> MineResult:
    """Mine the first classes in turns for about ``seconds``; the last turn's files go to ``out``.

    The first turn loads the models and is not measured. Every turn begins with an empty cache, and takes twice the
    classes of the one before: the last one, whose figures count, has the largest batches that the time allows.
    Raises what `syntrans_mining.run.mine.mine` raises.
    """
    setup = set_up(config, entries, pictures=images is not None)
    n_classes, used = START, 0.0
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, make_dir(out) / COPIES, ignore_errors=True)
        host = stack.enter_context(closing(open_host(setup, out / "logs", (progress or Silent()).say)))
        turn = partial(_turn, setup, host, images, out, progress or Silent())
        turn(entries[:n_classes])
        while True:
            begin = time.perf_counter()
            result = turn(entries[:n_classes])
            took = time.perf_counter() - begin
            used += took
            if n_classes >= len(entries) or used + 2 * took > seconds:
                return result
            n_classes *= 2


def _turn(
    setup: RunSetup,
    host: Host,
    images: Mapping[str, Sequence[Picture]] | None,
    out: Path,
    progress: Progress,
    entries: Sequence[ClassEntry],
) -> MineResult:
    """Mine ``entries`` with an empty cache, on models that are there."""
    # As if the models had been loaded just now, which a run would have to do.
    report = Report(start=time.perf_counter() - sum(host.load_seconds.values()))
    pictures = pictures_of(setup.config, entries, images, out / COPIES, progress.say)
    with open_run(setup, entries, out / JOURNAL, host, report=report, progress=progress, resume=False) as run:
        run.pictures = pictures
        candidates, semantics = Steps(run).run()
    return write_result(out, run, candidates, semantics, loads=({}, {}))
