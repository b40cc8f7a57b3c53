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
        ridge: whose standardisation, maps and choices the rows use, but for those of the bridge.
        vectors: the classes' texts, embedded.
        bridges: the trained heads of the bridge, where there are some.
        views: [n, V, d] raw features of augmented views of every picture, where there are some.
        in_clip: the encoder and the text encoder are the two towers of one CLIP.
    """

    def __init__(
        self,
        values: Float[Tensor, "n d"],
        ridge: RidgeBaseline,
        vectors: Vectors,
        *,
        bridges: TrainedBridges | None = None,
        views: Float[Tensor, "n v d"] | None = None,
        in_clip: bool = False,
    ) -> None:
        self.raw, self.unit, self.standard = values, F.normalize(values, dim=-1), ridge.whitening(values)
        self.ridge, self.vectors, self.in_clip = ridge, vectors, in_clip
        self.bridges, self.shared = bridges, values if bridges is None else bridges.phi(values)
        self.views = None if views is None else F.normalize(views, dim=-1)
        self.main = ridge.main
        self._memories: dict[int, BaseClassMemory] = {}

    def memory(self, head: VSBird) -> BaseClassMemory:
        """What a head of `bridges` knows of the base classes, the same for all rows."""
        if id(head) not in self._memories:
            with torch.no_grad():
                self._memories[id(head)] = head.build_memory()
        return self._memories[id(head)]

    def text(self, variant: str, shots: int, draw: int = 0) -> Float[Tensor, "c s"]:
        """Class vectors with the share of the class name that val chose."""
        return self.vectors(variant, self.ridge.choices[variant, shots].name_share, draw)

    def semantic(self, variant: str, shots: int, draw: int = 0) -> Float[Tensor, "c d"]:
        """Unit classifier weights that the ridge map predicts from the text, for standardised features."""
        return F.normalize(self.ridge.ridges[variant, shots](self.text(variant, shots, draw)), dim=-1)
