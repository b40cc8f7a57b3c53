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
from syntrans_mining.engines.workers.late import Late
from syntrans_mining.models import Models, resolve_models
from syntrans_mining.placement.hosting import make_host, planned
from syntrans_mining.placement.load_order import Turns, visits_of
from syntrans_mining.requests.dispatcher import Asker
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.requests.prompts import Prompts
from syntrans_mining.requests.response_cache import JOURNAL
from syntrans_mining.run.mine import calibration_of, open_journal
from syntrans_mining.run.output_files import MineResult, RunFacts, write_result
from syntrans_mining.run.pictures import COPIES, pictures_of
from syntrans_mining.run.report import Report
from syntrans_mining.run.steps_in_order import Stages
from syntrans_mining.steps.senses import in_question

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

    The first turn loads the models and is not measured. Every turn begins with an empty journal, and takes twice the
    classes of the one before: the last one, whose figures count, has the largest batches that the time allows.
    Raises what `syntrans_mining.run.mine.mine` raises.
    """
    progress = progress or Silent()
    unsettled = in_question(entries, config.lint.senses, ask_all=config.lint.ask_senses)
    prompts, models = Prompts.load(config, ask_senses=bool(unsettled)), resolve_models(config)
    plan = planned(config, models, visits_of(config, entries, pictures=images is not None))
    turn = _Turn(config, prompts, models, images, progress, make_dir(out), plan.turns if plan else None)
    n_classes, used = START, 0.0
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, out / COPIES, ignore_errors=True)
        make = partial(make_host, config, models, out / "logs", residency=plan, say=progress.say)
        host = stack.enter_context(closing(Late(lambda first: make(first=first))))
        turn.run(host, entries[:n_classes])
        while True:
            begin = time.perf_counter()
            result = turn.run(host, entries[:n_classes])
            took = time.perf_counter() - begin
            used += took
            if n_classes >= len(entries) or used + 2 * took > seconds:
                return result
            n_classes *= 2


class _Turn:
    """One turn after the other, on the same models."""

    def __init__(
        self,
        config: MiningConfig,
        prompts: Prompts,
        models: Models,
        images: Mapping[str, Sequence[Picture]] | None,
        progress: Progress,
        out: Path,
        turns: Turns | None,
    ) -> None:
        self._config, self._prompts, self._models, self._images = config, prompts, models, images
        self._progress, self._out, self._turns = progress, out, turns
        self._calibration = calibration_of(config, models, prompts)

    def run(self, host: Host, entries: Sequence[ClassEntry]) -> MineResult:
        pictures = pictures_of(self._config, entries, self._images, self._out / COPIES, self._progress.say)
        # As if the models had been loaded just now, which a run would have to do.
        report = Report(start=time.perf_counter() - sum(host.load_seconds.values()))
        with open_journal(self._out / JOURNAL, resume=False) as journal:
            asker, vectors = Asker(host, journal, self._progress), Vectors.of(host, journal, self._models.clip)
            named = list(entries)
            stages = Stages(
                self._config,
                named,
                self._prompts,
                self._models,
                asker,
                vectors,
                report,
                pictures,
                self._calibration,
                self._turns,
            )
            candidates, semantics = stages.run()
        facts = RunFacts(
            self._config,
            named,
            self._prompts.sha256(),
            self._models,
            pictures,
            report,
            asker.failures,
            {},
            {},
        )
        return write_result(self._out, facts, candidates, semantics)
