"""Several processes that train one encoder, as `accelerate launch` starts them; one process alone pays nothing."""

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

# A process waits for the first one as long as features of a large data set may take.
PATIENCE = dt.timedelta(hours=12)


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is. All methods are collective: every process calls them."""

    rank: int = 0
    count: int = 1
    device: torch.device | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        if self.count == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(raised)
        return raised.item() > 0

    def mean(self, value: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """The mean over the processes."""
        if self.count == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.count

    def gather(self, part: Float[Tensor, "b d"]) -> Float[Tensor, "all d"]:
        """The rows [b, d] of all processes, in their order; each gets the gradient of its own."""
        if self.count == 1:
            return part
        before, after = (
            part.new_zeros(many * len(part), part.shape[1]) for many in (self.rank, self.count - 1 - self.rank)
        )
        return cast("Tensor", _Sum.apply(torch.cat([before, part, after])))  # type: ignore[no-untyped-call]

    def same(self, make: Callable[[], str]) -> str:
        """What `make` gives in the first process, which alone calls it."""
        if self.count == 1:
            return make()
        text = make().encode() if self.first else b""
        length = torch.tensor(len(text), device=self.device)
        dist.broadcast(length, 0)
        room = torch.zeros(int(length.item()), dtype=torch.uint8)
        if self.first:
            room = torch.tensor(list(text), dtype=torch.uint8)
        room = room.to(self.device)
        if len(room):
            dist.broadcast(room, 0)
        return bytes(room.tolist()).decode()

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process runs the block, then the others do, and find in the caches what it left."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


def join(device: torch.device) -> Processes:
    """The processes that this one was launched with (`WORLD_SIZE` says how many)."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Processes()
    from accelerate import PartialState

    state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    if not state.is_main_process:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for good: one answer on stdout is enough
    return Processes(state.process_index, state.num_processes, state.device)


def spread(step: nn.Module) -> nn.Module:
    """`step` with gradients averaged over the processes, and BatchNorm over the whole batch instead of one's share."""
    for module in step.modules():
        for kind, whole in _WHOLE.items():
            if type(module) is kind:
                module.__class__ = whole
    return nn.parallel.DistributedDataParallel(step, broadcast_buffers=False)


class WholeBatchNorm1d(nn.BatchNorm1d):
    """BatchNorm with the statistics of all processes' rows (torch's SyncBatchNorm refuses CPUs)."""

    def forward(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """As the parent, over the whole batch; all processes have equally many rows."""
        return _normalise(self, x) if self.training else super().forward(x)


class WholeBatchNorm2d(nn.BatchNorm2d):
    """The same, of all processes' pictures."""

    def forward(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """As the parent, over the whole batch; all processes have equally many rows."""
        return _normalise(self, x) if self.training else super().forward(x)


def _normalise(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    values = x.float()
    others, shape = [i for i in range(x.ndim) if i != 1], [-1, *[1] * (x.ndim - 2)]
    moments = torch.stack([values.mean(others), values.square().mean(others)])
    mean, square = cast("Tensor", _Sum.apply(moments)) / dist.get_world_size()  # type: ignore[no-untyped-call]
    variance = square - mean.square()
    with torch.no_grad():
        n = x.numel() / x.shape[1] * dist.get_world_size()
        momentum = norm.momentum or 0.1
        cast("Tensor", norm.running_mean).lerp_(mean, momentum)
        cast("Tensor", norm.running_var).lerp_(variance * n / (n - 1), momentum)
        cast("Tensor", norm.num_batches_tracked).add_(1)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    normalised: Tensor = values * scale.view(shape) + (norm.bias - mean * scale).view(shape)
    return normalised.to(x.dtype)


_WHOLE: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: WholeBatchNorm1d,
    nn.BatchNorm2d: WholeBatchNorm2d,
}


class _Sum(torch.autograd.Function):
    """The sum over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, value: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
