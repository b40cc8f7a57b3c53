"""From an encoder's features into the space of a CLIP: unit vectors beside those of pictures and texts there.

`mlp` has PromptKD's layers (Li et al., CVPR 2024; theirs are 1x1 convolutions, which are the same maps). `linear` is
derived: with one matrix P, P^T s is already a classifier weight for the text vector s.
"""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Kind = Literal["linear", "mlp"]


class Projector(nn.Module):
    """Features [b, d] to unit vectors [b, e]: one matrix without bias, or Linear(d, e)-BatchNorm-ReLU-Linear(e, e)."""

    def __init__(self, feature_dim: int, teacher_dim: int, *, kind: Kind = "mlp") -> None:
        super().__init__()
        self.layers: nn.Module = nn.Linear(feature_dim, teacher_dim, bias=False)
        if kind == "mlp":
            self.layers = nn.Sequential(
                nn.Linear(feature_dim, teacher_dim),
                nn.BatchNorm1d(teacher_dim),
                nn.ReLU(inplace=True),
                nn.Linear(teacher_dim, teacher_dim),
            )

    def forward(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        """Unit rows, in single precision or better."""
        projected = self.layers(features)
        return F.normalize(projected if projected.dtype.itemsize >= 4 else projected.float(), dim=1)
