"""Features of one split in the three forms that the rows of a table use, and the texts of its classes."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syntrans_training.bridge.ridge_baseline import RidgeBaseline
from syntrans_training.bridge.trained_bridges import TrainedBridges
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.text.class_texts import Vectors


class SplitFeatures:
    """Features and class vectors of a split.

    Args:
        values: [n, d] raw features.
        bridge: whose standardisation, ridge maps and choices the rows use.
        vectors: the classes' texts, embedded.
        heads: what the VSBird stage trained, where it has.
        views: [n, V, d] raw features of augmented views of every picture, where there are some.
        in_clip: the encoder and the text encoder are the two towers of one CLIP.
    """

    def __init__(
        self,
        values: Float[Tensor, "n d"],
        bridge: RidgeBaseline,
        vectors: Vectors,
        *,
        heads: TrainedBridges | None = None,
        views: Float[Tensor, "n v d"] | None = None,
        in_clip: bool = False,
    ) -> None:
        self.raw, self.unit, self.standard = values, F.normalize(values, dim=-1), bridge.whitening(values)
        self.bridge, self.vectors, self.in_clip = bridge, vectors, in_clip
        self.heads, self.shared = heads, values if heads is None else heads.phi(values)
        self.views = None if views is None else F.normalize(views, dim=-1)
        self.main = bridge.main
        self._memories: dict[int, BaseClassMemory] = {}

    def memory(self, head: VSBird) -> BaseClassMemory:
        """What a head of `heads` knows of the base classes, the same for all rows."""
        if id(head) not in self._memories:
            with torch.no_grad():
                self._memories[id(head)] = head.build_memory()
        return self._memories[id(head)]

    def text(self, variant: str, shots: int, draw: int = 0) -> Float[Tensor, "c s"]:
        """Class vectors with the share of the class name that val chose."""
        return self.vectors(variant, self.bridge.choices[variant, shots].name_share, draw)

    def semantic(self, variant: str, shots: int, draw: int = 0) -> Float[Tensor, "c d"]:
        """Unit classifier weights that the bridge predicts from the text, for standardised features."""
        return F.normalize(self.bridge.ridges[variant, shots](self.text(variant, shots, draw)), dim=-1)
