"""From a configuration to the place where its models live: sizes, free memory, the plan, the processes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from syntrans.errors import EnvironmentProblem
from syntrans_mining.engines.base import ENCODERS
from syntrans_mining.engines.server.proxy import proxy_notice
from syntrans_mining.engines.workers.host import Host, Inline
from syntrans_mining.engines.workers.pool import Pool, PoolSettings, WorkerPlan
from syntrans_mining.placement.device_memory import free_memory, visible_gpus, wait_until_back
from syntrans_mining.placement.load_order import model_uses_of
from syntrans_mining.placement.memory_plan import MemoryPlan, WorkerSlot, plan_memory
from syntrans_mining.placement.model_sizes import memory_need_of

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.base import EngineSpec
    from syntrans_mining.models import Models
    from syntrans_mining.placement.load_order import ModelUses


def memory_plan_of(config: MiningConfig, models: Models, uses: ModelUses | None = None) -> MemoryPlan:
    """The plan for this machine as it is now, for what ``uses`` says (by default a run without names to settle).

    EnvironmentProblem if a model fits nowhere.
    """
    specs = [model.spec for model in models.all]
    here = [spec.device for spec in specs if spec.kind != "ray"]
    device: Literal["cpu", "cuda"] = "cuda" if "cuda" in here else "cpu"
    configured = (*config.llms, *([config.vlm] if config.vlm else []))
    free = _free(config, device)
    return plan_memory(
        [memory_need_of(spec, device_bytes=min(free)) for spec in specs if spec.kind not in ENCODERS],
        free,
        device=device,
        resident=[memory_need_of(spec) for spec in specs if spec.kind in ENCODERS],
        workers=1 if config.engine.kind == "ray" else config.engine.workers,  # a cluster is joined once
        replicas={model.name: model.replicas for model in configured},
        uses=uses or model_uses_of(config, (), pictures=models.vlm is not None),
    )


def planned(config: MiningConfig, models: Models, uses: ModelUses) -> MemoryPlan | None:
    """The plan, if workers are to be planned. A model that fits nowhere is an error once somebody asks it something."""
    if config.engine.workers == 0:
        return None
    with suppress(EnvironmentProblem):
        return memory_plan_of(config, models, uses)
    return None


def make_host(
    config: MiningConfig,
    models: Models,
    logs: Path,
    *,
    memory_plan: MemoryPlan | None = None,
    first: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Host:
    """The place where the models live; they begin to load at once, ``first`` and what is there with it. To be closed.

    ``memory_plan``: what was planned for them, if it was.
    """
    specs = [model.spec for model in models.all]
    for notice in _proxies(specs):
        say(notice)
    if any(spec.kind in {"vllm", "ray"} for spec in specs):
        _require_loopback()
    if config.engine.workers == 0:
        return Inline(specs)
    memory_plan = memory_plan or memory_plan_of(config, models)
    if len(memory_plan.load_groups) > 1:
        say(memory_plan.lines()[-1])
    load_groups, resident = worker_plans(memory_plan, specs)
    return Pool(
        load_groups,
        logs,
        resident=resident,
        first=first,
        settings=PoolSettings(chunk=config.engine.chunk, exact=config.engine.reproducible),
        between=partial(_memory_is_back, config, memory_plan, say),
        say=say,
    )


def _require_loopback() -> None:
    """EnvironmentProblem where this machine cannot speak to itself, as vLLM and Ray do while they load."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            raise EnvironmentProblem(
                f"127.0.0.1 cannot be used ({error.strerror}), and engines need it; bring the loopback interface up "
                "(ip link set lo up), or use a server: --config server"
            ) from error


def _proxies(specs: Sequence[EngineSpec]) -> list[str]:
    """A line for each server that is reached through a proxy."""
    notices = (proxy_notice(spec.args["base_url"]) for spec in specs if spec.kind == "openai")
    return list(dict.fromkeys(notice for notice in notices if notice))


def worker_plans(
    memory_plan: MemoryPlan, specs: Sequence[EngineSpec]
) -> tuple[list[list[WorkerPlan]], list[WorkerPlan]]:
    """The workers of each load group, and the one that stays."""
    named = {spec.name: spec for spec in specs}
    gpus = visible_gpus(len(memory_plan.free)) if memory_plan.device == "cuda" else []
    load_groups = [[_worker(slot, named, memory_plan, gpus) for slot in slots] for slots in memory_plan.load_groups]
    encoders = tuple(named[need.name] for need in memory_plan.resident)
    wants = sum(need.total for need in memory_plan.resident)
    return load_groups, [WorkerPlan(encoders, tuple(gpus[:1]), wants)] if encoders else []


def _worker(slot: WorkerSlot, named: dict[str, EngineSpec], memory_plan: MemoryPlan, gpus: Sequence[int]) -> WorkerPlan:
    """``gpus``: the driver's number of each device of the plan, where the user's environment leaves only some."""
    needs = {need.name: need for need in memory_plan.needs}
    wants = sum(needs[name].total for name in slot.models)
    if memory_plan.device == "cpu":
        return WorkerPlan(tuple(named[name] for name in slot.models), wants=wants)
    specs = []
    for name in slot.models:
        args = dict(named[name].args)
        if len(slot.gpus) > 1:
            args["tensor_parallel_size"] = len(slot.gpus)
        if named[name].kind == "vllm" and "gpu_memory_utilization" not in args:
            # vLLM refuses to start where less than this share is free, and once the cache's size is given it uses
            # the share for nothing else; what really fits is planned here.
            args |= {"kv_cache_memory_bytes": -(-needs[name].kv // len(slot.gpus)), "gpu_memory_utilization": 0.05}
        specs.append(replace(named[name], args=args))
    return WorkerPlan(tuple(specs), tuple(gpus[gpu] for gpu in slot.gpus), wants)


def _free(config: MiningConfig, device: Literal["cpu", "cuda"]) -> list[int]:
    """What is free, or what the configuration allows of it."""
    given = config.engine.memory_gib
    if given is None:
        return free_memory(device)
    return [int(given * 2**30)] * (len(visible_gpus(None)) if device == "cuda" else 1)


def _memory_is_back(config: MiningConfig, memory_plan: MemoryPlan, say: Callable[[str], None], number: int) -> None:
    """Before load group ``number`` starts: what the last one held is free again."""
    if config.engine.memory_gib is not None:
        return  # planned on less than there is; then what is free says nothing
    held = sum(need.total for need in memory_plan.resident)
    expected = [free - (held if gpu == 0 else 0) for gpu, free in enumerate(memory_plan.free)]
    line = wait_until_back(partial(free_memory, memory_plan.device), expected, memory_plan.group_need(number))
    if line:
        say(line)
