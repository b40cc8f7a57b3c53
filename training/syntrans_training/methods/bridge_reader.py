"""What a bridge makes of supports, whatever their texts: docs/method.md (19) to (22)."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import SupportReader
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird


@dataclass(frozen=True)
class Reading:
    """What a head makes of supports: their mean, the visual weights, and of how many it is."""

    mean: Float[Tensor, "e n d"]
    visual: Float[Tensor, "e n d"]
    shots: int


class BridgeReader(SupportReader):
    """`VSBird.visual_weights` of the means of supports in the shared space; readers of one memory are equal.

    The generator's query and the units of the reconstructor's network are linear in a picture, so they are made of
    pictures, in one product, and their mean is that of the supports. A generator that recalls nothing, as an untrained
    one, asks nothing.
    """

    def __init__(self, head: VSBird, memory: BaseClassMemory) -> None:
        self.head, self.memory = head, memory

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BridgeReader) and other.memory is self.memory

    def __hash__(self) -> int:
        return id(self.memory)

    @torch.no_grad()
    def of_pictures(self, pictures: Float[Tensor, "b d"], _classes: Int[Tensor, " b"]) -> Float[Tensor, "b r"]:
        """The pictures, and what the query and the network's units are of them but for a constant."""
        return pictures if self._recall is None else torch.cat([pictures, pictures @ self._recall.linear], 1)

    @torch.no_grad()
    def of_mean(self, mean: Float[Tensor, "e n r"], shots: int) -> Reading:
        """See `SupportReader`."""
        generator = self.head.generator
        if generator is None:
            return Reading(mean, mean, shots)
        if self._recall is None:
            return Reading(mean, generator.support_scale * mean, shots)
        mean, linear = torch.split(mean, list(self._recall.linear.shape), -1)
        shares = generator.attention(self._recall.query(linear), self._recall.keys, self.memory.held_out_mask)
        return Reading(mean, torch.addcmul(shares @ self._recall.recalled, generator.support_scale, mean), shots)

    @cached_property
    def _recall(self) -> "_Recall | None":
        generator, memory = self.head.generator, self.memory
        if generator is None or not generator.recall_scale.any():
            return None
        shown, again = memory.read.chunk(2)
        # The last probe is no picture: what is made of it is the constant.
        probes = F.pad(torch.eye(len(memory.metric.precision), device=shown.device), (0, 0, 0, 1))
        text = memory.to_text(probes)
        linear, from_units = [probes @ shown.T + memory.to_visual(text) @ again.T], None
        if (network := self.head.reconstructor.residual) is not None:
            linear.append(network[0](text - memory.to_visual.mean_in))
            linear[0] = linear[0] + memory.layer[-1] @ again.T
            from_units = memory.layer[:-1] @ again.T
        both = torch.cat(linear, 1)
        keys = memory.weights @ shown.T + self.head.semantic_weights(memory.text, memory) @ again.T
        return _Recall(both[:-1] - both[-1], both[-1], from_units, keys, generator.recall_scale * memory.weights)


@dataclass(frozen=True)
class _Recall:
    """What a head asks its base classes by: `linear` and `constant` of w directions of the query, then of h units."""

    linear: Float[Tensor, "d wh"]
    constant: Float[Tensor, " wh"]
    from_units: Float[Tensor, "h w"] | None
    keys: Float[Tensor, "c w"]
    recalled: Float[Tensor, "c d"]

    def query(self, linear: Float[Tensor, "e n wh"]) -> Float[Tensor, "e n w"]:
        """The query, of the linear parts of the mean of the supports."""
        linear = linear + self.constant
        if self.from_units is None:
            return linear
        width = self.keys.shape[1]
        return linear[..., :width] + F.leaky_relu(linear[..., width:], 0.2) @ self.from_units
