"""Which models are in memory together, where, and in what order when they do not all fit: arithmetic, no measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from syntrans.errors import EnvironmentProblem

USABLE = 0.95  # of the free memory; the rest is for what no plan knows
_TENSOR_PARALLEL = (2, 4, 8)


@dataclass(frozen=True)
class Need:
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
class Seat:
    """One worker process: the models it holds, in the order of loading, and its GPUs (none: the CPU)."""

    models: tuple[str, ...]
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Residency:
    """The plan. ``rounds`` follow each other, the seats of one are there together; ``resident`` stays throughout."""

    device: Literal["cpu", "cuda"]
    free: tuple[int, ...]
    needs: tuple[Need, ...]
    resident: tuple[Need, ...]
    rounds: tuple[tuple[Seat, ...], ...]

    def round_need(self, number: int) -> int:
        """Bytes that a round takes on its fullest device."""
        needs = {need.name: need for need in self.needs}
        held: dict[int, int] = {}
        for seat in self.rounds[number]:
            for gpu in seat.gpus or (0,):
                held[gpu] = held.get(gpu, 0) + sum(needs[name].on(max(1, len(seat.gpus))) for name in seat.models)
        return max(held.values(), default=0)

    def loads(self, order: Sequence[str]) -> dict[str, int]:
        """How often each model is loaded (on each of its seats) when they are asked in this order, crashes aside.

        The first round is loaded at once, another when a model is asked that only it holds.
        """
        held = [{name for seat in seats for name in seat.models} for seats in self.rounds]
        current, found = 0, {need.name: int(need.name in held[0]) for need in self.needs}
        for name in order:
            if name in found and name not in held[current]:
                current = next(number for number, names in enumerate(held) if name in names)
                for other in held[current]:
                    found[other] += 1
        return found

    def lines(self, order: Sequence[str] = ()) -> list[str]:
        """The plan in words, a line each; with the ``order`` in which models are asked, how often each is loaded."""
        where = "memory" if self.device == "cpu" else f"memory on {len(self.free)} GPU(s)"
        found = [f"{' + '.join(f'{_gib(free)}' for free in self.free)} GiB of {where} free"]
        for need in (*self.needs, *self.resident):
            parts = f"weights {_gib(need.weights)}, cache {_gib(need.kv)}, work {_gib(need.activations)}"
            found.append(f"{need.name}: {_gib(need.total)} GiB ({parts})")
        if len(self.rounds) == 1:
            return [*found, "all models fit together; each is loaded once"]
        for number, seats in enumerate(self.rounds, 1):
            names = dict.fromkeys(name for seat in seats for name in seat.models)
            found.append(f"round {number}: {', '.join(names)}")
        counts = ", ".join(f"{name} {n}x" for name, n in self.loads(order).items()) if order else ""
        return [*found, "the models do not fit together and take turns" + (f"; loads: {counts}" if counts else "")]


def plan_residency(
    needs: Sequence[Need],
    free: Sequence[int],
    *,
    device: Literal["cpu", "cuda"] = "cpu",
    resident: Sequence[Need] = (),
    workers: int = 1,
    replicas: Mapping[str, int] | None = None,
) -> Residency:
    """Place ``needs`` where ``free`` bytes are free on each device; EnvironmentProblem if one model fits nowhere.

    All together where they fit, so that each is loaded once: on CPUs spread over ``workers`` processes (``replicas``:
    on how many of them), on GPUs all on each, or else spread over them. Where they do not fit together they come in
    rounds, in the order given. Only a model that does not fit one GPU is divided over several.
    """
    room = [int(bytes_free * USABLE) for bytes_free in free]
    room[0] -= sum(need.total for need in resident)
    rounds = _on_cpu(needs, room[0], workers, replicas or {}) if device == "cpu" else _on_gpus(needs, room)
    return Residency(device, tuple(free), tuple(needs), tuple(resident), tuple(rounds))


def spread(names: Sequence[str], replicas: Mapping[str, int], workers: int) -> tuple[Seat, ...]:
    """Each model on ``replicas`` of ``workers`` processes, always the emptiest ones."""
    seats: list[list[str]] = [[] for _ in range(workers)]
    for name in names:
        for seat in sorted(seats, key=len)[: min(replicas.get(name, 1), workers)]:
            seat.append(name)
    return tuple(Seat(tuple(seat)) for seat in seats if seat)


def _on_cpu(needs: Sequence[Need], room: int, workers: int, replicas: Mapping[str, int]) -> list[tuple[Seat, ...]]:
    wanted = sum(need.total * min(replicas.get(need.name, 1), workers) for need in needs)
    if wanted <= room:
        return [spread([need.name for need in needs], replicas, workers)]
    for need in needs:
        if need.total > room:
            raise _too_large(need, room, "engine.kv_gib or args.max_model_len lower")
    return [spread([need.name for need in group], {}, workers) for group in _groups(needs, room)]


def _on_gpus(needs: Sequence[Need], room: Sequence[int]) -> list[tuple[Seat, ...]]:
    least = min(room)
    large = [need for need in needs if need.total > least]
    small = [need for need in needs if need.total <= least]
    if not large and sum(need.total for need in needs) <= least:
        return [tuple(Seat(tuple(need.name for need in needs), (gpu,)) for gpu in range(len(room)))]
    if not large and (seats := _packed(needs, room)):
        return [seats]
    rounds = [
        tuple(Seat(tuple(need.name for need in group), (gpu,)) for gpu in range(len(room)))
        for group in _groups(small, least)
    ]
    for need in large:
        n_gpus = _tensor_parallel(need, len(room), least)
        starts = range(0, len(room) - n_gpus + 1, n_gpus)
        rounds.append(tuple(Seat((need.name,), tuple(range(start, start + n_gpus))) for start in starts))
    return rounds


def _groups(needs: Sequence[Need], room: int) -> list[list[Need]]:
    """Neighbours together, as many as fit."""
    groups: list[list[Need]] = []
    for need in needs:
        if groups and sum(other.total for other in groups[-1]) + need.total <= room:
            groups[-1].append(need)
        else:
            groups.append([need])
    return groups


def _packed(needs: Sequence[Need], room: Sequence[int]) -> tuple[Seat, ...] | None:
    """Every model on one GPU of several, the largest first; None if they do not fit so."""
    left = list(room)
    held: list[list[str]] = [[] for _ in room]
    for need in sorted(needs, key=lambda need: -need.total):
        gpu = max(range(len(left)), key=left.__getitem__)
        if need.total > left[gpu]:
            return None
        left[gpu] -= need.total
        held[gpu].append(need.name)
    return tuple(Seat(tuple(names), (gpu,)) for gpu, names in enumerate(held) if names)


def _tensor_parallel(need: Need, n_gpus: int, room: int) -> int:
    for count in _TENSOR_PARALLEL:
        if count <= n_gpus and need.heads % count == 0 and need.on(count) <= room:
            return count
    raise _too_large(need, room, "args.quantization fp8, or take more or larger GPUs")


def _too_large(need: Need, room: int, hint: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"model {need.name!r} needs {_gib(need.total)} GiB (weights {_gib(need.weights)}, cache {_gib(need.kv)}, work "
        f"{_gib(need.activations)}), and {_gib(room)} GiB can be used here; free some, or set {hint}"
    )


def _gib(n_bytes: int) -> str:
    return f"{max(n_bytes, 0) / 2**30:.1f}"
