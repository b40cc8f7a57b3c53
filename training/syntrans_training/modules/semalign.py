"""SemFew's SemAlign: a network that turns a picture's feature and its class's text into the class's centre."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class SemAlign(nn.Module):
    """Zhang et al., "Simple Semantic-Aided Few-Shot Learning" (CVPR 2024, SemFew), section 3.3.

    https://arxiv.org/abs/2311.18649, as its code has it: Linear(d + s, hidden) - LeakyReLU(0.2) - Linear(hidden, d) on
    cat(text, feature), trained with L1 to the mean feature of the base class.

    Args:
        text_dim, feature_dim: lengths s of class vectors and d of features.
        hidden: units of its one hidden layer; the published number by default.
    """

    def __init__(self, text_dim: int, feature_dim: int, *, hidden: int = 4096) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(text_dim + feature_dim, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, feature_dim)
        )

    def forward(self, text: Float[Tensor, "*b s"], features: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Reconstructed class centres."""
        centres: Tensor = self.layers(torch.cat([text, features], dim=-1))
        return centres

    def centres(
        self, features: Float[Tensor, "b d"], text: Float[Tensor, "c s"], classes: Int[Tensor, " b"]
    ) -> Float[Tensor, "b d"]:
        """The centres of pictures of a few classes, whose texts the first map reads once."""
        first, rest = self.layers[0], self.layers[1:]
        assert isinstance(first, nn.Linear)
        of_text, of_features = torch.split(first.weight, [text.shape[-1], features.shape[-1]], 1)
        centres: Tensor = rest(features @ of_features.T + (text @ of_text.T + first.bias)[classes])
        return centres
