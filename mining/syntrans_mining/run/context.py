"""`RunContext`: config, prompts, models, cache and report of a run, opened alike for runs, probes and dry runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.calibration import Calibration, read_calibration
from syntrans.progress import Progress, Silent
from syntrans_mining.engines.workers.lazy_host import LazyHost
from syntrans_mining.models import Models, resolve_models
from syntrans_mining.placement.hosting import make_host, planned
from syntrans_mining.placement.load_order import model_uses_of
from syntrans_mining.requests.dispatcher import Dispatcher
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.requests.prompts import Prompts
from syntrans_mining.requests.response_cache import ResponseCache
from syntrans_mining.run.report import Report
from syntrans_mining.steps.calibrate import AGREEMENT, check_calibration
from syntrans_mining.steps.candidate import Candidate, kept
from syntrans_mining.steps.senses import ambiguous_entries

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.base import Picture, TextVectors
    from syntrans_mining.engines.workers.host import Host
    from syntrans_mining.placement.memory_plan import MemoryPlan


@dataclass(frozen=True)
class RunSetup:
    """What a run needs before anything is opened, found and checked. ``loaded``: the models that answer in it."""

    config: MiningConfig
    models: Models
    loaded: Models
    prompts: Prompts | None = None
    calibration: Calibration | None = None
    plan: MemoryPlan | None = None


@dataclass
class RunContext:
    """One run's inputs, the dispatcher of its requests, and its report."""

    setup: RunSetup
    entries: Sequence[ClassEntry]
    dispatcher: Dispatcher
    vectors: Vectors | None
    report: Report
    pictures: dict[str, list[Picture]] = field(default_factory=dict)

    @property
    def config(self) -> MiningConfig:
        """The configuration."""
        return self.setup.config

    @property
    def models(self) -> Models:
        """All models of the configuration, with their revisions."""
        return self.setup.models

    @property
    def prompts(self) -> Prompts:
        """The prompts; a run that asks no language model has none."""
        assert self.setup.prompts is not None, "this run asks no language model"
        return self.setup.prompts

    @property
    def host(self) -> Host:
        """Where the models live."""
        return self.dispatcher.host

    @property
    def cache(self) -> ResponseCache:
        """The cache of responses."""
        return self.dispatcher.cache

    def embed(self, candidates: list[Candidate]) -> TextVectors | None:
        """CLIP's text vectors of the kept candidates, in their order; None without CLIP."""
        if self.vectors is None or self.config.clip is None:
            return None
        template = self.config.clip.template
        return self.vectors.of_texts([template.format(name=c.class_name, descriptor=c.text) for c in kept(candidates)])

    @property
    def progress(self) -> Progress:
        """Where a user sees how far the run is."""
        return self.dispatcher.progress


def set_up(
    config: MiningConfig, entries: Sequence[ClassEntry], *, pictures: bool, models: Models | None = None
) -> RunSetup:
    """Read the prompts, find the models, and plan the memory of a run over ``entries``.

    Without ``pictures`` the vision-language model is not loaded. With ``models`` these are taken, and nothing is
    planned: stand-ins need no memory. InputError for a prompt or a calibration, ModelLoadError for a model.
    """
    ambiguous = ambiguous_entries(entries, config.lint.senses, ask_all=config.lint.ask_senses)
    prompts = Prompts.load(config, ask_senses=bool(ambiguous))
    if models is not None:
        return RunSetup(config, models, models, prompts)
    models = resolve_models(config)
    calibration = _calibration_of(config, models, prompts)
    loaded = models if pictures else replace(models, vlm=None)  # it would look at nothing
    plan = planned(config, loaded, model_uses_of(config, entries, pictures=pictures))
    return RunSetup(config, models, loaded, prompts, calibration, plan)


def open_host(setup: RunSetup, logs: Path, say: Callable[[str], None] = lambda _: None) -> LazyHost:
    """The host of a run's models, which starts when somebody asks it something. To be closed."""
    make = partial(make_host, setup.config, setup.loaded, logs, memory_plan=setup.plan, say=say)
    return LazyHost(lambda first: make(first=first))


@contextmanager
def open_run(
    setup: RunSetup,
    entries: Sequence[ClassEntry],
    file: Path,
    host: Host,
    *,
    report: Report | None = None,
    progress: Progress | None = None,
    resume: bool = True,
) -> Iterator[RunContext]:
    """Bind a run's inputs to what answers them, for a `with` statement.

    ``file``: that of the response cache, emptied unless ``resume``. ``host``: where the models live, or who answers for
    them; the caller closes it.
    """
    progress = progress or Silent()
    with _open_cache(file, resume=resume) as cache:
        vectors = Vectors.of(host, cache, setup.models.clip, progress)
        yield RunContext(setup, entries, Dispatcher(host, cache, progress), vectors, report or Report())


@contextmanager
def _open_cache(path: Path, *, resume: bool) -> Iterator[ResponseCache]:
    if not resume:
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            file.unlink(missing_ok=True)
    with closing(ResponseCache(path)) as cache:
        yield cache


def _calibration_of(config: MiningConfig, models: Models, prompts: Prompts) -> Calibration | None:
    """The file of fitted judges that the config names, checked against the models; None if it names none."""
    source = config.crosscheck.calibration
    if source is None or source == AGREEMENT:
        return None
    calibration = read_calibration(source)
    check_calibration(calibration, models.llms, prompts.crosscheck.sha256)
    return calibration
