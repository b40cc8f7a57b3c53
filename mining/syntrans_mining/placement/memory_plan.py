"""Which models are in memory together, where, and in what order when they do not all fit: arithmetic, no measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from syntrans.errors import EnvironmentProblem
from syntrans_mining.placement.load_order import (
    LoadOrder,
    ModelUses,
    count_loads,
    grouped,
    plain_order,
)

USABLE = 0.95  # of the free memory; the rest is for what no plan knows
_TENSOR_PARALLEL = (2, 4, 8)


@dataclass(frozen=True)
class MemoryNeed:
    """What one model takes, in bytes. ``heads``: tensor parallelism must divide them."""

    name: str
    weights: int
    kv: int
    activations: int
    heads: int = 1

    @property
    def total(self) -> int:
        """All of it, on one device."""
        return self.weights + self.kv + self.activations

    def on(self, n_devices: int) -> int:
        """What each of ``n_devices`` holds with tensor parallelism; activations are not divided."""
        return -(-(self.weights + self.kv) // n_devices) + self.activations


@dataclass(frozen=True)
class WorkerSlot:
    """One worker process: the models it holds, in the order of loading, and its GPUs (none: the CPU)."""

    models: tuple[str, ...]
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class MemoryPlan:
    """The plan. ``load_groups`` follow each other, the slots of one are there together; ``resident`` stays throughout.

    ``load_order``: the order in which LLMs are asked; ``sequence``: all that is asked in a run, model after model.
    """

    device: Literal["cpu", "cuda"]
    free: tuple[int, ...]
    needs: tuple[MemoryNeed, ...]
    resident: tuple[MemoryNeed, ...]
    load_groups: tuple[tuple[WorkerSlot, ...], ...]
    load_order: LoadOrder
    sequence: tuple[str, ...]

    def group_need(self, number: int) -> int:
        """Bytes that a load group takes on its fullest device."""
        needs = {need.name: need for need in self.needs}
        held: dict[int, int] = {}
        for slot in self.load_groups[number]:
            for gpu in slot.gpus or (0,):
                held[gpu] = held.get(gpu, 0) + sum(needs[name].on(max(1, len(slot.gpus))) for name in slot.models)
        return max(held.values(), default=0)

    def loads(self) -> dict[str, int]:
        """How often a whole run loads each model (on each of its slots), crashes aside."""
        load_groups = [
            list(dict.fromkeys(name for slot in slots for name in slot.models)) for slots in self.load_groups
        ]
        return count_loads(load_groups, self.sequence)

    def lines(self) -> list[str]:
        """The plan in words, a line each."""
        where = "memory" if self.device == "cpu" else f"memory on {len(self.free)} GPU(s)"
        lines = [f"{' + '.join(f'{_gib(free)}' for free in self.free)} GiB of {where} free"]
        for need in (*self.needs, *self.resident):
            parts = f"weights {_gib(need.weights)}, cache {_gib(need.kv)}, work {_gib(need.activations)}"
            lines.append(f"{need.name}: {_gib(need.total)} GiB ({parts})")
        if len(self.load_groups) == 1:
            return [*lines, "all models fit together; each is loaded once"]
        for number, slots in enumerate(self.load_groups, 1):
            names = dict.fromkeys(name for slot in slots for name in slot.models)
            lines.append(f"load group {number}: {', '.join(names)}")
        loads = self.loads()
        lines.append(f"order of asking: {', '.join(self.load_order.propose)}; votes: {', '.join(self.load_order.vote)}")
        counts = ", ".join(f"{name} {n}x" for name, n in loads.items())
        return [*lines, f"the models do not fit together and take turns; loads: {counts}"]


def plan_memory(
    needs: Sequence[MemoryNeed],
    free: Sequence[int],
    *,
    device: Literal["cpu", "cuda"] = "cpu",
    resident: Sequence[MemoryNeed] = (),
    workers: int = 1,
    replicas: Mapping[str, int] | None = None,
    uses: ModelUses | None = None,
) -> MemoryPlan:
    """Place ``needs`` where ``free`` bytes are free on each device; EnvironmentProblem if one model fits nowhere.

    All together where they fit, so that each is loaded once: on CPUs spread over ``workers`` processes (``replicas``:
    on how many of them), on GPUs all on each, or else spread over them. Where they do not fit together they come in
    load groups, so that what is to be asked (``uses``; by default every model proposes and votes) loads each as seldom
    as possible. Only a model that does not fit one GPU is divided over several.
    """
    room = [int(bytes_free * USABLE) for bytes_free in free]
    room[0] -= sum(need.total for need in resident)
    uses = uses or ModelUses(tuple(need.name for need in needs))
    if device == "cpu":
        load_groups, load_order = _on_cpu(needs, room[0], workers, replicas or {}, uses)
    else:
        load_groups, load_order = _on_gpus(needs, room, uses)
    return MemoryPlan(
        device, tuple(free), tuple(needs), tuple(resident), tuple(load_groups), load_order, load_order.sequence(uses)
    )


def spread(names: Sequence[str], replicas: Mapping[str, int], workers: int) -> tuple[WorkerSlot, ...]:
    """Each model on ``replicas`` of ``workers`` processes, always the emptiest ones."""
    slots: list[list[str]] = [[] for _ in range(workers)]
    for name in names:
        for slot in sorted(slots, key=len)[: min(replicas.get(name, 1), workers)]:
            slot.append(name)
    return tuple(WorkerSlot(tuple(slot)) for slot in slots if slot)


def _on_cpu(
    needs: Sequence[MemoryNeed], room: int, workers: int, replicas: Mapping[str, int], uses: ModelUses
) -> tuple[list[tuple[WorkerSlot, ...]], LoadOrder]:
    wanted = sum(need.total * min(replicas.get(need.name, 1), workers) for need in needs)
    if wanted <= room:
        return [spread([need.name for need in needs], replicas, workers)], plain_order(uses)
    for need in needs:
        if need.total > room:
            raise _too_large(need, room, "engine.kv_gib or args.max_model_len lower")
    groups, load_order = grouped({need.name: need.total for need in needs}, room, uses)
    return [spread(group, {}, workers) for group in groups], load_order


def _on_gpus(
    needs: Sequence[MemoryNeed], room: Sequence[int], uses: ModelUses
) -> tuple[list[tuple[WorkerSlot, ...]], LoadOrder]:
    least = min(room)
    large = [need for need in needs if need.total > least]
    if not large and sum(need.total for need in needs) <= least:
        return [tuple(WorkerSlot(tuple(need.name for need in needs), (gpu,)) for gpu in range(len(room)))], plain_order(
            uses
        )
    if not large and (slots := _packed(needs, room)):
        return [slots], plain_order(uses)
    spans = {need.name: _tensor_parallel(need, len(room), least) for need in large}
    groups, load_order = grouped({need.name: need.total for need in needs}, least, uses)
    load_groups = []
    for group in groups:
        n_gpus = spans.get(group[0], 1)
        starts = range(0, len(room) - n_gpus + 1, n_gpus)
        load_groups.append(tuple(WorkerSlot(tuple(group), tuple(range(start, start + n_gpus))) for start in starts))
    return load_groups, load_order


def _packed(needs: Sequence[MemoryNeed], room: Sequence[int]) -> tuple[WorkerSlot, ...] | None:
    """Every model on one GPU of several, the largest first; None if they do not fit so."""
    left = list(room)
    held: list[list[str]] = [[] for _ in room]
    for need in sorted(needs, key=lambda need: -need.total):
        gpu = max(range(len(left)), key=left.__getitem__)
        if need.total > left[gpu]:
            return None
        left[gpu] -= need.total
        held[gpu].append(need.name)
    return tuple(WorkerSlot(tuple(names), (gpu,)) for gpu, names in enumerate(held) if names)


def _tensor_parallel(need: MemoryNeed, n_gpus: int, room: int) -> int:
    for count in _TENSOR_PARALLEL:
        if count <= n_gpus and need.heads % count == 0 and need.on(count) <= room:
            return count
    raise _too_large(need, room, "args.quantization fp8_per_tensor, or take more or larger GPUs")


def _too_large(need: MemoryNeed, room: int, hint: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"model {need.name!r} needs {_gib(need.total)} GiB (weights {_gib(need.weights)}, cache {_gib(need.kv)}, work "
        f"{_gib(need.activations)}), and {_gib(room)} GiB can be used here; free some, or set {hint}"
    )


def _gib(n_bytes: int) -> str:
    return f"{max(n_bytes, 0) / 2**30:.1f}"
