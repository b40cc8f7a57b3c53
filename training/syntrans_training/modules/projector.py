"""From an encoder's features into the space of a CLIP: unit vectors beside those of pictures and texts there."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Kind = Literal["linear", "mlp"]


class Projector(nn.Module):
    """Li et al., "PromptKD: Unsupervised Prompt Distillation for Vision-Language Models" (CVPR 2024).

    https://arxiv.org/abs/2403.02781. `mlp` has its layers, Linear(d, e)-BatchNorm-ReLU-Linear(e, e) (theirs are 1x1
    convolutions, which are the same maps). `linear` is derived, one matrix P without bias: P^T s is already a
    classifier weight for the text vector s.

    Args:
        feature_dim, teacher_dim: lengths d of the encoder's features and e of CLIP's vectors.
        kind: which of both.
    """

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
