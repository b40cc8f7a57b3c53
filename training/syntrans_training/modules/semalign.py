"""SemFew's SemAlign: a network that turns a picture's feature and its class's text into the class's centre.

Zhang et al., "Simple Semantic-Aided Few-Shot Learning" (CVPR 2024, arXiv 2311.18649), section 3.3, as its
code has it: Linear(v + s, hidden) - LeakyReLU(0.2) - Linear(hidden, v) on cat(text, feature), trained with L1 to
the mean feature of the base class. Published hidden size: 4096.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SemAlign(nn.Module):
    """Args: text_dim, feature_dim: s and v; hidden: of its one hidden layer."""

    def __init__(self, text_dim: int, feature_dim: int, *, hidden: int = 4096) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(text_dim + feature_dim, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, feature_dim)
        )

    def forward(self, text: Float[Tensor, "*b s"], features: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Reconstructed class centres."""
        centres: Tensor = self.layers(torch.cat([text, features], dim=-1))
        return centres

    def mean_centre(self, text: Float[Tensor, "e n s"], features: Float[Tensor, "e n k d"]) -> Float[Tensor, "e n d"]:
        """The mean centre of k pictures with one text: both linear maps do once what is the same for all of them."""
        first, last = self.layers[0], self.layers[2]
        assert isinstance(first, nn.Linear)
        of_text, of_features = torch.split(first.weight, [text.shape[-1], features.shape[-1]], 1)
        hidden: Tensor = self.layers[1](features @ of_features.T + (text @ of_text.T + first.bias).unsqueeze(2))
        centre: Tensor = last(hidden.mean(2))
        return centre
