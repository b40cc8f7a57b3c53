"""Conv-4, the small encoder of the early few-shot papers.

Four times conv3x3-BatchNorm-ReLU-MaxPool(2), 64 channels, flattened: 1,600 features of an 84 x 84 picture.
"""

from jaxtyping import Float
from torch import Tensor, nn


class Conv4(nn.Module):
    """Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (NeurIPS 2017).

    https://arxiv.org/abs/1703.05175. Images `[B, 3, H, W]` (normalised floats, H and W at least 16) to features
    `[B, width * (H // 16) * (W // 16)]`; `width` are the channels of every layer.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in in (3, width, width, width):
            layers += [
                nn.Conv2d(c_in, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The last map, flattened channel by channel."""
        features: Tensor = self.layers(x).flatten(1)
        return features
