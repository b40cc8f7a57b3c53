"""SemFew's SemAlign: a network that turns a picture's feature and its class's text into the class's centre."""

import torch
from jaxtyping import Float
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

    def mean_centre(self, text: Float[Tensor, "e n s"], features: Float[Tensor, "e n k d"]) -> Float[Tensor, "e n d"]:
        """The mean centre of k pictures with one text: both linear maps do once what is the same for all of them."""
        first, last = self.layers[0], self.layers[2]
        assert isinstance(first, nn.Linear)
        of_text, of_features = torch.split(first.weight, [text.shape[-1], features.shape[-1]], 1)
        hidden: Tensor = self.layers[1](features @ of_features.T + (text @ of_text.T + first.bias).unsqueeze(2))
        centre: Tensor = last(hidden.mean(2))
        return centre
