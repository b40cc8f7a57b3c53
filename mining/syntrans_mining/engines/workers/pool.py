"""Worker processes behind one queue, in load groups where memory does not hold all models at once.

One thread per worker sends and receives (`driver.py`), so several models answer at the same time. A worker takes what
its loaded models are asked; when only models of another group are asked, this group's processes end, their memory is
seen to be free again, and the other group's start.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.errors import EnvironmentProblem, SyntransError
from syntrans.files.scratch import scratch_folder
from syntrans.machine import cores
from syntrans.paths import make_dir
from syntrans_mining.engines.base import ENCODERS
from syntrans_mining.engines.workers.calls import Calls, WorkItem
from syntrans_mining.engines.workers.driver import Driver, LoadStats
from syntrans_mining.engines.workers.environment import worker_environment
from syntrans_mining.engines.workers.handle import WorkerHandle, fork_server
from syntrans_mining.engines.workers.host import NextRequest, by_model, no_next

if TYPE_CHECKING:
    from syntrans_mining.engines.base import EngineSpec, Request, Response

BACKOFF = (1.0, 5.0)  # seconds before the first and the second restart
PIECE = 64  # requests per message at most


@dataclass(frozen=True)
class WorkerPlan:
    """The engines of one worker process, in the order of their loading, and the GPUs that it sees.

    ``wants``: the bytes of memory that are planned for it.
    """

    specs: tuple[EngineSpec, ...]
    gpus: tuple[int, ...] = ()
    wants: int = 0


@dataclass(frozen=True)
class PoolSettings:
    """How workers are used: at most ``chunk`` requests are under way at one, ``exact`` as in `worker_environment`.

    ``backoff``: seconds before each restart; after the last the model is given up.
    """

    chunk: int = 256
    backoff: Sequence[float] = BACKOFF
    exact: bool = False


LoadGroup = Sequence[WorkerPlan]


class Pool:
    """``load_groups`` of workers, one at a time, and ``resident`` workers that stay (encoders are small).

    Loading starts at once, with the first group or, if it is known whom the run asks ``first``, with that model's (an
    encoder's is none), and goes on whenever a worker has nothing to answer. ``between`` is called when a group has
    ended, before the next starts, and raises if it must not. ``say`` gets a line when a process is started again.
    """

    def __init__(
        self,
        load_groups: Sequence[LoadGroup],
        logs: Path,
        *,
        resident: LoadGroup = (),
        first: str | None = None,
        settings: PoolSettings | None = None,
        between: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._load_groups, self._logs, self._settings = [list(r) for r in load_groups], logs, settings or PoolSettings()
        self._between, self._calls, self._stats = between, Calls(), LoadStats(say=say)
        self._threads = max(1, cores() // max(1, len(resident) + max(map(len, self._load_groups), default=0)))
        self._stack, self._changing = ExitStack(), threading.Lock()
        make_dir(logs)
        self._scratch = self._stack.enter_context(scratch_folder())
        plans = [plan for plans in (*self._load_groups, resident) for plan in plans]
        self._forks = any(_may_fork(plan, "vllm") for plan in plans)
        if self._forks:
            environment = worker_environment(threads=self._threads, exact=self._settings.exact, scratch=self._scratch)
            self._stack.enter_context(fork_server(environment, logs / "imports.log", self._scratch))
        self._resident = [self._driver(plan, f"worker-r{number}") for number, plan in enumerate(resident)]
        self._drivers = list[Driver]()
        for driver in self._resident:
            driver.start()
        self._start(self._group_of(first) if first and len(self._load_groups) > 1 else 0)

    @property
    def load_seconds(self) -> dict[str, float]:
        """Seconds spent loading, by model."""
        return self._stats.load_seconds

    @property
    def loads(self) -> dict[str, int]:
        """How often a model was loaded, restarts included."""
        return self._stats.loads

    def generate(self, requests: Sequence[Request], next_request: NextRequest = no_next) -> Iterator[Response]:
        """Answers to requests of any models, as they come; ids must differ. Raises what ended a worker for good.

        What ``next_request`` wants asked next goes to its model at once, before another group begins.
        """
        done: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        if not self._drivers:
            self._start(self._group_of(requests[0].model))
        self._submit(requests, done)
        owed = len(requests)
        while owed:
            kind, value = done.get()
            if kind == "error":
                raise value
            following = [request for response in value if (request := next_request(response)) is not None]
            self._submit(following, done)
            self._calls.read(len(value))
            owed += len(following) - len(value)
            yield from value

    def _submit(self, requests: Sequence[Request], done: queue.SimpleQueue[tuple[str, Any]]) -> None:
        work_items: list[WorkItem] = []
        for model, of_model in by_model(requests).items():
            share = -(-len(of_model) // max(1, self._replicas(model)))
            size = max(1, min(PIECE, self._settings.chunk // 8, share))
            parts = (of_model[start : start + size] for start in range(0, len(of_model), size))
            work_items += [WorkItem(model, "generate", part, share, done) for part in parts]
        self._calls.submit(work_items)

    def embed(self, model: str, method: str, payload: Any) -> WorkItem:
        """Start an encoder's call; its result comes with the work item."""
        work_item = WorkItem(model, method, payload)
        self._calls.submit([work_item])
        return work_item

    def close(self) -> None:
        """End all workers and the fork server; what is under way is lost."""
        self._calls.close()
        with self._changing:
            drivers = (*self._drivers, *self._resident)
        for driver in drivers:
            driver.terminate()
        for driver in drivers:
            driver.kill()
        self._stack.close()
        for driver in drivers:
            driver.wait()

    def _replicas(self, model: str) -> int:
        return max(sum(any(spec.name == model for spec in plan.specs) for plan in plans) for plans in self._load_groups)

    def _driver(self, plan: WorkerPlan, name: str) -> Driver:
        scratch = None if any(spec.kind == "ray" for spec in plan.specs) else self._scratch  # too long a name for Ray
        environment = worker_environment(
            gpus=plan.gpus, threads=self._threads, exact=self._settings.exact, scratch=scratch
        )
        log = self._logs / f"{name}.log"
        fork = self._forks and _may_fork(plan, "vllm", *ENCODERS)
        make = partial(WorkerHandle, name, log, environment, fork=fork, wants=plan.wants)
        window, backoff = self._settings.chunk, self._settings.backoff
        return Driver(plan.specs, make, self._calls, self._stats, window=window, backoff=backoff)

    def _group_of(self, model: str) -> int | None:
        """The first group that holds ``model``; None of an encoder."""
        return next((number for number, plans in enumerate(self._load_groups) if model in _models(plans)), None)

    def _start(self, number: int | None) -> None:
        """Begin with a group, if there is one to begin with."""
        if number is None or number >= len(self._load_groups):
            return
        self._begin(number)
        if len(self._load_groups) > 1:
            threading.Thread(target=self._change_groups, daemon=True).start()

    def _begin(self, number: int) -> None:
        self._drivers = [self._driver(plan, f"worker-{n}") for n, plan in enumerate(self._load_groups[number])]
        for driver in self._drivers:
            driver.start()

    def _change_groups(self) -> None:
        """A thread: whenever only models of another group are asked, make that the current one."""
        while (model := self._calls.wait_for_others(self._hosted)) is not None:
            for driver in self._drivers:
                driver.retire()
            number = self._group_of(model)
            try:
                if number is None:
                    raise EnvironmentProblem(f"{model!r} is in no worker's plan")
                self._between(number)
                with self._changing:
                    if not self._calls.closing:
                        self._begin(number)
            except SyntransError as error:
                self._calls.fail(error)
                return
            except OSError as error:  # or `generate` would wait for ever
                self._calls.fail(EnvironmentProblem(f"no new worker starts: {error}; run the same command again"))
                return

    def _hosted(self) -> set[str]:
        return set().union(*(driver.models for driver in (*self._drivers, *self._resident)))


def _models(plans: LoadGroup) -> set[str]:
    return {spec.name for plan in plans for spec in plan.specs}


def _may_fork(plan: WorkerPlan, *kinds: str) -> bool:
    """Whether a worker has only engines of these kinds, and no GPU: a fork cannot use one that its parent has touched.

    The fork server pays off where vLLM is imported; where it runs, encoders find their packages there too.
    """
    return all(spec.kind in kinds and spec.device == "cpu" for spec in plan.specs)
